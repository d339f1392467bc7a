"""Digests of files, remembered: a grid is planned in seconds though its weights weigh gigabytes."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from pythia_utils.provenance import atomic_write, file_digest

FILE = ".digests.json"


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
        """As `provenance.file_digest`.

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
