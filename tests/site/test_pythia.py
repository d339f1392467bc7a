"""The book of the real Pythia, end to end: from stand-ins on a Hub of this machine to pages in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import pythia_hub
from helpers.browser import Visit
from helpers.commands import ROOT

from pythia_utils.grid import records
from pythia_utils.site.build import VENDOR
from pythia_utils.site.links import REPOSITORY

WIDTHS = {"desk": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}
MODEL, STEP = pythia_hub.FAULTY
FAILED = f"cells/pythia/grammar/{MODEL}/step{STEP:06d}"
ERROR = f"FetchError: EleutherAI/{MODEL}@step{STEP}: the repository has no such revision"
ABSENT = ("loss",)  # experiments that have not been run


@pytest.fixture(scope="module")
def pythia_site(pythia_run) -> Path:
    """The website's folder, built from all that has records."""
    if not (ROOT / VENDOR).is_dir():
        pytest.skip("the scripts have not been fetched")
    done = pythia_run.pythia("book", "--suite", "pythia")
    assert done.returncode == 0, done.stderr
    assert f"{MODEL}/step{STEP:06d}: {ERROR}" in done.stderr
    return Path(done.stdout.strip()).parent


@pytest.fixture(scope="module")
def pages(pythia_site) -> list[str]:
    static = pythia_site / "_static"
    # The 404 page is a server's: its addresses begin at the site's own.
    files = [
        p for p in pythia_site.rglob("*.html") if not p.is_relative_to(static) and p.stem != "404"
    ]
    names = sorted(p.relative_to(pythia_site).with_suffix("").as_posix() for p in files)
    assert {f"experiments/{name}" for name in pythia_hub.OWN} <= set(names)
    return names


def test_a_missing_revision_fails_its_cells_alone(pythia_run):
    runs = pythia_run.project / "runs"
    failed = {path.relative_to(runs / "pythia") for path in runs.rglob("step*.failed.ipynb")}
    assert {path.parts[1:] for path in failed} == {(MODEL, f"step{STEP:06d}.failed.ipynb")}
    for experiment in pythia_hub.OWN:
        frame = records.read(experiment, "pythia", runs=runs)
        measured = set(zip(frame["model"], frame["step"], strict=True))
        assert ("pythia-14m", 143000) in measured
        assert (MODEL, STEP) not in measured


@pytest.fixture(params=WIDTHS)
def sized(browser, request) -> Iterator[Visit]:
    context = browser.new_context(viewport=WIDTHS[request.param])
    yield Visit(context.new_page())
    context.close()


def one_of_a_kind(pages: list[str]) -> list[str]:
    """Of each experiment's runs, and of the models, the first page alone; all others."""
    kinds: dict[str, str] = {}
    for name in pages:
        folder, _, rest = name.partition("/")
        kinds.setdefault(
            {"cells": "/".join(rest.split("/")[:2]), "models": folder}.get(folder, name), name
        )
    return list(kinds.values())


def test_every_kind_of_page_opens_without_a_fault_and_fits(sized, pythia_site, pages):
    """No console error, no request to another host, no sideways scroll, no error output."""
    wide, broken = [], []
    for name in one_of_a_kind(pages):
        sized.open((pythia_site / f"{name}.html").as_uri())
        if sized.page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
        errors = sized.page.locator(".output.traceback, .system-message, .output.stderr")
        if errors.count() or "Traceback (most" in sized.page.locator("body").inner_text():
            broken.append(name)
    abroad = [u for u in sized.requests if not u.startswith(("file:", "data:", "blob:"))]
    assert (wide, broken, abroad, sized.faults) == ([], [], [], [])


def test_the_place_of_a_failed_run_says_so_everywhere(visit, pythia_site):
    base = pythia_site.as_uri()
    visit.open(f"{base}/experiments/grammar.html")
    mark = visit.page.locator(".grid-table td a", has_text="!").first
    with visit.page.expect_navigation():
        mark.click()
    assert visit.page.url == f"{base}/{FAILED}.html"
    told = visit.page.locator("article").inner_text()
    assert "This run failed" in told
    assert ERROR in told
    assert re.search(f"pythia run grammar .*--model {MODEL} --steps {STEP}", told)
    for name in ("runs", "status"):
        visit.open(f"{base}/{name}.html")
        assert ERROR in visit.page.locator("article").inner_text()
    assert visit.faults == []


def text_of(site: Path, page: str) -> str:
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    article = html.partition("<article")[2].partition("</article>")[0]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", "", article))


def test_the_hand_written_pages_are_right_for_pythia(pythia_site):
    front = text_of(pythia_site, "index")
    assert "This site is of the suite Pythia: 2 models, 3 training steps" in front
    assert "its chapters measure the real Pythia" in front
    assert "pythia train trains the small models" not in front
    assert "What is true of them need not" not in front
    suites = text_of(pythia_site, "suites")
    assert suites.index("Pythia, published by") < suites.index("Nano, trained by")


def test_the_quickstart_has_run_on_a_model_of_the_hub(pythia_site):
    page = text_of(pythia_site, "pages/quickstart")
    assert "pythia-14m, 3 checkpoints: [0, 512, 143000]" in page
    assert "It is not Pythia" not in page
    assert "The same with Pythia" not in page
    assert "95% interval" in page


def test_a_chapter_without_records_is_not_in_the_book_and_links_to_it_say_so(pythia_site):
    for name in ABSENT:
        assert not (pythia_site / f"experiments/{name}.html").exists()
        assert f"experiments/{name}.html" not in (pythia_site / "index.html").read_text()
    page = (pythia_site / "pages/quickstart.html").read_text(encoding="utf-8")
    link = f'href="{REPOSITORY}/blob/main/book/experiments/loss.ipynb"'
    assert re.search(rf"{re.escape(link)}[^>]*>[^<]+</a> \(not on this site\)", page)


def test_the_status_page_knows_the_profile_and_what_each_run_took(pythia_site):
    page = text_of(pythia_site, "status")
    assert "profile hub and suite pythia" in page
    assert "pythia status --profile hub" in page


def test_a_site_of_one_experiment_has_no_other(pythia_run, pythia_site):
    """The last test here: it builds the same folder anew."""
    done = pythia_run.pythia("book", "--suite", "pythia", "--experiments", "grammar")
    assert done.returncode == 0, done.stderr
    chapters = sorted((pythia_site / "experiments").glob("*.html"))
    assert [path.stem for path in chapters] == ["grammar"]
    assert [path.name for path in (pythia_site / "cells/pythia").iterdir()] == ["grammar"]
    index = json.dumps((pythia_site / "index.html").read_text())
    assert "experiments/grammar.html" in index
    assert "experiments/memorization.html" not in index
