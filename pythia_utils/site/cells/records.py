"""The records of a run on its page: its notebook's table, folded, with a link to all of them as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pythia_utils.base.errors import UsageError
from pythia_utils.base.markup import address
from pythia_utils.base.units import show_size
from pythia_utils.grid import record_store
from pythia_utils.grid.records import MIME
from pythia_utils.site.cells.page import Page


def csv(page: Page) -> tuple[str, int] | None:
    """A run's records as CSV, and how many; None of one that has none, failed, or has a damaged file.

    Of damage the chapters tell.
    """
    if page.error or not page.records.is_file():
        return None
    with suppress(UsageError):
        return record_store.as_csv(page.records)
    return None


def csv_path(page: Page) -> str:
    """The place of the CSV beside the page."""
    return f"{page.folder}/{page.stem}.csv"


def fold(notebook: dict, page: Page, text: str, count: int) -> None:
    """Put a notebook's table of its `count` records into a box that opens, with a link to their CSV text."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if MIME in (output.get("data") or {}):
                output["data"]["text/html"] = _folded(
                    output["data"], page, count, len(text.encode())
                )


def _folded(data: Mapping[str, Any], page: Page, count: int, size: int) -> str:
    told = f"{count:,} record{'s' * (count != 1)} of this run"
    link = f'<a href="{address(page.stem)}.csv" download>All rows as CSV</a>'
    table = "".join(data.get("text/html", ""))
    return (
        f'<details class="run-records">\n<summary>{told}</summary>\n'
        f'<p class="run-csv">{link} ({show_size(size)})</p>\n{table}\n</details>'
    )
