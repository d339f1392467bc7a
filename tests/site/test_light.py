"""The weight of pages, as a browser meets them on a host that gzips, and how soon the first is to be seen."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.site_server import serve

from pythia_utils.site import assets

MEGABYTE = 1_000_000
SLOW_LINE = {"downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8, "latency": 150}


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


class Weighed:
    """What a page costs a reader who has been here never before and reads it to its end."""

    def __init__(self, browser, address: str) -> None:
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        self.names: list[str] = []
        self.bytes = 0.0
        network.on("Network.requestWillBeSent", lambda sent: self._ask(sent["request"]["url"]))
        network.on("Network.loadingFinished", self._load)
        page.goto(address, wait_until="networkidle")
        page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_load_state("networkidle")
        context.close()

    def _ask(self, url: str) -> None:
        if not url.startswith("data:"):
            self.names.append(url.rsplit("/", 1)[-1])

    def _load(self, event: dict) -> None:
        self.bytes += event["encodedDataLength"]


@pytest.fixture(scope="module")
def kinds(built_site) -> list[str]:
    """Every chapter and page that runs, and one of each other kind."""
    run = sorted((built_site / "cells").rglob("*.html"))[-1].relative_to(built_site).as_posix()
    told = [p.relative_to(built_site).as_posix() for p in built_site.glob("[ep]*s/*.html")]
    assert any(name.startswith("experiments/") for name in told)
    return ["index.html", "runs.html", "suites.html", "api.html", "search.html", run, *told]


def test_a_page_weighs_a_megabyte_and_a_half_at_most_in_25_requests(browser, host, kinds):
    weighed = {name: Weighed(browser, f"{host}/{name}") for name in kinds}
    told = {name: (round(w.bytes / MEGABYTE, 2), len(w.names)) for name, w in weighed.items()}
    assert all(w.bytes > 50_000 for w in weighed.values()), told  # it did measure
    assert {n: t for n, t in told.items() if t[0] > 1.5 or t[1] > 25} == {}, told
    assert told["index.html"][0] < 0.3, told


def test_scripts_of_formulas_and_charts_load_where_there_is_one_alone(browser, host, built_site):
    formulas = Weighed(browser, f"{host}/suites.html").names
    none = Weighed(browser, f"{host}/index.html").names
    assert [any(n.startswith("tex-svg") for n in names) for names in (formulas, none)] == [
        True,
        False,
    ]
    assert not [name for name in (*formulas, *none) if name.startswith("vega")]


def first_paint(browser, address: str) -> float:
    """Seconds until something of the page is to be seen, on a slow line and a slow processor."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW_LINE})
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address, wait_until="load")
    painted = page.evaluate(
        "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    context.close()
    return painted / 1000


def test_the_front_page_is_painted_within_two_seconds_on_a_slow_line_and_processor(browser, host):
    """Of a few tries the fastest: what other programs take of this machine is not the page's."""
    times = []
    while len(times) < 5 and (not times or min(times) > 2):
        times.append(first_paint(browser, f"{host}/index.html"))
    assert 0.3 < min(times) <= 2, times


# --- the bundle


def test_every_icon_of_a_page_is_drawn(visit, host):
    visit.open(f"{host}/index.html", until="networkidle")
    drawn = visit.page.evaluate(
        """() => [...document.querySelectorAll("i[class*='fa-']")].map((icon) => {
             const {content, fontFamily, fontWeight} = getComputedStyle(icon, "::before");
             return [icon.className, content, fontWeight, fontFamily];
           })"""
    )
    assert len(drawn) > 8
    families = {name: (family, str(weight)) for family, (name, weight) in assets._FONTS.items()}
    for name, content, weight, family in drawn:
        assert content not in ("none", '""'), name
        assert (family.strip('"'), weight) in families.values(), name
    assert visit.page.evaluate("() => [...document.fonts].some((font) => font.status == 'loaded')")


def test_a_font_holds_the_letters_of_the_pages_icons_and_few_others(built_site):
    from fontTools.ttLib import TTFont

    aside = built_site.parent / "aside" / assets._WEBFONTS / "fa-solid-900.ttf"
    letters = {chr(code) for code in sorted(TTFont(aside).getBestCmap())[100:104]}
    font = TTFont(io.BytesIO(assets._subset(aside, letters)))
    assert set(map(chr, font.getBestCmap())) == letters
    assert len(assets._subset(aside, letters)) < 5000


def test_a_site_holds_no_file_of_the_theme_that_no_page_loads(built_site):
    static = built_site / "_static"
    assert not [*static.rglob("*.map"), *static.rglob("*.ttf"), *static.rglob("fontawesome*")]
    style = (static / assets.STYLE).read_text(encoding="utf-8")
    assert "fa-arrow-up" in style
    assert "fa-ambulance" not in style
    loaded = [name for name in ("book.css", "charts.js", "grid.js") if (static / name).exists()]
    assert loaded == []


# --- downloads


def test_the_notebook_that_a_runs_page_offers_is_light_and_whole_but_for_its_figures(built_site):
    for page in sorted((built_site / "cells").rglob("*.html")):
        place = page.relative_to(built_site).with_suffix(".ipynb")
        offered = built_site / "_sources" / place
        assert f"_sources/{place.as_posix()}" in page.read_text(encoding="utf-8")
        notebook = json.loads(offered.read_text(encoding="utf-8"))
        staged = json.loads((built_site.parent / "source" / place).read_text(encoding="utf-8"))
        assert [c["source"] for c in notebook["cells"]] == [c["source"] for c in staged["cells"]]
        kinds = {
            k for c in notebook["cells"] for o in c.get("outputs", ()) for k in o.get("data", ())
        }
        assert "text/html" in kinds
        assert not [kind for kind in kinds if not kind.startswith("text/")]
        assert offered.stat().st_size < 100_000


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_thousand_runs_pages_would_fit_a_host(built_site):
    """Nano's grid has about as many: page, figures, their numbers and notebook in 130 kB each, 130 MB."""
    pages = [*(built_site / "cells").rglob("*.html")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    files = {built_site / place for place in re.findall(r"_images/[\w.-]+", text)}
    files |= {built_site / place for place in re.findall(r"_downloads/\w+/[\w.-]+", text)}
    assert len(files) > len(pages)
    shown = sum(path.stat().st_size for path in files)
    one = (size(built_site / "cells") + size(built_site / "_sources/cells") + shown) / len(pages)
    assert one < 130_000
