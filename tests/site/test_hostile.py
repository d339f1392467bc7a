"""Hostile text through every kind of page, opened in a browser: it is shown as it is, and nothing acts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from helpers import axe
from helpers.commands import run_or_fail
from helpers.hostile import LINE, SCRIPT, TEXTS, as_shown

from pythia_utils.engine import runner
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import chapters
from pythia_utils.grid.failures import without_cells
from pythia_utils.grid.ledger import FILE as FILE_OF_RUNS
from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.grid.status import survey_suite
from pythia_utils.site import build, contents
from pythia_utils.suites import catalog

TITLE = LINE[:180]
FILE = "<img src=x onerror=window.acted=1> $$ $x_i$ `|{{ x }} [a](b).jsonl"
CELL = "cells/pico/grammar/pico-7k/step000016"
PAGES = ("index", "suites", "runs", "status", "pages/quickstart")
PAGES += ("experiments/grammar", "experiments/loss", CELL)
FAILED = "cells/pico/loss/pico-14k/step000016"
PAGES += (FAILED,)


@pytest.fixture(scope="module")
def hostile_site(built_site, tiny_run, trained_home, tmp_path_factory) -> Iterator[Path]:
    """The tiny book with hostile pairs, titles, errors, outputs and suite; the website's folder."""
    root = tmp_path_factory.mktemp("hostile") / "book"
    shutil.copytree(tiny_run, root, ignore=shutil.ignore_patterns("_build"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        patch.delenv("PYTHIA_RUNS", raising=False)
        _hostile_pairs(root, trained_home)
        _hostile_titles(root)
        _hostile_runs(root)
        _hostile_suite(root, patch)
        config = load_config(root)
        status = survey_suite(config, "pico", Ledger(root / "runs" / FILE_OF_RUNS))
        front, failed = build.publish(contents.choose(config, "pico"), status)
        assert list(failed) == [f"{FAILED}.ipynb"]
        yield front.parent
    _forget_suites()


def _hostile_pairs(root: Path, home: Path) -> None:
    """Pairs whose every field is hostile, in files of hostile names, and the cells that ask them."""
    rows = [
        {"good": f"The boys {text[:50]}", "bad": f"A boy {text[:50]}"}
        | {"phenomenon": text, "field": text}
        for text in TEXTS
    ]
    for name in (FILE, f"2{FILE}"):
        (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = root / "experiments.yml"
    config = yaml.safe_load(path.read_text())
    config["experiments"]["grammar"]["parameters"] |= {"pairs_from": f"./{FILE}", "hardest": 1}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    run_or_fail("run", "grammar", "--profile", "tiny", cwd=root, home=home)
    other = f"pairs_from={json.dumps(f'./2{FILE}')}"
    options = ("--model", "pico-7k", "--steps", "16", "-p", other)
    run_or_fail("run", "grammar", *options, cwd=root, home=home)


def _hostile_titles(root: Path) -> None:
    """Titles, and the name of the one profile that is left."""
    path = root / "experiments.yml"
    config = yaml.safe_load(path.read_text())
    config["profiles"] = {SCRIPT: config["profiles"]["tiny"]}
    for entry in config["experiments"].values():
        entry["title"] = TITLE
        entry["profiles"] = {SCRIPT: entry["profiles"]["tiny"]}
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _hostile_runs(root: Path) -> None:
    """The chapter on hostile records, a cell that failed with a hostile error, and a hostile output."""
    ledger = Ledger(root / "runs" / FILE_OF_RUNS)
    (chapter,) = chapters(load_config(root), "pico", ["grammar"])
    (outcome,) = runner.run([chapter], ledger, quiet=True)
    assert outcome.status == "done", outcome.error
    failed = "pico/loss/pico-14k/step000016"
    ledger.append(Outcome(failed, "failed", 1.0, LINE))
    (root / "runs" / f"{failed}.failed.ipynb").write_bytes(without_cells(failed, {}, LINE))
    path = root / "runs/pico/quickstart/chapter.ipynb"
    notebook = json.loads(path.read_text())
    code = next(cell for cell in notebook["cells"] if cell.get("outputs"))
    code["outputs"].insert(0, {"output_type": "stream", "name": "stdout", "text": LINE + "\n"})
    path.write_text(json.dumps(notebook))


def _hostile_suite(root: Path, patch: pytest.MonkeyPatch) -> None:
    """A suite whose title and erratum are hostile, for the pages that staging makes."""
    shutil.copytree(catalog.data_dir(), root / "data")
    path = root / "data" / "suites" / "pico.yml"
    source = yaml.safe_load(path.read_text())
    erratum = {
        "models": ["pico-7k"],
        "steps": [16],
        "kind": "wrong",
        "text": LINE,
        "source": SCRIPT,
    }
    path.write_text(yaml.safe_dump(source | {"title": TITLE, "errata": [erratum]}))
    patch.setattr(catalog, "data_dir", lambda: root / "data")
    _forget_suites()


def _forget_suites() -> None:
    for remembered in vars(catalog).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()


def _text(visit) -> str:
    return " ".join(visit.page.locator("body").text_content().split())


def _in_words(name: str) -> str:
    """As figures and some tables have a name: `subject_verb` is `subject verb`."""
    return " ".join(name.replace("_", " ").split())


@pytest.mark.parametrize("name", PAGES)
def test_nothing_acts_and_nothing_is_asked_for(visit, hostile_site, name):
    visit.page.on("dialog", lambda dialog: visit.faults.append(dialog.message))
    visit.open((hostile_site / f"{name}.html").as_uri())
    assert visit.page.evaluate("() => window.acted") is None
    assert visit.page.locator("[onerror], a[href^='javascript:window']").count() == 0
    assert visit.faults == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index", TITLE),
        ("suites", TITLE),
        ("runs", TITLE),
        ("status", TITLE),
        ("status", LINE),
        ("status", f"profile {SCRIPT} and suite"),
        ("pages/quickstart", LINE),
        (CELL, TITLE),
        (CELL, FILE),
    ],
)
def test_a_title_an_error_and_an_output_are_shown_as_they_are(visit, hostile_site, name, text):
    visit.open((hostile_site / f"{name}.html").as_uri())
    assert as_shown(text) in _text(visit)


@pytest.mark.parametrize("name", [CELL, "experiments/grammar"])
def test_names_of_the_data_are_shown_as_they_are(visit, hostile_site, name):
    visit.open((hostile_site / f"{name}.html").as_uri())
    shown = _in_words(_text(visit))
    assert [text for text in TEXTS if _in_words(as_shown(text)) not in shown] == []
    assert visit.page.locator("table mjx-container, .cell_output p mjx-container").count() == 0


def test_axe_finds_nothing_serious_on_the_page_of_a_run_that_failed(visit, hostile_site):
    visit.open((hostile_site / f"{FAILED}.html").as_uri())
    assert visit.page.get_by_text("This run failed").is_visible()
    assert axe.faults(visit.page) == []


def test_an_erratum_is_shown_as_it_is(visit, hostile_site):
    visit.open((hostile_site / "suites.html").as_uri())
    assert as_shown(LINE) in _text(visit)
    visit.open((hostile_site / "runs.html").as_uri())
    told = visit.page.locator("abbr", has_text="✗").first.get_attribute("title")
    assert " ".join(told.split()) == f"step 16: {as_shown(LINE)} ({SCRIPT})"
