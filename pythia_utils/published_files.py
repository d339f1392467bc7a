"""The suite's published evaluation files: found in a folder, an archive, or its public repository.

They are results of lm-evaluation-harness as EleutherAI/pythia keeps them under `evals/`. They do not
ship with this package. An archive is read where it lies: nothing is extracted.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pythia_utils.checkpoints import home
from pythia_utils.errors import UsageError
from pythia_utils.http_ranges import FetchError

REPOSITORY = "EleutherAI/pythia"
COMMIT = "a19eecb807ec2c79a39ebf18108816e6ffffc1d5"
LICENCE = "Apache-2.0"
# Of the files' names and contents at that commit. Not of the archive: GitHub packs it anew at will.
CONTENTS = "6c7d2b1848eca382083235c4a9b16278b7b7d86e20fa9ab95b14be5d36dfca21"
URL = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
_RESULT = re.compile(r"(?:^|/)(pythia-v[01]/.+\.json)$")


def result_files(source: str | Path | None = None) -> dict[str, bytes]:
    """The contents of every published result file, by its path below `evals/`, sorted.

    Args:
        source: a folder or a .tar.xz, .tar.gz or .tar archive that has `pythia-v0/` and
            `pythia-v1/` somewhere in it; by default the public repository at `COMMIT`, downloaded
            once into `PYTHIA_HOME/published`.

    Raises:
        UsageError: no such source, or no result files in it.
        FetchError: the repository does not deliver, or not the files of that commit.
    """
    if source is None:
        return _fetched()
    path = Path(source).expanduser()
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}")
    files = dict(sorted(_in_folder(path) if path.is_dir() else _in_archive(path)))
    if not files:
        raise UsageError(f"{path} has no result files; expected evals/pythia-v0/**/*.json in it")
    return files


def contents_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and contents of files, in hex: however they were packed."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*.json"):
        if match := _RESULT.search(path.as_posix()):
            yield match[1], path.read_bytes()


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (match := _RESULT.search(member.name)):
                    yield match[1], archive.extractfile(member).read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise UsageError(f"{path} is not a whole archive: {reason}") from None


def _fetched() -> dict[str, bytes]:
    path = _download(URL, home() / "published")
    try:
        files = result_files(path)
    except UsageError as error:
        path.unlink()  # so that the next call downloads it again
        raise FetchError(f"{URL}: {error}") from None
    if (digest := contents_digest(files)) != CONTENTS:
        raise FetchError(
            f"{path} does not hold the files of commit {COMMIT[:7]}: their digest is {digest[:12]}, "
            f"expected {CONTENTS[:12]}; name that file as the source to read it all the same"
        )
    return files


def _download(url: str, folder: Path) -> Path:
    """The archive at `url`, whole or not at all; a second call finds it in `folder`."""
    import pooch
    import requests

    name = f"pythia-{COMMIT[:7]}.tar.gz"
    base = url.rsplit("/", 1)[0] + "/"
    keeper = pooch.create(folder, base, registry={name: None}, urls={name: url}, retry_if_failed=1)
    pooch.get_logger().setLevel("WARNING")
    try:
        loader = pooch.HTTPDownloader(progressbar=True, timeout=30)
        return Path(keeper.fetch(name, downloader=loader))
    except (requests.RequestException, ValueError) as error:
        raise FetchError(f"the published evaluations could not be fetched: {error}") from None
