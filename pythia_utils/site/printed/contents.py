"""Which pages of the site are printed, in which order: those that tell, without those that list runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pythia_utils.base import yaml

# Lists of the grid's pages, the same numbers as tables, and the functions' reference: they are for a screen.
_NOT_PRINTED = ("runs", "status", "api")
_NOT_BELOW = "models/pythia-"


@dataclass(frozen=True)
class Part:
    """Pages under one caption of the table of contents.

    Attributes:
        caption: as in the sidebar; empty for the front page.
        pages: their names, without suffix: `experiments/grammar`.
    """

    caption: str
    pages: tuple[str, ...]


def parts(table_of_contents: str) -> list[Part]:
    """What is printed of a site.

    Args:
        table_of_contents: the text of its `_toc.yml`.
    """
    listed = yaml.parse(table_of_contents, "_toc.yml")
    found = [Part("", (listed["root"],))]
    for part in listed["parts"]:
        pages = tuple(name for name in _pages(part["chapters"]) if _is_printed(name))
        found.append(Part(part["caption"], pages))
    return [part for part in found if part.pages]


def _pages(entries: list[dict]) -> Iterator[str]:
    for entry in entries:
        yield entry["file"]
        yield from _pages(entry.get("sections", []))


def _is_printed(name: str) -> bool:
    return name not in _NOT_PRINTED and not name.startswith(_NOT_BELOW)
