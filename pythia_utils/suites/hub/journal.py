"""Which of the shared cache's revisions this program uses, and which it fetched: so that only those go.

One small file a revision, `<journal>/<cache>/<repository>/<commit>.json`, with the hashes of its
files. The file's own time is the revision's last use.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.base.http import FetchError
from pythia_utils.base.schemas import parse
from pythia_utils.base.units import show_size
from pythia_utils.suites.hub import hugging_face
from pythia_utils.suites.hub.hugging_face import repo_folder, snapshot

_ENTRY = {"repo_id": str, "revision": str, "commit": str, "fetched": bool, "files?": {str: str}}
_ENTRY |= {"brought?": [str]}


class NoRoomError(UsageError):
    """A disk budget that is too small, at least as long as what must be kept is there."""


@dataclass
class Entry:
    """What is known of a revision.

    Attributes:
        repo_id: of the repository.
        revision: branch, such as `step3000`.
        commit: that it pointed to.
        fetched: whether this program made the cache's folder of that commit, and may drop it.
        files: the hashes that its files must have, by name; of some there may be only the beginning.
        brought: names of the files that this program added to a folder that another made.
    """

    repo_id: str
    revision: str
    commit: str
    fetched: bool
    files: dict[str, str] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Journal:
    """The entries about one cache folder.

    Attributes:
        folder: of all journals.
        cache: the cache's folder that this one is about.
    """

    folder: Path
    cache: Path

    @property
    def _root(self) -> Path:
        return self.folder / hashlib.sha256(str(self.cache.absolute()).encode()).hexdigest()[:8]

    def _path(self, repo_id: str, commit: str) -> Path:
        return self._root / repo_folder(repo_id) / f"{commit}.json"

    def _snapshot(self, entry: Entry) -> Path:
        return snapshot(self.cache, entry.repo_id, entry.commit)

    def read(self, repo_id: str, commit: str) -> Entry | None:
        """The entry of a revision, if there is one that can be read."""
        return self._read(self._path(repo_id, commit))

    def _read(self, path: Path) -> Entry | None:
        """An entry, if it is about what its own place says: its names become paths."""
        try:
            entry = Entry(**parse(path.read_bytes(), _ENTRY))
        except (OSError, ValueError, TypeError):
            return None
        sound = hugging_face.is_commit(entry.commit)
        sound = sound and path == self._path(entry.repo_id, entry.commit)
        return entry if sound and all(map(hugging_face.is_hash, entry.files.values())) else None

    def write(self, entry: Entry) -> None:
        """Keep an entry, as used just now."""
        with atomic_write(self._path(entry.repo_id, entry.commit)) as temporary:
            temporary.write_text(json.dumps(asdict(entry), indent=1), encoding="utf-8")

    def fetched(self) -> Iterator[Entry]:
        """Entries of what this program fetched, all or some of it, and what is still there, least recently
        used first."""
        for path in sorted(self._root.glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns):
            entry = self._read(path)
            if entry and (entry.fetched or entry.brought) and self._snapshot(entry).is_dir():
                yield entry

    def held(self) -> int:
        """Bytes of all that this program fetched and that is still there, beginnings of files too."""
        return _total({entry.commit: self._blobs(entry) for entry in self.fetched()})

    def make_room(self, need: int, budget: int, keep: Container[str]) -> None:
        """Drop what was fetched and not used for longest, until `need` more bytes fit the budget.

        Files that another revision of the cache has too stay, and so do the commits to `keep`. What
        other programs fetched is not counted, and not touched.

        Raises:
            NoRoomError: the budget is too small for what is kept and needed; then nothing is dropped.
        """
        entries = list(self.fetched())
        held = {entry.commit: self._blobs(entry) for entry in entries}
        dropped = []
        for entry in entries:
            if need + _total(held) <= budget:
                break
            if entry.commit not in keep:
                dropped.append(entry)
                del held[entry.commit]
        if need + _total(held) > budget:
            wanted = show_size(need + _total(held))
            raise NoRoomError(f"a disk budget of {show_size(budget)} is too small: {wanted} needed")
        self.drop(dropped)

    def _blobs(self, entry: Entry) -> dict[Path, int]:
        """Sizes of the files of a revision that are ours, by where they truly are: revisions share them."""
        folder = self._snapshot(entry)
        files = folder.rglob("*") if entry.fetched else (folder / name for name in entry.brought)
        files = [path for path in files if path.is_file()]
        files += self._partial(entry)
        return {path.resolve(): path.stat().st_size for path in files}

    def _partial(self, entry: Entry) -> list[Path]:
        """Files of a revision of which only the beginning is there."""
        blobs = self.cache / repo_folder(entry.repo_id) / "blobs"
        return [
            path for hash_ in entry.files.values() for path in blobs.glob(f"{hash_}*.incomplete")
        ]

    def drop(self, entries: list[Entry]) -> None:
        """Take revisions out of the cache, with the files that no other revision has.

        Of one that another program began, only the files that this one added.
        """
        if not entries:
            return
        for entry in entries:
            for path in self._partial(entry):
                path.unlink(missing_ok=True)
        for entry in entries:
            if not entry.fetched:
                hugging_face.drop_files(self._snapshot(entry), entry.brought)
        whole = [entry.commit for entry in entries if entry.fetched]
        hugging_face.drop_revisions(self.cache, whole)
        for entry in entries:
            if entry.fetched and self._snapshot(entry).exists():
                raise FetchError(f"{self._snapshot(entry)} cannot be dropped from the cache")
            self._path(entry.repo_id, entry.commit).unlink(missing_ok=True)


def _total(held: dict[str, dict[Path, int]]) -> int:
    return sum({path: size for blobs in held.values() for path, size in blobs.items()}.values())
