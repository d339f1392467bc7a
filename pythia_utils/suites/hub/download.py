"""Single files of the Hub in the shared cache: each gets its name only when its bytes are right.

A revision's folder (`snapshots/<commit>/`) has links to `blobs/<hash>`, which revisions share. What was
cut off is `blobs/<hash>.incomplete`, and goes on from there. Bytes come by plain HTTP, not by Xet, which
cannot do that.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from pythia_utils.base.http import FetchError, RangeReader
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.api import RemoteFile, Revision

_FULL = (errno.ENOSPC, errno.EDQUOT)


def blob(folder: Path, file: RemoteFile) -> Path:
    """Where the cache keeps a file's bytes; `folder` is of the revision."""
    return folder.parents[1] / "blobs" / file.etag


def partial(folder: Path, file: RemoteFile) -> Path:
    """Where its beginning is, after a download that was cut off."""
    return folder.parents[1] / "blobs" / f"{file.etag}.incomplete"


def place(folder: Path, file: RemoteFile, known: dict | None = None) -> bool:
    """Whether the revision has the file, after linking what the cache has; what is corrupt goes.

    Args:
        folder: of the revision.
        file: as the Hub describes it.
        known: `facts` of the file when it was verified, if it was.
    """
    pointer = folder / file.name
    for path in (pointer, blob(folder, file)):
        if path.exists() and hash_now(path, known, like=file.etag) != file.etag:
            path.resolve().unlink()
            path.unlink(missing_ok=True)
    if not pointer.exists() and blob(folder, file).exists():
        _link(blob(folder, file), pointer)
    return pointer.exists()


def download(
    revision: Revision,
    file: RemoteFile,
    folder: Path,
    reader: RangeReader,
    report: Callable[[int], object],
) -> None:
    """Bring one file into the cache. Other processes that want it wait.

    Args:
        revision: that has the file.
        file: what to fetch.
        folder: of the revision in the cache.
        reader: of the Hub.
        report: called with the size of each piece.

    Raises:
        FetchError: the Hub does not deliver, or something else than it said; nothing of that is kept.
        OSError: of the disk. Where it is full, what came is dropped.
    """
    from huggingface_hub.utils import WeakFileLock

    storage = folder.parents[1]
    lock = storage.parent / ".locks" / storage.name / f"{file.etag}.lock"
    for each in (lock, blob(folder, file)):
        each.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if place(folder, file):  # another process was faster
            return
        target = partial(folder, file)
        tries = 2 if target.exists() else 1  # what is there may not be this file's beginning
        while tries:
            _fill(revision.url(file), file, target, reader, report)
            if file.matches(target):
                os.replace(target, blob(folder, file))
                _link(blob(folder, file), folder / file.name)
                return
            target.unlink()
            tries -= 1
    raise FetchError(
        f"{revision.repo_id}@{revision.name}: what came for {file.name} is corrupt: its hash is not "
        f"{file.etag[:12]}...; removed"
    )


def _fill(
    url: str,
    file: RemoteFile,
    target: Path,
    reader: RangeReader,
    report: Callable[[int], object],
) -> None:
    """Append what is missing of a file."""
    with open(target, "ab") as out:
        if out.tell() > file.size:
            out.truncate(0)
        try:
            for piece in reader.stream(url, out.tell(), file.size):
                out.write(piece)
                report(len(piece))
        except OSError as failure:
            if failure.errno in _FULL:
                target.unlink()
            raise


def _link(source: Path, pointer: Path) -> None:
    """Let the revision's name point to the bytes; where there are no symbolic links, they move."""
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(source, pointer.parent))
    except OSError:
        os.replace(source, pointer)


def blob_hash(path: Path) -> str | None:
    """The hash that a file of the cache must have: the name of the blob that it links to."""
    name = path.resolve().name
    return name if path.is_symlink() and len(name) in (40, 64) else None


def facts(path: Path, hashed: str) -> dict:
    """A file's `hash`, `size` and `mtime_ns`, by which a change shows."""
    status = path.stat()
    return {"hash": hashed, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def hash_now(path: Path, known: dict | None, like: str) -> str:
    """A file's hash: the known one if the file has not changed since, else computed as `like`."""
    if known and known == facts(path, known["hash"]):
        return known["hash"]
    return api.content_hash(path, like)
