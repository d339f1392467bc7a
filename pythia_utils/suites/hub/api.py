"""What the Hub holds at a revision: its commit, the hashes of its files, and which hold the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pythia_utils.base.errors import quoted
from pythia_utils.base.http import FetchError, RangeReader, Retry
from pythia_utils.base.schemas import misfit
from pythia_utils.suites.hub import hugging_face
from pythia_utils.suites.hub.weight_files import CorruptFileError, WeightFiles, choose_weights

RETRY = Retry()
SMALL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
SMALL_FILES += ("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt")
INDEX_LIMIT = 20_000_000  # bytes of model.safetensors.index.json


def reader(retry: Retry | None = None) -> RangeReader:
    """What reads files of the Hub by byte ranges, with the user's token, if there is one."""
    return RangeReader(retry or RETRY, token=hugging_face.token())


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        name: its path there.
        size: in bytes.
        etag: the hash of its bytes by which the Hub and the cache know it, in hex: SHA-256 of LFS
            files (weights), git's of others.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True)
class Revision:
    """A revision as the Hub describes it.

    Attributes:
        repo_id: of the repository.
        name: of the revision, such as `step3000`.
        commit: that it points to now.
        files: all that it has, by name.
        repo_type: `model` or `dataset`.
        reader: the way to the Hub.
    """

    repo_id: str
    name: str
    commit: str
    files: dict[str, RemoteFile]
    repo_type: str = "model"
    reader: RangeReader = field(default_factory=reader, repr=False)

    @cached_property
    def weights(self) -> WeightFiles | None:
        """The files with its weights, None if no set is complete; an index is read, by one request.

        Raises:
            FetchError: the index cannot be had.
            CorruptFileError: it is none.
        """
        return choose_weights(self.files, self._read_index)

    def _read_index(self, name: str) -> bytes:
        size = self.files[name].size
        if not 0 < size <= INDEX_LIMIT:
            raise CorruptFileError(f"{self.url(name)} has {size} bytes; an index has fewer")
        return self.reader.read(self.url(name), 0, size).data

    def needed(self) -> list[RemoteFile]:
        """The files of a checkpoint to fetch: configuration, tokenizer, weights.

        Raises:
            FetchError: there is no configuration, or no complete set of weights.
            CorruptFileError: see `weights`.
        """
        if self.weights is None or "config.json" not in self.files:
            lacks = "config.json" if self.weights else "complete weights (safetensors or .bin)"
            raise FetchError(f"{self.repo_id}@{self.name} has no {lacks} on the Hub")
        wanted = (*SMALL_FILES, self.weights.index, *self.weights.files)
        return [self.files[name] for name in wanted if name in self.files]

    def url(self, name: str) -> str:
        """Where a file is, at this very commit."""
        return hugging_face.file_url(self.repo_id, name, self.commit, self.repo_type)


def describe(
    repo_id: str, revision: str, way: RangeReader | None = None, repo_type: str = "model"
) -> Revision:
    """A revision's commit and files, by one request.

    Args:
        revision: branch, tag or commit.
        way: to the Hub: its patience holds, and it reads what else is asked of the revision.

    Raises:
        FetchError: there is no such repository or revision, or the Hub refuses, or does not answer.
    """
    way = way or reader()
    options = {"repo_type": repo_type, "files_metadata": True, "timeout": way.retry.read_timeout}
    info = hugging_face.ask("repo_info", repo_id, way.retry, revision=revision, **options)
    where = f"{repo_id}@{revision}"
    found = hugging_face.told(lambda: [_remote_file(each) for each in info.siblings or ()], where)
    _check(where, info.sha, found)
    files = {file.name: file for file in found}
    return Revision(repo_id, revision, info.sha, files, repo_type, way)


def _check(where: str, commit: object, files: list[RemoteFile]) -> None:
    """Raise FetchError unless an answer has the shape that it should: hashes become names of files here."""
    if not hugging_face.is_hash(str(commit)):
        raise FetchError(f"{where}: the Hub gives {quoted(commit)} for a commit")
    if files and all(file.size is None and file.etag is None for file in files):
        raise FetchError(
            f"{where}: {hugging_face.endpoint()} tells neither sizes nor hashes of files; a mirror "
            "that ignores `?blobs=true`? Expected a Hub in HF_ENDPOINT that heeds it"
        )
    for file in files:
        if fault := misfit(vars(file), {"name": str, "size": int, "etag": str}):
            raise FetchError(f"{where}: the Hub tells of a file, {fault}")
        if not hugging_face.is_hash(file.etag) or file.size < 0:
            told = f"size {quoted(file.size)} and hash {quoted(file.etag)}"
            raise FetchError(f"{where}: the Hub gives {told} for {quoted(file.name)}")


def _remote_file(sibling) -> RemoteFile:
    lfs = sibling.lfs
    size, etag = (lfs.size, lfs.sha256) if lfs else (sibling.size, sibling.blob_id)
    return RemoteFile(sibling.rfilename, size, etag)
