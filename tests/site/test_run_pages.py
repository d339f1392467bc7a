"""The pages of runs of the built site, as a reader meets them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest
from helpers.site_server import serve

from pythia_utils.cli.grid import run_command
from pythia_utils.grid.config import load_config
from pythia_utils.grid.notebooks import defaults

RUN = "cells/pico/grammar/pico-14k/step000016"


@pytest.fixture(scope="module")
def host(built_site):
    with serve(built_site) as address:
        yield address


@pytest.fixture
def run(visit, host):
    visit.open(f"{host}/{RUN}.html")
    return visit


def texts(locator) -> list[str]:
    return [text.strip() for text in locator.all_text_contents()]


def test_the_command_can_be_copied_and_runs_this_page(run):
    block = run.page.locator(".run-again div.highlight")
    assert block.locator("button.copybtn").count() == 1
    run.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block.locator("button.copybtn").click(force=True)
    copied = run.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == block.locator("pre").text_content().strip()
    given = run_command.make_context("run", shlex.split(copied)[2:]).params
    assert (given["names"], given["models"], given["profile"]) == (
        ("grammar",),
        ("pico-14k",),
        "tiny",
    )


def test_every_parameter_is_in_the_table_and_those_that_were_given_stand_out(run, tiny_run):
    rows = run.page.locator(".run-parameters tbody tr")
    names, values, _, origins = zip(
        *(texts(row.locator("th, td")) for row in rows.all()), strict=True
    )
    known = defaults(load_config(tiny_run).experiments["grammar"].notebook)
    assert list(names) == list(known)
    told = dict(zip(names, values, strict=True))
    assert told | {"model": "'pico-14k'", "step": "16", "pairs": "10"} == told
    assert dict(zip(names, origins, strict=True))["pairs"] == "experiments.yml"
    weights = rows.locator("th").evaluate_all(
        "all => all.map((th) => getComputedStyle(th).fontWeight)"
    )
    assert [weight == "400" for weight in weights] == [origin == "default" for origin in origins]
    assert not run.page.locator(".tag_injected-parameters").count()


def test_what_is_near_is_a_click_or_a_tab_away(run, host):
    nav = run.page.locator("nav.page-nav")
    assert texts(nav.locator("dt"))[:2] == ["Step", "Size"]
    assert texts(nav.locator("[aria-current='page']"))[:2] == ["16", "14k"]
    foot = run.page.locator("nav.page-foot a")
    assert foot.count() == 1  # the last step: nothing comes next
    foot.focus()
    with run.page.expect_navigation():
        run.page.keyboard.press("Enter")
    assert run.page.url == f"{host}/{RUN.replace('000016', '000000')}.html"
    assert run.page.locator("nav.page-foot a[rel='next']").count() == 1
    assert run.faults == []


def test_records_are_folded_and_their_csv_is_all_of_them(run, built_site, tiny_run):
    box = run.page.locator("details.run-records")
    assert not box.locator("table").is_visible()
    box.locator("summary").click()
    assert box.locator("table").is_visible()
    assert "one standard error" in box.locator("caption").text_content()
    with run.page.expect_download() as download:
        box.locator(".run-csv a").click()
    got = pd.read_csv(
        download.value.path(), keep_default_na=False, na_values={"stderr": "", "n": ""}
    )
    stored = pd.read_parquet(tiny_run / f"runs/{RUN.removeprefix('cells/')}.parquet")
    same = stored[list(got)]
    pd.testing.assert_frame_equal(got, same, check_dtype=False, rtol=5e-7, atol=0)
    for page in (built_site / "cells").rglob("*.html"):
        assert page.with_suffix(".csv").is_file(), page
    assert {"model", "step", "metric", "subset", "value", "stderr", "n"} < {*got}


def test_a_link_to_colab_asks_nobody_before_it_is_clicked(run, host):
    link = run.page.locator("a.run-colab")
    assert link.get_attribute("href").startswith("https://colab.research.google.com/github/")
    link.hover()
    run.page.wait_for_load_state("networkidle")
    assert [url for url in run.requests if not url.startswith((host, "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_surrounds_a_run_fits_a_phone(browser, host, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{host}/{RUN}.html")
    page.locator("details.run-records summary").click()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    context.close()


def test_the_csv_of_a_run_that_is_gone_leaves_the_site(tmp_path):
    from pythia_utils.site import build

    for folder, name in (("staged", "a"), ("html", "a"), ("html", "gone")):
        path = tmp_path / folder / "cells/pico" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    build._remove_stale(tmp_path / "staged", tmp_path / "html")
    assert [p.name for p in Path(tmp_path / "html").rglob("*.csv")] == ["a.csv"]
