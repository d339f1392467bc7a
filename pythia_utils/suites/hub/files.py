"""Some files of a repository of the Hub in the shared cache, verified: all of them, or a line says why not.

Checkpoints have rules of their own (`cache`); this is for data sets, and for a tokenizer by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pythia_utils.base.http import FetchError
from pythia_utils.base.progress import Bar
from pythia_utils.suites.hub import api, download
from pythia_utils.suites.hub.api import RemoteFile, Revision
from pythia_utils.suites.hub.hugging_face import (
    cache_folder,
    cached_commit,
    is_commit,
    is_offline,
    point_to,
    repo_folder,
    snapshot,
)

_AT_A_TIME = 8


@dataclass(frozen=True)
class HubFiles:
    """Files of a repository at a revision.

    Attributes:
        repo_id: of the repository.
        revision: a commit; or a branch, which then means the commit that the cache has for it, if any.
        patterns: names, or patterns such as `adjunct_island/*.parquet`; of each some file must be there.
        repo_type: `model` or `dataset`.
    """

    repo_id: str
    revision: str
    patterns: tuple[str, ...]
    repo_type: str = "dataset"

    @property
    def commit(self) -> str | None:
        """Of the revision, as far as the cache knows it."""
        if is_commit(self.revision):
            return self.revision
        return cached_commit(self.repo_id, self.revision, repo_type=self.repo_type)

    def cached(self) -> Path | None:
        """The cache's folder with these files; None if some are not in it. The Hub is not asked."""
        if (commit := self.commit) is None:
            return None
        folder = snapshot(cache_folder(), self.repo_id, commit, self.repo_type)
        return folder if all(_holds(folder, pattern) for pattern in self.patterns) else None

    def bring(self, report: Callable[[int], object] | None = None) -> Path:
        """The cache's folder with these files, fetched and verified if they are not all there.

        Args:
            report: called with the size of each piece that comes; None for a bar on a terminal.

        Raises:
            FetchError: they cannot be had.
            OSError: of the disk.
        """
        if folder := self.cached():
            return folder
        if is_offline():
            raise FetchError(
                f"{self} is not in {cache_folder()}; HF_HUB_OFFLINE forbids to fetch it"
            )
        return self.fetch(self.describe(), report)

    def describe(self) -> Revision:
        """What the Hub has at the revision.

        Raises:
            FetchError: it does not say, or lacks one of the files.
        """
        found = api.describe(self.repo_id, self.revision, repo_type=self.repo_type)
        for pattern in self.patterns:
            if not any(fnmatch(name, pattern) for name in found.files):
                raise FetchError(f"{self.repo_id}@{self.revision} has no {pattern} on the Hub")
        return found

    def missing(self, revision: Revision) -> list[RemoteFile]:
        """Those that the cache's folder of a revision lacks."""
        folder = snapshot(cache_folder(), self.repo_id, revision.commit, self.repo_type)
        return [file for file in self.wanted(revision) if not (folder / file.name).exists()]

    def wanted(self, revision: Revision) -> list[RemoteFile]:
        """All of them, as a described revision has them."""
        files = revision.files.values()
        return [file for file in files if any(fnmatch(file.name, each) for each in self.patterns)]

    def fetch(self, revision: Revision, report: Callable[[int], object] | None = None) -> Path:
        """Bring what is missing of a described revision. Raises as `bring`."""
        folder = snapshot(cache_folder(), self.repo_id, revision.commit, self.repo_type)
        files = self.missing(revision)
        size, quiet = sum(file.size for file in files), report is not None
        with Bar(size, self.repo_id, "B", quiet=quiet, lines=False, keep=False) as bar:
            tell = report or bar.advance
            with ThreadPoolExecutor(_AT_A_TIME) as pool:
                list(pool.map(lambda f: download.fetch(revision, f, folder, report=tell), files))
        if not is_commit(self.revision):
            point_to(
                cache_folder(), revision.repo_id, self.revision, revision.commit, self.repo_type
            )
        return folder

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision[:12]}"


def _holds(folder: Path, pattern: str) -> bool:
    return any(path.exists() for path in folder.glob(pattern))


def cached_file(repo_id: str, name: str) -> Path | None:
    """A file of any commit of a model that the cache has; of several the newest."""
    folder = cache_folder() / repo_folder(repo_id) / "snapshots"
    found = [path for path in folder.glob(f"*/{name}") if path.is_file()]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)
