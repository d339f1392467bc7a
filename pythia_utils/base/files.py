"""Files and folders: written whole or not at all, digests that are remembered, and a lock for a folder.

A grid is planned in seconds though its weights weigh gigabytes, since digests are kept. A lock is the
operating system's own, so it ends with the process that holds it, however that dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pythia_utils.base.errors import UsageError, in_short

DIGESTS_FILE = ".digests.json"


def local_path(path: str | Path) -> Path:
    """A path as a user writes it, made absolute: whoever gets it may work in another folder.

    Raises:
        UsageError: there is no such user, or it could be no path.
    """
    try:
        full = Path(path).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"{in_short(path)}: whose folder that is, is not known") from None
    if "\0" in str(full):
        raise UsageError(f"{in_short(path)}: a path has no such character")
    return full


def stamp(stat: os.stat_result) -> list[int]:
    """What changes when a file is replaced: size, time of change and inode.

    The inode tells two versions apart that were renamed into place within one tick of the clock, or
    by a clock that went backwards.
    """
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


class DigestCache:
    """SHA-256 of files, kept in a JSON file and read again only for files that have changed.

    Args:
        path: where it is kept; a file that is missing or damaged counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._known: dict[str, list] = {}
        self._changed = False
        with suppress(OSError, ValueError):
            known = json.loads(self.path.read_bytes())
            self._known = known if isinstance(known, dict) else {}

    def digest(self, path: Path) -> str:
        """As `file_digest`.

        Raises:
            OSError: the file cannot be read.
        """
        key, now = str(path), stamp(os.stat(path))
        match self._known.get(key):
            case [before, str(digest)] if before == now:
                return digest
        digest = file_digest(path)
        self._known[key] = [now, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Keep what is known now. Where the folder may not be written, it is worked out again."""
        if self._changed and self.path.parent.is_dir():
            with suppress(OSError), atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(self._known), encoding="utf-8")
                self._changed = False


LOCK_FILE = ".lock"


class FolderInUse(OSError):
    """Another process works in this folder. The command line exits with 1."""


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be, so that no other process works there too.

    Args:
        folder: that only one may work in at a time.
        what: works there, for the message to others: `run`.

    Raises:
        FolderInUse: another holds it; the message names the process.
        OSError: the folder may not be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    # The operating system's own lock and no other, or a killed process would hold it for ever. A fork
    # of this process does not have it, nor has what it starts: work that outlives it locks nobody out.
    try:
        lock = FileLock(path, timeout=0, fallback_to_soft=False).acquire()
    except Timeout:
        raise FolderInUse(_in_use(folder, what)) from None
    with lock:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": platform.node(), "since": since}
        path.write_text(json.dumps(holder), encoding="utf-8")
        yield


def _in_use(folder: Path, what: str) -> str:
    try:
        holder = json.loads((folder / LOCK_FILE).read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "a process that has just started"
    return f"another {what} works in {folder} ({who}); wait for it to end, or stop it"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends without an error.

    The temporary name keeps the suffix of `path`. A killed process leaves at most a hidden
    `.partial-*` file, never a half-written `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{secrets.token_hex(6)}{path.suffix}")
    # Not tempfile: it makes private files, and asking for the umask to undo that is not thread-safe.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; put it in the place of `path` when the block ends without an error.

    What was there stays until then, and after an error. A killed process leaves at most a hidden
    `.new-*` folder, which the next call empties.
    """
    new = path.with_name(f".new-{path.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        replace_folder(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Put a whole folder in the place of another, which is removed only when the new one is there.

    Two renames: a process killed between them leaves the old folder under a hidden name, from which
    `restore_folder` brings it back.
    """
    restore_folder(path)
    old = _old(path)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        restore_folder(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(path: Path) -> None:
    """Bring back what `replace_folder` had moved aside when it was killed."""
    if _old(path).is_dir() and not path.exists():
        _old(path).rename(path)


def _old(path: Path) -> Path:
    return path.with_name(f".old-{path.name}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(path: Path, digest: Callable[[Path], str] = file_digest) -> str:
    """SHA-256 of a file, or of a folder: of the names and the digests of all files below it.

    Args:
        path: of the file or folder.
        digest: SHA-256 of a file, from one that remembers, say.

    Raises:
        OSError: one of them cannot be read.
    """
    if not path.is_dir():
        return digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {digest(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
