"""How a page is found and cited: its address, its preview, the book's search, entries for bibliographies."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml
from docutils import nodes
from helpers.commands import ROOT
from helpers.hostile import TEXTS
from helpers.site_server import serve
from pybtex.database import parse_string

from pythia_utils.base.markup import plain
from pythia_utils.site import citation, head, issue_links

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
BASE = CONFIG["html"]["baseurl"]


class Head(HTMLParser):
    """The named texts of a page's head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.feed(text.partition("</head>")[0])

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "meta" and (name := values.get("property") or values.get("name")):
            self.named[name] = values.get("content", "")
        if tag == "link" and values.get("rel") == "canonical":
            self.named["canonical"] = values["href"]


@pytest.fixture(scope="module")
def pages(built_site) -> dict[str, str]:
    """The text of each page by its place on the site."""
    files = (p for p in built_site.rglob("*.html") if not p.is_relative_to(built_site / "_static"))
    return {p.relative_to(built_site).as_posix(): p.read_text(encoding="utf-8") for p in files}


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


MADE = {"search.html", "genindex.html", "404.html"}


# --- addresses


def test_no_address_tells_how_the_site_is_built(pages, built_site):
    assert not [name for name in pages if name.startswith("_")]
    assert not [name for name, text in pages.items() if "_executed" in text or "source/" in name]
    assert "_executed" not in (built_site / "searchindex.js").read_text()


def test_every_page_names_its_canonical_address(pages):
    told = {name: Head(text).named.get("canonical") for name, text in pages.items()}
    expected = {name: f"{BASE}{name}" for name in pages} | {"index.html": BASE}
    assert told == expected | dict.fromkeys(MADE)


def test_the_map_lists_every_page_but_those_of_runs_and_those_that_nobody_wrote(pages, built_site):
    root = ElementTree.parse(built_site / "sitemap.xml").getroot()
    listed = {place.text for place in root.findall(".//{*}loc")}
    own = {n for n in pages if not n.startswith("cells/")} - MADE
    assert listed == {BASE if name == "index.html" else f"{BASE}{name}" for name in own}


@pytest.mark.parametrize("prefix", ["/", "/pythia-book/"])
def test_a_missing_address_has_a_page_that_leads_on(browser, built_site, prefix):
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("response", lambda r: faults.append(r.url) if r.status >= 400 else None)
    with serve(built_site, prefix) as address:
        page.goto(f"{address}/cells/pico/loss/gone/step000000.html", wait_until="load")
        assert page.locator("article h1").inner_text().startswith("No page here")
        # What a browser guesses before scripts run is right on the host that the site is for.
        faults = [url for url in faults if "step000000" not in url]
        assert prefix == "/" or faults == []
        background = "() => getComputedStyle(document.querySelector('.bd-article h1')).fontWeight"
        assert page.evaluate(background) == "600"  # of our style sheet
        with page.expect_navigation():
            page.locator("article a", has_text="All runs").click()
        assert page.url == f"{address}/runs.html"
    context.close()


# --- previews


def test_every_page_has_a_preview_with_a_picture_that_is_there(pages, built_site):
    for name, text in pages.items():
        if name in MADE:
            continue
        told = Head(text).named
        assert told["description"] == told["og:description"]
        assert 10 < len(told["description"]) <= 200, (name, told["description"])
        assert told["og:title"]
        assert told["og:url"] == told["canonical"]
        picture = told["og:image"].removeprefix(BASE)
        assert (built_site / picture).suffix == ".png"
        assert (built_site / picture).is_file(), (name, picture)


def test_a_page_with_figures_shows_its_own(pages):
    shown = {name: Head(text).named.get("og:image") for name, text in pages.items()}
    chapters = [shown[name] for name in shown if name.startswith("experiments/")]
    assert all(picture.startswith(f"{BASE}_images/") for picture in chapters)
    assert len(set(chapters)) == len(chapters)
    assert shown["index.html"] == BASE + head.OWN_PICTURE


def paragraphs(*texts: str) -> nodes.document:
    from docutils.utils import new_document

    document = new_document("page")
    document += [nodes.paragraph("", text) for text in texts]
    return document


def test_a_description_is_the_first_sentences_cut_between_words():
    assert head.description(paragraphs()) == ""
    assert head.description(paragraphs("Question. When  is\nit?")) == "When is it?"
    assert head.description(paragraphs("a" * 50, "b" * 60, "c")) == "a" * 50 + " " + "b" * 60
    long = head.description(paragraphs(" ".join(["word,"] * 60)))
    assert re.fullmatch(r"(word, )+word…", long)
    assert 190 < len(long) <= 200


def test_a_picture_is_the_first_that_previews_can_show():
    document = paragraphs("text")
    assert head.picture(document) == head.OWN_PICTURE
    document += [nodes.image(uri=f"../../_images/{name}") for name in ("a.svg", "b.png", "c.png")]
    assert head.picture(document) == "_images/b.png"


