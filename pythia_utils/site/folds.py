"""What a chapter shows only when it is asked to: supporting parts in boxes that open, and code.

A cell whose metadata have `fold`, such as `"fold": "the table of onsets"`, is in a box with that name; those of
the same name that follow one another share one. What folded code says in words stays in the open. The box opens
for a link that leads into it, and in print (`book/_static/folds.js`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from pythia_utils.base.markup import html
from pythia_utils.site.notebooks import PAGE_ONLY, SiteError, page_cell

KEY = "fold"
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_KINDS = {  # of an output, the first that is there: what its code is said to be the code of
    "image/png": "figure",
    "image/svg+xml": "figure",
    "text/html": "table",
    "text/markdown": "text",
}
_PREPARES = "of what follows"


def folded(notebook: dict) -> dict:
    """Put the cells that have a fold into boxes.

    Raises:
        SiteError: a heading would be in a box, and so in no list of headings.
    """
    cells = []
    for number, (name, group) in enumerate(itertools.groupby(notebook["cells"], _fold)):
        group = list(group)
        cells += _box(name, group, number) if name else group
    notebook["cells"] = cells
    return notebook


def _fold(cell: Mapping) -> str:
    return cell.get("metadata", {}).get(KEY, "")


def _box(name: str, cells: list[dict], number: int) -> list[dict]:
    """The box; before it what its cells tell in words, unless prose of the box is about these words.

    Cells that show nothing, or words alone, need none.
    """
    for cell in cells:
        if cell["cell_type"] == "markdown" and _HEADING.search("".join(cell["source"])):
            raise SiteError(f"a heading stands in the fold {name!r}; leave it before the fold")
    told = []
    if all(cell["cell_type"] == "code" for cell in cells):
        told = [
            one for at, cell in enumerate(cells) for one in _lifted(cell, f"fold-{number}-{at}")
        ]
        if not any(cell["outputs"] for cell in cells):
            return [*told, *cells]
    verbs = '<span class="fold-open">Show</span><span class="fold-close">Hide</span>'
    begin = f'<details class="fold"><summary>{verbs} {html(name)}</summary>'
    ends = (
        [page_cell(f"fold-{number}-begin", begin)],
        [page_cell(f"fold-{number}-end", "</details>")],
    )
    return [*told, *ends[0], *cells, *ends[1]]


def _lifted(cell: dict, identity: str) -> list[dict]:
    """Take the sentences out of a cell's outputs, into a cell of their own."""
    words = [output for output in cell["outputs"] if _is_words(output)]
    if not words:
        return []
    cell["outputs"] = [output for output in cell["outputs"] if not _is_words(output)]
    empty = {"cell_type": "code", "id": identity, "execution_count": None, "source": ""}
    return [empty | {"metadata": {"tags": ["remove-input", PAGE_ONLY]}, "outputs": words}]


def _is_words(output: Mapping) -> bool:
    kinds = output.get("data", {})
    return "text/markdown" in kinds and not {*_KINDS} - {"text/markdown"} & kinds.keys()


def named_code(notebook: dict) -> dict:
    """Let the buttons that show hidden code say what the code made."""
    for cell in notebook["cells"]:
        if "hide-input" in cell.get("metadata", {}).get("tags", ()):
            own = cell["metadata"].setdefault("mystnb", {})
            what = _made(cell)
            own["code_prompt_show"] = f"Show the code {what}"
            own["code_prompt_hide"] = f"Hide the code {what}"
    return notebook


def _made(cell: Mapping) -> str:
    kinds = {kind for output in cell.get("outputs", ()) for kind in output.get("data", {})}
    return next((f"of this {what}" for kind, what in _KINDS.items() if kind in kinds), _PREPARES)
