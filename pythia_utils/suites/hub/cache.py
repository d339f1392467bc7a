"""Checkpoints of the Hub in the cache that every Hugging Face tool shares: whole and verified, or refused.

A revision has its entry in `refs/` only when all its files are there and their hashes are those that the
Hub tells (SHA-256 of weights). Files that other programs put there are verified before their first use.

What is in the cache is used without asking the Hub; `fetch` asks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pythia_utils.base.files import DIGESTS_FILE, DigestCache, free_space
from pythia_utils.base.http import FetchError, RangeReader
from pythia_utils.base.progress import Bar
from pythia_utils.base.units import show_size
from pythia_utils.suites.hub import api, download
from pythia_utils.suites.hub.api import RemoteFile, Revision
from pythia_utils.suites.hub.hugging_face import (
    cache_folder,
    cached_commit,
    check_inside,
    is_hash,
    is_offline,
    point_to,
    repo_folder,
    snapshot,
)
from pythia_utils.suites.hub.journal import Entry, Journal
from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in


@dataclass(frozen=True)
class Snapshot:
    """A revision in the cache, each file verified.

    Attributes:
        folder: with the files, as `from_pretrained` reads it.
        commit: of the repository.
        hashes: of the files, by name: SHA-256 of weights, git's hash of the small ones.
    """

    folder: Path
    commit: str
    hashes: dict[str, str]


@dataclass
class HubCache:
    """Opens revisions: from the cache, else from the Hub.

    Attributes:
        records: the folder of the journal.
        budget: bytes that this program's revisions may have in the cache; None: no limit.
        progress: called with the size of each piece that came; what it raises ends the download.
            None: a bar on a terminal.
        reader: the way to the Hub.
        keep: commits that are not dropped for want of room.
    """

    records: Path
    budget: int | None = None
    progress: Callable[[int], object] | None = None
    folder: Path = field(default_factory=cache_folder)
    reader: RangeReader = field(default_factory=api.reader)
    keep: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.journal = Journal(self.records, self.folder)

    def open(self, repo_id: str, revision: str) -> Snapshot:
        """The revision's files: the cache's if they are complete and right, else fetched.

        Raises:
            FetchError: one line that says what is missing, and why it cannot be had.
        """
        try:
            return self.cached(repo_id, revision)
        except (FetchError, CorruptFileError) as lacking:
            if is_offline():
                reason = f"{lacking}; HF_HUB_OFFLINE forbids to fetch it"
                raise FetchError(f"{repo_id}@{revision} in {self.folder}: {reason}") from None
        return self.fetch(api.describe(repo_id, revision, self.reader))

    # --- from the cache ---------------------------------------------------------------------------

    def cached(self, repo_id: str, revision: str) -> Snapshot:
        """The revision as the cache has it; nothing is asked of the Hub.

        Raises:
            FetchError, CorruptFileError: a clause that says what is missing or corrupt.
        """
        commit = cached_commit(repo_id, revision, self.folder)
        if commit is None:
            raise FetchError("not in the cache")
        folder = snapshot(self.folder, repo_id, commit)
        weights = weights_in(folder)
        if weights is None or not (folder / "config.json").exists():
            raise FetchError(f"the cache lacks its {'config.json' if weights else 'weights'}")
        names = [name for name in api.SMALL_FILES if (folder / name).exists()]
        names += [*weights.files, *([weights.index] if weights.index else [])]
        entry = self.journal.read(repo_id, commit) or Entry(repo_id, revision, commit, False)
        known = DigestCache(self.records / DIGESTS_FILE)
        entry.files = {
            name: _verified(folder / name, entry.files.get(name), known) for name in names
        }
        known.save()
        self.journal.write(entry)
        return Snapshot(folder, commit, entry.files)

    def holds(self, repo_id: str, revision: str, commit: str | None = None) -> bool:
        """Whether all files of a revision are there, at a commit if one is given; they are not read.

        Raises:
            OSError: of the disk.
        """
        cached = cached_commit(repo_id, revision, self.folder)
        if cached is None or commit not in (None, cached):
            return False
        folder = snapshot(self.folder, repo_id, cached)
        with suppress(CorruptFileError):  # of an index; it is fetched again
            return (folder / "config.json").exists() and weights_in(folder) is not None
        return False

    # --- from the Hub -----------------------------------------------------------------------------

    def fetch(self, revision: Revision) -> Snapshot:
        """Bring a revision's files into the cache, those that are not there; then it is what `name` means.

        Raises:
            FetchError: the Hub does not deliver, delivers something else, or the disk lacks room.
            UsageError: the budget is smaller than the checkpoint.
            OSError: of the disk.
        """
        needed = revision.needed()
        folder = snapshot(self.folder, revision.repo_id, revision.commit)
        entry = self.journal.read(revision.repo_id, revision.commit)
        if entry is None or not folder.exists():
            entry = Entry(revision.repo_id, revision.name, revision.commit, not folder.exists())
        check_inside(folder, self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        entry.files = {file.name: file.etag for file in needed}
        if not entry.fetched:
            lacking = (file.name for file in self._lacking(revision))
            entry.brought = sorted({*entry.brought, *lacking})
        self.journal.write(entry)  # now: what is cut off counts as ours too
        size = sum(self.missing(revision).values())
        self._make_room(size, revision.commit)
        known = DigestCache(self.records / DIGESTS_FILE)
        what, quiet = f"{revision.repo_id}@{revision.name}", self.progress is not None
        with Bar(size, what, "B", quiet=quiet, lines=False, keep=False) as bar:
            for file in needed:
                download.fetch(revision, file, folder, known, self.progress or bar.advance)
        known.save()
        point_to(self.folder, revision.repo_id, revision.name, revision.commit)
        self.journal.write(entry)
        return Snapshot(folder, revision.commit, entry.files)

    def missing(self, revision: Revision) -> dict[str, int]:
        """Sizes of the files that fetching would bring, by hash: revisions may share them."""
        return {file.etag: file.size for file in self._lacking(revision)}

    def _lacking(self, revision: Revision) -> list[RemoteFile]:
        """The files that are to be fetched: neither this revision nor another of the cache has them."""
        blobs = self.folder / repo_folder(revision.repo_id) / "blobs"
        folder = snapshot(self.folder, revision.repo_id, revision.commit)
        return [
            file
            for file in revision.needed()
            if not (blobs / file.etag).exists() and not (folder / file.name).exists()
        ]

    def _make_room(self, need: int, keep: str) -> None:
        """Within the budget, and on the disk."""
        if self.budget is not None:
            self.journal.make_room(need, self.budget, {*self.keep, keep})
        free = free_space(self.folder)
        if need > free:
            raise FetchError(
                f"{self.folder}: {show_size(need)} to fetch, {show_size(free)} free on the disk"
            )


def _verified(path: Path, expected: str | None, known: DigestCache) -> str:
    """A file's hash, which must be the one expected: the journal's, or the name of the blob it links to."""
    if path.is_symlink() and is_hash(blob := path.resolve().name):
        expected = blob
    found = download.content_hash(path, expected or "0" * 64, known)
    if expected and found != expected:
        raise FetchError(f"{path.name} in the cache is corrupt")
    return found
