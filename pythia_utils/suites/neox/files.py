"""GPT-NeoX's files of one checkpoint: `global_stepN/layer_XX-model_YY-model_states.pt`, XX layers by YY parts.

Written by DeepSpeed's `PipelineModule`, which holds on to the names. Beside them `mp_rank_YY_model_states.pt`
tell the state of the training; they hold objects of Python and are not read. Nothing that a file holds is run:
`torch.load` takes tensors and plain containers alone.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_utils.base import yaml
from pythia_utils.base.errors import UsageError, first_line, one_line, unknown
from pythia_utils.suites.neox.architecture import Architecture, with_underscores
from pythia_utils.suites.neox.layers import FREQUENCIES, Layer

if TYPE_CHECKING:
    import torch

Named = Mapping[str, "torch.Tensor"]
_FILE = re.compile(r"layer_(\d{2,3})-model_(\d{2,3})-model_states\.pt")
_CLOSE = 1e-2  # frequencies are stored in 16 bits, too


def layer_file(layer: int, part: int) -> str:
    """The name of a file.

    >>> layer_file(2, 0)
    'layer_02-model_00-model_states.pt'
    """
    return f"layer_{layer:02d}-model_{part:02d}-model_states.pt"


def files_in(folder: Path) -> dict[tuple[int, int], Path]:
    """The files of a checkpoint by layer and part; empty if it is no folder with such files."""
    found = {path: _FILE.fullmatch(path.name) for path in folder.glob("layer_*.pt")}
    return {(int(match[1]), int(match[2])): path for path, match in found.items() if match}


def what_instead(folder: Path) -> str | None:
    """What else of GPT-NeoX a folder without such files is, in a sentence; None if it is nothing of it."""
    if steps := sorted(path.name for path in folder.glob("global_step*") if files_in(path)):
        return f"{folder} holds several checkpoints; choose one, such as {folder / steps[-1]}"
    if any(folder.glob("mp_rank_*_model_states.pt")):
        return (
            f"{folder} has no layer files: GPT-NeoX wrote all in one (pipe-parallel-size 0); expected "
            f"{layer_file(0, 0)} and so on, as pipe-parallel-size 1 writes them"
        )
    return None


# --- settings -------------------------------------------------------------------------------------


def read_settings(paths: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """What GPT-NeoX's files of settings say together, by names with `_`; and how to call them.

    Raises:
        UsageError: one cannot be read, or two say the same.
    """
    found: dict[str, Any] = {}
    for path in paths:
        settings = yaml.read(path)
        if not isinstance(settings, dict):
            raise UsageError(f"{path}: expected GPT-NeoX's settings, such as `num-layers: 12`")
        own = with_underscores(settings, str(path))
        if twice := sorted(own.keys() & found.keys()):
            raise UsageError(f"{path}: {twice[0]} is set in another file as well; give one of them")
        found |= own
    return found, " and ".join(map(str, paths))


def settings_in(folder: Path) -> list[Path]:
    """The files of settings that GPT-NeoX kept with a checkpoint, in `configs/`."""
    return sorted(path for path in folder.glob("configs/*") if path.suffix in (".yml", ".yaml"))


# --- reading --------------------------------------------------------------------------------------


def parts_of(found: Mapping[tuple[int, int], Path], wanted: Sequence[Layer], folder: Path) -> int:
    """How many parts a checkpoint has, every layer in each of them.

    Raises:
        UsageError: a file is missing, or belongs to a layer that the model has not.
    """
    numbers = {layer.number for layer in wanted}
    parts = 1 + max(part for _, part in found)
    for number in sorted(numbers):
        for part in range(parts):
            if (number, part) not in found:
                raise UsageError(f"{folder / layer_file(number, part)} is missing")
    if more := sorted({number for number, _ in found} - numbers):
        path = found[min(key for key in found if key[0] == more[0])]
        raise UsageError(f"{path} is of a layer that the model of the settings does not have")
    return parts


def vocabulary(found: Mapping[tuple[int, int], Path]) -> int:
    """Rows of the input embedding, over all parts; 0 if no file tells."""
    sizes = [
        read_layer(path).get("word_embeddings.weight") for (n, _), path in found.items() if n == 0
    ]
    return sum(len(size) for size in sizes if size is not None and size.dim() == 2)


def read_layer(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one file, mapped from it where its format allows that, on the CPU.

    Raises:
        UsageError: it is damaged, or no such file, or holds what only code could build: that is refused.
    """
    import pickle

    import torch

    try:
        mapped = zipfile.is_zipfile(path)  # what torch before 1.6 wrote is none, and is read
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as failure:
        reason = one_line(str(failure).rpartition("WeightsUnpickler error: ")[2], 160)
        raise UsageError(
            f"{path} holds more than tensors, and no code of a file is run: {reason}"
        ) from None
    except Exception as failure:  # of zip, of torch, of the disk: each has its own
        raise UsageError(f"{path} is no file of a layer: {first_line(failure)[:160]}") from None
    named = isinstance(held, dict) and held and all(isinstance(name, str) for name in held)
    if not named or not all(map(torch.is_tensor, held.values())):
        raise UsageError(f"{path} is no file of a layer: expected tensors by name")
    return held


