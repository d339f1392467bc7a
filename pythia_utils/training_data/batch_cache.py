"""Fetched rows on disk: a folder of small files, the least recently used go first; those to keep never.

Each file is a digest and the bytes it is of. A damaged file is as good as none. Several processes
may share the folder: files appear whole, and one that another process removed is just not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.files import atomic_write

_DIGEST = hashlib.sha256().digest_size
DEFAULT_LIMIT = 256 << 20  # bytes: about 60 of Pythia's batches
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchCache:
    """Bytes by key.

    Attributes:
        folder: made when first written to. What is to be kept is in its folder `kept`.
        limit: bytes of all files together that are not kept; 0 switches that part of the cache off.
    """

    folder: Path
    limit: int = DEFAULT_LIMIT

    def get(self, key: str) -> bytes | None:
        """What was stored under `key`; None if nothing is, or not as it was stored."""
        for path in (self._path(key, keep=True), self._path(key)):
            if (data := _content(path, key)) is not None:
                return data
        return None

    def keep(self, key: str) -> bool:
        """Whether what was stored under `key` is there and kept from now on."""
        kept, usual = self._path(key, keep=True), self._path(key)
        if _content(kept, key) is not None:
            return True
        if _content(usual, key) is None:
            return False
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(usual, kept)
        except FileNotFoundError:  # another process has dropped it just now
            return False
        return True

    def put(self, key: str, data: bytes, keep: bool = False) -> None:
        """Store `data`, then remove what has not been used for longest. A full disk is no error.

        With `keep` it stays until someone removes it, whatever the limit.

        Raises:
            OSError: what is to be kept cannot be written.
        """
        if keep:
            with atomic_write(self._path(key, keep=True)) as path:
                path.write_bytes(_digest(key, data) + data)
            return
        if len(data) + _DIGEST > self.limit:
            return
        try:
            with atomic_write(self._path(key)) as path:
                path.write_bytes(_digest(key, data) + data)
            self._shrink()
        except OSError as failure:
            _log.warning("%s: the batch is not cached (%s)", self.folder, failure)

    def _path(self, key: str, keep: bool = False) -> Path:
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.batch"
        return self.folder / "kept" / name if keep else self.folder / name

    def _shrink(self) -> None:
        files = []
        for entry in os.scandir(self.folder):
            if entry.name.endswith(".batch"):  # those of a killed writer too
                about = entry.stat()
                files.append((about.st_mtime_ns, about.st_size, entry.path))
        excess = sum(size for _, size, _ in files) - self.limit
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            Path(path).unlink(missing_ok=True)
            excess -= size


def _content(path: Path, key: str) -> bytes | None:
    """What a file holds, if it is there and as it was stored."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content[:_DIGEST] != _digest(key, content[_DIGEST:]):
        _log.warning("%s is damaged; it is fetched again", path)
        return None
    with contextlib.suppress(OSError):  # another's, or gone by now
        os.utime(path)  # used just now
    return content[_DIGEST:]


def _digest(key: str, data: bytes) -> bytes:
    """Of key and data: a file that was given another's name does not pass."""
    return hashlib.sha256(key.encode() + b"\0" + data).digest()
