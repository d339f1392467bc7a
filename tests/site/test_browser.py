"""The built site as a reader meets it: in Chromium, from a server and from the disk."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from helpers.browser import Visit

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
    return sorted(
        path.relative_to(site).with_suffix("").as_posix()
        for path in site.glob(pattern)
    )


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
            visit.page.locator(".vega-chart .mark-rect path").first.click()
        landed = visit.page.url
        assert "/cells/" in landed
        assert (built_site / landed.removeprefix(f"{base}/")).is_file()
        assert len(visit.page.context.pages) == 1
        assert visit.page.locator("h1").count() >= 1


def test_charts_follow_the_theme_and_the_width(visit, address, chapters):
    visit.open(f"{address}/{chapters[0]}.html")
    chart = visit.page.locator(".vega-chart").first
    drawn = chart.get_attribute("data-drawn")
    assert drawn == "light wide"
    visit.page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
    visit.page.locator(".vega-chart[data-drawn='dark wide']").first.wait_for()
    visit.page.set_viewport_size(PHONE)
    visit.page.locator(".vega-chart[data-drawn='dark narrow']").first.wait_for()
    assert visit.faults == []


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
