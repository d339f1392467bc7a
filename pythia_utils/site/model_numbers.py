"""What others published of a real model, on its page. The numbers come from outside of this room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from pythia_utils.base.markup import code, html, markdown, plain
from pythia_utils.grid.config import Config
from pythia_utils.site.notebooks import read_notebook, split_title
from pythia_utils.site.tables import folded
from pythia_utils.suites.catalog import Model

_RAW = re.compile(r"^```\{raw\} html\n.*?^```\n", re.DOTALL | re.MULTILINE)
_WITHOUT = "<noscript><p>The curves need JavaScript; the tables below have the same numbers.</p></noscript>"


class Section(Protocol):
    """One table of published numbers; its chart is HTML, and so are its tables, below their captions."""

    title: str
    told: str
    places: Sequence[str]
    chart: str
    tables: Sequence[tuple[str, str]]
    count: int


class Numbers(Protocol):
    """What was published of a main model and its relatives; `csv` has all of it, a row a number."""

    sections: Sequence[Section]
    csv: str
    count: int


def told(model: Model, own: Numbers, config: Config) -> list[str]:
    """The parts of a model's page about them, in Markdown. Links lead where they do beside `book/models/`."""
    heading = "## Published numbers"
    if not own.sections:
        return [
            heading,
            f"This book knows of no number that anybody published of {code(model.name)}.",
        ]
    opening = (
        f"{own.count:,} numbers that others published of this model and its other runs; none is this book's. "
        "Each section says what was measured and whose the numbers are; do not compare two sections without a "
        "look at both. A bar is an interval of 95% over test items or, where a mean over seeds is drawn, the "
        "range of the seeds. All of them, a row each, with errors, counts and units: "
        f"[{model.name}.csv]({model.name}.csv)."
    )
    return [heading, opening, *(_section(section, config) for section in own.sections)]


def _section(section: Section, config: Config) -> str:
    parts = [f"### {_capital(markdown(section.title))}", section.told]
    if found := [*links(section.places, config)]:
        parts[-1] += f" Drawn in {' and in '.join(found)}."
    if section.chart:
        parts.append(_raw(section.chart + _WITHOUT))
    inside = "\n\n".join(
        f"{markdown(name)}\n\n{_scrolled(name, body)}" for name, body in section.tables
    )
    parts.append(folded(f"The {section.count:,} numbers, by step", inside))
    return "\n\n".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def links(places: Sequence[str], config: Config) -> Iterator[str]:
    """Of chapters and pages that the project has, by their titles."""
    chapters = {e.name: e.chapter for e in config.experiments.values() if e.chapter}
    sources = {
        "experiments": chapters,
        "pages": {p.name: p.notebook for p in config.pages.values()},
    }
    for place in places:
        folder, _, name = place.partition("/")
        if source := sources[folder].get(name):
            title, _ = split_title(read_notebook(source)["cells"], markdown(config.title(name)))
            yield f"[{title}](../{place}.ipynb)"


def _scrolled(name: str, body: str) -> str:
    named = f'role="region" aria-label="{html(plain(name))}" tabindex="0"'
    return _raw(f'<div class="published-scroll" {named}>{body}</div>')


def _raw(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"


def without_html(text: str) -> str:
    """A page's text without the charts and tables in HTML: the file for download has their numbers."""
    return _RAW.sub("", text)
