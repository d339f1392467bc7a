"""Pages of the book that show data and no model: run once a suite, again when the data change."""

from __future__ import annotations

import shutil

import pytest
from helpers.commands import ROOT
from helpers.grids import pretend, why

from pythia_utils.base.errors import UsageError
from pythia_utils.grid import cells
from pythia_utils.grid.config import BookPage, load_config, read_page
from pythia_utils.grid.expand import chapters, page_cell
from pythia_utils.grid.ledger import Ledger
from pythia_utils.site import build
from pythia_utils.site.build import SiteError
from pythia_utils.suites import catalog

ENTRY = {"notebook": "book/pages/published.ipynb", "data": ["published/summary.csv"]}


def test_the_page_of_published_results_is_part_of_the_book():
    cells = {cell.experiment: cell for cell in chapters(load_config(ROOT), "nano")}
    page = cells["published"]
    assert page.parameters == {"suite": "nano"}
    assert page.inputs == (catalog.data_dir() / "published" / "summary.csv",)


def test_a_page_is_stale_when_its_data_change(tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(catalog.data_dir(), data)
    for module in (catalog, cells):
        monkeypatch.setattr(module, "data_dir", lambda: data)
    (data / "table.csv").write_text("1")
    page = read_page("e.yml", ROOT, "p", ENTRY | {"data": ["table.csv"]}, ())
    cell, ledger = page_cell(ROOT, tmp_path / "runs", page, "pico"), Ledger(tmp_path / "ledger")
    pretend(cell, ledger)
    assert why([cell], ledger) == {cell.id: None}
    (data / "table.csv").write_text("2")
    assert why([cell], ledger) == {cell.id: "data changed (table.csv)"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": ["published/sumary.csv"]},
            r"unknown data file .*; nearest: published/summary\.csv",
        ),
        ({"data": "all"}, "pages.p: data: expected a list of at least one, not 'all'"),
        (
            {"models": ["pico-7k"]},
            r"pages\.p: expected one of data, models, records, not data, models",
        ),
    ],
)
def test_a_mistake_in_a_page_of_data_is_one_line(change, message):
    with pytest.raises(UsageError, match=message):
        read_page("e.yml", ROOT, "p", ENTRY | change, ())


def test_a_page_over_records_is_stale_when_they_change(tmp_path):
    entry = {"notebook": ENTRY["notebook"], "records": ["loss", "grammar"]}
    page = read_page("e.yml", ROOT, "p", entry, ("loss", "grammar"))
    assert page_cell(ROOT, tmp_path, page, "pico") is None
    for name in ("loss", "grammar", "memorization"):
        (tmp_path / "pico" / name / "pico-7k").mkdir(parents=True)
        (tmp_path / "pico" / name / "pico-7k" / "step000016.parquet").write_bytes(b"PAR1")
    cell = page_cell(ROOT, tmp_path, page, "pico")
    assert [path.parts[-3] for path in cell.inputs] == ["loss", "grammar"]
    with pytest.raises(UsageError, match="unknown experiment 'los'; nearest: loss"):
        read_page("e.yml", ROOT, "p", entry | {"records": ["los"]}, ("loss", "grammar"))


def test_a_page_of_none_is_told():
    with pytest.raises(
        UsageError, match=r"pages\.p: expected one of data, models, records, not none"
    ):
        read_page("e.yml", ROOT, "p", {"notebook": "x.ipynb"}, ())


def test_a_page_of_data_that_was_not_run_stops_staging(tmp_path):
    page = BookPage("p", ROOT / ENTRY["notebook"], data=(tmp_path,))
    with pytest.raises(SiteError, match=r"page 'p' has not been run .* run: pythia book"):
        build._executed_page(tmp_path, catalog.suite("pico"), page)


def test_the_chapter_of_an_experiment_that_a_suite_leaves_out_is_staged_as_it_is(tmp_path):
    config, english = load_config(ROOT), catalog.suite("english")
    grammar, loss = config.experiments["grammar"], config.experiments["loss"]
    assert build._executed_chapter(tmp_path, english, grammar, config) == grammar.chapter
    with pytest.raises(SiteError, match="chapter of 'loss' has not been run"):
        build._executed_chapter(tmp_path, english, loss, config)
    with pytest.raises(SiteError, match="chapter of 'grammar' has not been run"):
        build._executed_chapter(tmp_path, catalog.suite("pico"), grammar, config)
    own = tmp_path / "grammar" / "chapter.ipynb"
    own.parent.mkdir()
    own.write_text("{}")
    assert build._executed_chapter(tmp_path, english, grammar, config) == own
