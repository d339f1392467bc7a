"""Megatron's pair of files: `prefix.bin`, bare tokens, and `prefix.idx`, where each document lies.

The `.idx` file, little-endian: 9 bytes `MMIDIDX\\0\\0`, version 1 (u64), a dtype code (u8), the
number of sequences n and of document index entries d (u64 each), then n sizes in tokens (int32),
n byte offsets into `.bin` (int64) and the document index (int64). Both files are memory-mapped.
"""

from __future__ import annotations

import array
import operator
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import atomic_write, local_path

MAGIC = b"MMIDIDX\0\0"
VERSION = 1
HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, document index entries
DTYPES = {
    1: np.dtype("u1"),
    2: np.dtype("i1"),
    3: np.dtype("<i2"),
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    6: np.dtype("<f4"),
    7: np.dtype("<f8"),
    8: np.dtype("<u2"),
}
_BLOCK = 1 << 20  # rows handled at once where temporary arrays would otherwise grow with the data


class FileFormatError(UsageError):
    """A file that is not what it should be: the file, the byte and what was expected there."""

    def __init__(self, path: Path, byte: int, expected: object, found: object) -> None:
        super().__init__(f"{path}, byte {byte}: expected {expected}, found {found}")


class OutOfRangeError(UsageError, IndexError):
    """An index that the data does not have; also Python's own signal for it."""


def checked_index(index: int, length: int, what: str) -> int:
    """`index` as an int in [0, length). A negative one is an error: nothing counts from the end."""
    index = operator.index(index)
    if not 0 <= index < length:
        raise OutOfRangeError(f"{what} {index} is out of range; expected 0 to {length - 1}")
    return index


def wrong_token(tokens: np.ndarray) -> int | None:
    """The place of the first value that is no token, which is a whole number from 0; None if all are."""
    if tokens.dtype.kind == "u" or not tokens.size:
        return None
    wrong = tokens < 0
    if tokens.dtype.kind == "f":
        wrong |= ~np.isfinite(tokens) | (tokens != np.floor(tokens))
    return int(np.argmax(wrong)) if wrong.any() else None


def _paths(prefix: str | Path) -> tuple[Path, Path]:
    path = local_path(prefix)
    name = path.stem if path.suffix in (".idx", ".bin") else path.name
    return path.with_name(f"{name}.idx"), path.with_name(f"{name}.bin")


class Index(NamedTuple):
    """What an `.idx` file says, memory-mapped.

    Attributes:
        dtype: of the tokens.
        sizes: int32 (documents,), tokens of each.
        starts: int64 (documents,), byte in `.bin` where each begins.
    """

    dtype: np.dtype
    sizes: np.ndarray
    starts: np.ndarray

    @property
    def end(self) -> int:
        """The byte of `.bin` where the last document ends."""
        last = len(self.sizes) - 1
        return (
            int(self.starts[last]) + int(self.sizes[last]) * self.dtype.itemsize if last >= 0 else 0
        )

    def is_rows_of(self, width: int) -> bool:
        """Whether every document has `width` tokens: rows that were cut before, and not texts.

        Looks at the sizes of a million documents at either end, and at the sum of all.
        """
        ends = (self.sizes[:_BLOCK], self.sizes[-_BLOCK:])
        whole = self.end == len(self.sizes) * width * self.dtype.itemsize
        return whole and len(self.sizes) > 0 and all((part == width).all() for part in ends)


def read_index(path: Path) -> Index:
    """An `.idx` file. Takes constant time.

    Raises:
        UsageError: it is missing.
        FileFormatError: it is truncated or foreign.
    """
    if not path.is_file():
        raise UsageError(f"{path} is missing; a data set is a pair of .idx and .bin files")
    raw = _map(path, np.dtype("u1"))
    dtype, n = _read_header(path, raw)
    # These views start at byte 34: unaligned, so np.take would copy them whole. Index instead.
    return Index(dtype, raw[34 : 34 + 4 * n].view("<i4"), raw[34 + 4 * n : 34 + 12 * n].view("<i8"))


