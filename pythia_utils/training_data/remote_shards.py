"""Shards on a web server, read by byte ranges: any server's, or the Hugging Face Hub's data sets.

Nothing is downloaded but the bytes asked for. On the Hub a revision is resolved to a commit first,
and every range is read from that commit.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.base.http import RangeReader, checked_url, shown_url
from pythia_utils.base.schemas import parse
from pythia_utils.suites.folders import home
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.hugging_face import endpoint, file_url, is_commit, is_offline
from pythia_utils.training_data.shards import (
    HUB_LAST_SHARD,
    HUB_LAYOUT,
    SHARD_NAME,
    Layout,
    shard_name,
)

HUB_DATASETS = {
    "standard": "EleutherAI/pile-standard-pythia-preshuffled",
    "deduped": "EleutherAI/pile-deduped-pythia-preshuffled",
}


def batches_folder() -> Path:
    """Where fetched batches and pinned commits are kept: `PYTHIA_HOME/batches`."""
    return home() / "batches"


def hub_address(url: str) -> tuple[str, str, str] | None:
    """Repository, revision and file of the address of a data set's file on the Hub; None of any other."""
    form = r"/datasets/([^/]+/[^/]+)/(?:resolve|blob|tree|raw)/([^/]+)/?(.*)"
    match = re.fullmatch(re.escape(endpoint()) + form, url)
    return (match[1], match[2], match[3]) if match else None


@dataclass
class HttpShards:
    """Shards on any web server that understands byte ranges.

    Two requests for one byte each tell the sizes of the first and the last shard; every later reply
    is checked against them. At an address of the Hub they are read with the user's token, at the commit
    that its revision is; no other server is sent the token.

    Attributes:
        url: of the folder, or of one of the shards, whose name then tells how many there are. It may
            hold a password, which is neither shown nor recorded.
        reader: fetches ranges; by default one that is right for the address.

    Raises:
        UsageError: `url` is not http or https.
        MissingFileError: there is no first or no last shard.
        FetchError: the server does not deliver.
    """

    url: str = field(repr=False)
    reader: RangeReader = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        url, self.commit = checked_url(self.url), None
        place = hub_address(url)
        self.reader = self.reader or (api.reader() if place else RangeReader())
        if place:
            _refuse_offline(url)
            url, self.commit = _at_commit(*place, self.reader)
        self.base, stem, last = _split_url(url)
        first = self.reader.read(f"{self.base}{shard_name(stem, 0, last)}", 0, 1)
        end = self.reader.read(f"{self.base}{shard_name(stem, last, last)}", 0, 1)
        if first.total is None or end.total is None:
            raise UsageError(
                f"{shown_url(self.base)}: the server does not tell the sizes of the shards"
            )
        self.layout = Layout(last, first.total, end.total, stem)
        self._marks = f"{first.etag} {first.total} {end.etag} {end.total}"

    @property
    def name(self) -> str:
        return shown_url(self.base)

    @property
    def identity(self) -> str:
        return f"{self.name} {self._marks}"

    def read(self, shard: int, start: int, length: int) -> bytes:
        url = self.base + self.layout.name(shard)
        return _read_checked(self.reader, url, self.layout, shard, start, length)

    def provenance(self) -> dict[str, str]:
        commit = {"revision": self.commit} if self.commit else {}
        return {"source": self.name} | commit


def _at_commit(repo_id: str, revision: str, name: str, reader: RangeReader) -> tuple[str, str]:
    """A file's address at the commit of a branch, and the commit."""
    commit = pinned_commit(repo_id, revision, batches_folder(), reader)
    return file_url(repo_id, name, commit, "dataset"), commit


def _split_url(url: str) -> tuple[str, str, int]:
    """Folder with a slash at its end, stem and last number of the shards."""
    folder, _, name = url.rpartition("/")
    if match := SHARD_NAME.match(name):
        return f"{folder}/", match["stem"], int(match["last"])
    if urlsplit(url).query:
        raise UsageError(f"{shown_url(url)}: a folder's address has no query")
    return url.rstrip("/") + "/", "document", HUB_LAST_SHARD


def _read_checked(
    reader: RangeReader, url: str, layout: Layout, shard: int, start: int, length: int
) -> bytes:
    """A range of a shard, which must be of the size that the layout says."""
    reply = reader.read(url, start, length)
    expected = layout.size_of(shard)
    if expected is not None and reply.total not in (None, expected):
        raise UsageError(
            f"{shown_url(url)} has {reply.total} bytes, expected {expected}: it is cut into other shards, "
            "or has changed"
        )
    return reply.data


def _refuse_offline(url: str) -> None:
    if is_offline():
        raise UsageError(
            f"{shown_url(url)} is needed and not in the cache, but HF_HUB_OFFLINE is set"
        )


@dataclass
class HubShards:
    """A preshuffled data set on the Hugging Face Hub, or on the mirror that `HF_ENDPOINT` names.

    A branch or tag is resolved to a commit when first needed, and that commit is remembered in the
    cache's folder: what was read yesterday is read today.

    Attributes:
        repo_id: such as `EleutherAI/pile-standard-pythia-preshuffled`.
        revision: branch, tag or commit.
        layout: names and sizes of its shards.
        folder: where pinned commits are remembered.
        reader: fetches ranges, with the user's token.
    """

    repo_id: str
    revision: str = "main"
    layout: Layout = HUB_LAYOUT
    folder: Path = field(default_factory=batches_folder)
    reader: RangeReader = field(default_factory=api.reader)

    @cached_property
    def commit(self) -> str:
        """The revision's commit, 40 hexadecimal digits.

        Raises:
            FetchError: there is no such data set or revision, or the Hub does not answer.
        """
        return pinned_commit(self.repo_id, self.revision, self.folder, self.reader)

    @property
    def name(self) -> str:
        return self.repo_id

    @property
    def identity(self) -> str:
        return f"{self.repo_id}@{self.commit}"

    def read(self, shard: int, start: int, length: int) -> bytes:
        url = file_url(self.repo_id, self.layout.name(shard), self.commit, "dataset")
        _refuse_offline(url)
        return _read_checked(self.reader, url, self.layout, shard, start, length)

    def provenance(self) -> dict[str, str]:
        return {"source": self.repo_id, "revision": self.commit}


def pinned_commit(repo_id: str, revision: str, folder: Path, reader: RangeReader) -> str:
    """A data set's commit: the one that `folder` remembers for a branch, else what the Hub tells now.

    Raises:
        FetchError: there is no such data set or revision, or the Hub does not answer.
    """
    if is_commit(revision):
        return revision
    pins, key = _read_pins(folder), f"{repo_id}@{revision}"
    if key not in pins:
        pins[key] = api.describe(repo_id, revision, reader, repo_type="dataset").commit
        # Where nothing can be written, the commit is asked for each time.
        with suppress(OSError), atomic_write(folder / "pins.json") as path:
            path.write_text(json.dumps(pins, indent=1, sort_keys=True), encoding="utf-8")
    return pins[key]


def _read_pins(folder: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        return parse((folder / "pins.json").read_bytes(), {str: str})
    return {}
