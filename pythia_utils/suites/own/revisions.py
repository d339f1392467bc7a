"""Which checkpoints of a run there are: folders, or revisions of the Hub, whose names are of its pattern.

A folder is looked at each time. The Hub is asked once a day, and what it said is kept, so that the kernels of
a run agree and a node without a network knows its checkpoints.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.base.http import FetchError, PassingError
from pythia_utils.suites.hub import hugging_face
from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in
from pythia_utils.suites.own.pattern import Pattern

_TIMEOUT = 20.0  # seconds
_FRESH = 24 * 3600.0  # seconds that an answer of the Hub holds


@dataclass(frozen=True)
class Found:
    """Checkpoints that there are: names and tokens (where the names tell them) by step, ascending."""

    names: dict[int, str]
    tokens: dict[int, int]


def choose(
    where: str, pattern: Pattern, names: Iterable[str], steps: Iterable[int] | None
) -> Found:
    """Those of some names that are of the pattern, and of these steps if there are any.

    Raises:
        UsageError: a step that has no name, or two.
    """
    found: dict[int, tuple[str, int | None]] = {}
    for name in sorted(names):
        if read := pattern.read(name):
            step, tokens = read
            if step in found:
                raise UsageError(f"{where}: {found[step][0]} and {name} are both step {step}")
            found[step] = (name, tokens)
    if missing := [step for step in steps or () if step not in found]:
        raise UsageError(f"{where}: there is no {pattern.text} for step {missing[0]}")
    kept = sorted(found if steps is None else set(steps))
    if not kept:
        raise UsageError(f"{where}: there is no checkpoint named {pattern.text}")
    return Found(
        {step: found[step][0] for step in kept},
        {step: tokens for step in kept if (tokens := found[step][1]) is not None},
    )


# --- what there is --------------------------------------------------------------------------------


def in_folder(folder: Path, pattern: Pattern) -> list[str]:
    """Names of the folders of a pattern that hold a configuration and whole weights."""
    depth = pattern.text.count("/")
    paths = (path for path in folder.glob("/".join(["*"] * (depth + 1))) if path.is_dir())
    names = (path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if pattern.read(name) and _is_whole(folder / name)]


def _is_whole(folder: Path) -> bool:
    """Not one that a training run is about to write."""
    try:
        return (folder / "config.json").is_file() and weights_in(folder) is not None
    except (CorruptFileError, OSError):
        return True  # to be told when it is opened


def on_hub(repo_id: str, kept: Path) -> list[str]:
    """Names of a repository's branches and tags.

    Args:
        repo_id: of the repository.
        kept: the folder for what the Hub says. Its answer holds a day, and longer if it cannot be asked.

    Raises:
        UsageError: it cannot be asked, and nothing is known from before.
    """
    file = kept / f"{repo_id.replace('/', '--')}.refs"
    known = _read(file)
    if known is not None and time.time() - file.stat().st_mtime < _FRESH:
        return known
    try:
        names = _ask(repo_id)
    except (FetchError, PassingError) as failure:
        if known is None:
            known = _in_cache(repo_id)
        if known:
            return known
        hint = "list the checkpoints under steps:, or try again with the Hub at hand"
        raise UsageError(
            f"which revisions {repo_id} has is not known here ({failure}); {hint}"
        ) from None
    with atomic_write(file) as temporary:
        temporary.write_text("\n".join(names), encoding="utf-8")
    return names


def ask_again(kept: Path) -> None:
    """Let nothing that the Hub said be fresh: it is asked anew, if it can be."""
    for file in kept.glob("*.refs"):
        os.utime(file, (0, 0))


def _ask(repo_id: str) -> list[str]:
    if hugging_face.is_offline():
        raise FetchError("HF_HUB_OFFLINE forbids to ask")
    return sorted(hugging_face.revisions(repo_id, _TIMEOUT))


def _read(file: Path) -> list[str] | None:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return None


def _in_cache(repo_id: str) -> list[str]:
    """Revisions that the cache of all Hugging Face tools has."""
    refs = hugging_face.ref(hugging_face.cache_folder(), repo_id, ".")
    return sorted(path.relative_to(refs).as_posix() for path in refs.rglob("*") if path.is_file())
