"""The chapters as one PDF, printed from the shared site, and what is read in such a PDF."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from helpers.commands import run_or_fail

from pythia_utils.base.errors import UsageError
from pythia_utils.cli import main
from pythia_utils.site.notebooks import SiteError
from pythia_utils.site.printed import browser as printing
from pythia_utils.site.printed import places
from pythia_utils.site.printed.contents import parts
from pythia_utils.site.printed.document import PAPERS, anchor, document

TITLE = re.compile(rb"<</Title (?:\(((?:[^()\\]|\\.)*)\)|<FEFF([0-9A-F]*)>) *\n/Dest \[(\d+) 0 R")
BASE = "https://pythia-book.github.io/pythia-book/"


@pytest.fixture(scope="module")
def folder(built_site) -> Path:
    return built_site.parents[1]


@pytest.fixture(scope="module")
def pdf(folder, trained_home) -> bytes:
    if not any(map(shutil.which, printing.NAMES)):
        pytest.skip("no chromium on this machine: nothing was printed")
    done = run_or_fail("pdf", cwd=folder, home=trained_home)
    path = folder / "_build" / "pythia-book.pdf"
    assert Path(done.stdout.strip()) == path
    return path.read_bytes()


@pytest.fixture(scope="module")
def pages(folder) -> list[str]:
    """What is printed, in order."""
    toc = (folder / "_build/source/_toc.yml").read_text(encoding="utf-8")
    return [page for part in parts(toc) for page in part.pages]


def title_of(folder: Path, page: str) -> str:
    text = (folder / f"_build/html/{page}.html").read_text(encoding="utf-8")
    article = text.partition("<article")[2]
    heading = re.search(r"<h1>(.*?)<a class=\"headerlink", article, re.DOTALL)[1]
    return unescape(re.sub("<[^>]+>", "", heading))


def outline(pdf: bytes) -> list[tuple[str, int]]:
    """Names in the outline, and the objects of their sheets."""
    found = []
    for plain, wide, sheet in TITLE.findall(pdf):
        name = bytes.fromhex(wide.decode()).decode("utf-16-be") if wide else plain.decode("latin-1")
        found.append((re.sub(r"\\(.)", r"\1", name), int(sheet)))
    return found


def test_it_has_an_outline_with_each_page_of_the_book_in_order(pdf, folder, pages):
    assert pdf.startswith(b"%PDF")
    names = [name for name, _ in outline(pdf)]
    titles = [title_of(folder, page) for page in pages]
    assert {"Grammar learning trajectories", "Quickstart", "References"} < set(titles)
    found = iter(names)
    assert [title for title in titles if title not in found] == []  # each behind the one before
    assert not [name for name in names if name[: len(name) // 2] == name[len(name) // 2 :]]


def test_every_link_within_it_leads_to_a_place_that_is_there(pdf, pages):
    found = places.sheets(pdf)
    links = {name.decode() for name in re.findall(rb"/Dest /([^\s/>]+)", pdf)}
    assert links <= set(found)
    assert {anchor(page) for page in pages} <= links  # of the contents
    assert [name for name in links if "references--" in name]  # citations
    starts = [found[anchor(page)] for page in pages]
    assert starts == sorted(set(starts))  # each page begins a sheet of its own
    assert starts[0] == 3  # behind the title and the contents


def test_other_links_lead_to_the_site_and_none_to_files_of_this_machine(pdf):
    addresses = {a.decode() for a in re.findall(rb"/URI \(([^)]*)\)", pdf)}
    assert f"{BASE}runs.html" in addresses
    assert not [a for a in addresses if not a.startswith(("https://", "http://", "mailto:"))]


def test_it_is_small(pdf):
    assert len(pdf) < 15_000_000


@pytest.fixture(scope="module")
def shown(pdf, browser, folder):
    """The document that was printed, in a browser."""
    tab = browser.new_page()
    tab.goto((folder / "_build/pdf/book.html").as_uri(), wait_until="networkidle")
    yield tab
    tab.close()


def test_it_has_the_text_of_every_page_and_no_code_that_the_site_folds(shown, folder, pages):
    text = shown.locator("body").inner_text()
    assert [p for p in pages if title_of(folder, p) not in text] == []
    assert not re.search("Show code(?! beside)", text)  # the page on how to read one names it
    assert shown.locator("article details, article .headerlink, article button").count() == 0
    assert shown.locator("article :is(.grid-table, .tag_injected-parameters)").count() == 0
    assert "every model and step" in text  # where the grid is
    assert "To cite this book" in text


def test_the_contents_tell_the_sheets_on_which_pages_begin(shown, pdf, pages):
    told = shown.locator("#contents .entry span:last-child").all_inner_texts()
    assert [int(number) for number in told] == [places.sheets(pdf)[anchor(page)] for page in pages]


def test_its_pictures_are_there_and_its_formulas_are_set(shown):
    empty = "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"
    assert shown.evaluate(empty) == []
    assert shown.evaluate("() => document.images.length") > 20
    assert shown.locator("mjx-container svg").count() > 3


def test_what_is_printed_is_no_list_of_runs():
    toc = {
        "root": "index",
        "parts": [
            {
                "caption": "The real Pythia",
                "chapters": [{"file": "models/index", "sections": [{"file": "models/pythia-70m"}]}],
            },
            {"caption": "Experiments", "chapters": [{"file": "experiments/a"}, {"file": "runs"}]},
            {"caption": "Lists", "chapters": [{"file": "status"}, {"file": "api"}]},
        ],
    }
    told = [(part.caption, part.pages) for part in parts(yaml.safe_dump(toc))]
    assert told == [
        ("", ("index",)),
        ("The real Pythia", ("models/index",)),
        ("Experiments", ("experiments/a",)),
    ]


def test_american_paper_is_another_size(folder):
    site = folder / "_build/html"
    toc = (folder / "_build/source/_toc.yml").read_text(encoding="utf-8")
    texts = {paper: document(folder, site, parts(toc), paper, {}) for paper in PAPERS}
    assert "@page { size: A4; }" in texts["a4"]
    assert "@page { size: letter; }" in texts["letter"]
    with pytest.raises(SiteError, match=r"html/nothing.html is not there; build the site first"):
        document(folder, site, parts("{root: nothing, parts: []}"), "a4", {})


# --- mistakes


def test_without_a_site_or_a_browser_one_line_says_what_to_do(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"looked for no-such-program; install one: apt-get"):
        CliRunner().invoke(
            main.cli, ["pdf", "--browser", "no-such-program"], catch_exceptions=False
        )
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"looked for chromium, chromium-browser, google-chrome"):
        printing.find()
    (tmp_path / "chromium").write_text("#!/bin/sh\necho out of paper >&2\n")
    (tmp_path / "chromium").chmod(0o755)
    assert printing.find() == str(tmp_path / "chromium")
    (tmp_path / "experiments.yml").write_text("profiles: {}\nexperiments: {}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no site in .*; build it first: pythia book"):
        CliRunner().invoke(main.cli, ["pdf"], catch_exceptions=False)
    with pytest.raises(SiteError, match="printed nothing: out of paper"):
        printing.print_pdf(printing.find(), tmp_path / "book.html", tmp_path / "book.pdf")


# --- PDFs


def made_pdf(*objects: bytes) -> bytes:
    bodies = (b"%d 0 obj\n%b\nendobj\n" % (n, body) for n, body in enumerate(objects, start=1))
    return b"%PDF-1.4\n" + b"".join(bodies)


def test_sheets_are_counted_through_the_branches_of_the_tree():
    pdf = made_pdf(
        b"<</Type /Page\n/Parent 5 0 R>>",
        b"<</Type /Page\n/Parent 5 0 R>>",
        b"<</Type /Page\n/Parent 6 0 R>>",
        b"<</Type /Pages\n/Count 3\n/Kids [5 0 R 6 0 R]>>",
        b"<</Type /Pages\n/Parent 4 0 R\n/Kids [2 0 R 1 0 R]>>",
        b"<</Type /Pages\n/Parent 4 0 R\n/Kids [3 0 R]>>",
        b"<</a [1 0 R /XYZ 6 826 0]\n/b--c [3 0 R /XYZ 6 782 0]>>",
    )
    assert places.sheets(pdf) == {"a": 2, "b--c": 3}
    with pytest.raises(SiteError, match="cannot be told"):
        places.sheets(b"%PDF-1.7 compressed")


def test_a_doubled_name_of_the_outline_is_told_once_and_no_byte_moves():
    pdf = rb"<</Title (AuditAudit)>> <</Title (a \(b\)a \(b\))>> <</Title <FEFF00410041>>> <</Title (Bonbons)>>"
    mended = places.with_single_titles(pdf)
    assert len(mended) == len(pdf)
    assert mended == (
        rb"<</Title (Audit)     >> <</Title (a \(b\))       >> <</Title <FEFF0041>    >> <</Title (Bonbons)>>"
    )
