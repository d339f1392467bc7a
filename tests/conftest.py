"""Shared ground: a throw-away home with a briefly trained `pico`, and a site built from it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.commands import ROOT, pythia, run_or_fail
from helpers.grids import make_project
from helpers.processes import dear_first, made_once, scheduler

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: each computes with one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")
PROJECT_FILES = ("book", "notebooks", "experiments.yml", "_config.yml")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Of several processes (`pytest -n 2`) each gets whole files, and those of a dear fixture together."""
    return scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        dear_first(items)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory) -> Path:
    """A PYTHIA_HOME in which the two smallest models of `pico` are trained to step 16."""
    few = ("--models", "7k,14k,7k-deduped", "--until", "16")
    return made_once(
        tmp_path_factory,
        "home",
        lambda home: run_or_fail("train", "pico", *few, cwd=home, home=home),
    )


@pytest.fixture
def home(trained_home, monkeypatch) -> Path:
    """The trained home, made the one that this process uses."""
    monkeypatch.setenv("PYTHIA_HOME", str(trained_home))
    return trained_home


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A copy of the book's sources, so that runs and pages do not land in the checkout."""
    return copy_of_the_book(tmp_path_factory.mktemp("project"))


def copy_of_the_book(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in PROJECT_FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_run(project, trained_home) -> Path:
    """The project after `pythia run --profile tiny`."""
    run_or_fail("run", "--profile", "tiny", cwd=project, home=trained_home)
    return project


@pytest.fixture(scope="session")
def built_site(tiny_run, trained_home) -> Path:
    """The website's folder, built from the tiny profile's runs."""
    run_or_fail("book", "--suite", "pico", cwd=tiny_run, home=trained_home)
    return tiny_run / "_build" / "html"


# --- the real Pythia, in stand-ins ----------------------------------------------------------------


@dataclass(frozen=True)
class PythiaRun:
    """A copy of the book that has run on the stand-ins for Pythia, and what its commands need.

    Attributes:
        project: the copy, with the profile `hub`; its runs are in `runs/pythia/`.
        home: PYTHIA_HOME.
        env: the variables that name the Hub and its cache.
    """

    project: Path
    home: Path
    env: dict[str, str]

    def pythia(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the command line there."""
        return pythia(*arguments, cwd=self.project, home=self.home, env=self.env)


@pytest.fixture(scope="session")
def pythia_run(tmp_path_factory) -> Iterator[PythiaRun]:
    """After `pythia run --profile hub`, one model of which has a step that the Hub lacks."""
    from helpers import pythia_hub as stand_ins  # whose imports other tests do without

    base = tmp_path_factory.mktemp("pythia")
    project = copy_of_the_book(base / "project")
    stand_ins.add_profile(project)
    with stand_ins.serve() as hub:
        ready = PythiaRun(project, base / "home", hub.env(base / "cache"))
        done = ready.pythia("run", "--profile", stand_ins.PROFILE)
        assert done.returncode == 1, done.stderr
        assert "no such revision" in done.stderr
        yield ready


# --- grids of the fixture notebooks, on checkpoints of a few bytes --------------------------------


@pytest.fixture(scope="module")
def pico_home(tmp_path_factory):
    """PYTHIA_HOME, and a `python3` kernel specification that must not be used."""
    home = tmp_path_factory.mktemp("home")
    spec = home / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = ["/bin/false", "{connection_file}"]
    text = json.dumps({"argv": argv, "display_name": "Another", "language": "python"})
    (spec / "kernel.json").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(home))
        patch.setenv("JUPYTER_PATH", str(home / "jupyter"))
        patch.setenv("MPLBACKEND", "agg")
        patch.setenv("PYTHIA_COLD_KERNELS", "1")  # these notebooks import nothing that is heavy
        patch.delenv("PYTHIA_RUNS", raising=False)
        yield home


@pytest.fixture
def root(tmp_path, pico_home):
    """A project of one's own with one experiment for each fixture notebook, and nothing run."""
    make_project(tmp_path)
    return tmp_path
