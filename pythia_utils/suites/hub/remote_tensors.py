"""The tensors of a revision on the Hub, read by HTTP ranges, from single files and sharded ones.

The length of a file's header, the header, then the bytes of the tensors asked for: no more is moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, RangeReader, Reply
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.safetensors_header import (
    INDEX_LIMIT,
    PREFIX,
    CorruptFileError,
    Entry,
    header_length,
    parse_header,
    parse_index,
)

if TYPE_CHECKING:
    import torch

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


class MissingWeightsError(UsageError):
    """The checkpoint is there and holds no safetensors file."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} has neither {SINGLE} nor {INDEX} with all its files; "
            "only safetensors are read tensor by tensor"
        )


@dataclass
class RangedFile:
    """A safetensors file on a web server that understands byte ranges.

    Attributes:
        url: of the file.
        reader: fetches ranges.
        size: of the file in bytes, if known; else the server must tell.
    """

    url: str
    reader: RangeReader
    size: int | None = None
    _first: Reply | None = field(default=None, repr=False)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The tensors by name: two requests, for the length of the header and the header.

        Raises:
            MissingFileError, FetchError: see `RangeReader.read`.
            CorruptFileError: see `parse_header`.
        """
        prefix = self._bytes(0, PREFIX)
        length = header_length(prefix, self._first.total, self.url)
        return parse_header(self._bytes(PREFIX, length), self._first.total, self.url)

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """One tensor or some of its rows: one request, for exactly its bytes."""
        if name not in self.entries:
            raise CorruptFileError(f"{self.url} lacks {name}, which the index places there")
        part = self.entries[name].part(rows)
        length = part.stop - part.start
        return part.tensor(self._bytes(part.start, length) if length else b"")

    def _bytes(self, start: int, length: int) -> bytes:
        """A range of the file, which must still be the one that the first reply was of."""
        reply = self.reader.read(self.url, start, length)
        self._first = self._first or reply
        if reply.total is None:
            raise FetchError(f"{self.url}: the server does not tell the size of the file")
        if self.size not in (None, reply.total):
            raise FetchError(f"{self.url} has {reply.total} bytes, expected {self.size}")
        if (reply.total, reply.etag) != (self._first.total, self._first.etag):
            raise FetchError(f"{self.url} changed while it was read; try again")
        return reply.data


@dataclass
class HubTensors:
    """A revision of a model on the Hub; everything is read from its commit.

    Attributes:
        revision: as `api.describe` tells it.
        reader: fetches ranges; `reader.traffic` counts what they moved.
    """

    revision: api.Revision
    reader: RangeReader = field(default_factory=api.reader)
    _opened: dict[str, RangedFile] = field(default_factory=dict, repr=False)

    @cached_property
    def places(self) -> dict[str, str]:
        """The file that holds each tensor, by the tensor's name.

        Raises:
            MissingWeightsError: the revision has no safetensors file, or not all of them.
            FetchError, CorruptFileError: the server does not deliver, or not what it should.
        """
        weights = api.choose_weights([file.name for file in self.revision.files]) or [""]
        if weights[0] == SINGLE:
            return dict.fromkeys(self._file(SINGLE).entries, SINGLE)
        if weights[0] != INDEX:
            raise MissingWeightsError(f"{self.revision.repo_id} at {self.revision.name}")
        index = self._file(INDEX)
        if index.size > INDEX_LIMIT:
            raise CorruptFileError(f"{index.url} has {index.size} bytes; an index has fewer")
        return parse_index(self.reader.read(index.url, 0, index.size).data, index.url)

    def _file(self, name: str) -> RangedFile:
        if name not in self._opened:
            found = {file.name: file for file in self.revision.files}.get(name)
            if found is None:
                raise CorruptFileError(
                    f"{self.revision.repo_id} at {self.revision.name} has no {name}, "
                    "which its index names"
                )
            self._opened[name] = RangedFile(self.revision.url(found), self.reader, found.size)
        return self._opened[name]

    def names(self) -> list[str]:
        """Of the tensors, sorted. Errors: see `places`."""
        return sorted(self.places)

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """One tensor, in the dtype that it is stored in, or some rows of a matrix."""
        return self._file(self.places[name]).read(name, rows)
