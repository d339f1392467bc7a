"""A checkpoint of GPT-NeoX as `from_pretrained` reads it, and one of these as GPT-NeoX reads it.

Weights are copied bit by bit, a layer in memory at a time. Everything is checked before the first byte is
written, and what is written is put in place when it is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_folder, free_space
from pythia_utils.base.units import show_size
from pythia_utils.suites import checkpoints, weights
from pythia_utils.suites.neox import files
from pythia_utils.suites.neox.architecture import Architecture
from pythia_utils.suites.neox.layers import Cut, Layer, agree, check_parts, layers, merge, split
from pythia_utils.suites.neox.pretrained import DTYPES, SHARD, Planned, write_weights

if TYPE_CHECKING:
    import torch

Told = Callable[[float], object]  # so many bytes more are written


@dataclass(frozen=True)
class NeoxCheckpoint:
    """A checkpoint of GPT-NeoX, all of whose files have been looked at.

    Attributes:
        folder: `global_stepN`.
        model: what its settings say.
        files: by layer and part.
        layers: those that have weights.
        parts: of model parallelism.
        planned: its tensors as `from_pretrained` names them, whole, in the order of the layers.
        averaged: names of those that should be the same in all parts and are not.
    """

    folder: Path
    model: Architecture
    files: dict[tuple[int, int], Path]
    layers: list[Layer]
    parts: int
    planned: list[Planned]
    averaged: list[str]

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(tensor.size for tensor in self.planned)

    @property
    def dtype(self) -> str:
        """That of most of the weights."""
        counts: Counter[str] = Counter()
        for tensor in self.planned:
            counts[tensor.dtype] += tensor.size
        return counts.most_common(1)[0][0]

    def tensors(self) -> Iterator[torch.Tensor]:
        """The whole tensors, as planned; a layer's parts are let go before the next one's are opened."""
        for layer in self.layers:
            yield from self._whole(layer)

    def _whole(self, layer: Layer) -> Iterator[torch.Tensor]:
        held = files.read_parts(self.files, layer, self.parts, self.model)
        for tensor in layer.tensors:
            yield merge(tensor, [part[tensor.name] for part in held], average=True)


def is_neox(folder: Path) -> bool:
    """Whether a folder has GPT-NeoX's files of a checkpoint."""
    return bool(files.files_in(folder))


def open_neox(folder: Path, settings: Sequence[Path] = (), average: bool = False) -> NeoxCheckpoint:
    """Look at a checkpoint of GPT-NeoX: its settings, and names, shapes and dtypes of all its tensors.

    Args:
        folder: `global_stepN`, with a file for each layer and part.
        settings: the YAML files that the model was trained with; by default those kept in its `configs/`.
        average: where parts that should be the same are not, let their mean be taken.

    Raises:
        UsageError: no such checkpoint, or one that does not hold together; settings that are missing, of
            another model, or of one that transformers does not have; parts that should be the same are not.
    """
    found = files.files_in(folder)
    paths = list(settings) or files.settings_in(folder)
    if not paths:
        raise UsageError(f"{folder} has no configs/; expected --config, the YAML of the training")
    said, where = files.read_settings(paths)
    model = Architecture.from_neox(said, files.vocabulary(found), where)
    wanted = layers(model)
    parts = files.parts_of(found, wanted, folder)
    if (planned_parts := said.get("model_parallel_size", parts)) != parts:
        raise UsageError(
            f"{folder} is in {parts} parts; model_parallel_size is {planned_parts} in {where}"
        )
    check_parts(model, parts)
    planned, averaged = [], []
    for layer in wanted:
        held = files.read_parts(found, layer, parts, model)
        planned += _planned(layer, held[0], folder)
        averaged += _averaged(layer, held, average, folder)
    return NeoxCheckpoint(folder, model, found, wanted, parts, planned, averaged)


