"""Notebooks as the site reads and writes them: their JSON, the cells that it adds, what it tidies."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pythia_utils.base.markup import plain
from pythia_utils.base.schemas import parse


class SiteError(Exception):
    """The site cannot be built; the message says what is wrong, where, and what to do."""


def read_notebook(path: Path) -> dict:
    """A notebook's JSON.

    Raises:
        SiteError: the file is not a notebook.
    """
    try:
        return parse(path.read_bytes(), {"cells": [dict], "metadata": dict})
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SiteError(f"{path} is not a notebook: {plain(error)}") from None


def dump(notebook: dict) -> str:
    """The text of a notebook's file; in one line, for Python writes that ten times as fast."""
    return json.dumps(notebook, ensure_ascii=False) + "\n"


PAGE_ONLY = "page-only"  # the tag of cells that a page has, and the notebook that it offers has not


def markdown_cell(identity: str, text: str) -> dict:
    """A cell of Markdown."""
    return {"cell_type": "markdown", "id": identity, "metadata": {}, "source": text}


def page_cell(identity: str, text: str) -> dict:
    """A cell of Markdown for the page alone."""
    return markdown_cell(identity, text) | {"metadata": {"tags": [PAGE_ONLY]}}


def without_page_only(notebook: dict) -> dict:
    """As it is offered: without the cells that are for the page alone."""
    return notebook | {
        "cells": [cell for cell in notebook["cells"] if not has_tag(cell, PAGE_ONLY)]
    }


def has_tag(cell: dict, tag: str) -> bool:
    """Whether a cell has that tag."""
    return tag in cell.get("metadata", {}).get("tags", ())


def tidy(notebook: dict) -> dict:
    """Drop papermill's comment, as the page has a title for it; tag the watermark's cell."""
    for cell in notebook["cells"]:
        tags = cell.setdefault("metadata", {}).setdefault("tags", [])
        source = "".join(cell["source"])
        if "injected-parameters" in tags:
            cell["source"] = re.sub(r"\A# Parameters\n", "", source)
        elif cell["cell_type"] == "code" and re.search(r"^[\w.]*watermark\(", source, re.MULTILINE):
            cell["metadata"]["tags"] = list(dict.fromkeys([*tags, "watermark", "remove-input"]))
    return notebook


def without_figures(notebook: dict) -> dict:
    """Without the outputs that are pictures or no page's: what is left can be read, and run again."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            output.update({"data": _text_once(data)} if data else {})
    return notebook


def _text_once(data: dict) -> dict:
    """Of an output's forms those of text, the plain one only where there is no other."""
    texts = {kind: text for kind, text in data.items() if kind.startswith("text/")}
    return {k: t for k, t in texts.items() if k != "text/plain" or len(texts) == 1}


def split_title(cells: list[dict], default: str) -> tuple[str, list[dict]]:
    """The notebook's heading, and its cells without it."""
    first = cells[0] if cells else {}
    text = "".join(first["source"]) if first.get("cell_type") == "markdown" else ""
    match = re.match(r"\s*# +(?P<title>[^\n]+)\n*", text)
    if not match:
        return default, cells
    remaining = text[match.end() :]
    kept = [first | {"source": remaining}] if remaining else []
    return match["title"].strip(), kept + cells[1:]
