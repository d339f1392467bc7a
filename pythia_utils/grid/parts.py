"""The cells of a notebook that are for some suites only, by their tags.

`only-KIND` keeps a cell for suites of that kind, `not-KIND` for all others; the kinds are those of
`Suite.kinds`, a suite's name among them. A cell that is not for a suite is neither run nor shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from pythia_utils.suites.catalog import suite as find_suite

Cell = TypeVar("Cell", bound=Mapping)
ONLY, NOT = "only-", "not-"


def of_suite(cells: Iterable[Cell], suite: str | None) -> list[Cell]:
    """The cells (of a notebook's JSON) that are for a suite, in order; all of them if it is None.

    Raises:
        UsageError: there is no such suite.
    """
    if suite is None:
        return list(cells)
    kinds = find_suite(suite).kinds
    return [cell for cell in cells if is_for(kinds, cell.get("metadata", {}).get("tags", ()))]


def is_for(kinds: Collection[str], tags: Iterable[str]) -> bool:
    """Whether every `only-` of the tags names one of the kinds, and no `not-` does."""
    wanted = {tag.removeprefix(ONLY) for tag in tags if tag.startswith(ONLY)}
    refused = {tag.removeprefix(NOT) for tag in tags if tag.startswith(NOT)}
    return wanted <= set(kinds) and refused.isdisjoint(kinds)