def read_parts(
    found: Mapping[tuple[int, int], Path], layer: Layer, parts: int, model: Architecture
) -> list[Named]:
    """The tensors of a layer in each part, checked against the model, by GPT-NeoX's names.

    Raises:
        UsageError: a file that cannot be read, or whose tensors have other names, shapes or dtypes.
    """
    held: list[Named] = []
    for part in range(parts):
        path = found[layer.number, part]
        tensors = read_layer(path)
        frequencies = tensors.pop(FREQUENCIES, None) if layer.rotates else None
        check_tensors(path, {t.name: t.part_shape(parts) for t in layer.tensors}, tensors)
        if frequencies is not None:
            _check_frequencies(path, frequencies, model)
        for name, tensor in tensors.items():
            if held and tensor.dtype != held[0][name].dtype:
                told = f"{tensor.dtype}, of {found[layer.number, 0].name} {held[0][name].dtype}"
                raise UsageError(f"{path}: {name} is {told}; are they of one checkpoint?")
        held.append(tensors)
    return held


def check_tensors(where: object, wanted: Mapping[str, tuple[int, ...]], tensors: Named) -> None:
    """Raise UsageError unless tensors have these very names and shapes, and hold floating-point numbers."""
    if lacking := sorted(wanted.keys() - tensors.keys()):
        raise UsageError(f"{where} lacks {lacking[0]}; is it of this model?")
    if more := sorted(tensors.keys() - wanted.keys()):
        raise unknown("tensor", more[0], sorted(wanted), f"in {where}")
    for name, shape in wanted.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape:
            told = f"{tuple(tensor.shape)}; of this model and so many parts expected {shape}"
            raise UsageError(f"{where}: {name} has the shape {told}")
        if not tensor.is_floating_point():
            raise UsageError(
                f"{where}: {name} holds {tensor.dtype}; expected floating-point numbers"
            )


def _check_frequencies(path: Path, found: torch.Tensor, model: Architecture) -> None:
    """They follow from the settings, and tell whether those are the model's."""
    import torch

    expected = model.rotary_frequencies()
    near = found.shape == expected.shape and torch.allclose(found.float(), expected, rtol=_CLOSE)
    if not near:
        told = f"rotary_pct {model.rotary_pct} and rotary_emb_base {model.rotary_emb_base}"
        raise UsageError(
            f"{path}: {FREQUENCIES} is not that of {told}; are the settings the model's?"
        )


# --- writing --------------------------------------------------------------------------------------


def write_parts(folder: Path, layer: Layer, tensors: Sequence[Named], model: Architecture) -> None:
    """Write one layer's file of each part, the frequencies of its rotation with it where it rotates.

    GPT-NeoX asks for these; v1.0 turns them into the dtype of the weights with all the rest.
    """
    import torch

    for part, named in enumerate(tensors):
        held = dict(named)
        if layer.rotates:
            dtype = next(iter(named.values())).dtype
            held[FREQUENCIES] = model.rotary_frequencies().to(dtype)
        torch.save(held, folder / layer_file(layer.number, part))


def write_states(folder: Path, parts: int, step: int) -> None:
    """What DeepSpeed opens before the layers: a state of a training that has no optimiser.

    The keys are those of GPT-NeoX's own converters (`tools/ckpts/convert_raw_llama_weights_to_neox.py`).
    """
    import torch

    state = {"dp_world_size": 1, "mp_world_size": parts, "module": {}, "optimizer": {}}
    state |= {"global_steps": step, "skipped_steps": 0, "iteration": step}
    for part in range(parts):
        torch.save(state, folder / f"mp_rank_{part:02d}_model_states.pt")


def write_settings(folder: Path, model: Architecture, parts: int) -> None:
    """The model's settings in the file that GPT-NeoX would keep with a checkpoint."""
    from yaml import safe_dump  # not JSON: GPT-NeoX's reader takes its 1e-05 for a text

    settings = {name.replace("_", "-"): value for name, value in model.to_neox(parts).items()}
    (folder / "configs").mkdir()
    path = folder / "configs" / "architecture.yml"
    path.write_text(safe_dump(settings, sort_keys=False), encoding="utf-8")
