"""The header of a safetensors file: which tensor is where, checked before a byte of it is believed.

A file is eight bytes with the length of the header, the header (JSON: name, dtype, shape and place
of each tensor) and the tensors' bytes, end to end. Nothing here reads a file or the network.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import UsageError

if TYPE_CHECKING:
    import torch

PREFIX = 8  # bytes before the header, which hold its length
HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit
INDEX_LIMIT = 20_000_000  # bytes of model.safetensors.index.json
# The format's name of each dtype that we read, PyTorch's, and the bytes of one number.
DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$")


class CorruptFileError(OSError):
    """A file that is not what its format demands. Nothing of it is used."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file.

    Attributes:
        dtype: the format's name of it, a key of `DTYPES`.
        shape: of the tensor.
        start: its first byte, counted from the beginning of the file.
        stop: the byte after its last.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    def part(self, rows: slice | None) -> Entry:
        """Some rows of a matrix, which lie side by side; the whole tensor for None.

        Raises:
            UsageError: see `chosen_rows`.
        """
        if rows is None:
            return self
        chosen = chosen_rows(self.shape, rows)
        width = self.shape[1] * DTYPES[self.dtype][1]
        start = self.start + chosen.start * width
        return Entry(self.dtype, (len(chosen), self.shape[1]), start, start + len(chosen) * width)

    def tensor(self, data: bytes) -> torch.Tensor:
        """The tensor whose bytes are `data`, with memory of its own."""
        import torch

        dtype = getattr(torch, DTYPES[self.dtype][0])
        if not data:
            return torch.empty(self.shape, dtype=dtype)
        return torch.frombuffer(bytearray(data), dtype=dtype).reshape(self.shape)


def chosen_rows(shape: Sequence[int], rows: slice) -> range:
    """The numbers of the rows that a slice takes of a matrix, by Python's rules.

    Raises:
        UsageError: the tensor is no matrix, or the rows do not follow one another.
    """
    if len(shape) != 2:
        raise UsageError(f"rows are of a matrix; this tensor's shape is {list(shape)}")
    if rows.step not in (None, 1):
        raise UsageError(f"rows must follow one another; expected a step of 1, not {rows.step}")
    start, stop, _ = rows.indices(shape[0])
    return range(start, max(start, stop))


def header_length(prefix: bytes, file_size: int, where: str) -> int:
    """Bytes of the header, from the first eight of a file of `file_size` bytes.

    Raises:
        CorruptFileError: no header can have this length here.
    """
    length = int.from_bytes(prefix, "little")
    if not 2 <= length <= min(HEADER_LIMIT, file_size - PREFIX):
        raise CorruptFileError(
            f"{where} is no safetensors file, or is cut short: it says that its header has {length} "
            f"bytes; expected 2 to {min(HEADER_LIMIT, file_size - PREFIX)} in a file of {file_size}"
        )
    return length


def parse_header(header: bytes, file_size: int, where: str) -> dict[str, Entry]:
    """The tensors of a file by name.

    Args:
        header: the JSON text, without the eight bytes before it.
        file_size: of the whole file: the tensors must fill it exactly, without overlap or gap.
        where: the file, for messages.

    Raises:
        CorruptFileError: anything in it that the format does not allow, or a dtype not in `DTYPES`.
    """
    source = _json_object(header, where)
    source.pop("__metadata__", None)
    first = PREFIX + len(header)
    entries = {name: _entry(where, name, value, first) for name, value in source.items()}
    end = first
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != end:
            kind = "overlaps another tensor" if entry.start < end else "follows a gap"
            raise CorruptFileError(f"{where}: {name} {kind} at byte {min(entry.start, end)}")
        end = entry.stop
    if end != file_size:
        raise CorruptFileError(f"{where} has {file_size} bytes, and its header tells of {end}")
    return entries


def _json_object(text: bytes, where: str) -> dict[str, Any]:
    """A JSON object in which no key is twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name is twice in it")
        return found

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{where}: its header cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise CorruptFileError(f"{where}: its header is no JSON object")
    return value


def _entry(where: str, name: str, value: Any, first: int) -> Entry:
    """One tensor's entry; `first` is the byte of the file where the tensors begin."""
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, stop]}:
            numbers = [*shape, start, stop]
        case _:
            raise CorruptFileError(f"{where}: {name} lacks a dtype, a shape or offsets")
    if dtype not in DTYPES:
        known = ", ".join(DTYPES)
        raise CorruptFileError(f"{where}: {name} has dtype {dtype!r}; expected one of {known}")
    if any(type(number) is not int or number < 0 for number in numbers):
        raise CorruptFileError(f"{where}: {name} has a shape or offsets that are no whole numbers")
    expected = math.prod(shape) * DTYPES[dtype][1]
    if stop - start != expected:
        raise CorruptFileError(
            f"{where}: {name} has {stop - start} bytes; {dtype} of shape {shape} has {expected}"
        )
    return Entry(dtype, tuple(shape), first + start, first + stop)


def parse_index(text: bytes, where: str) -> dict[str, str]:
    """File names by tensor, from the index of a checkpoint in several files.

    Raises:
        CorruptFileError: it is no such index, or names a file outside its own folder.
    """
    places = _json_object(text, where).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CorruptFileError(f"{where} has no weight_map")
    for name, file in places.items():
        if not isinstance(file, str) or not _SHARD.match(file):
            raise CorruptFileError(f"{where}: {name} is in {file!r}, which is no safetensors file")
    return places
