"""Files and folders: written whole or not at all, digests that are remembered, and a lock for a folder.

A grid is planned in seconds though its weights weigh gigabytes, since digests are kept. A lock is the
operating system's own, so it ends with the process that holds it, however that dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

DIGESTS_FILE = ".digests.json"


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
                temporary.write_text(json.dumps(self._known))
                self._changed = False


LOCK_FILE = ".lock"


class RunsInUse(OSError):
    """Another process runs cells in this folder. The command line exits with 1."""


@contextmanager
def locked(runs: Path) -> Iterator[None]:
    """Hold the lock of a folder of runs, which is made if need be.

    Raises:
        RunsInUse: another process holds it; the message names it.
        OSError: the folder may not be written, or its file system has no locks.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with open(runs / LOCK_FILE, "a+", encoding="utf-8") as file:
        # POSIX locks are not inherited: a notebook that outlives its run does not keep the lock.
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise RunsInUse(_in_use(runs, file)) from None
        file.seek(0)
        file.truncate()
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": platform.node(), "since": since}, file)
        file.flush()
        yield


def _in_use(runs: Path, file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "a process that has just started"
    return f"another run works in {runs} ({who}); wait for it to end, or stop it"


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
