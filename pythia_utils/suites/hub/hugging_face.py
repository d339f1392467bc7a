"""The one module that says `huggingface_hub`: what is asked of the Hub, and the cache all its tools share.

HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HF_HUB_CACHE mean what they mean everywhere, and the token
goes where the library sends it: to the Hub. Models and data sets differ by their `repo_type` alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pythia_utils.base.errors import UsageError, first_line, without_logins
from pythia_utils.base.files import atomic_write, sweep, within
from pythia_utils.base.http import PASSING, FetchError, PassingError, Retry, checked_url, shown_url
from pythia_utils.base.schemas import parse

_T = TypeVar("_T")
_REF = {"name": str, "targetCommit": str}


def _constants() -> ModuleType:
    """The library's settings, which it reads from the environment.

    Raises:
        UsageError: one is not as it must be: an address, a number of seconds. The library itself would
            tell it wherever it is first imported.
    """
    try:
        from huggingface_hub import constants
    except ValueError as failure:
        told = first_line(failure)
        raise UsageError(
            f"a variable HF_... of the environment is no such setting: {told}"
        ) from None
    checked_url(constants.ENDPOINT)
    return constants


def endpoint() -> str:
    """The Hub's address, without a slash at its end: HF_ENDPOINT's, or huggingface.co.

    Whoever asks for it uses it: what the library logs then, the address with it, names no password.
    """
    constants = _constants()
    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(_without_logins)  # once, however often it is added
    return constants.ENDPOINT


def _without_logins(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_logins(record.getMessage()), ()
    return True


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids the network."""
    return _constants().is_offline_mode()


def token() -> str | None:
    """The user's, if there is one."""
    _constants()
    from huggingface_hub import get_token

    return get_token()


def file_url(repo_id: str, name: str, commit: str, repo_type: str = "model") -> str:
    """Where a file is, at a commit."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repo_id, name, repo_type=repo_type, revision=commit, endpoint=endpoint())


def ask(method: str, repo_id: str, retry: Retry, **options):
    """What a method of the library's `HfApi` gives; what may pass is tried again.

    Raises:
        FetchError: one line that says why there is no answer.
    """
    from huggingface_hub import HfApi

    what = "@".join([repo_id, *([options["revision"]] if "revision" in options else [])])
    call = getattr(HfApi(endpoint=endpoint()), method)
    return retry.run(lambda: told(lambda: call(repo_id, **options), what), what)


def revisions(repo_id: str, timeout: float) -> dict[str, str]:
    """The commits of a model's tags and branches, by name: asked once, for `timeout` seconds at most.

    Raises:
        FetchError: there is no answer, and so does PassingError; both in one line.
    """
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    def request() -> dict[str, str]:
        url = f"{endpoint()}/api/models/{repo_id}/refs"  # the library's own call waits for ever
        response = get_session().get(url, headers=build_hf_headers(), timeout=timeout)
        hf_raise_for_status(response)
        refs = parse(response.content, {"tags": [_REF], "branches": [_REF]})
        return {ref["name"]: ref["targetCommit"] for ref in refs["tags"] + refs["branches"]}

    return told(request, repo_id)


# --- the cache ------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """HF_HUB_CACHE, or `hub/` in HF_HOME."""
    return Path(_constants().HF_HUB_CACHE)


def repo_folder(repo_id: str, repo_type: str = "model") -> str:
    """The cache's folder of a repository: `models--EleutherAI--pythia-70m`."""
    return "--".join([f"{repo_type}s", *repo_id.split("/")])


def ref(cache: Path, repo_id: str, revision: str, repo_type: str = "model") -> Path:
    """The cache's file with the commit of a branch or tag."""
    return cache / repo_folder(repo_id, repo_type) / "refs" / revision


def is_commit(text: str) -> bool:
    """Whether it is a commit's name: nothing else may be part of a path."""
    return is_hash(text) and len(text) == 40


def is_hash(text: str) -> bool:
    """Whether it is a hash by which the Hub knows files: git's, or SHA-256."""
    return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def cached_commit(
    repo_id: str, revision: str, cache: Path | None = None, repo_type: str = "model"
) -> str | None:
    """The commit that a cache, by default the shared one, has for a revision; None if it has none."""
    path = ref(cache or cache_folder(), repo_id, revision, repo_type)
    with suppress(OSError, ValueError):
        if is_commit(text := path.read_text(encoding="utf-8").strip()):
            return text
    return None


def point_to(
    cache: Path, repo_id: str, revision: str, commit: str, repo_type: str = "model"
) -> None:
    """Let a revision's name mean a commit in a cache, for every tool.

    Raises:
        FetchError: a link leads out of the cache.
    """
    path = ref(cache, repo_id, revision, repo_type)
    check_inside(path, cache)
    # To every tool each file in `refs/` is a name, a half-written one a broken repository.
    scratch = cache / repo_folder(repo_id, repo_type) / "unfinished"
    sweep(path.parent)
    with atomic_write(path, scratch) as temporary:
        temporary.write_text(commit, encoding="utf-8")


def check_inside(path: Path, cache: Path) -> None:
    """Refuse to write where a link leads out of the cache."""
    if not within(path, cache):
        raise FetchError(f"{path} leads out of the cache ({cache}); remove the link")