def test_a_paragraph_of_links_is_no_description():
    document = paragraphs("", "What is told.")
    document.children[0] += nodes.reference("", "a long link")
    assert head.description(document) == "What is told."


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_head_says_is_text(text):
    made = head.tags(text, text, "https://x", "https://y", "Book")
    assert Head(made).named["og:title"].split() == plain(text).split()
    assert re.sub(r'"[^"]*"', "", made).count("<") == 8


# --- search


SUBJECTS = {
    "memorization": "experiments/memorization.html",
    "agreement": "experiments/grammar.html",
    "induction": "experiments/induction.html",
    "step3000": "experiments/training_data.html",
}


def found(visit, host: str, words: str) -> list[str]:
    """The pages that the book's search finds, the best first."""
    visit.open(f"{host}/search.html?q={words}", until="networkidle")
    links = visit.page.locator("#search-results li a")
    links.first.wait_for()
    hrefs = [links.nth(k).get_attribute("href") for k in range(links.count())]
    return [href.partition("?")[0].partition("#")[0] for href in hrefs]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_search_finds_the_chapter_of_a_subject_first(visit, host, built_site, subject):
    if not (built_site / SUBJECTS[subject]).is_file():
        pytest.skip(f"this book has no chapter on {subject}")
    assert found(visit, host, subject)[0] == SUBJECTS[subject]
    assert visit.faults == []


def test_search_finds_no_page_of_a_run(visit, host, built_site):
    index = (built_site / "searchindex.js").read_text(encoding="utf-8")
    assert "cells/" not in index
    assert len(found(visit, host, "pico")) > 3


# --- citing


def test_each_page_tells_its_edition(pages):
    for text in pages.values():
        foot = text.partition('class="edition"')[2].partition("</p>")[0]
        assert re.search(
            rf"Version {re.escape(citation.version())}\b.* \d+ [A-Z][a-z]+ \d{{4}}\.", foot
        )


def test_an_edition_can_be_made_again(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert citation.edition().endswith("14 November 2023.")


def entries(text: str) -> dict:
    """The entries of all blocks of BibTeX on a page of Markdown or of a site."""
    blocks = re.findall(r"@\w+\{.*?^\}", text, re.DOTALL | re.MULTILINE)
    return dict(parse_string("\n".join(blocks), "bibtex").entries)


def test_the_book_and_each_chapter_have_an_entry_that_leads_to_them(pages):
    text = re.sub("<[^>]+>", "", pages["references.html"])
    chapters = [name for name in pages if name.startswith("experiments/")]
    listed = entries(text)
    assert {e.fields["url"] for e in listed.values()} == {BASE, *(f"{BASE}{n}" for n in chapters)}
    for name in chapters:
        (entry,) = entries(re.sub("<[^>]+>", "", pages[name])).values()
        assert entry.fields["url"] == f"{BASE}{name}"
        assert entry.fields["booktitle"].strip("{}") == CONFIG["title"]
        assert entry.fields["title"].strip("{}") == html.unescape(
            Head(pages[name]).named["og:title"]
        )


def test_what_the_book_is_cited_as_is_what_the_citation_file_says():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (entry,) = entries(citation.of_book(ROOT)).values()
    assert [a["name"] for a in told["authors"]] == [CONFIG["author"]]
    assert str(entry.persons["author"][0]).strip("{}") == CONFIG["author"]
    assert told["title"].startswith(CONFIG["title"])


@pytest.mark.parametrize("title", TEXTS)
def test_an_entry_of_any_title_can_be_read(title):
    block = citation.of_chapter(ROOT, "name", title)
    fence = block.partition("bibtex")[0]
    assert fence not in block.strip("`")
    (entry,) = entries(block).values()
    assert set(entry.fields) == {"title", "booktitle", "publisher", "year", "note", "url"}
    inside = entry.fields["title"]
    for letter in "$%&#_":
        assert len(re.findall(rf"\\\{letter}", inside)) == plain(title).count(letter)


# --- issues


def test_the_name_of_an_issue_becomes_a_link_in_text_and_not_elsewhere():
    made = issue_links.in_html(
        '<td title="P#1">P#205, xP#2 <a href="#">P#3</a> <code>P#4</code> P#5</td>'
    )
    links = re.findall(r'href="([^"]+)">(P#\d+)</a>', made)
    issues = "https://github.com/EleutherAI/pythia/issues/"
    assert links == [(f"{issues}205", "P#205"), ("#", "P#3"), (f"{issues}5", "P#5")]
    assert 'title="P#1"' in made
    assert re.sub(r'<a class="reference external"[^>]*>(P#\d+)</a>', r"\1", made) == (
        '<td title="P#1">P#205, xP#2 <a href="#">P#3</a> <code>P#4</code> P#5</td>'
    )


def test_the_table_of_errata_links_its_sources(pages):
    text = pages["suites.html"].partition("known erratum")[2]
    assert re.search(
        r'href="https://github\.com/EleutherAI/pythia/issues/205"[^>]*>P#205</a>', text
    )
    assert not re.search(r"<td[^>]*><p>P#\d+</p>", text)
