"""Single files of the Hub in the shared cache, verified: a file has the hash that the Hub tells, or goes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from pythia_utils.base.files import DigestCache, file_digest, within
from pythia_utils.base.http import FetchError
from pythia_utils.suites.hub import hugging_face
from pythia_utils.suites.hub.api import RemoteFile, Revision


def fetch(
    revision: Revision,
    file: RemoteFile,
    folder: Path,
    known: DigestCache | None = None,
    report: Callable[[int], object] = lambda size: None,
) -> None:
    """Let the cache's folder of a revision have one file of it, and be it right.

    One that does not match is deleted and fetched once more. `report` is called with the size of each
    piece that comes.

    Raises:
        FetchError: the Hub does not deliver, or twice something else than it said; nothing of that
            is kept.
        OSError: of the disk.
    """
    place = (folder, revision.repo_id, file.name, revision.repo_type, report)
    what = f"{revision.repo_id}@{revision.name}: {file.name}"
    hugging_face.drop_leftovers(folder, file.etag)
    for _ in range(2):
        path = revision.reader.retry.run(
            lambda: hugging_face.told(lambda: hugging_face.download(*place), what), what
        )
        if content_hash(path, file.etag, known) == file.etag:
            return
        _remove(path, folder.parents[1])
    raise FetchError(f"{what}: what came is corrupt: its hash is not {file.etag[:12]}...; removed")


def _remove(path: Path, repository: Path) -> None:
    """A link and the bytes it leads to, each if it truly lies in the repository's folder."""
    target = path.resolve()
    if within(target, repository):
        target.unlink()
    if within(path.parent, repository):
        path.unlink(missing_ok=True)


def content_hash(path: Path, like: str, known: DigestCache | None = None) -> str:
    """A file's hash of the same kind as `like`: SHA-256 (64 digits) or git's SHA-1 (40 digits)."""
    if len(like) == 64:
        return known.digest(path.resolve()) if known else file_digest(path)
    content = path.read_bytes()  # git's files are small
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
