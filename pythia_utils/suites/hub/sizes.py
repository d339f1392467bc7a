"""How much fetching many revisions will be, by one question a repository.

The revisions of a repository that holds a model are as large as one another, but for a few bytes: so one
of them is asked about, and thousands of questions are spared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from pythia_utils.base.http import FetchError
from pythia_utils.suites.hub import api, hugging_face
from pythia_utils.suites.hub.weight_files import CorruptFileError

_AT_A_TIME = 8
_TRIES = 3  # revisions of a repository that are asked about, if the first has no weights


def revision_sizes(revisions: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Bytes to fetch for a revision of each repository, as the Hub tells them now.

    Args:
        revisions: names of revisions, by repository.

    Returns:
        Nothing of a repository about which the Hub does not tell; nothing at all where HF_HUB_OFFLINE is
        set.
    """
    if not revisions or hugging_face.is_offline():
        return {}
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        answers = pool.map(_ask, revisions, revisions.values())
        found = zip(revisions, answers, strict=True)
        return {repo_id: size for repo_id, size in found if size is not None}


def _ask(repo_id: str, names: Iterable[str]) -> int | None:
    retry = replace(api.RETRY, attempts=min(2, api.RETRY.attempts))  # the fetch itself is patient
    for name in list(names)[:_TRIES]:
        with suppress(FetchError, CorruptFileError, OSError):
            revision = api.describe(repo_id, name, api.reader(retry))
            return sum(file.size for file in revision.needed())
    return None
