"""Which commit a revision of the Hub is now; one of the shared cache that is not it is forgotten.

A publisher may repair a revision: its name stays and its commit changes. One request tells the
commits of all revisions of a repository, so that a grid of thousands asks a few times.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pythia_utils.base.files import within
from pythia_utils.base.http import FetchError, PassingError
from pythia_utils.suites.hub import hugging_face

_TIMEOUT = 5.0  # seconds; without an answer the cache tells
_AT_A_TIME = 16


def current_commits(repo_ids: Iterable[str]) -> dict[tuple[str, str], str]:
    """The commits of repositories' branches and tags, by repository and name, asked of the Hub.

    Returns:
        Nothing of a repository about which the Hub does not answer; nothing at all where
        HF_HUB_OFFLINE is set.
    """
    repo_ids = sorted(set(repo_ids))
    if not repo_ids or hugging_face.is_offline():
        return {}
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        answers = pool.map(_ask, repo_ids)
        return {
            (repo_id, name): commit
            for repo_id, answer in zip(repo_ids, answers, strict=True)
            for name, commit in answer.items()
        }


def _ask(repo_id: str) -> dict[str, str]:
    with suppress(FetchError, PassingError, OSError):  # what is wrong is told when it is fetched
        return hugging_face.revisions(repo_id, _TIMEOUT)
    return {}


def forget_other(repo_id: str, revision: str, commit: str) -> None:
    """If the cache has another commit for a revision, forget which: it is fetched when it is opened next.

    Raises:
        OSError: the cache may not be written.
    """
    if hugging_face.cached_commit(repo_id, revision) not in (None, commit):
        cache = hugging_face.cache_folder()
        path = hugging_face.ref(cache, repo_id, revision)
        if within(path.parent, cache):
            path.unlink(missing_ok=True)
