"""The explorer in a browser, on a page of its own: what it shows are the records, and the address keeps it."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from helpers import made_records
from helpers.browser import Visit
from helpers.commands import ROOT

from pythia_utils.analysis.explorer import numbers, page
from pythia_utils.analysis.published.summary import summary
from pythia_utils.grid import records

SERIES = ("pico-7k", "pico-57k", "pico-57k-seed1", "pico-57k-deduped")
CELLS = [(name, step) for name in SERIES for step in (0, 64, 512, 1000)]
GRAMMAR = "#shown=runs&source=grammar&metric=accuracy"
LOSS = "#shown=runs&source=loss&metric=loss"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for experiment in ("loss", "grammar"):
        made_records.write(folder, experiment, CELLS)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory, runs):
    """A site of the one page, and of one run's that it leads to."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "_static").symlink_to(ROOT / "book" / "_static")
    shown = {
        "runs": ("runs of pico", numbers.of_runs("pico", runs)),
        "published": ("Pythia, as published", numbers.of_published(summary())),
    }
    (folder / "pages").mkdir()
    head = (
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>x</title>'
    )
    head += '<script src="../_static/charts.js"></script>'
    (folder / "pages" / "explorer.html").write_text(head + page.page(shown), encoding="utf-8")
    return folder


def see(visit: Visit, site, address: str = "") -> None:
    """Open the explorer, from a file, and wait for its chart."""
    visit.page.goto("about:blank")
    visit.page.goto(f"file://{site}/pages/explorer.html{address}")
    visit.page.locator(".explorer[data-drawn]").wait_for()
    assert not visit.faults


def cells(visit: Visit) -> dict[str, list[str]]:
    """The table below the chart: texts by model."""
    rows = visit.page.locator(".explorer-table tbody tr").all()
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def choose(visit: Visit, label: str, value: str) -> None:
    """Choose in a list, and wait until it is drawn."""
    visit.page.evaluate("document.querySelector('.explorer').removeAttribute('data-drawn')")
    visit.page.get_by_label(label, exact=True).select_option(value)
    visit.page.locator(".explorer[data-drawn]").wait_for()


def test_the_table_and_the_saved_file_are_the_records(visit, site, runs):
    see(visit, site, f"{GRAMMAR}&step=512")
    frame = records.read_all("grammar", "pico", runs)
    own = frame[(frame["metric"] == "accuracy") & (frame["subset"] == "all")]
    here = own[own["step"] == 512].set_index("model")
    assert set(cells(visit)) == set(SERIES)
    for name, (text,) in cells(visit).items():
        value, low, high = map(float, re.findall(r"[\d.]+", text))
        row = here.loc[name]
        expected = row["value"] + np.array([0, -1.96, 1.96]) * row["stderr"]
        np.testing.assert_allclose([value, low, high], expected, atol=6e-4)
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("button", name="Save as CSV").click()
    with open(saved.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["model"], int(row["step"])): float(row["value"]) for row in rows}
    for row in own.itertuples():
        assert found[row.model, row.step] == pytest.approx(row.value, rel=1e-5)
    assert len(rows) == len(own)
    with visit.page.expect_download() as drawn:
        visit.page.get_by_role("button", name="Save as SVG").click()
    with open(drawn.value.path(), encoding="utf-8") as file:
        assert file.read().startswith("<svg")


def test_a_choice_is_in_the_address_and_comes_back_from_it(visit, site):
    see(visit, site, GRAMMAR)
    choose(visit, "Experiment", "loss")
    choose(visit, "Metric", "bits_per_byte")
    choose(visit, "Seeds", "usual")
    visit.page.get_by_role("button", name="7k", exact=True).click()
    before, address = cells(visit), visit.page.evaluate("location.hash")
    assert set(before) == {"pico-57k", "pico-57k-deduped"}
    see(visit, site, address)
    assert cells(visit) == before
    assert visit.page.get_by_label("Metric", exact=True).input_value() == "bits_per_byte"


def test_the_slider_moves_the_mark_without_drawing_anew(visit, site):
    see(visit, site, f"{LOSS}&step=0")
    mark = visit.page.locator(".explorer-chart .mark-rule.role-mark line").first
    before, at_first = mark.get_attribute("transform"), cells(visit)
    element = mark.element_handle()
    visit.page.get_by_role("slider").press("End")
    moved = "([line, before]) => line.isConnected && line.getAttribute('transform') !== before"
    visit.page.wait_for_function(moved, arg=[element, before])
    assert cells(visit) != at_first
    assert "step=1000" in visit.page.evaluate("location.hash")


