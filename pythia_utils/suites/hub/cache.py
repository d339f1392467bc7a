"""Checkpoints of the Hub in the cache that every Hugging Face tool shares: whole and verified, or not there.

A file gets its name in the cache only after its hash is that which the Hub tells (SHA-256 of weights),
and a revision its entry in `refs/` only when all its files are there. A download that was cut off goes
on where it stopped, in another process too. Files that other programs put there are verified before
their first use.

What is in the cache is used without asking the Hub; `fetch` asks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pythia_utils.base.files import atomic_write
from pythia_utils.base.http import FetchError, RangeReader
from pythia_utils.base.progress import Bar
from pythia_utils.base.units import show_size
from pythia_utils.suites.hub import api, download
from pythia_utils.suites.hub.api import RemoteFile, Revision
from pythia_utils.suites.hub.journal import Entry, Journal, repo_folder, snapshot


def cache_folder() -> Path:
    """The shared cache: HF_HUB_CACHE, or `hub/` in HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


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
        reader: fetches ranges.
    """

    records: Path
    budget: int | None = None
    progress: Callable[[int], object] | None = None
    folder: Path = field(default_factory=cache_folder)
    reader: RangeReader = field(default_factory=api.reader)

    def __post_init__(self) -> None:
        self.journal = Journal(self.records, self.folder)

    def open(self, repo_id: str, revision: str) -> Snapshot:
        """The revision's files: the cache's if they are complete and right, else fetched.

        Raises:
            FetchError: one line that says what is missing, and why it cannot be had.
        """
        try:
            return self.cached(repo_id, revision)
        except FetchError as lacking:
            if api.is_offline():
                where = f"{repo_id}@{revision} in {self.folder}"
                raise FetchError(
                    f"{where}: {lacking}; HF_HUB_OFFLINE forbids to fetch it"
                ) from None
        return self.fetch(api.describe(repo_id, revision, self.reader.retry))

    def commit(self, repo_id: str, revision: str) -> str | None:
        """The commit that the cache has for a revision."""
        try:
            return self._ref(repo_id, revision).read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def _ref(self, repo_id: str, revision: str) -> Path:
        return self.folder / repo_folder(repo_id) / "refs" / revision

    # --- from the cache ---------------------------------------------------------------------------

    def cached(self, repo_id: str, revision: str) -> Snapshot:
        """The revision as the cache has it; nothing is asked of the Hub.

        Raises:
            FetchError: a clause that says what is missing or corrupt.
        """
        commit = self.commit(repo_id, revision)
        if commit is None:
            raise FetchError("not in the cache")
        folder = snapshot(self.folder, repo_id, commit)
        present = {path.name for path in folder.glob("*") if path.exists()}
        weights = api.choose_weights(present)
        for wanted, there in {"config.json": "config.json" in present, "weights": weights}.items():
            if not there:
                raise FetchError(f"the cache lacks its {wanted}")
        names = [name for name in api.SMALL_FILES if name in present] + weights
        entry = self.journal.read(repo_id, commit) or Entry(repo_id, revision, commit, False)
        return self._verified(folder, entry, names)

    def _verified(self, folder: Path, entry: Entry, names: list[str]) -> Snapshot:
        """The snapshot, after a look at files that are new or have changed since they were verified."""
        facts = {}
        for name in names:
            path, known = folder / name, entry.files.get(name)
            expected = download.blob_hash(path) or (known or {}).get("hash")
            found = download.hash_now(path, known, like=expected or "0" * 64)
            if expected and found != expected:
                raise FetchError(f"{name} in the cache is corrupt")
            facts[name] = download.facts(path, found)
        if facts == entry.files:
            self.journal.touch(entry)
        else:
            entry.files = facts
            self.journal.write(entry)
        return Snapshot(folder, entry.commit, {name: fact["hash"] for name, fact in facts.items()})

    # --- from the Hub -----------------------------------------------------------------------------

    def fetch(self, revision: Revision) -> Snapshot:
        """Bring a revision's files into the cache, those that are not there; then it is what `name` means.

        Raises:
            FetchError: the Hub does not deliver, delivers something else, or the disk is full.
            UsageError: the budget is smaller than the checkpoint.
        """
        needed = revision.needed()
        folder = snapshot(self.folder, revision.repo_id, revision.commit)
        entry = self.journal.read(revision.repo_id, revision.commit)
        if entry is None or not folder.exists():
            entry = Entry(revision.repo_id, revision.name, revision.commit, not folder.exists())
        with _disk_errors(self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            entry.wanted = [file.etag for file in needed]
            self.journal.write(entry)  # now: what is cut off counts as ours too
            missing = [
                file
                for file in needed
                if not download.place(folder, file, entry.files.get(file.name))
            ]
            self._make_room(missing, folder, revision.commit)
            with self._report(revision, missing) as report:
                for file in missing:
                    download.download(revision, file, folder, self.reader, report)
            with atomic_write(self._ref(revision.repo_id, revision.name)) as temporary:
                temporary.write_text(revision.commit, encoding="utf-8")
            entry.files = {
                file.name: download.facts(folder / file.name, file.etag) for file in needed
            }
            self.journal.write(entry)
        return Snapshot(folder, revision.commit, {file.name: file.etag for file in needed})

    def missing(self, revision: Revision) -> dict[str, int]:
        """Sizes of the files that fetching would bring, by hash: revisions may share them."""
        blobs = self.folder / repo_folder(revision.repo_id) / "blobs"
        folder = snapshot(self.folder, revision.repo_id, revision.commit)
        return {
            file.etag: file.size
            for file in revision.needed()
            if not (blobs / file.etag).exists() and not (folder / file.name).exists()
        }

    def _make_room(self, missing: list[RemoteFile], folder: Path, keep: str) -> None:
        """Within the budget, and on the disk."""
        partly = [path for file in missing if (path := download.partial(folder, file)).exists()]
        need = sum(file.size for file in missing) - sum(path.stat().st_size for path in partly)
        if self.budget is not None:
            self.journal.make_room(need, self.budget, keep)
        free = shutil.disk_usage(folder).free
        if need > free:
            raise FetchError(
                f"{self.folder}: {show_size(need)} to fetch, {show_size(free)} free on the disk"
            )

    @contextmanager
    def _report(self, revision: Revision, missing: list[RemoteFile]) -> Iterator[Callable]:
        """What is told of each piece: the caller's `progress`, or a bar (none where no terminal is)."""
        if self.progress:
            yield self.progress
            return
        total, name = sum(file.size for file in missing), f"{revision.repo_id}@{revision.name}"
        with Bar(total, name, "B", lines=False, keep=False) as bar:
            yield bar.advance


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """A full or forbidden disk in one line."""
    try:
        yield
    except FetchError:
        raise
    except OSError as failure:
        raise FetchError(f"{failure.filename or folder}: {failure.strerror or failure}") from None
