"""The commands about the grid: each loads the configuration, reads the ledger and plans once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from helpers import stub_kernels
from helpers.commands import ROOT
from helpers.grids import ledger_of

from pythia_utils.base import yaml
from pythia_utils.base.errors import UsageError
from pythia_utils.cli.main import cli
from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.grid import config, ledger, planning
from pythia_utils.grid.failures import without_cells
from pythia_utils.site import build
from pythia_utils.site.sources import STAGED
from pythia_utils.suites import catalog


@pytest.fixture
def read(monkeypatch) -> Counter:
    """How often each file of the project was read in this process, and the grid planned."""
    counts: Counter = Counter()

    def counted(owner: type, name: str, key) -> None:
        usual = getattr(owner, name)

        def call(*arguments, **options):
            counts[key(*arguments)] += 1
            return usual(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(Path, "read_text", lambda path: path.name)
    counted(Path, "read_bytes", lambda path: path.name)
    counted(yaml, "read", lambda path, *_: path.name)
    counted(planning, "plan", lambda *_: "plan")
    return counts


ONCE = {config.FILE: 1, ledger.FILE: 1, "plan": 1}


@pytest.fixture
def project(root, monkeypatch) -> Path:
    """A project whose profile `wide` has run, by stub kernels, and its parts of a book."""
    monkeypatch.setattr(KernelPool, "run", _run)
    monkeypatch.setattr(build, "build", lambda folder: folder / "index.html")
    monkeypatch.chdir(root)
    (root / "book").mkdir()
    shutil.copy(ROOT / "book" / "_toc.yml", root / "book")
    pythia("run", "measure", "--profile", "wide")
    return root


def _run(pool, notebook, parameters, *rest) -> Execution:
    if "model" in parameters:
        return stub_kernels.run(pool, notebook, parameters, *rest)
    return Execution(nbformat.read(notebook, as_version=4), None, device="cpu")


def pythia(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    "command",
    [
        ("run", "measure", "--profile", "wide"),  # nothing is due
        ("run", "measure", "--profile", "wide", "--rerun", "all"),
        ("run", "measure", "--profile", "wide", "--dry-run"),
        ("status", "measure", "--profile", "wide"),
        ("book", "--suite", "pico"),
    ],
)
def test_a_command_loads_reads_and_plans_once(project, read, command):
    pythia(*command)
    assert {name: read[name] for name in ONCE} == ONCE


def test_the_books_page_tells_of_chapters_that_ran_just_now(project, read):
    """By the plan from before they ran, and by what the ledger got since."""
    assert "1 of 1 runs due" in pythia("book")
    page = (project / STAGED / "status.md").read_text()
    assert "| measure | 9 | 0 | 0 | 0 |" in page
    assert "| chapter | done | 0.0 s |" in page
    assert ledger_of(project).last()["pico/measure/chapter"]["status"] == "done"
    assert "0 of 1 runs due" in pythia("book")
    assert (project / STAGED / "status.md").read_text() == page


def test_a_chapter_that_fails_is_told_on_its_page_and_by_the_exit_code(project, monkeypatch):
    notebook = nbformat.v4.new_notebook()
    failed = Execution(notebook, "ValueError: no luck")
    monkeypatch.setattr(KernelPool, "run", lambda *_: failed)
    done = CliRunner().invoke(cli, ["book"])
    assert done.exit_code == 1
    assert "ValueError: no luck" in done.output
    assert done.stdout.endswith("index.html\n")
    page = project / STAGED / "experiments" / "measure.ipynb"
    assert "ValueError: no luck" in page.read_text()
    assert "| chapter | failed |" in (project / STAGED / "status.md").read_text()


def test_a_run_that_failed_does_not_stop_the_book(project):
    path = project / "runs" / "pico" / "measure" / "pico-7k" / "step000001.failed.ipynb"
    path.write_bytes(without_cells("pico/measure/pico-7k/step000001", {}, "OSError: torn"))
    told = pythia("book", "--experiments", "measure")
    assert (
        "1 run has failed; the site marks them:\n  pico/measure/pico-7k/step000001: OSError: torn"
        in told
    )
    page = project / STAGED / "cells/pico/measure/pico-7k/step000001.ipynb"
    assert "OSError: torn" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--experiments", "mesure"), "nearest: measure"),
        (
            ("--experiments", "plain"),
            "experiment 'plain' has no records of suite 'pico'; run first",
        ),
        (("--experiments", "measure,"), "expected names with a comma between them"),
        (("--suite", "nano"), "there are no records of suite 'nano'; run first: pythia run"),
    ],
)
def test_a_book_of_what_is_not_there_is_refused_in_one_line(project, arguments, told):
    done = CliRunner().invoke(cli, ["book", *arguments])
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)
    assert not (project / STAGED).exists()


# --- which cells ----------------------------------------------------------------------------------


def planned(*arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, ["run", *arguments, "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_all_models_and_steps_that_only_some_have(root, monkeypatch):
    """The first release of Pythia has no step 512, the second has."""
    monkeypatch.chdir(root)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    suite = ("plain", "--profile", "tiny", "--suite", "pythia")
    known = catalog.suite("pythia").models
    cells = planned(*suite, "--model", "all", "--steps", "512,1000")
    have = {step: {m.name for m in known.values() if step in m.steps} for step in (512, 1000)}
    assert set() < have[512] < have[1000] < set(known)  # an intervention begins later than both
    assert set(cells) == {
        f"pythia/plain/{m}/step{s:06}" for s, names in have.items() for m in names
    }
    two = (*suite, "--model", "pythia-70m", "--model", "pythia-70m-v0")
    assert planned(*two, "--steps", "500-1000") == [
        "pythia/plain/pythia-70m/step000512",
        "pythia/plain/pythia-70m/step001000",
        "pythia/plain/pythia-70m-v0/step001000",
    ]
    assert len(planned(*suite, "--model", "pythia-70m", "--step", "all")) == 154
    for steps, told in (("513", "unknown step 513 of these 2 models"), ("3-3,1000", "step 3 of")):
        done = CliRunner().invoke(cli, ["run", *two, "--steps", steps, "--dry-run"])
        assert told in str(done.exception)
