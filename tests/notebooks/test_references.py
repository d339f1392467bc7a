"""The bibliography: every entry complete and cited, every citation of an entry that there is."""

from __future__ import annotations

import re

import pytest
from helpers.commands import ROOT

TEXT = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", TEXT, re.DOTALL | re.MULTILINE))
FIELD = re.compile(r"^\s+(\w+)\s*=\s*\{(.*?)\},?\n(?=\s+\w+\s*=|\Z)", re.DOTALL | re.MULTILINE)
NEEDED = {  # of BibTeX, and what says where it appeared
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title", "year", "eprint"},
    "page": {
        "author",
        "title",
        "year",
        "howpublished",
        "url",
    },  # of the web: @misc, with howpublished
    "book": {"author", "title", "publisher", "year"},
    "techreport": {"author", "title", "institution", "number", "year"},
}
PAGES = [ROOT / "README.md", *ROOT.glob("book/*.md"), *ROOT.glob("book/[a-z]*/*.ipynb")]
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def fields(key: str) -> dict[str, str]:
    return dict(FIELD.findall(ENTRIES[key]))


def kind(key: str) -> str:
    return re.search(rf"@(\w+)\{{{key},", TEXT)[1]


def cited() -> set[str]:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    keys = {key.strip() for found in CITATION.findall(pages) for key in found.split(",")}
    tables = (ROOT / "data" / "published" / "sources.yml").read_text(encoding="utf-8")
    return keys | set(re.findall(r"key: (\w+)", tables))


def test_each_key_stands_once():
    keys = re.findall(r"^@\w+\{(\w+),", TEXT, re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(ENTRIES) > 30


def test_nothing_stands_between_entries_and_braces_are_whole():
    rest = re.sub(r"^@\w+\{\w+,\n.*?^\}\n", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert rest.strip() == ""
    assert [key for key, own in ENTRIES.items() if own.count("{") != own.count("}")] == []


@pytest.mark.parametrize("key", list(ENTRIES))
def test_an_entry_says_who_what_where_and_when(key):
    own = fields(key)
    assert NEEDED["page" if "howpublished" in own else kind(key)] <= own.keys()
    first = re.sub(r"[^a-z]", "", own["author"].split(",")[0].lower())
    assert key.startswith(first[:4]), "the key begins with the first author's name"
    assert own["year"] in key, "the key holds the year of what is cited"
    # One can look it up: by an identifier, or by volume and pages, or as the book or report that it is.
    found = own.keys() & {"doi", "eprint", "url"} or {"volume", "pages"} <= own.keys()
    assert found or kind(key) in ("book", "techreport")


@pytest.mark.parametrize("key", list(ENTRIES))
def test_an_entry_is_of_one_publication(key):
    """What appeared on arXiv in one year and elsewhere in a later one has the later year and place."""
    own = fields(key)
    if "eprint" in own:
        assert own["archiveprefix"] == "arXiv"
        assert re.fullmatch(r"\d{4}\.\d{4,5}", own["eprint"])
        year, month = 2000 + int(own["eprint"][:2]), own["eprint"][2:4]
        # A paper of New Year's Eve has the number of January.
        assert year - (month == "01") <= int(own["year"])
    if "doi" in own:
        assert re.match(r"10\.\d{4,}/", own["doi"])


def test_the_preprint_and_the_paper_of_compute_optimal_training_are_not_mixed():
    """At NeurIPS it is called: An empirical analysis of compute-optimal large language model training."""
    own = fields("hoffmann2022chinchilla")
    assert own["title"] == "Training Compute-Optimal Large Language Models"
    assert (kind("hoffmann2022chinchilla"), own["eprint"]) == ("misc", "2203.15556")


def test_every_entry_is_cited_and_every_citation_has_an_entry():
    assert cited() == set(ENTRIES)
