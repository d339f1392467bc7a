"""Weights in the layout of `from_pretrained`, written a tensor at a time: safetensors files and their index.

safetensors' own writer wants all tensors of a file in memory at once; the format does not. A file is the
length of a header, the header (JSON: dtype, shape and place of each tensor), and the tensors' bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pythia_utils.base.errors import naming

if TYPE_CHECKING:
    import torch

SHARD = 5 * 10**9  # bytes; larger weights are cut up, as transformers long did
DTYPES = {"float16": ("F16", 2), "bfloat16": ("BF16", 2), "float32": ("F32", 4)}  # code, bytes


class Planned(NamedTuple):
    """A tensor that is to come. `dtype` is one of `DTYPES`."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype][1]


def write_weights(
    folder: Path,
    planned: Sequence[Planned],
    tensors: Iterable[torch.Tensor],
    told: Callable[[float], object],
    shard: int = SHARD,
) -> None:
    """Write tensors as they come, in the order planned, each let go before the next is asked for.

    Args:
        folder: an empty one, which the caller puts in place when all is written.
        planned: at least one.
        tensors: on the CPU, of the shapes and dtypes planned.
        told: called with the bytes of each tensor, once it is written.
        shard: bytes from which on there are several files and an index; a tensor is never cut.
    """
    files = _cut(planned, shard)
    names = [f"model-{n:05d}-of-{len(files):05d}.safetensors" for n in range(1, len(files) + 1)]
    names = ["model.safetensors"] if len(files) == 1 else names
    coming = iter(tensors)
    for name, held in zip(names, files, strict=True):
        with naming(folder / name), open(folder / name, "wb") as file:
            file.write(_header(held))
            for _ in held:
                size = file.write(_bytes(next(coming)))
                told(size)
    if len(files) > 1:
        places = {t.name: name for name, held in zip(names, files, strict=True) for t in held}
        index = {"metadata": {"total_size": sum(t.size for t in planned)}, "weight_map": places}
        text = json.dumps(index, indent=2) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _cut(planned: Sequence[Planned], shard: int) -> list[list[Planned]]:
    files: list[list[Planned]] = [[]]
    for tensor in planned:
        if files[-1] and sum(t.size for t in files[-1]) + tensor.size > shard:
            files.append([])
        files[-1].append(tensor)
    return files


def _header(held: Sequence[Planned]) -> bytes:
    """Padded with blanks, so that the tensors begin at a multiple of 8."""
    about: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    for tensor, place in zip(held, pairwise(_ends(held)), strict=True):
        code = DTYPES[tensor.dtype][0]
        about[tensor.name] = {"dtype": code, "shape": tensor.shape, "data_offsets": place}
    text = json.dumps(about, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _ends(held: Sequence[Planned]) -> Iterator[int]:
    end = 0
    yield end
    for tensor in held:
        end += tensor.size
        yield end


def _bytes(tensor: torch.Tensor) -> memoryview:
    """A tensor's memory, which is copied only where its numbers do not stand one after another."""
    import torch

    return tensor.contiguous().flatten().view(torch.uint8).numpy().data
