"""How to cite the book and each chapter, as BibTeX, and the edition that a reader has before them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pythia_utils.base import yaml
from pythia_utils.base.markup import bibtex, fenced, markdown
from pythia_utils.base.sources import git_commit
from pythia_utils.site.notebooks import markdown_cell
from pythia_utils.site.tables import folded

KEY = "pythia_book"


def version() -> str:
    """Of the package, and so of the book."""
    return metadata.version("pythia-book")


def today() -> datetime:
    """The day of the edition: the one that SOURCE_DATE_EPOCH says, for builds that can be repeated, or this."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def edition() -> str:
    """`Version 0.1.0 (commit 1a2b3c4), 3 May 2026.`"""
    day, commit = today(), git_commit()
    told = f" (commit {commit.removesuffix('+')})" if commit != "none" else ""
    return f"Version {version()}{told}, {day.day} {day:%B %Y}."


def of_book(root: Path) -> str:
    """The book's entry, as a block of Markdown."""
    return fenced(book_entry(root), "bibtex")


def book_entry(root: Path) -> str:
    """The book's entry, as text."""
    config = yaml.read(root / "_config.yml")
    return _entry("book", KEY, config, {"title": config["title"]}, "")


def below_chapter(root: Path, name: str, title: str) -> dict:
    """The cell that ends the chapter of an experiment of this name."""
    return markdown_cell("cite-chapter", folded("Cite this chapter", of_chapter(root, name, title)))


def of_chapter(root: Path, name: str, title: str) -> str:
    """A chapter's entry, as a block of Markdown."""
    config = yaml.read(root / "_config.yml")
    told = {"title": title, "booktitle": config["title"]}
    place = f"experiments/{name}.html"
    return fenced(_entry("incollection", f"{KEY}_{name}", config, told, place), "bibtex")


def _entry(kind: str, key: str, config: dict, told: dict[str, str], place: str) -> str:
    fields = {"author": config["author"], **told, "publisher": config["author"]}
    texts = {name: f"{{{bibtex(text)}}}" for name, text in fields.items()}  # capitals stay
    texts |= {
        "year": str(today().year),
        "note": f"Version {version()}",
        "url": config["html"]["baseurl"] + place,
    }
    lines = [f"  {name:9} = {{{text}}}," for name, text in texts.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def page_part(root: Path, titles: Mapping[str, str]) -> str:
    """For inclusion: the book's entry, and in boxes that open the chapters', whose titles are given by name."""
    chapters = [
        folded(f"The chapter *{markdown(title)}*", of_chapter(root, name, title))
        for name, title in titles.items()
    ]
    return "\n\n".join([of_book(root), *chapters]) + "\n"
