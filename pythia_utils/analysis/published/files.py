"""The suite's published evaluation files: where they are, and of which checkpoint each is.

They are results of lm-evaluation-harness as EleutherAI/pythia keeps them under `evals/`. They do not
ship with this package. An archive is read where it lies: nothing is extracted. What a file holds is
read from its own configuration, for folders and names are not always right.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.http import FetchError
from pythia_utils.suites.catalog import Checkpoint, Model, suite
from pythia_utils.suites.folders import home

REPOSITORY = "EleutherAI/pythia"
COMMIT = "a19eecb807ec2c79a39ebf18108816e6ffffc1d5"
LICENCE = "Apache-2.0"
# Of the files' names and contents at that commit. Not of the archive: GitHub packs it anew at will.
CONTENTS = "6c7d2b1848eca382083235c4a9b16278b7b7d86e20fa9ab95b14be5d36dfca21"
URL = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
_PATH = re.compile(r"pythia-(v[01])/(pythia-[^/]+)/(?:(zero|five)-shot/)?([^/]+)\.json")
_NAMED_STEP = re.compile(r"step(\d+)")
_NAMED_SHOTS = re.compile(r"(\d+)shot")
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
        reason = first_line(error).rstrip(":")
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


# ---- Which checkpoint


@dataclass(frozen=True)
class Evaluation:
    """One result file of one checkpoint.

    Attributes:
        file: its path below `evals/`.
        checkpoint: what was evaluated.
        shots: examples in the prompt, by the file's own configuration.
        results: by task, by metric as lm-evaluation-harness names it.
        claims: the shots that folder and name say, where they say any.
    """

    file: str
    checkpoint: Checkpoint
    shots: int
    results: Mapping[str, Mapping[str, float]]
    claims: tuple[int, ...] = ()

    @property
    def misnamed(self) -> bool:
        """Whether its folder or name says another number of shots."""
        return any(claim != self.shots for claim in self.claims)

    @property
    def key(self) -> tuple[str, int, int]:
        return self.checkpoint.model.name, self.checkpoint.step, self.shots


def read_evaluations(
    files: Mapping[str, bytes],
) -> tuple[list[Evaluation], dict[str, list[str]]]:
    """The evaluations in files, and the names of files that are none of the suite's, by reason.

    Raises:
        UsageError: a file is no result of the harness, or its name contradicts its step.
    """
    models = suite("pythia").models
    evaluations, skipped = [], defaultdict(list)
    for name in files:
        match = _PATH.fullmatch(name)
        if not match:
            skipped["case studies of bias (other tasks, or models trained further)"].append(name)
            continue
        version, folder = match[1], match[2]
        # v1 of 1b was first published as `1b-bf16`, beside a run in fp16 that was withdrawn.
        model = models.get(folder.removesuffix("-bf16") + ("-v0" if version == "v0" else ""))
        if model:
            evaluations.append(_evaluation(name, model, files[name]))
        else:
            skipped["models trained on other batch sizes, not of the suite"].append(name)
    return evaluations, skipped


def _evaluation(name: str, model: Model, content: bytes) -> Evaluation:
    try:
        data = json.loads(content)
        config, results = data["config"], data["results"]
        step, shots = _step(config["model_args"]), int(config["num_fewshot"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{name} is no result file of the harness: {error!r}") from None
    # v0's evaluations count optimiser steps, also where the Hub counts batches of 2M tokens.
    hub_step = step * model.steps[-1] // model.total_steps
    folder, file = _PATH.fullmatch(name)[3], _PATH.fullmatch(name)[4]
    claims = {"zero": [0], "five": [5], None: []}[folder]
    claims += [int(number) for number in _NAMED_SHOTS.findall(file)]
    named = _NAMED_STEP.search(file)
    if named and int(named[1]) != step:
        raise UsageError(f"{name} was made at step {step} by its own configuration, not {named[1]}")
    return Evaluation(name, model.checkpoint(hub_step), shots, results, tuple(claims))


def _step(arguments: str | Mapping) -> int:
    """The step that was loaded: GPT-NeoX's own arguments for v0, `key=value,...` for v1."""
    if isinstance(arguments, Mapping):
        return int(arguments["iteration"])
    pairs = dict(part.split("=", 1) for part in arguments.split(","))
    return int(pairs["revision"].removeprefix("step"))