class IndexedDataset:
    """Documents of a pair of files `prefix.idx` and `prefix.bin`, memory-mapped.

    Opening takes constant time: the header, both files' lengths and the last document are checked;
    `verify()` checks every document. Arrays returned are read-only views into the mapped file.

    Args:
        prefix: path of the pair, with or without one of the suffixes; `~` is the home folder.

    Attributes:
        dtype: of the tokens.
        sizes: int32 (documents,), tokens of each.
        starts: int64 (documents,), byte in `.bin` where each begins.
        tokens: all tokens, (total,).

    Raises:
        UsageError: a file is missing.
        FileFormatError: a file is truncated or foreign, or the two do not belong together.
    """

    def __init__(self, prefix: str | Path) -> None:
        self._given = str(prefix)
        self.index_path, self.data_path = _paths(prefix)
        index = read_index(self.index_path)
        self.dtype, self.sizes, self.starts = index
        if not self.data_path.is_file():
            pair = "a data set is a pair of .idx and .bin files"
            raise UsageError(f"{self.data_path} is missing; {pair}")
        bytes_there, end = self.data_path.stat().st_size, index.end
        if end != bytes_there:
            expected = f"the end of the file, by the last document of {self.index_path}"
            found = f"{bytes_there - end} bytes more" if bytes_there > end else "too few bytes"
            raise FileFormatError(self.data_path, min(end, bytes_there), expected, found)
        self.tokens = _map(self.data_path, self.dtype)

    def __repr__(self) -> str:
        return f"IndexedDataset({self._given!r})"

    def __reduce__(self) -> tuple:
        return IndexedDataset, (str(self.index_path),)  # a copy in another process maps anew

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> np.ndarray:  # iteration ends by its OutOfRangeError
        return self.get(index)

    def get(self, index: int, offset: int = 0, length: int | None = None) -> np.ndarray:
        """Tokens `[offset, offset + length)` of a document, to its end by default, without a copy.

        Raises:
            OutOfRangeError: the document, or that part of it, does not exist.
            FileFormatError: a value in it is negative, NaN or a fraction: no token.
        """
        index = checked_index(index, len(self), f"document of {self.index_path}:")
        size = int(self.sizes[index])
        length = size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > size:
            part = f"tokens [{offset}, {offset + length}) of document {index}"
            raise OutOfRangeError(f"{part} of {self.index_path}: it has {size}")
        start = int(self.starts[index]) // self.dtype.itemsize + offset
        tokens = self.tokens[start : start + length]
        if (at := wrong_token(tokens)) is not None:
            byte = (start + at) * self.dtype.itemsize
            raise FileFormatError(self.data_path, byte, "a token, 0 or more", tokens[at])
        return tokens

    def verify(self) -> None:
        """Check that the documents follow one another without a gap. Reads the whole `.idx`.

        Raises:
            FileFormatError: at the first document that does not begin where its predecessor ended.
        """
        expected = 0
        for first in range(0, len(self), _BLOCK):
            lengths = self.sizes[first : first + _BLOCK].astype(np.int64)
            if lengths.min() < 0:
                bad = first + int(np.argmax(lengths < 0))
                raise FileFormatError(self.index_path, 34 + 4 * bad, "a size", self.sizes[bad])
            ends = np.cumsum(lengths) * self.dtype.itemsize + expected
            begins = ends - lengths * self.dtype.itemsize
            differ = begins != self.starts[first : first + _BLOCK]
            if differ.any():
                bad = int(np.argmax(differ))
                byte = 34 + 4 * len(self) + 8 * (first + bad)
                what = f"offset {begins[bad]} of document {first + bad}"
                raise FileFormatError(self.index_path, byte, what, self.starts[first + bad])
            expected = int(ends[-1])


