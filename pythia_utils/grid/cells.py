"""A cell: one run of one notebook, and the fingerprint of all that its result depends on.

A cell has a stable id (`pico/loss/pico-7k/step000512`) and the parameters that papermill injects.
Its result depends on the notebook, the parameters, the package modules that the notebook imports
and the checkpoint: these four are its fingerprint, and while it stays the same nothing is run
again. A chapter is a cell too: it runs once a suite, over the records of its experiment's others.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pythia_utils.base.files import file_digest
from pythia_utils.grid.notebooks import code_digests, text_digest
from pythia_utils.suites.catalog import Checkpoint, find_model
from pythia_utils.suites.checkpoints import checkpoint_digest

IDENTITY = ("suite", "model", "step")  # the parameters that the grid itself fills in


@dataclass(frozen=True)
class Cell:
    """One run of one notebook.

    Attributes:
        id: `pico/loss/pico-7k/step000512`; a chapter's is `pico/loss/chapter`.
        experiment: name of the experiment.
        notebook: the parameterised notebook, absolute.
        parameters: what papermill injects.
        root: the project's folder, in which kernels run.
        runs: the folder of runs, absolute.
        inputs: files it reads, beyond its checkpoint: a chapter's records, a page's checkpoints.
        kind: `cell` or `chapter`.
    """

    id: str
    experiment: str
    notebook: Path
    parameters: dict[str, Any] = field(hash=False)
    root: Path
    runs: Path
    inputs: tuple[Path, ...] = ()
    kind: str = "cell"

    @property
    def output(self) -> Path:
        """The executed notebook."""
        return self.runs / f"{self.id}.ipynb"

    @property
    def records(self) -> Path:
        """The notebook's records, if it makes any."""
        return self.runs / f"{self.id}.parquet"

    @property
    def failed(self) -> Path:
        """Where the notebook is kept instead when it fails."""
        return self.runs / f"{self.id}.failed.ipynb"

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that it measures; None for a chapter."""
        if self.kind == "chapter":
            return None
        return _checkpoint(*self.checkpoint_name)

    @property
    def checkpoint_name(self) -> tuple[str, str, int] | None:
        """Suite, model and step of the checkpoint: a quick key for it."""
        if self.kind == "chapter":
            return None
        return tuple(self.parameters[name] for name in IDENTITY)

    def parts(
        self, memo: dict | None = None, digest: Callable[[Path], str] = file_digest
    ) -> dict[str, dict]:
        """What the result depends on: `notebook`, `package` and `inputs` as digests, `parameters`.

        Args:
            memo: shared by the cells of one plan, so that common files are read once.
            digest: SHA-256 of a file, from one that remembers, say.

        Raises:
            UsageError: the notebook is missing or the checkpoint is not trained.
        """
        memo = {} if memo is None else memo
        if self.notebook not in memo:
            memo[self.notebook] = code_digests(self.notebook)
        inputs = self._input_digests(memo, digest)
        return {**memo[self.notebook], "parameters": self.parameters, "inputs": inputs}

    def _input_digests(self, memo: dict, digest: Callable[[Path], str]) -> dict[str, str]:
        if name := self.checkpoint_name:
            if name not in memo:
                memo[name] = checkpoint_digest(self.checkpoint, digest)
            return {"checkpoint": memo[name]}
        lines = [f"{self._shown(path)} {digest(path)}" for path in self.inputs]
        return {"records": text_digest("\n".join(lines))}

    def _shown(self, path: Path) -> str:
        """An input's name, the same on every machine: below the runs, or model, step and file."""
        inside = path.is_relative_to(self.runs)
        return str(path.relative_to(self.runs)) if inside else "/".join(path.parts[-3:])

    def fingerprint(self, parts: dict | None = None) -> str:
        """SHA-256 over `parts()`: two equal fingerprints mean that the result would be the same."""
        return text_digest(
            json.dumps(self.parts() if parts is None else parts, sort_keys=True, default=str)
        )


@functools.cache
def _checkpoint(suite: str, model: str, step: int) -> Checkpoint:
    return find_model(model, suite).checkpoint(step)
