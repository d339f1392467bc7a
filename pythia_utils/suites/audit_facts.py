"""What the revisions of a model hold, seen without downloading them.

Of each revision: the hashes of its weight files (the Hub's API tells them; ours are computed), and a
sample of its tensors: some rows of the embedding and two small tensors, by byte ranges. Revisions with
the same files are sampled once. Of ours, which lie here, every tensor is looked at for NaN and infinity.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pythia_utils.base.files import file_digest
from pythia_utils.base.progress import Bar
from pythia_utils.suites import folders
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.suites.hub import api as hub
from pythia_utils.suites.hub import hugging_face
from pythia_utils.suites.hub.remote_tensors import HubTensors, MissingWeightsError
from pythia_utils.suites.hub.weight_files import CorruptFileError, WeightFiles, weights_in
from pythia_utils.suites.tensors import LocalTensors

if TYPE_CHECKING:
    import numpy as np
    import torch

MAIN = "main"
ROWS = slice(0, 32)  # of the embedding: frequent tokens, from 2 kB of nano's to 330 kB of 12b's
EMBEDDING = "gpt_neox.embed_in.weight"
_WORKERS = 4  # revisions at a time: quick, and no burden to the Hub
_WEIGHTS = re.compile(r"(model|pytorch_model)(-\d{5}-of-\d{5})?(?P<suffix>\.safetensors|\.bin)$")
_T, _R = TypeVar("_T"), TypeVar("_R")


@dataclass(frozen=True, eq=False)
class Facts:
    """One revision.

    Attributes:
        name: of the revision, `step512` or `main`; of ours, the folder's.
        step: the checkpoint's; None for `main`.
        commit: on the Hub.
        hashes: of its weight files, by name.
        sizes: of the same, in bytes.
        missing: why it has no weights to load, or None.
        damaged: what is wrong with its files, or None.
        sample: the sampled rows of the embedding, one float32 array; None if not read.
        sample_digest: SHA-256 of all that was sampled.
    """

    name: str
    step: int | None
    commit: str | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    missing: str | None = None
    damaged: str | None = None
    sample: np.ndarray | None = field(default=None, repr=False)
    sample_digest: str | None = None

    def files(self, suffix: str) -> frozenset[tuple[str, str]]:
        """Names and hashes of the weight files of one kind, `safetensors` or `bin`."""
        return frozenset(pair for pair in self.hashes.items() if pair[0].endswith(f".{suffix}"))


@dataclass
class Cost:
    """What looking took: questions to the Hub's API, ranges read and their bytes."""

    questions: int = 0
    ranges: int = 0
    bytes: int = 0


# --- the Hub --------------------------------------------------------------------------------------


def hub_facts(
    model: Model, chosen: Sequence[Checkpoint], tensors: bool, quiet: bool = False
) -> tuple[list[Facts], Cost]:
    """The revisions of some checkpoints of a Hub suite's model, in training order, and `main`.

    Raises:
        FetchError: the Hub has no such repository, refuses, or does not answer.
    """
    reader = hub.reader()
    refs = hugging_face.ask("list_repo_refs", model.repo_id, reader.retry)
    commits = {branch.name: branch.target_commit for branch in refs.branches}
    wanted = {checkpoint.revision: checkpoint.step for checkpoint in chosen} | {MAIN: None}
    there = [name for name in wanted if name in commits]

    def look(name: str) -> tuple[hub.Revision, Facts]:
        found = hub.describe(model.repo_id, commits[name], reader)
        return found, _hub_facts(found, name, wanted[name])

    found = dict(zip(there, _each(look, there, f"{model.name}: hashes", quiet), strict=True))
    lacking = "there is no such revision"
    facts = [
        found[name][1] if name in found else Facts(name, step, missing=lacking)
        for name, step in wanted.items()
    ]
    if tensors:
        facts = _sampled(facts, lambda one: HubTensors(found[one.name][0]), model, quiet)
    return facts, Cost(1 + len(there), reader.traffic.requests, reader.traffic.bytes)


