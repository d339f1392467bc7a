"""Tests in several processes (`pytest -n 2`): which stay together, and what is made once for all of them."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

# Fixtures of the session that take a minute or more: all files that name one go to one process, which makes
# it once. The first that a file names counts.
DEAR = {"tiny_run": "book", "built_site": "book", "pythia_run": "hub"}
_DEAREST_FIRST = list(dict.fromkeys(DEAR.values()))


@functools.cache
def group_of(file: Path) -> str:
    """What the tests of a file stay together with: those of a dear fixture, else those of the file alone."""
    text = file.read_text(encoding="utf-8")
    return next((group for name, group in DEAR.items() if name in text), str(file))


def dear_first(items: list[pytest.Item]) -> None:
    """Sort tests: those of dear fixtures take longest, and begin at once."""
    ranks = {group: rank for rank, group in enumerate(_DEAREST_FIRST)}
    items.sort(key=lambda item: ranks.get(group_of(item.path), len(ranks)))


def scheduler(config: pytest.Config, log: object) -> object:
    """For pytest-xdist: a process that has no more to do gets the next group, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(config.rootpath / nodeid.partition("::")[0])

    config.option.loadscopereorder = (
        False  # by the number of tests, which tells nothing of their time
    )
    return ByGroup(config, log)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of this process's own that `make` fills; of several the first makes it, and others copy.

    Args:
        factory: the fixture `tmp_path_factory`.
        name: of the folder.
        make: fills an empty folder.
    """
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    shared = factory.getbasetemp().parent / f"{name}-shared"  # above the folders of the processes
    with FileLock(f"{shared}.lock"):
        if not shared.is_dir():
            unfinished = factory.mktemp(f"{name}-new")
            make(unfinished)
            unfinished.rename(shared)
    shutil.copytree(shared, own, dirs_exist_ok=True)
    return own
