"""The file of a suite of your own, checked: whoever writes one is told a mistake in one line.

name: mine
training_data: unknown            # or what it is called
models:
  - name: mine-small
    folder: runs/small            # beside the file; or repo: owner/name, of the Hub
    revisions: checkpoint-{step}
    tokens_per_step: 16384
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pythia_utils.base import schemas, yaml
from pythia_utils.base.errors import UsageError, quoted
from pythia_utils.base.files import local_path
from pythia_utils.base.schemas import Only, Several, like, line, number, whole
from pythia_utils.suites.own.pattern import Pattern

VARIABLE = "PYTHIA_SUITES"
FOLDER = "suites.d"  # of PYTHIA_HOME: its files are read, too
_ENDINGS = (".yml", ".yaml")


def _model_name(value: Any) -> str | None:
    fits = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", value, re.ASCII)
    return None if fits else "a name of letters, digits, -, _ and dots"


_REPO = like(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", "a repository such as owner/name")
_COUNTS = ("tokens_per_step", "batch_size", "seq_length")
_MODEL = {"name": _model_name, "repo?": _REPO, "folder?": line(), "revisions": line(200)}
_MODEL |= {"steps?": Several(whole(0)), "seed?": whole(0), "tokenizer?": line()}
_MODEL |= {"size?": _model_name, "variant?": schemas.name, "training_data?": line(200)}
_MODEL |= {f"{name}?": whole(1) for name in _COUNTS}
_SUITE = {"name": schemas.name, "title?": line(200), "training_data": line(200)}
_SUITE |= {"warmup?": number(0, 1)}  # share of the steps
_SUITE |= {"models": Several(Only(_MODEL))}


def named() -> list[Path]:
    """The files and folders that PYTHIA_SUITES names, absolute."""
    return [local_path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def listed(home: Path) -> list[Path]:
    """The suite files to read: those that PYTHIA_SUITES names, and those of `suites.d` in the home folder.

    Raises:
        UsageError: a name in PYTHIA_SUITES that is no file and no folder.
    """
    for path in named():
        if not path.exists():
            raise UsageError(f"there is no suite file {path} ({VARIABLE}, or --suites)")
    files = [file.absolute() for path in [*named(), home / FOLDER] for file in _files(path)]
    return list(dict.fromkeys(files))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(file for file in path.iterdir() if file.suffix in _ENDINGS and file.is_file())


@dataclass(frozen=True, eq=False)
class OwnFile:
    """A suite file, read.

    Attributes:
        path: of the file.
        source: what it says.
        entries: of its models, by lower-case name.
    """

    path: Path
    source: dict[str, Any]
    entries: dict[str, dict]


@cache
def read_all(
    files: tuple[tuple[Path, tuple], ...], taken: tuple[tuple[str, tuple[str, ...]], ...]
) -> dict[str, OwnFile]:
    """All the files, by the names of their suites.

    Args:
        files: each with a stamp that changes with it.
        taken: whose names, in words, and which, they may not have.

    Raises:
        UsageError: a mistake in a file, or a suite or model that is named like another.
    """
    owners = {name: owner for owner, names in taken for name in names}
    found = {}
    for path, _ in files:
        source = read_file(path)
        entries = {entry["name"].lower(): entry for entry in source["models"]}
        for name in (source["name"], *entries):
            if name in owners:
                raise UsageError(f"{path}: {name} is the name of {owners[name]}; expected another")
            owners[name] = f"a suite or a model of {path}"
        found[source["name"]] = OwnFile(path, source, entries)
    return found


def read_file(path: Path) -> dict[str, Any]:
    """What a suite file says, folders made absolute.

    Raises:
        UsageError: no YAML, or an unknown, missing or wrong entry; with its place.
    """
    where, source = path.name, yaml.read(path, path.name)
    schemas.check(where, source, Only(_SUITE))
    names = [entry["name"].lower() for entry in source["models"]]
    for index, entry in enumerate(source["models"]):
        at = f"{where}: models[{index}]"
        if names.index(entry["name"].lower()) != index:
            raise UsageError(
                f"{at}.name: {entry['name']} is the name of two models; expected another"
            )
        _check_model(at, entry)
    for entry in source["models"]:
        for key in ("folder", "tokenizer"):
            if key in entry and not _is_repo(entry, key, path.parent):
                entry[key] = str(_beside(path, entry[key]))
    return source


def _check_model(at: str, entry: dict[str, Any]) -> None:
    there = [key for key in ("repo", "folder") if key in entry]
    if len(there) != 1:
        raise UsageError(
            f"{at}: expected one of repo and folder, not {' and '.join(there) or 'none'}"
        )
    pattern = Pattern.parse(f"{at}.revisions", entry["revisions"])
    tells = "tokens_per_step" in entry or {"batch_size", "seq_length"} <= entry.keys()
    if not (tells or pattern.has_tokens):
        expected = "tokens_per_step, or batch_size and seq_length, or {n} in revisions"
        raise UsageError(f"{at}: nothing tells how many tokens a step reads; expected {expected}")


def _is_repo(entry: dict, key: str, folder: Path) -> bool:
    """Whether a tokenizer is one of the Hub: of the form of a repository, and no folder beside the file."""
    return key == "tokenizer" and not _REPO(entry[key]) and not (folder / entry[key]).exists()


def _beside(path: Path, name: str) -> Path:
    place = local_path(name) if name.startswith("~") else path.parent / name
    if not place.is_dir():
        raise UsageError(f"{path.name}: there is no folder {quoted(str(place))}")
    return place.absolute()