def _map(path: Path, dtype: np.dtype) -> np.ndarray:
    """A file as a read-only array. An empty file cannot be mapped."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)  # plain views slice faster


def _read_header(path: Path, raw: np.ndarray) -> tuple[np.dtype, int]:
    """Token dtype and number of sequences of an `.idx` file."""
    if len(raw) < HEADER.size:
        raise FileFormatError(path, len(raw), f"a header of {HEADER.size} bytes", "the end")
    magic, version, code, n, entries = HEADER.unpack(raw[: HEADER.size].tobytes())
    if magic != MAGIC:
        raise FileFormatError(path, 0, f"{MAGIC!r}, as Megatron's .idx files begin", repr(magic))
    if version != VERSION:
        raise FileFormatError(path, 9, f"version {VERSION}", version)
    if code not in DTYPES:
        raise FileFormatError(path, 17, "a dtype code from 1 to 8", code)
    length = HEADER.size + 12 * n + 8 * entries
    if length != len(raw):
        expected = f"the end after {length} bytes, for {n} sequences and {entries} index entries"
        raise FileFormatError(path, min(length, len(raw)), expected, f"{len(raw)} bytes in all")
    return DTYPES[code], n


def write_indexed_dataset(
    prefix: str | Path, documents: Iterable[np.ndarray], dtype: np.dtype | type | str
) -> IndexedDataset:
    """Write documents, one after another as they come, to `prefix.bin` and `prefix.idx`.

    Both files appear when all is written; memory is 4 bytes a document, then 12 for the index.

    Args:
        prefix: path without a suffix.
        documents: 1-D arrays or lists of tokens; may be empty.
        dtype: of the tokens on disk, one of `DTYPES`.

    Returns:
        The data set, open.

    Raises:
        UsageError: a document is not 1-D, or a token is negative, NaN, a fraction, or does not fit the dtype.
    """
    codes = {known: code for code, known in DTYPES.items()}
    target = np.dtype(dtype).newbyteorder("<")
    if target not in codes:
        raise unknown("token dtype", str(dtype), [known.name for known in codes])
    index_path, data_path = _paths(prefix)
    sizes = array.array("i")
    # On leaving, the data is renamed first: an index never describes data that is not there.
    with atomic_write(index_path) as index, atomic_write(data_path) as data:
        with open(data, "wb", buffering=1 << 20) as file:
            for number, document in enumerate(documents):
                tokens = _as_tokens(document, target, number)
                sizes.append(len(tokens))
                file.write(tokens.data)
        with open(index, "wb") as file:
            _write_index(file, np.array(sizes, np.int32), codes[target])
        index_path.unlink(missing_ok=True)  # nor does one left from older data of that name
    return IndexedDataset(prefix)


def _as_tokens(document: np.ndarray, dtype: np.dtype, number: int) -> np.ndarray:
    tokens = np.asarray(document)
    if tokens.ndim != 1:
        raise UsageError(f"document {number} has shape {tokens.shape}; expected one dimension")
    if len(tokens) >= 2**31:
        raise UsageError(f"document {number} has {len(tokens)} tokens; the format ends at 2^31 - 1")
    with np.errstate(invalid="ignore"):
        fitted = np.ascontiguousarray(tokens, dtype)
    if dtype.kind != "f" and tokens.dtype != dtype:
        changed = fitted != tokens
        if changed.any():
            token = tokens[np.argmax(changed)]
            raise UsageError(f"document {number}: token {token} does not fit {dtype.name}")
    if (at := wrong_token(fitted)) is not None:
        raise UsageError(f"document {number}: {fitted[at]} is no token; expected 0 or more")
    return fitted


def _write_index(file, sizes: np.ndarray, code: int) -> None:
    """The `.idx` file of documents that are one sequence each."""
    n = len(sizes)
    ends = np.cumsum(sizes, dtype=np.int64) * DTYPES[code].itemsize
    file.write(HEADER.pack(MAGIC, VERSION, code, n, n + 1))
    file.write(sizes.astype("<i4").data)
    file.write((ends - sizes.astype(np.int64) * DTYPES[code].itemsize).astype("<i8").data)
    file.write(np.arange(n + 1, dtype="<i8").data)
