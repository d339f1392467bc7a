"""The tensors of a revision on the Hub, read by HTTP ranges, from single files and sharded ones.

The length of a file's header, the header, then the bytes of the tensors asked for: no more is moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pythia_utils.errors import UsageError
from pythia_utils.http_ranges import FetchError, MissingFileError, RangeReader, Reply
from pythia_utils.hub_address import endpoint, file_url, hub_reader, refuse_offline
from pythia_utils.safetensors_header import (
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
            f"{where} has neither {SINGLE} nor {INDEX}; only safetensors are read tensor by tensor"
        )


@dataclass
class RemoteFile:
    """A safetensors file on a web server that understands byte ranges.

    Attributes:
        url: of the file.
        reader: fetches ranges.
        first: the reply to a request for the first eight bytes, if it was made already.
    """

    url: str
    reader: RangeReader
    first: Reply | None = None

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The tensors by name: two requests, for the length of the header and the header.

        Raises:
            MissingFileError, FetchError: see `RangeReader.read`.
            CorruptFileError: see `parse_header`.
        """
        if self.first is None:
            self.first = self.reader.read(self.url, 0, PREFIX)
        size = self.first.total
        if size is None:
            raise FetchError(f"{self.url}: the server does not tell the size of the file")
        length = header_length(self.first.data, size, self.url)
        return parse_header(self._bytes(PREFIX, length), size, self.url)

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
        if (reply.total, reply.etag) != (self.first.total, self.first.etag):
            raise FetchError(f"{self.url} changed while it was read; try again")
        return reply.data


@dataclass
class HubTensors:
    """A revision of a model on the Hub. The first reply tells its commit; the rest is read from that.

    Attributes:
        repo_id: `EleutherAI/pythia-70m`.
        revision: branch, tag or commit.
        reader: fetches ranges; `reader.traffic` counts what went over the wire.
        commit: what is read from, once something has been read; the revision where the server does
            not tell the commit.
    """

    repo_id: str
    revision: str
    reader: RangeReader = field(default_factory=hub_reader)
    commit: str = ""
    _files: dict[str, RemoteFile] = field(default_factory=dict, repr=False)

    @cached_property
    def places(self) -> dict[str, str]:
        """The file that holds each tensor, by the tensor's name.

        Raises:
            MissingWeightsError: the revision has no safetensors file.
            MissingFileError: there is no such repository or revision.
            FetchError, CorruptFileError: the server does not deliver, or not what it should.
        """
        url = file_url(self.repo_id, self.revision, SINGLE)
        refuse_offline(url)
        try:
            first = self.reader.read(url, 0, PREFIX)
        except MissingFileError as missing:
            self._explain(missing)
            return self._index()
        self.commit = first.commit or self.revision
        self._files[SINGLE] = RemoteFile(self._url(SINGLE), self.reader, first)
        return dict.fromkeys(self._files[SINGLE].entries, SINGLE)

    def _index(self) -> dict[str, str]:
        url = file_url(self.repo_id, self.revision, INDEX)
        try:
            reply = self.reader.read_whole(url, INDEX_LIMIT)
        except MissingFileError as missing:
            self._explain(missing)
            raise MissingWeightsError(f"{self.repo_id} at {self.revision}") from None
        self.commit = reply.commit or self.revision
        return parse_index(reply.data, url)

    def _explain(self, missing: MissingFileError) -> None:
        """If the Hub says that more is missing than the file, so do we."""
        at = f"at {endpoint()}"
        if missing.code == "RevisionNotFound":
            text = f"{self.repo_id} has no revision {self.revision!r} {at}"
            raise MissingFileError(text, missing.code) from None
        if missing.code == "RepoNotFound":
            raise MissingFileError(f"there is no {self.repo_id} {at}", missing.code) from None

    def _url(self, name: str) -> str:
        return file_url(self.repo_id, self.commit, name)

    def names(self) -> list[str]:
        return sorted(self.places)

    def read(self, name: str, rows: slice | None = None) -> torch.Tensor:
        file = self.places[name]
        if file not in self._files:
            self._files[file] = RemoteFile(self._url(file), self.reader)
        return self._files[file].read(name, rows)