def _hub_facts(revision: hub.Revision, name: str, step: int | None) -> Facts:
    try:
        weights, damaged = revision.weights, None
    except CorruptFileError as fault:
        weights, damaged = None, str(fault)
    files = [revision.files[file] for file in _weight_files(revision.files, weights)]
    return Facts(
        name,
        step,
        revision.commit,
        {file.name: file.etag for file in files},
        {file.name: file.size for file in files},
        None if weights or damaged else "its weights are missing or not complete",
        damaged,
    )


def _weight_files(names: Iterable[str], weights: WeightFiles | None) -> list[str]:
    """Those that `load` opens, and those of the other kind: .bin beside safetensors."""
    known = {name: match["suffix"] for name in names if (match := _WEIGHTS.match(name))}
    if weights is None:
        return list(known)
    others = [name for name, suffix in known.items() if suffix != weights.suffix]
    return [*weights.files, *others]


# --- our own folders ------------------------------------------------------------------------------


def local_facts(
    model: Model, chosen: Sequence[Checkpoint], tensors: bool, quiet: bool = False
) -> tuple[list[Facts], Cost]:
    """The folders of some checkpoints of a model trained here, in training order."""

    def look(checkpoint: Checkpoint) -> Facts:
        folder = folders.checkpoint_path(checkpoint)
        names = sorted(path.name for path in folder.glob("*"))
        files = [folder / name for name in _weight_files(names, weights_in(folder))]
        return Facts(
            checkpoint.revision,
            checkpoint.step,
            None,
            {path.name: file_digest(path) for path in files},
            {path.name: path.stat().st_size for path in files},
            None if files else "it is not trained",
        )

    facts = _each(look, chosen, f"{model.name}: hashes", quiet)
    if tensors:
        root = folders.suite_folder(model.suite) / model.name
        facts = _sampled(facts, lambda one: LocalTensors(root / one.name), model, quiet)
    return facts, Cost()


# --- both -----------------------------------------------------------------------------------------


def _sampled(
    facts: Iterable[Facts],
    source: Callable[[Facts], HubTensors | LocalTensors],
    model: Model,
    quiet: bool,
) -> list[Facts]:
    """The facts with samples of those that have safetensors, each set of files read once."""
    first = {one.files("safetensors"): one for one in facts if not one.missing}
    first.pop(frozenset(), None)
    samples = _each(
        lambda one: _sample(source(one), model), first.values(), f"{model.name}: tensors", quiet
    )
    by_files = dict(zip(first, samples, strict=True))
    return [replace(one, **by_files.get(one.files("safetensors"), {})) for one in facts]


def _sample(source: HubTensors | LocalTensors, model: Model) -> dict:
    """The fields of `Facts` that a look at the tensors tells."""
    import torch

    last = model.n_layers - 1
    small = ("gpt_neox.final_layer_norm.weight", f"gpt_neox.layers.{last}.mlp.dense_4h_to_h.bias")
    try:
        places = source.places
        if lacking := [name for name in (EMBEDDING, *small) if name not in places]:
            return {"damaged": f"it has no tensor {lacking[0]}"}
        rows = source.read(EMBEDDING, ROWS)
        found = [rows, *(source.read(name) for name in small)]
        if not all(torch.isfinite(tensor).all() for tensor in (*found, *_others(source))):
            return {"damaged": "some of its weights are not finite"}
    except (CorruptFileError, MissingWeightsError) as fault:
        return {"damaged": str(fault)}
    return {"sample": rows.float().numpy().ravel(), "sample_digest": _digest(found)}


def _others(source: HubTensors | LocalTensors) -> Iterator[torch.Tensor]:
    """All tensors of a folder of ours, where reading costs nothing; of the Hub's none."""
    return map(source.read, source.places) if isinstance(source, LocalTensors) else iter(())


def _digest(tensors: Iterable[torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _each(function: Callable[[_T], _R], items: Iterable[_T], label: str, quiet: bool) -> list[_R]:
    """`function` of each item, some at a time; at the first failure the rest is given up."""
    items = list(items)
    bar = Bar(len(items), label, "revision", quiet=quiet, keep=False)
    with ThreadPoolExecutor(_WORKERS) as pool, bar:
        return list(bar.over(pool.map(function, items)))
