"""A cell: one run of one notebook, and the fingerprint of all that its result depends on.

A cell has a stable id (`pico/loss/pico-7k/step000512`) and the parameters that papermill injects.
Its result depends on the notebook and the parameters; on the package modules that it imports, the
tables of `data/` that these name and the libraries that compute; on the files that parameters name;
on the checkpoint and, where it is read, the corpus. All this is its fingerprint, and while that stays
the same nothing is run again. A chapter is a cell too: it runs once a suite, over the records of its
experiment's others. Parameters that are given for one run make a cell of their own, beside the usual
one: `pico/grammar/pico-7k/step000512@pairs_from=blimp`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pythia_utils.base.files import DIGESTS_FILE, DigestCache, file_digest, tree_digest
from pythia_utils.grid.named_files import file_digests
from pythia_utils.grid.notebooks import Code, read_code, text_digest
from pythia_utils.suites.catalog import (
    Checkpoint,
    data_dir,
    data_file,
    find_model,
    suite_names,
)
from pythia_utils.suites.devices import AUTO
from pythia_utils.suites.identity import (
    checkpoint_digest,
    corpus_digest,
    description_digest,
    suite_digest,
)

IDENTITY = ("suite", "model", "step")  # the parameters that the grid itself fills in
CORPUS = "training_data/corpus.py"  # who imports it reads a corpus
OPENING = "suites/checkpoints.py"  # who imports it opens checkpoints
TENSORS_ONLY = "tensors_only"  # a parameter with which no checkpoint is opened as a whole


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
        explicit: the parameters that set it apart from the usual cell, as `expand.explicit_text` writes
            them; empty for the usual one.
        commit: that the Hub tells for its checkpoint's revision; None for ours, or if it is not known.
        device: on which its checkpoint is opened, such as `cuda`; `auto` chooses.
        dtype: in which it is opened, such as `float32`. One that was asked for is part of the fingerprint;
            `auto`, which depends on the device, is not.
    """

    id: str
    experiment: str
    notebook: Path
    parameters: dict[str, Any] = field(hash=False)
    root: Path
    runs: Path
    inputs: tuple[Path, ...] = ()
    kind: str = "cell"
    explicit: str = ""
    commit: str | None = None
    device: str = AUTO
    dtype: str = AUTO

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
        self, memo: dict | None = None, digest: Callable[[Path], str] | None = None
    ) -> dict[str, Any]:
        """What the result depends on.

        Args:
            memo: shared by the cells of one plan, so that common files are read once.
            digest: SHA-256 of a file, from one that remembers; by default each file is read, and of
                what parameters name only what the last plan did not.

        Returns:
            `notebook`: a digest; `package`, `data`, `files`, `inputs`: digests by name; `libraries`:
            versions; `parameters`.

        Raises:
            UsageError: the notebook is missing or the checkpoint is not trained.
        """
        memo = {} if memo is None else memo
        remembered, digest = digest or _remembering(self.runs), digest or file_digest
        code: Code = _once(memo, self.notebook, lambda: read_code(self.notebook))
        return {
            "notebook": code.notebook,
            "package": code.package,
            "libraries": code.libraries,
            "data": self._data(code, memo, digest),
            "parameters": self.parameters,
            "files": self._files(memo, remembered),
            "inputs": self._inputs(code, memo, digest),
        }

    def _data(self, code: Code, memo: dict, digest: Callable[[Path], str]) -> dict[str, str]:
        """Digests of the tables that the code reads, and of what the suites' files say."""
        own = self.parameters.get("suite")
        key = ("data", self.notebook, self.checkpoint_name or own)
        return _once(memo, key, lambda: self._read_data(code, own, digest))

    def _read_data(self, code: Code, own: str | None, digest: Callable[[Path], str]) -> dict:
        shown = [path for path in self.inputs if self._kind(path) == "data"]
        paths = {data_file(name) for name in code.tables} | {*shown}
        found = {self._shown(path): tree_digest(path, digest) for path in sorted(paths)}
        if self.checkpoint:
            found[f"suites/{own}.yml"] = description_digest(self.checkpoint)
        whole = {*code.suites} if self.checkpoint else {*code.suites, own}
        found |= {f"suites/{name}.yml": suite_digest(name) for name in whole & {*suite_names()}}
        return found

    def _files(self, memo: dict, digest: Callable[[Path], str]) -> dict[str, str]:
        """Digests of the files that parameters name."""
        given = {k: v for k, v in self.parameters.items() if k not in IDENTITY}
        key = ("files", self.root, repr(given))
        return _once(memo, key, lambda: file_digests(given, self.root, digest))

    def _inputs(self, code: Code, memo: dict, digest: Callable[[Path], str]) -> dict[str, str]:
        found = {}
        if name := self.checkpoint_name:
            found["checkpoint"] = _once(
                memo, name, lambda: checkpoint_digest(self.checkpoint, digest, self.commit)
            )
        if self.dtype != AUTO and OPENING in code.package:
            found["dtype"] = self.dtype
        lines: dict[str, list[str]] = {}
        for path in self.inputs:
            if (kind := self._kind(path)) != "data":
                lines.setdefault(kind, []).append(f"{self._shown(path)} {digest(path)}")
        found |= {kind: text_digest("\n".join(each)) for kind, each in lines.items()}
        if CORPUS in code.package and (suite := self.parameters.get("suite")):
            corpus = _once(memo, ("corpus", suite), lambda: corpus_digest(suite))
            found |= {"corpus": corpus} if corpus else {}
        return found

    def _kind(self, path: Path) -> str:
        if path.is_relative_to(self.runs):
            return "records"
        return "data" if path.is_relative_to(data_dir()) else "checkpoints"

    def _shown(self, path: Path) -> str:
        """An input's name, the same on every machine: below its folder, or model, step and file."""
        for folder in (self.runs, data_dir()):
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
        return "/".join(path.parts[-3:])

    def fingerprint(self, parts: dict | None = None) -> str:
        """SHA-256 over `parts()`: two equal fingerprints mean that the result would be the same."""
        return text_digest(
            json.dumps(self.parts() if parts is None else parts, sort_keys=True, default=str)
        )


def _once(memo: dict, key: Any, make: Callable[[], Any]) -> Any:
    if key not in memo:
        memo[key] = make()
    return memo[key]


def _remembering(runs: Path) -> Callable[[Path], str]:
    """SHA-256 of a file as the last plan has kept it, for what may be too large to be read each time."""
    cache = functools.cache(lambda: DigestCache(runs / DIGESTS_FILE))
    return lambda path: cache().digest(path)


@functools.cache
def _checkpoint(suite: str, model: str, step: int) -> Checkpoint:
    return find_model(model, suite).checkpoint(step)
