"""The tensors of a revision on the Hub, read by HTTP ranges, from single files and sharded ones.

The length of a file's header, the header, then the bytes of the tensors asked for: no more is moved. A
header (JSON: dtype, shape and place of each tensor) is checked before a byte of it is believed.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, RangeReader
from pythia_utils.suites.hub.api import Revision
from pythia_utils.suites.hub.weight_files import CorruptFileError, WeightFiles

if TYPE_CHECKING:
    import torch

PREFIX = 8  # bytes before the header, which hold its length
HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit
# PyTorch's name of each dtype of the format that we read.
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}
DTYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"}


class MissingWeightsError(UsageError):
    """The checkpoint is there and holds no safetensors file."""


def need_safetensors(weights: WeightFiles | None, where: object) -> WeightFiles:
    """The weights, if there are any and they are safetensors.

    Raises:
        MissingWeightsError: they are not.
    """
    if weights is None or weights.suffix != ".safetensors":
        raise MissingWeightsError(
            f"{where} has neither model.safetensors nor an index of it with all its files; "
            "only safetensors are read tensor by tensor"
        )
    return weights


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: its bytes are `[start, stop)`, counted from the file's beginning."""

    dtype: torch.dtype
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
        width = self.shape[1] * self.dtype.itemsize
        start = self.start + chosen.start * width
        return Entry(self.dtype, (len(chosen), self.shape[1]), start, start + len(chosen) * width)

    def tensor(self, data: bytes) -> torch.Tensor:
        """The tensor whose bytes are `data`, with memory of its own."""
        import torch

        if not data:
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.frombuffer(bytearray(data), dtype=self.dtype).reshape(self.shape)


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


def parse_header(header: bytes, size: int, where: str) -> dict[str, Entry]:
    """The tensors of a file of `size` bytes, which they must fill without overlap or gap, by name.

    Raises:
        CorruptFileError: anything in it that the format does not allow, or a dtype not in `DTYPES`.
    """
    end = PREFIX + len(header)
    try:
        source = json.loads(header)
        source.pop("__metadata__", None)
        entries = {name: _entry(value, end) for name, value in source.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise CorruptFileError(f"{where}: its header cannot be read ({reason})") from None
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        length = math.prod(entry.shape) * entry.dtype.itemsize
        if (entry.start, entry.stop) != (end, end + length) or min(entry.shape, default=0) < 0:
            raise CorruptFileError(
                f"{where}: {name} is not the next {length} bytes after byte {end}"
            )
        end = entry.stop
    if end != size:
        raise CorruptFileError(f"{where} has {size} bytes, and its header tells of {end}")
    return entries


def _entry(value: dict, first: int) -> Entry:
    """One tensor's entry; `first` is the byte of the file where the tensors begin."""
    import torch

    start, stop = map(operator.index, value["data_offsets"])
    dtype, shape = (
        getattr(torch, DTYPES[value["dtype"]]),
        tuple(map(operator.index, value["shape"])),
    )
    return Entry(dtype, shape, first + start, first + stop)


@dataclass
class RangedFile:
    """A safetensors file of `size` bytes on a web server that understands byte ranges."""

    url: str
    reader: RangeReader
    size: int

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The tensors by name: two requests, for the length of the header and the header.

        Raises:
            MissingFileError, FetchError: see `RangeReader.read`.
            CorruptFileError: see `parse_header`.
        """
        length, most = 0, min(HEADER_LIMIT, self.size - PREFIX)
        if most > 0:
            length = int.from_bytes(self._bytes(0, PREFIX), "little")
        if not 2 <= length <= most:
            raise CorruptFileError(
                f"{self.url} is no safetensors file, or is cut short: it has {self.size} bytes, and "
                f"says that its header has {length}"
            )
        return parse_header(self._bytes(PREFIX, length), self.size, self.url)

    def entry(self, name: str) -> Entry:
        """What the header says of one tensor.

        Raises:
            CorruptFileError: nothing.
        """
        if name not in self.entries:
            raise CorruptFileError(f"{self.url} lacks {name}, which the index places there")
        return self.entries[name]

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """One tensor or some of its rows: one request, for exactly its bytes."""
        part = self.entry(name).part(rows)
        length = part.stop - part.start
        return part.tensor(self._bytes(part.start, length) if length else b"")

    def _bytes(self, start: int, length: int) -> bytes:
        reply = self.reader.read(self.url, start, length)
        if reply.total not in (None, self.size):
            raise FetchError(f"{self.url} has {reply.total} bytes, expected {self.size}")
        return reply.data


@dataclass
class HubTensors:
    """A revision of a model on the Hub, read from its commit; its reader counts what that moves."""

    revision: Revision
    _opened: dict[str, RangedFile] = field(default_factory=dict, repr=False)

    @cached_property
    def places(self) -> dict[str, str]:
        """The file that holds each tensor, by the tensor's name.

        Raises:
            MissingWeightsError: the revision has no safetensors file, or not all of them.
            FetchError, CorruptFileError: the server does not deliver, or not what it should.
        """
        where = f"{self.revision.repo_id} at {self.revision.name}"
        weights = need_safetensors(self.revision.weights, where)
        single = weights.files[0]
        return weights.places or dict.fromkeys(self._file(single).entries, single)

    def _file(self, name: str) -> RangedFile:
        if name not in self._opened:
            url, size = self.revision.url(name), self.revision.files[name].size
            self._opened[name] = RangedFile(url, self.revision.reader, size)
        return self._opened[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, which its file's header tells."""
        return self._file(self.places[name]).entry(name).shape

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """One tensor, in the dtype that it is stored in, or some rows of a matrix."""
        return self._file(self.places[name]).read(name, rows)
