"""What the Hub holds at a revision: its commit and the hashes of its files, by one request.

`describe` asks through `huggingface_hub`, so that HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what
they mean everywhere. Whatever goes wrong is one line, a `FetchError`.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pythia_utils.base.http import PASSING, FetchError, RangeReader, Retry, retry_after

RETRY = Retry()
SMALL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
SMALL_FILES += ("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt")
# The layouts of weights, the wanted first: one file, or an index and the files that it names.
WEIGHTS = (("model", "safetensors"), ("pytorch_model", "bin"))
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        name: its path there.
        size: in bytes.
        blob_id: git's hash of it, or of the pointer that stands for an LFS file.
        sha256: of an LFS file's bytes (weights), in hex; else None.
    """

    name: str
    size: int
    blob_id: str
    sha256: str | None = None

    @property
    def etag(self) -> str:
        """The hash of its bytes by which the Hub and the cache know it: SHA-256 or git's."""
        return self.sha256 or self.blob_id

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` has these very bytes. Reads all of it."""
        return path.stat().st_size == self.size and content_hash(path, self.etag) == self.etag


@dataclass(frozen=True)
class Revision:
    """A revision as the Hub describes it: `commit` is what `name` (`step3000`) points to now."""

    repo_id: str
    name: str
    commit: str
    files: tuple[RemoteFile, ...]

    def needed(self) -> tuple[RemoteFile, ...]:
        """The files to fetch: weights (safetensors first, else .bin), configuration, tokenizer.

        Raises:
            FetchError: there is no configuration, or no complete set of weights.
        """
        by_name = {file.name: file for file in self.files}
        weights = choose_weights(by_name)
        if weights is None or "config.json" not in by_name:
            lacks = "config.json" if weights else "complete weights (safetensors or .bin)"
            raise FetchError(f"{self.repo_id}@{self.name} has no {lacks} on the Hub")
        small = [name for name in SMALL_FILES if name in by_name]
        return tuple(by_name[name] for name in (*small, *weights))

    def url(self, file: RemoteFile) -> str:
        """Where the file is, at this very commit."""
        return f"{endpoint()}/{self.repo_id}/resolve/{self.commit}/{quote(file.name)}"


def choose_weights(names) -> list[str] | None:
    """The files that hold a checkpoint's weights, of those that are there; None if none is complete.

    Args:
        names: of files, a container.
    """
    for stem, suffix in WEIGHTS:
        if f"{stem}.{suffix}" in names:
            return [f"{stem}.{suffix}"]
        if f"{stem}.{suffix}.index.json" in names and (shards := _shards(names, stem, suffix)):
            return [f"{stem}.{suffix}.index.json", *shards]
    return None


def _shards(names, stem: str, suffix: str) -> list[str] | None:
    """`model-00001-of-00003.safetensors` and so on, if all are there."""
    pattern = re.compile(rf"{stem}-\d{{5}}-of-(\d{{5}})\.{suffix}")
    for count in {match[1] for name in names if (match := pattern.fullmatch(name))}:
        shards = [f"{stem}-{n:05}-of-{count}.{suffix}" for n in range(1, int(count) + 1)]
        if all(shard in names for shard in shards):
            return shards
    return None


def content_hash(path: Path, like: str) -> str:
    """A file's hash of the same kind as `like`: SHA-256 (64 digits) or git's SHA-1 (40 digits)."""
    if len(like) == 64:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    content = path.read_bytes()  # git's files are small
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def endpoint() -> str:
    """The Hub's address, without a slash at its end: HF_ENDPOINT's, or huggingface.co."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids the network."""
    from huggingface_hub import constants

    return constants.is_offline_mode()


def reader(retry: Retry | None = None) -> RangeReader:
    """What reads files of the Hub by byte ranges, with the user's token, if there is one."""
    from huggingface_hub import get_token

    return RangeReader(retry or RETRY, token=get_token())


def describe(repo_id: str, revision: str, retry: Retry | None = None) -> Revision:
    """A revision's commit and files, asked of the Hub.

    Raises:
        FetchError: there is no such repository or revision, or the Hub refuses, or does not answer.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    options = {"files_metadata": True, "timeout": (retry or RETRY).read_timeout}
    info = ask(
        lambda: api.model_info(repo_id, revision=revision, **options),
        f"{repo_id}@{revision}",
        retry,
    )
    files = tuple(_remote_file(sibling) for sibling in info.siblings or ())
    for name in (info.sha, *(file.etag for file in files)):  # names of files and folders here
        if not _HASH.fullmatch(str(name)):
            raise FetchError(f"{repo_id}@{revision}: the Hub gives {name!r} for a hash")
    return Revision(repo_id, revision, info.sha, files)


def _remote_file(sibling) -> RemoteFile:
    lfs = sibling.lfs
    size = lfs.size if lfs else sibling.size
    return RemoteFile(sibling.rfilename, size, sibling.blob_id, lfs.sha256 if lfs else None)


def ask(request: Callable[[], _T], what: str, retry: Retry | None = None) -> _T:
    """The answer to a request through `huggingface_hub`; what may pass is tried again.

    Args:
        request: calls the library once.
        what: it is about, for the message.
        retry: patience, also with a `Retry-After`.

    Raises:
        FetchError: one line that says why there is no answer.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    retry = retry or RETRY
    for failures in range(1, retry.attempts + 1):
        after = None
        try:
            return request()
        except OfflineModeIsEnabled:
            raise FetchError(f"{what}: offline (HF_HUB_OFFLINE), cannot ask the Hub") from None
        except HfHubHTTPError as failure:
            status, headers = failure.response.status_code, failure.response.headers
            if status not in PASSING:
                raise FetchError(f"{what}: {_refusal(failure)}") from None
            reason, after = f"status {status}", retry_after(headers.get("Retry-After"))
        except (HTTPError, OSError) as failure:
            reason = f"{endpoint()} cannot be reached ({type(failure).__name__})"
        except ValueError:  # a page instead of JSON
            raise FetchError(f"{what}: {endpoint()} does not answer as a Hub does") from None
        if failures < retry.attempts:
            _pause(retry, failures, after, f"{what}: {reason}")
    raise FetchError(f"{what}: {reason}; gave up after {retry.attempts} tries")


def _pause(retry: Retry, failures: int, after: float | None, line: str) -> None:
    seconds = retry.pause(failures, after)
    if seconds > retry.longest_wait:
        raise FetchError(f"{line}; the Hub asks to wait {seconds:.0f} s")
    _log.warning("%s; trying again in %.0f s", line, seconds)
    retry.sleep(seconds)


def _refusal(failure) -> str:
    """Why the Hub says no, in one clause."""
    from huggingface_hub import errors

    if isinstance(failure, errors.GatedRepoError):
        return "the repository is gated; ask for access on its page and set HF_TOKEN"
    if isinstance(failure, errors.RepositoryNotFoundError):
        return "no such repository on the Hub (or it is private and HF_TOKEN has no access)"
    if isinstance(failure, errors.RevisionNotFoundError):
        return "the repository has no such revision"
    if failure.response.status_code in (401, 403):
        return f"the Hub refuses (status {failure.response.status_code}); check HF_TOKEN"
    return f"the Hub answers with status {failure.response.status_code}"
