"""Pages of the book that show data and no model: run once a suite, again when the data change."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from helpers.commands import ROOT
from helpers.grids import pretend, why

from pythia_utils.base.errors import UsageError
from pythia_utils.grid import cells
from pythia_utils.grid.config import BookPage, load_config, read_page
from pythia_utils.grid.expand import chapters, page_cell
from pythia_utils.grid.ledger import Ledger
from pythia_utils.site import build
from pythia_utils.site.contents import Contents
from pythia_utils.site.notebooks import SiteError
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import find_model

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


def test_a_page_of_data_that_was_not_run_stops_staging(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_RUNS", str(tmp_path))
    page = BookPage("p", ROOT / ENTRY["notebook"], data=(tmp_path,))
    shown = Contents(load_config(ROOT), catalog.suite("pico"), (), (page,))
    with pytest.raises(SiteError, match=r"page 'p' has not been run .* run: pythia book"):
        build._executed_page(shown, page)


def recorded(runs: Path, model: str, steps: Iterable[int]) -> None:
    folder = runs / "pythia" / "grammar" / model
    folder.mkdir(parents=True)
    for step in steps:
        (folder / f"step{step:06d}.parquet").touch()


def test_a_page_on_the_hubs_models_takes_the_first_with_records_at_some_of_its_steps(tmp_path):
    page = BookPage("p", ROOT / ENTRY["notebook"], models=("pico-7k", "pythia-70m", "pythia-14m"))
    assert not page_cell(ROOT, tmp_path, page, "pythia").inputs  # nothing to run it on
    recorded(tmp_path, "pythia-14m", find_model("pythia-14m").steps)
    cell = page_cell(ROOT, tmp_path, page, "pythia")
    assert cell.parameters["model"] == "pythia-14m"
    assert cell.parameters["steps"] == [0, 4, 32, 128, 1000, 5000, 26000, 143000]
    recorded(tmp_path, "pythia-70m", [64, 512, 3000])
    cell = page_cell(ROOT, tmp_path, page, "pythia")
    assert (cell.parameters["model"], cell.parameters["steps"]) == ("pythia-70m", [64, 512, 3000])
    assert {path.parent.name for path in cell.inputs} == {"pythia-70m"}
