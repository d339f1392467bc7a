"""Figures of notebooks on the site: what each page says of them, and how large their text is on a phone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from helpers.site_server import serve
from sphinx.application import Sphinx

from pythia_utils.analysis import figure
from pythia_utils.site import figures

_FILE = re.compile(r"\.\w{2,4}$|^[\w./-]+/[\w.-]+$")
PHONE = {"width": 390, "height": 844}
LEGIBLE = 10.9  # pixels; a text of 11 is drawn to a tenth of one


@dataclass
class Shown:
    """A figure of a page: its anchor, what is said of its pictures, its words, where its numbers are."""

    anchor: str
    alts: list[str] = field(default_factory=list)
    words: str = ""
    csv: str = ""
    table: bool = False
    chart: bool = False


class Figures(HTMLParser):
    """The figures of a page, and the pictures of all of it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.shown: list[Shown] = []
        self.alts: list[str | None] = []
        self._open, self._caption = False, False
        text = page.read_text(encoding="utf-8")
        self.feed(text[max(text.find("<article"), 0) :].partition("</article>")[0])

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag == "img":
            self.alts.append(given.get("alt"))
        if tag == "figure":
            self._open = True
            self.shown.append(Shown(given.get("id", "")))
        elif self._open:
            self._inside(tag, given)

    def _inside(self, tag: str, given: dict) -> None:
        now = self.shown[-1]
        if tag == "img":
            now.alts.append(given.get("alt", ""))
        elif tag == "figcaption":
            self._caption = True
        elif tag == "a" and "download" in given:
            now.csv = given["href"]
        now.table |= tag == "table"
        now.chart |= "vega-chart" in given.get("class", "")

    def handle_endtag(self, tag: str) -> None:
        self._caption &= tag != "figcaption"
        self._open &= tag != "figure"

    def handle_data(self, data: str) -> None:
        if self._caption:
            self.shown[-1].words += data


def pages(site: Path) -> Iterator[Path]:
    yield from (p for p in sorted(site.rglob("*.html")) if "_static" not in p.parts)


def test_every_picture_has_words_in_its_place_and_no_path(built_site):
    seen = 0
    for page in pages(built_site):
        for alt in Figures(page).alts:
            assert len(alt or "") > 20, page
            assert not _FILE.search(alt), page
            seen += 1
    assert seen > 30


def test_every_figure_has_an_anchor_a_number_a_caption_and_its_numbers(built_site):
    seen = 0
    for page in pages(built_site):
        shown = Figures(page).shown
        anchors = [each.anchor for each in shown]
        assert len(set(anchors)) == len(anchors), page
        for number, each in enumerate(shown, start=1):
            words = " ".join(each.words.split())
            assert re.match(rf"Figure {number}\. [A-Z]", words), (page, words)
            assert len(words) > 25, (page, words)
            assert re.fullmatch(r"figure-[a-z0-9]+(-[a-z0-9]+)*", each.anchor), (page, each.anchor)
            assert each.alts or each.table, page
            rows = pd.read_csv(page.parent / each.csv)
            assert len(rows), (page, each.csv)
            seen += 1
    assert seen > 50


def test_the_numbers_of_a_figure_are_what_it_draws(built_site, tiny_run):
    """The grid's of a chapter: one row a coloured cell, with the number that the cell shows."""
    page = built_site / "experiments" / "grammar.html"
    grid = next(each for each in Figures(page).shown if each.table)
    rows = pd.read_csv(page.parent / grid.csv)
    cells = re.findall(r'title="([\w-]+), step ([\d,]+): [^"]*? ([\d.]+)[",]', page.read_text())
    assert len(cells) > 2
    told = {(model, int(step.replace(",", ""))): float(value) for model, step, value in cells}
    for row in rows.itertuples():
        assert told[row.model, row.step] == pytest.approx(row.value, abs=6e-4)
    assert len(rows) == len(told)


def test_no_file_is_left_that_no_page_names(built_site):
    text = "".join(page.read_text(encoding="utf-8") for page in pages(built_site))
    kept = list((built_site / "_downloads").rglob("*.csv"))
    assert kept
    assert not [path for path in kept if f"{path.parent.name}/{path.name}" not in text]


# --- legible on a phone


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


SMALLEST = """async () => {
  const found = [];
  for (const img of document.querySelectorAll(".figure-picture img")) {
    img.loading = "eager";
    await img.decode();
    if (!img.src.endsWith(".svg") || !img.offsetParent) continue;
    const svg = new DOMParser().parseFromString(await (await fetch(img.src)).text(), "image/svg+xml");
    const sizes = [...svg.querySelectorAll("text")].map((text) => parseFloat(text.style.fontSize));
    const scale = img.getBoundingClientRect().width / svg.documentElement.viewBox.baseVal.width;
    found.push([img.alt, scale * Math.min(...sizes)]);
  }
  return [found, document.documentElement.scrollWidth];
}"""