def test_mean_and_range_over_seeds(visit, site, runs):
    see(visit, site, f"{GRAMMAR}&seeds=mean&step=512")
    frame = records.read_all("grammar", "pico", runs)
    own = frame[(frame["metric"] == "accuracy") & (frame["subset"] == "all")]
    both = own[(own["step"] == 512) & own["model"].isin(["pico-57k", "pico-57k-seed1"])]["value"]
    (text,) = cells(visit)["57k"]
    expected = [both.mean(), both.min(), both.max()]
    np.testing.assert_allclose(list(map(float, re.findall(r"[\d.]+", text))), expected, rtol=1e-3)
    assert "range over 2 seeds" in visit.page.locator(".explorer-table caption").inner_text()


def test_two_metrics_are_joined_by_model_and_step(visit, site, runs):
    see(visit, site, f"{GRAMMAR}&view=pair&otherSource=loss&otherMetric=loss&step=64")
    frame = records.read_all("loss", "pico", runs)
    chosen = (frame["metric"] == "loss") & (frame["subset"] == "all") & (frame["step"] == 64)
    expected = frame[chosen].set_index("model")["value"]
    for name, (text,) in cells(visit).items():
        assert float(text.split("loss ")[1]) == pytest.approx(expected[name], rel=1e-3)


def test_a_point_and_a_number_lead_to_the_notebook(visit, site):
    see(visit, site, f"{GRAMMAR}&step=512")
    link = visit.page.get_by_role("row", name="pico-57k-seed1").get_by_role("link")
    place = "cells/pico/grammar/pico-57k-seed1/step000512.html"
    assert link.evaluate("link => link.href").endswith(place)
    for there in (place, *(f"cells/pico/loss/{name}/step001000.html" for name in SERIES)):
        (site / there).parent.mkdir(parents=True)
        (site / there).write_text("the notebook", encoding="utf-8")
    link.click()
    assert visit.page.url.endswith(place)
    see(visit, site, LOSS)
    visit.page.locator(".explorer-chart .mark-symbol path").last.click(force=True)
    visit.page.wait_for_url("**/cells/pico/loss/pico-*/step001000.html", wait_until="commit")


def test_published_numbers_stand_alone(visit, site):
    see(visit, site, GRAMMAR)
    choose(visit, "Numbers of", "published")
    title = "the best induction head's prefix-matching score, of each seed"
    choose(visit, "Experiment", title)
    shown = cells(visit)
    assert "pythia-14m, seed 1" in shown
    assert not any("pico" in name for name in shown)
    assert not visit.page.locator(".explorer-table a").count()


def test_what_the_address_asks_for_and_is_not_there_is_told(visit, site):
    see(visit, site, "#shown=runs&source=grammer&metric=accuracy")
    assert "grammer" in visit.page.locator(".explorer-notice").inner_text()
    assert cells(visit)


def test_small_multiples_and_the_keyboard(visit, site):
    see(visit, site, GRAMMAR)
    visit.page.locator(".explorer-subsets summary").press("Enter")
    boxes = visit.page.locator(".explorer-box input")
    for at in (1, 2):
        boxes.nth(at).focus()
        boxes.nth(at).press("Space")
    assert boxes.nth(2).evaluate("box => box === document.activeElement")
    chosen = visit.page.locator(".explorer-box:has(:checked)").all_inner_texts()
    drawn = visit.page.locator(".explorer-chart svg text").all_text_contents()
    assert len(chosen) == 3
    assert set(chosen) <= set(drawn)
    assert all(len(texts) == 3 for texts in cells(visit).values())


def test_without_scripts_the_page_says_what_it_holds(browser, site):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"file://{site}/pages/explorer.html")
    assert "needs JavaScript" in tab.locator("body").inner_text()
    context.close()


def test_damaged_numbers_are_told(visit, site, tmp_path):
    text = (site / "pages" / "explorer.html").read_text(encoding="utf-8")
    (site / "pages" / "damaged.html").write_text(text.replace('"packed": "', '"packed": "AAAA'))
    visit.page.goto(f"file://{site}/pages/damaged.html")
    notice = visit.page.locator(".explorer-notice")
    notice.filter(has_text="cannot start").wait_for()
