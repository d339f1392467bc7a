"""Files and folders: written whole or not at all, digests that are remembered, and a lock for a folder.

A grid is planned in seconds though its weights weigh gigabytes, since digests are kept. A lock is the
operating system's own, so it ends with the process that holds it, however that dies. What a killed
writer leaves has a name that no reader takes for anything, and is removed when it is a day old.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pythia_utils.base.errors import UsageError, naming, one_line

DIGESTS_FILE = ".digests.json"


def local_path(path: str | Path) -> Path:
    """A path as a user writes it, made absolute: whoever gets it may work in another folder.

    Raises:
        UsageError: there is no such user, or it could be no path.
    """
    try:
        full = Path(path).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"{one_line(path, 60)}: whose folder that is, is not known") from None
    if "\0" in str(full):
        raise UsageError(f"{one_line(path, 60)}: a path has no such character")
    return full


def stamp(about: os.stat_result) -> list[int]:
    """What changes when a file is replaced: size, time of change and inode.

    The inode tells two versions apart that were renamed into place within one tick of the clock, or
    by a clock that went backwards.
    """
    return [about.st_size, about.st_mtime_ns, about.st_ino]


class DigestCache:
    """SHA-256 of files, kept in a JSON file and read again only for files that have changed.

    Args:
        path: where it is kept; a file that is missing or damaged counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._known = self._read()
        self._new: dict[str, list] = {}

    def _read(self) -> dict[str, list]:
        with suppress(OSError, ValueError):
            known = json.loads(self.path.read_bytes())
            return known if isinstance(known, dict) else {}
        return {}

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
        self._known[key] = self._new[key] = [now, digest]
        return digest

    def save(self) -> None:
        """Keep what is known now, beside what others have kept since. Where the folder may not be written,
        it is worked out again."""
        if self._new and self.path.parent.is_dir():
            with suppress(OSError), atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(self._read() | self._new), encoding="utf-8")
                self._new = {}


LOCK_FILE = ".lock"


class FolderInUse(OSError):
    """Another process works in this folder. The command line exits with 1."""


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be, so that no other process works there too.

    What killed writers left below it is swept. `what` works there is told to others: `run`.

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
        sweep(folder)
        yield


def _in_use(folder: Path, what: str) -> str:
    try:
        holder = json.loads((folder / LOCK_FILE).read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "a process that has just started"
    return f"another {what} works in {folder} ({who}); wait for it to end, or stop it"


# --- whole or not at all --------------------------------------------------------------------------

_PARTIAL = ".partial-"  # names of what is being written begin so
_ABANDONED = 24 * 3600  # seconds after which nobody is writing it any more


@contextmanager
def atomic_write(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` when the block ends without an error.

    A link stays, and its target is replaced: where the name comes from elsewhere, see `within` first.
    What is no regular file (a device, a FIFO) is not replaced: it is itself what is yielded, to be
    written into.

    Args:
        path: of the file. A killed process never leaves it half-written.
        scratch: the folder for the temporary file, on the same file system, where others read all that
            lies beside `path`. Else it is beside `path`, and `is_partial` tells it.
    """
    if is_special(path):
        yield Path(path)
        return
    path = Path(os.path.realpath(path))
    folder = scratch or path.parent
    for each in (path.parent, folder):
        each.mkdir(parents=True, exist_ok=True)
    _sweep_once(folder)
    # Not the suffix of `path`, by which others look for their files. Not tempfile: it makes private
    # files, and asking for the umask to undo that is not thread-safe.
    temporary = folder / f"{_PARTIAL}{secrets.token_hex(6)}.part"
    temporary.touch(exist_ok=False)
    try:
        with naming(path):
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


def is_special(path: Path) -> bool:
    """Whether something is there, at the end of links, that is no regular file and no folder."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_partial(path: Path) -> bool:
    """Whether it is a file, or a folder, that a writer has not finished."""
    return path.name.startswith(_PARTIAL)


def sweep(folder: Path) -> None:
    """Remove what killed writers left, more than a day ago, anywhere below a folder."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name.startswith(_PARTIAL):
                _remove_abandoned(Path(parent, name))


@functools.cache
def _sweep_once(folder: Path) -> None:
    """The same of the folder's own files, once a process: a writer tidies up where it writes."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_PARTIAL):
                _remove_abandoned(folder / name)


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):  # gone by now, or another's
        about = path.lstat()
        if time.time() - about.st_mtime < _ABANDONED:
            return
        if stat.S_ISDIR(about.st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def within(path: Path, folder: Path) -> bool:
    """Whether a path, all links followed, lies below a folder: ask before you remove or write by a
    name that comes from elsewhere."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def free_space(folder: Path) -> int:
    """Bytes that are free on the disk of a folder, which need not be there yet."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    return shutil.disk_usage(there).free


# --- digests --------------------------------------------------------------------------------------


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(path: Path, digest: Callable[[Path], str] = file_digest) -> str:
    """SHA-256 of a file, or of a folder: of the names and the digests of all files below it.

    Raises:
        OSError: one of them cannot be read.
    """
    if not path.is_dir():
        return digest(path)
    files = sorted(f for f in path.rglob("*") if f.is_file() and not is_partial(f))
    lines = [f"{file.relative_to(path).as_posix()} {digest(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