def test_the_text_of_pictures_is_legible_on_a_phone_and_no_page_is_wider(browser, host, built_site):
    told = [*sorted((built_site / "experiments").glob("*.html"))]
    folders = sorted((built_site / "cells" / "pico").iterdir())
    told += [sorted(folder.rglob("*.html"))[-1] for folder in folders]
    page = browser.new_context(viewport=PHONE, java_script_enabled=True).new_page()
    page.route("**/bundle.js*", lambda route: route.abort())  # charts would take pictures' places
    seen = 0
    for path in told:
        page.goto(f"{host}/{path.relative_to(built_site).as_posix()}")
        found, width = page.evaluate(SMALLEST)
        assert width <= PHONE["width"], path
        assert [each for each in found if each[1] < LEGIBLE] == [], path
        seen += len(found)
    assert seen > 30
    page.context.close()


# --- how a figure of a notebook becomes one of a page

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><text>a</text></svg>'
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def said(**more: object) -> dict:
    told = {"alt": "Bars of <b> & more, to be told", "caption": "Of $x$ & <i>.", "name": "bars"}
    return told | {"csv": "a\n1\n", "width": 700, "least": 400} | more


OUTPUTS = [
    {figure.KIND: said(), "image/png": PNG, "image/svg+xml": SVG, "text/plain": "Bars"},
    {figure.KIND: said(csv=""), "image/png": PNG, figure.VEGA: {"title": "</script>"}},
    {figure.KIND: said(name="grid"), "text/html": "<table><tr><td>1</td></tr></table>"},
]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page of a notebook with three figures, two of a name, and links to them."""
    folder = tmp_path_factory.mktemp("figures")
    cells = [
        nbformat.v4.new_markdown_cell(
            "# T\n\n[](#figure-bars-2), [Figure](#figure-grid), [it](#figure-bars)"
        ),
        nbformat.v4.new_code_cell(
            "1", outputs=[nbformat.v4.new_output("display_data", data) for data in OUTPUTS]
        ),
    ]
    (folder / "part").mkdir()
    about = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=about)
    (folder / "part" / "one.ipynb").write_text(nbformat.writes(notebook))
    (folder / "index.md").write_text(
        "# I\n\n[there](part/one.ipynb#figure-grid)\n\n```{toctree}\npart/one\n```\n"
    )
    settings = {"extensions": ["myst_nb"], "nb_execution_mode": "off", "numfig": True}
    out = folder / "out"
    warned = io.StringIO()
    settings["suppress_warnings"] = ["mystnb.unknown_mime_type"]
    app = Sphinx(folder, None, out, folder / "trees", "html", settings, status=None, warning=warned)
    figures.setup(app)
    app.build()
    assert warned.getvalue() == ""
    return out / "part" / "one.html"


def test_figures_are_numbered_along_their_page_and_named_in_links_to_them(page):
    shown = Figures(page).shown
    assert [each.anchor for each in shown] == ["figure-bars", "figure-bars-2", "figure-grid"]
    assert [each.words.split(". ")[0] for each in shown] == ["Figure 1", "Figure 2", "Figure 3"]
    text = page.read_text()
    links = re.findall(r'<a class="reference internal" href="(#figure-[\w-]+)">(.*?)</a>', text)
    links = [(target, re.sub("<.*?>", "", words)) for target, words in links]
    assert ("#figure-bars-2", "Figure 2") in links
    assert ("#figure-grid", "Figure 3") in links
    assert ("#figure-bars", "it") in links
    index = (page.parents[1] / "index.html").read_text()
    assert 'href="part/one.html#figure-grid"' in index


def test_a_picture_has_its_words_and_a_chart_keeps_its_picture(page):
    first, second, third = Figures(page).shown
    assert first.alts == second.alts == ["Bars of <b> & more, to be told"]
    assert "Of $x$ & <i>." in first.words
    assert (first.chart, second.chart, third.table) == (False, True, True)
    text = page.read_text()
    assert text.count("<img") == 2
    assert "\\u003c/script>" in text
    assert [each.csv != "" for each in (first, second, third)] == [True, False, True]
    assert (page.parent / first.csv).read_text() == "a\n1\n"
    assert Path(first.csv).name == "one-bars.csv"


def test_a_png_for_previews_is_among_the_images_but_not_on_the_page(page):
    names = {path.suffix for path in (page.parents[1] / "_images").iterdir()}
    assert names == {".svg", ".png"}
    assert re.search(r'<img src="[^"]*\.svg"', page.read_text())


def test_both_rooms_mean_one_kind_of_output():
    assert (figures.KIND, figures.VEGA) == (figure.KIND, figure.VEGA)
    assert json.dumps(said())