def snapshot(cache: Path, repo_id: str, commit: str, repo_type: str = "model") -> Path:
    """The cache's folder of a commit's files: links to `blobs/<hash>`, which commits share."""
    return cache / repo_folder(repo_id, repo_type) / "snapshots" / commit


def download(
    folder: Path, repo_id: str, name: str, repo_type: str, report: Callable[[int], object]
) -> Path:
    """One file, in the cache; not verified. Other processes that want it wait.

    A connection that breaks off goes on where it stopped; a download that a process did not end is
    begun anew by the next. It is to be in the `snapshot` folder. `report` is called with the size of
    each piece; what it raises ends a download by plain HTTP.
    """
    from huggingface_hub import hf_hub_download

    options = {"repo_type": repo_type, "revision": folder.name, "cache_dir": folder.parents[2]}
    options |= {"endpoint": endpoint(), "tqdm_class": _bar_that_calls(report)}
    return Path(hf_hub_download(repo_id, name, **options))


def _bar_that_calls(report: Callable[[int], object]) -> type:
    """What the library takes for a class of bars: shows nothing, and tells `report` of each piece."""
    from tqdm import tqdm

    class Told(tqdm):
        def __init__(self, *_, total: int | None = None, **__) -> None:
            super().__init__(total=total, disable=True)

        def update(self, n: float | None = 1) -> None:
            report(int(n or 0))

        def update_transfer(self, *_: object, **__: object) -> None:
            """Xet counts what goes over the wire apart; with this there is one bar, not two."""

        set_transfer_postfix_str = update_transfer

    return Told


def drop_leftovers(folder: Path, etag: str) -> None:
    """Remove the beginnings of a file that killed processes left in the cache of a `snapshot`.

    Nobody works on them once we have the library's lock: each download has a name of its own.
    """
    from huggingface_hub.utils import WeakFileLock

    repo = folder.parents[1]
    if left := list((repo / "blobs").glob(f"{etag}*.incomplete")):
        lock = repo.parent / ".locks" / repo.name / f"{etag}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            for path in left:
                path.unlink(missing_ok=True)


def drop_revisions(cache: Path, commits: Iterable[str]) -> None:
    """Take commits out of the cache, with the files that no other one has.

    A snapshot's link may lead out of its repository: then the link goes, and what it leads to stays.
    """
    from huggingface_hub import scan_cache_dir

    plan = scan_cache_dir(cache).delete_revisions(*commits)
    places = {folder.parents[1] / "blobs" for folder in plan.snapshots}
    places |= plan.snapshots  # where links are not supported
    ours = {blob for blob in plan.blobs if any(within(blob.parent, each) for each in places)}
    replace(plan, blobs=frozenset(ours)).execute()


def drop_files(folder: Path, names: Iterable[str]) -> None:
    """Take files out of a commit's folder, each with its bytes if no other commit has them.

    A link that leads out of the repository goes, and what it leads to stays.
    """
    repo = folder.parents[1]
    for path in (folder / name for name in names):
        if not within(path.parent, folder) or path.is_dir():
            continue  # what a journal was made to say
        blob = path.resolve()
        path.unlink(missing_ok=True)
        used = any(other.resolve() == blob for other in (repo / "snapshots").rglob("*"))
        if not used and within(blob.parent, repo / "blobs"):
            blob.unlink(missing_ok=True)


# --- what goes wrong ------------------------------------------------------------------------------


def told(request: Callable[[], _T], what: str) -> _T:
    """What the library gives, its failures in our words.

    Raises:
        PassingError: it may pass.
        FetchError: it will not.
        OSError: of the disk; and whatever else is not the Hub's.
    """
    try:
        return request()
    except Exception as failure:
        raise _sorted(failure, what) from None


def _sorted(failure: Exception, what: str) -> Exception:
    from huggingface_hub import errors

    match failure:
        case errors.LocalEntryNotFoundError(__cause__=Exception() as cause):
            return _sorted(cause, what)
        case errors.OfflineModeIsEnabled():
            return FetchError(f"{what}: offline (HF_HUB_OFFLINE), cannot ask the Hub")
        case errors.HfHubHTTPError(response=response) if response.status_code in PASSING:
            after = response.headers.get("Retry-After")
            return PassingError(f"status {response.status_code}", after)
        case errors.HfHubHTTPError():
            return FetchError(f"{what}: {_refusal(failure)}")
        case (
            errors.FileMetadataError()
            | ValueError()
            | LookupError()
            | TypeError()
            | AttributeError()
        ):
            return FetchError(f"{what}: {shown_url(endpoint())} does not answer as a Hub does")
        case errors.HTTPError() | ConnectionError() | TimeoutError():
            return PassingError(
                f"{shown_url(endpoint())} cannot be reached ({type(failure).__name__})"
            )
        case OSError(errno=None) | RuntimeError():  # another size than told; Xet's faults
            return PassingError(f"what came is not whole ({type(failure).__name__})")
    return failure


def _refusal(failure) -> str:
    """Why the Hub says no, in one clause."""
    from huggingface_hub import errors

    match failure:
        case errors.GatedRepoError():
            return "the repository is gated; ask for access on its page and set HF_TOKEN"
        case errors.RepositoryNotFoundError():
            return "no such repository on the Hub (or it is private and HF_TOKEN has no access)"
        case errors.RevisionNotFoundError():
            return "the repository has no such revision"
    status = failure.response.status_code
    return f"the Hub answers with status {status}{'; check HF_TOKEN' * (status in (401, 403))}"
