"""The built site as a reader meets it: in Chromium, from a server and from the disk."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pandas as pd
import pytest
from helpers.browser import Visit

from pythia_utils.analysis import heatmap
from pythia_utils.base.markup import vega
from pythia_utils.site import figures
from pythia_utils.suites.catalog import find_model

FRONT = ("index", "suites", "reading", "rerun", "add-experiment", "api", "references")
FRONT += ("runs", "status")
PHONE = {"width": 390, "height": 844}


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(built_site) -> Iterator[str]:
    """The site's address on a server of this process."""
    handler = functools.partial(_Silent, directory=str(built_site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _names(site: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(site).with_suffix("").as_posix() for path in site.glob(pattern))


@pytest.fixture(scope="session")
def chapters(built_site) -> list[str]:
    found = _names(built_site, "experiments/*.html")
    assert found, "the site has no chapters"
    return found


@pytest.fixture(scope="session")
def cell(built_site) -> str:
    found = _names(built_site, "cells/**/*.html")
    assert found, "the site has no cell pages"
    return found[-1]


def test_pages_ask_no_other_host_and_have_no_errors(visit, address, chapters, cell):
    for name in (*FRONT, *chapters, cell, "search", "genindex"):
        visit.open(f"{address}/{name}.html", until="networkidle")
    abroad = [url for url in visit.requests if not url.startswith((address, "data:", "blob:"))]
    assert abroad == []
    assert visit.faults == []


def test_pages_work_from_the_disk(visit, built_site, chapters, cell):
    for name in ("index", *chapters, cell):
        visit.open((built_site / f"{name}.html").as_uri())
    abroad = [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert abroad == []
    assert visit.faults == []


@pytest.mark.parametrize("source", ["server", "disk"])
def test_a_click_on_the_heatmap_opens_the_notebook_in_the_same_tab(
    visit, address, built_site, chapters, source
):
    base = address if source == "server" else built_site.as_uri()
    for chapter in chapters:
        visit.open(f"{base}/{chapter}.html")
        with visit.page.expect_navigation():
            visit.page.locator(".grid-table td a").first.click()
        landed = visit.page.url
        assert "/cells/" in landed
        assert (built_site / landed.removeprefix(f"{base}/")).is_file()
        assert len(visit.page.context.pages) == 1
        assert visit.page.locator("h1").count() >= 1


def with_output(visit: Visit, address: str, page: str, built_site: Path, html: str) -> None:
    """Open a page as it would be with this HTML among a notebook's outputs."""
    text = (built_site / f"{page}.html").read_text(encoding="utf-8")
    holder = f'<div class="cell_output"><div class="output text_html">{html}</div></div>'
    text = text.replace("</h1>", f"</h1>{holder}", 2)  # the first is for print
    body = {"body": text.replace(holder, "", 1), "content_type": "text/html; charset=utf-8"}
    visit.page.route(f"{address}/{page}.html", lambda route: route.fulfill(**body))
    visit.open(f"{address}/{page}.html")


def test_charts_follow_the_theme_and_the_width(visit, address, built_site, chapters):
    spec = {"data": {"values": [{"x": 1, "y": 2}]}, "mark": "bar"}
    spec |= {"encoding": {c: {"field": c, "type": "quantitative"} for c in "xy"}}
    with_output(visit, address, chapters[0], built_site, "".join(figures.chart_html(vega(spec))))
    chart = visit.page.locator(".vega-chart").first
    drawn = chart.get_attribute("data-drawn")
    assert drawn == "light wide"
    visit.page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
    visit.page.locator(".vega-chart[data-drawn='dark wide']").first.wait_for()
    visit.page.set_viewport_size(PHONE)
    visit.page.locator(".vega-chart[data-drawn='dark narrow']").first.wait_for()
    assert visit.faults == []


# --- the grid as a table of links


def test_a_grid_is_one_stop_of_the_tab_key_and_arrow_keys_lead_through_it(visit, address, chapters):
    visit.open(f"{address}/{chapters[0]}.html")
    table = visit.page.locator(".grid-table table").first
    assert table.locator("a[tabindex='0']").count() == 1
    links = table.locator("a")
    links.first.focus()
    ways = [("ArrowRight", 1), ("ArrowLeft", 0), ("End", None), ("Home", 0), ("ArrowUp", 0)]
    for key, index in ways:
        visit.page.keyboard.press(key)
        at = links.evaluate_all("links => links.indexOf(document.activeElement)")
        assert at == index if index is not None else at > 0, key
    visit.page.keyboard.press("ArrowDown")
    focused = visit.page.evaluate("() => document.activeElement.href")
    row = visit.page.evaluate("() => document.activeElement.closest('tr').rowIndex")
    assert row > 1  # below it the next that has a page
    assert table.locator("a[tabindex='0']").count() == 1
    with visit.page.expect_navigation():
        visit.page.keyboard.press("Enter")
    assert visit.page.url == focused


def test_a_middle_click_opens_a_cell_in_another_tab(visit, address, chapters):
    visit.open(f"{address}/{chapters[0]}.html")
    with visit.page.context.expect_page() as opened:
        visit.page.locator(".grid-table td a").first.click(button="middle")
    assert "/cells/" in opened.value.url
    assert visit.page.url == f"{address}/{chapters[0]}.html"


def test_without_scripts_a_grid_has_its_colours_and_links(browser, address, chapters):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{chapters[0]}.html")
    assert page.locator(".grid-table td[style^='background:#']").count() > 1
    with page.expect_navigation():
        page.locator(".grid-table td a").first.click()
    assert "/cells/" in page.url
    context.close()


LARGE = [
    {"suite": "pythia", "experiment": "loss", "parameters": "", "model": name, "step": step}
    | {"value": step / 1000}
    for name in ("pythia-70m", "pythia-70m-deduped", "pythia-12b")
    for step in find_model(name).steps
]


@pytest.mark.parametrize("columns", [21, 154])
@pytest.mark.parametrize("width", [390, 1400])
def test_a_wide_grid_scrolls_by_itself_and_keeps_its_names_in_view(
    visit, address, built_site, chapters, columns, width
):
    frame = pd.DataFrame(LARGE).query(f"step in {sorted({r['step'] for r in LARGE})[:columns]}")
    visit.page.set_viewport_size({"width": width, "height": 900})
    table = heatmap.grid_table(frame, "loss")
    with_output(visit, address, chapters[0], built_site, table)
    grid = visit.page.locator(".grid-table").first
    assert visit.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    cell = grid.locator("td a").first.bounding_box()
    assert cell["width"] >= 12
    assert cell["height"] >= 24
    grid.evaluate("grid => (grid.scrollLeft = 10000)")
    left = grid.bounding_box()["x"]
    assert grid.locator("tbody th").first.bounding_box()["x"] == pytest.approx(left, abs=1)
    last = grid.locator("tbody tr").first.locator("td").last.bounding_box()
    assert last["x"] + last["width"] <= width
    assert grid.locator("thead th").first.inner_text()


@pytest.mark.parametrize("columns", [21, 154])
def test_a_wide_grid_fits_a_printed_page_with_its_colours(
    visit, address, built_site, chapters, columns
):
    frame = pd.DataFrame(LARGE).query(f"step in {sorted({r['step'] for r in LARGE})[:columns]}")
    visit.page.set_viewport_size({"width": 720, "height": 1000})  # a sheet of A4
    table = heatmap.grid_table(frame, "loss")
    with_output(visit, address, chapters[0], built_site, table)
    visit.page.emulate_media(media="print")
    grid = visit.page.locator(".grid-table").first
    assert grid.evaluate("grid => grid.querySelector('table').offsetWidth <= grid.clientWidth + 1")
    kept = grid.locator("td").first.evaluate("cell => getComputedStyle(cell).printColorAdjust")
    assert kept == "exact"


def test_formulas_are_typeset(visit, address):
    visit.open(f"{address}/suites.html")
    assert visit.page.locator("mjx-container svg").count() >= 3
    assert "$" not in visit.page.locator("article").inner_text()


def test_a_cell_page_shows_parameters_and_watermark_and_hides_the_defaults(visit, address, cell):
    visit.open(f"{address}/{cell}.html")
    model, step = cell.split("/")[-2], int(cell.split("/")[-1].removeprefix("step"))
    assert f"{model}, step {step}" in visit.page.locator("h1").last.inner_text()
    box = visit.page.locator(".tag_injected-parameters")
    assert box.is_visible()
    assert f'"{model}"' in box.inner_text()
    title = box.evaluate("element => getComputedStyle(element, '::before').content")
    assert "Parameters" in title
    assert visit.page.get_by_text("Watermark:").is_visible()
    assert visit.page.locator(".tag_parameters").count() == 0
    assert visit.page.locator("nav.page-nav a").count() >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_a_phone(browser, address, chapters, cell, scheme):
    context = browser.new_context(viewport=PHONE, color_scheme=scheme)
    visit = Visit(context.new_page())
    too_wide = {}
    for name in (*FRONT, *chapters, cell):
        visit.open(f"{address}/{name}.html")
        extra = visit.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if extra > 0:
            too_wide[name] = extra
    context.close()
    assert too_wide == {}


class _Links(HTMLParser):
    """Every address that a page refers to, and every anchor in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag != "base":  # of the page of a missing address
            self.found += [values[key] for key in ("href", "src") if values.get(key)]


def test_every_internal_link_leads_to_a_file(built_site):
    static = built_site / "_static"  # holds the theme's templates
    files = [page for page in built_site.rglob("*.html") if not page.is_relative_to(static)]
    pages = {page: _Links(page.read_text(encoding="utf-8")) for page in files}
    broken = []
    for page, links in pages.items():
        for link in set(links.found):
            address, anchor = urldefrag(link)
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or link.startswith("javascript:"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                broken.append(f"{page.relative_to(built_site)}: {link}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                broken.append(f"{page.relative_to(built_site)}: no anchor {link}")
    assert broken == []


def test_every_page_says_whose_book_it_is(built_site):
    text = (built_site / "index.html").read_text(encoding="utf-8")
    assert "Project Pythia" in text
    assert "language models" in text