def _planned(layer: Layer, first: files.Named, folder: Path) -> Iterator[Planned]:
    for tensor in layer.tensors:
        dtype = str(first[tensor.name].dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            told = f"{tensor.name} is {dtype}; expected one of {', '.join(DTYPES)}"
            raise UsageError(f"{folder} layer {layer.number}: {told}")
        yield Planned(tensor.pretrained, tensor.shape, dtype)


def _averaged(
    layer: Layer, held: Sequence[files.Named], average: bool, folder: Path
) -> Iterator[str]:
    """The names of tensors of which a mean is to be taken; without `average`, an error."""
    for tensor in layer.tensors:
        parts = [part[tensor.name] for part in held]
        if tensor.cut is not Cut.WHOLE or agree(parts):
            continue
        try:
            merge(tensor, parts, average)
        except UsageError as failure:
            raise UsageError(f"{folder} layer {layer.number}: {failure}") from None
        yield tensor.pretrained


def to_hugging_face(
    source: NeoxCheckpoint,
    target: Path,
    tokenizer: Path | None = None,
    told: Told = lambda _: None,
    shard: int = SHARD,
) -> None:
    """Write a checkpoint of GPT-NeoX in the layout of `from_pretrained`, its parts put together.

    Args:
        source: the checkpoint, as `open_neox` found it.
        target: a folder that is not there yet, or is empty.
        tokenizer: a `tokenizer.json` to put beside the weights.
        told: called with the bytes of each tensor, once it is written.
        shard: bytes from which on there are several files of weights.

    Raises:
        UsageError: there is something in the place of the folder, no room on the disk, or no such tokenizer.
    """
    _check_target(target, source.size)
    if tokenizer is not None and not tokenizer.is_file():
        raise UsageError(f"there is no file {tokenizer}")
    with atomic_folder(target) as folder:
        config = source.model.to_hugging_face(source.dtype)
        if tokenizer is not None:
            end = _put_tokenizer(tokenizer, folder, source.model.vocab_size)
            config |= {"bos_token_id": end, "eos_token_id": end}
        text = json.dumps(config, indent=2) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")
        write_weights(folder, source.planned, source.tensors(), told, shard)


def _put_tokenizer(file: Path, folder: Path, vocab_size: int) -> int:
    """Copy a tokenizer, with what transformers wants to know of it; the token that ends a text."""
    shutil.copyfile(file, folder / "tokenizer.json")
    try:
        tokenizer = checkpoints.read_tokenizer(folder)
    except UsageError as failure:
        raise UsageError(str(failure).replace(str(folder / "tokenizer.json"), str(file))) from None
    if len(tokenizer) > vocab_size:
        told = f"{len(tokenizer):,} tokens, and the model's vocabulary {vocab_size:,}"
        raise UsageError(f"{file} has {told}; is it the tokenizer of this model?")
    own = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": tokenizer.eos_token}
    own |= {"bos_token": tokenizer.eos_token, "unk_token": tokenizer.eos_token}
    (folder / "tokenizer_config.json").write_text(json.dumps(own, indent=2), encoding="utf-8")
    return tokenizer.eos_token_id


# --- back -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PretrainedCheckpoint:
    """A checkpoint in the layout of `from_pretrained`, all of whose tensors have been looked at.

    Attributes:
        folder: with `config.json` and the weights.
        model: what its configuration says.
        state: its tensors, by the names of the Hub's files, mapped from the files.
    """

    folder: Path
    model: Architecture
    state: dict[str, torch.Tensor]

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(tensor.nbytes for tensor in self.state.values())


def open_pretrained(folder: Path) -> PretrainedCheckpoint:
    """Look at a checkpoint of transformers' GPT-NeoX: its configuration, names and shapes of its tensors.

    Raises:
        UsageError: it is of another class, or not what its configuration says, or of a kind that GPT-NeoX
            has no settings for.
        WeightsError: files that cannot be read.
    """
    config = weights.parse_config(folder)
    model = Architecture.from_hugging_face(config, str(folder / "config.json"))
    state = {re.sub("^lm_head", "embed_out", n): t for n, t in weights.read(folder).items()}
    if not model.no_weight_tying:
        state.pop("embed_out.weight", None)  # the input embedding once more
    wanted = {t.pretrained: t.shape for layer in layers(model) for t in layer.tensors}
    files.check_tensors(folder, wanted, state)
    return PretrainedCheckpoint(folder, model, state)


def to_neox(
    source: PretrainedCheckpoint, target: Path, parts: int = 1, told: Told = lambda _: None
) -> None:
    """Write a checkpoint of transformers' layout as GPT-NeoX reads it, cut into parts for as many GPUs.

    Weights and the settings of the model alone: a training goes on from them with a new optimiser.

    Args:
        source: the checkpoint, as `open_pretrained` found it.
        target: a folder `global_stepN` that is not there yet, or is empty; N is the step.
        parts: of model parallelism.
        told: called with the bytes of each tensor, once it is written.

    Raises:
        UsageError: another name of the folder, or something in its place; no room on the disk; a model that
            cannot be cut into so many parts.
    """
    if not (match := re.fullmatch(r"global_step(\d{1,12})", target.name)):
        raise UsageError(
            f"{target}: GPT-NeoX opens folders named by their step; expected such as "
            f"{target.parent / 'global_step0'}"
        )
    check_parts(source.model, parts)
    _check_target(target, source.size)
    with atomic_folder(target) as folder:
        for layer in layers(source.model):
            _write_layer(folder, layer, source, parts)
            told(sum(source.state[t.pretrained].nbytes for t in layer.tensors))
        files.write_states(folder, parts, int(match[1]))
        files.write_settings(folder, source.model, parts)


def _write_layer(folder: Path, layer: Layer, source: PretrainedCheckpoint, parts: int) -> None:
    held: list[dict[str, torch.Tensor]] = [{} for _ in range(parts)]
    for tensor in layer.tensors:
        pieces = split(tensor, source.state[tensor.pretrained], parts)
        for part, piece in zip(held, pieces, strict=True):
            part[tensor.name] = piece
    files.write_parts(folder, layer, held, source.model)


def _check_target(target: Path, size: int) -> None:
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is there already; expected the name of a new folder")
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty; expected the name of a new folder")
    if (free := free_space(target.parent)) < size:
        raise UsageError(f"{target}: {show_size(size)} to write, and {show_size(free)} are free")
