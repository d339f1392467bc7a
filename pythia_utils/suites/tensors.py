"""Single tensors of a checkpoint, without downloading the rest of it.

    reader = hub.reader()
    for step in (0, 1000, 143000):
        name = "gpt_neox.embed_in.weight"
        found = read_tensors("pythia-12b", step, [name], rows=slice(0, 100), reader=reader)
    reader.traffic.bytes                    # 3 MB, where the checkpoints have 71 GB

A checkpoint on the Hub is read by HTTP ranges, all of it from one commit. A checkpoint of ours is
read from its folder by the same call, and so is one that the Hub's cache has as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.http import RangeReader
from pythia_utils.suites import checkpoints
from pythia_utils.suites.catalog import Checkpoint, find_model
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.hugging_face import is_offline
from pythia_utils.suites.hub.remote_tensors import (
    HubTensors,
    MissingWeightsError,
    chosen_rows,
    need_safetensors,
)
from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in

if TYPE_CHECKING:
    import torch
    from safetensors import safe_open


@dataclass
class LocalTensors:
    """A folder with `model.safetensors`, or with an index of it and the files that the index names."""

    folder: Path

    @cached_property
    def places(self) -> dict[str, str]:
        """The file that holds each tensor, by the tensor's name.

        Raises:
            MissingWeightsError: the folder has no safetensors file.
            CorruptFileError: it has one that is damaged.
        """
        weights = need_safetensors(weights_in(self.folder), self.folder)
        if weights.places:
            return weights.places
        with self._opened(weights.files[0]) as file:
            return dict.fromkeys(file.keys(), weights.files[0])

    @contextmanager
    def _opened(self, name: str) -> Iterator[safe_open]:
        from safetensors import SafetensorError, safe_open

        path = self.folder / name
        try:
            with safe_open(path, "pt") as file:
                yield file
        except FileNotFoundError:
            raise UsageError(f"{path} is missing") from None
        except SafetensorError as error:
            raise CorruptFileError(f"{path} is damaged: {error}") from None

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; the tensor is not read."""
        with self._opened(self.places[name]) as file:
            return tuple(file.get_slice(name).get_shape())

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        with self._opened(self.places[name]) as file:
            if rows is None:
                return file.get_tensor(name)
            part = file.get_slice(name)
            chosen = chosen_rows(part.get_shape(), rows)
            return part[chosen.start : chosen.stop]


@dataclass
class LoadedTensors:
    """All tensors of a folder whose files are not read one by one: `pytorch_model.bin`, or shards of one."""

    folder: Path

    @cached_property
    def _tensors(self) -> dict[str, torch.Tensor]:
        from pythia_utils.suites import weights

        found = weights.read(self.folder)
        return {name.replace("lm_head.", "embed_out."): found[name] for name in found}

    @property
    def places(self) -> dict[str, str]:
        """The folder that holds each tensor, by the tensor's name.

        Raises:
            WeightsError: files that cannot be read.
        """
        return dict.fromkeys(self._tensors, self.folder.name)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        tensor = self._tensors[name]
        if rows is None:
            return tensor
        chosen = chosen_rows(tensor.shape, rows)
        return tensor[chosen.start : chosen.stop]


Tensors = HubTensors | LocalTensors | LoadedTensors


def _in_folder(folder: Path) -> LocalTensors | LoadedTensors:
    found = weights_in(folder)
    return LoadedTensors(folder) if found and found.suffix == ".bin" else LocalTensors(folder)


def open_tensors(
    model: str, step: int, suite: str | None = None, reader: RangeReader | None = None
) -> Tensors:
    """A checkpoint of any suite, of which no tensor has been read yet.

    What the Hub's cache has as a whole is read from there, and the Hub is not asked. Else one request to
    its API tells the files and the commit; the reader does not count it. Arguments as for `read_tensors`.

    Raises:
        UsageError: unknown model, suite or step; one of ours that is not trained.
        FetchError: the Hub has no such repository or revision, or does not answer; with
            `HF_HUB_OFFLINE`, the cache does not have the checkpoint whole.
    """
    checkpoint = find_model(model, suite).checkpoint(step)
    repo_id = checkpoint.model.repo_id
    if repo_id is None or is_offline() or is_cached(checkpoint):
        return _in_folder(checkpoints.checkpoint_folder(checkpoint))
    return HubTensors(api.describe(repo_id, checkpoint.revision, reader))


def is_cached(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint of the Hub is in its cache as a whole; ours never is."""
    repo_id = checkpoint.model.repo_id
    return repo_id is not None and checkpoints.hub_cache().holds(repo_id, checkpoint.revision)


def fetch_tensors(checkpoint: Checkpoint) -> Tensors:
    """The same of a checkpoint that is fetched as a whole if it must be: one without safetensors.

    Raises:
        UsageError, FetchError: as `open_tensors`.
    """
    source = open_tensors(checkpoint.model.name, checkpoint.step, checkpoint.model.suite)
    try:
        source.places  # noqa: B018
    except MissingWeightsError:
        return _in_folder(checkpoints.checkpoint_folder(checkpoint))
    return source


def read_tensors(
    model: str,
    step: int,
    names: Iterable[str],
    rows: slice | None = None,
    suite: str | None = None,
    reader: RangeReader | None = None,
) -> dict[str, torch.Tensor]:
    """Read some tensors of a checkpoint, and on the Hub nothing but their bytes.

    Args:
        model: a name such as `pico-57k` or `pythia-70m-deduped`; old names are understood.
        step: the training step, one of the model's checkpoints.
        names: of the tensors. `gpt_neox.embed_in.weight` is the input embedding, (vocabulary,
            width), `embed_out.weight` the unembedding.
        rows: only these rows, consecutive ones, of tensors that are matrices.
        suite: the suite's name; inferred from the model's name if None.
        reader: for the Hub; one reader for many checkpoints keeps its connections and its counts.

    Returns:
        The tensors by name, in the order asked for, on the CPU, in the dtype that they are stored in.

    Raises:
        UsageError: unknown model, suite, step or tensor; one of ours that is not trained. Its kind
            `MissingWeightsError`: there is no safetensors file.
        FetchError: the Hub does not deliver.
        CorruptFileError: a file that is not what its format demands.
    """
    source = open_tensors(model, step, suite, reader)
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in source.places:
            raise unknown("tensor", name, sorted(source.places), f"of {model} step {step}")
    return {name: source.read(name, rows) for name in wanted}
