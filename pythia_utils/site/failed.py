"""Notebooks that failed, as pages: what a page of the book says in the place of the one that did not run.

Jupyter Book itself would publish the notebook of a failure without a word.
"""

from __future__ import annotations

from pathlib import Path

from pythia_utils.base.markup import code, markdown, plain
from pythia_utils.grid.failures import SUFFIX, error_of
from pythia_utils.site.notebooks import SiteError, markdown_cell, read_notebook

_SHOWN = {"text/html", "text/markdown", "text/latex", "text/plain"}
_SHOWN |= {"image/svg+xml", "image/png", "image/jpeg"}
_NOTHING: dict = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}


def fault(path: Path) -> str:
    """Why the notebook in a file cannot be shown as one that ran, in one line; empty if it can."""
    try:
        notebook = read_notebook(path)
    except SiteError as error:
        return str(error)
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", ())]
    broken = notebook["metadata"].get("papermill", {}).get("exception")
    if broken or path.name.endswith(SUFFIX) or any(map(_is_error, outputs)):
        return plain(error_of(notebook))
    for output in outputs:
        if not _can_be_shown(output):
            return f"an output holds only {', '.join(output['data'])}, which no page can show"
    return ""


def _is_error(output: dict) -> bool:
    return output.get("output_type") == "error"


def _can_be_shown(output: dict) -> bool:
    return "data" not in output or bool(_SHOWN & set(output["data"]))


def read_failed(path: Path) -> dict:
    """The notebook of a failure: its cells up to where it stopped, without the error itself.

    One that is no notebook has no cells.
    """
    try:
        notebook = read_notebook(path)
    except SiteError:
        return dict(_NOTHING)
    cells = [cell for cell in notebook["cells"] if not _is_papermills(cell)]
    ran = [n for n, cell in enumerate(cells) if cell.get("outputs") or cell.get("execution_count")]
    notebook["cells"] = cells[: ran[-1] + 1] if ran else []
    for cell in notebook["cells"]:
        if "outputs" in cell:
            kept = (out for out in cell["outputs"] if not _is_error(out) and _can_be_shown(out))
            cell["outputs"] = list(kept)
    return notebook


def _is_papermills(cell: dict) -> bool:
    """Whether papermill put it there to point at the error."""
    return "papermill-error-cell-tag" in cell.get("metadata", {}).get("tags", ())


def notice(error: str, again: str, rest: str) -> dict:
    """A cell that tells of a failure: why, what else there is to say, and the command that runs it again."""
    told = f"{markdown(error)}\n\n{rest} To run it again: {code(again)}"
    return markdown_cell(
        "failed", f":::{{admonition}} This run failed\n:class: error\n\n{told}\n:::"
    )
