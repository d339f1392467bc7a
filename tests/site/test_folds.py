"""What staging folds: boxes of cells, the sentences that stay in the open, the names of code."""

from __future__ import annotations

import pytest

from pythia_utils.site import folds
from pythia_utils.site.notebooks import SiteError

FIGURE = {"data": {"image/png": "", "text/plain": "<Figure>"}}
TABLE = {"data": {"text/html": "<table>"}}
WORDS = {"data": {"text/markdown": "It falls."}}


def code(*outputs: dict, fold: str = "", tags: tuple[str, ...] = ("hide-input",)) -> dict:
    own = {"tags": [*tags]} | ({folds.KEY: fold} if fold else {})
    return {"cell_type": "code", "metadata": own, "source": "draw()", "outputs": [*outputs]}


def prose(text: str, fold: str = "") -> dict:
    return {"cell_type": "markdown", "metadata": {folds.KEY: fold} if fold else {}, "source": text}


def kinds(cells: list[dict]) -> list[str]:
    """`open` and `close` of boxes, and what cells show."""
    names = []
    for cell in cells:
        source = cell["source"]
        if cell["cell_type"] == "markdown":
            box = "open" if "<details" in source else "close" if source == "</details>" else source
            names.append(box)
        else:
            names += [next(iter(output["data"])) for output in cell["outputs"]] or ["code"]
    return names


def folded(*cells: dict) -> list[dict]:
    return folds.folded({"cells": [*cells]})["cells"]


def test_cells_of_one_fold_share_a_box_and_others_have_their_own():
    cells = folded(
        prose("before"),
        prose("of it", "the table"),
        code(TABLE, fold="the table"),
        code(FIGURE, fold="a <b>"),
    )
    assert kinds(cells) == [
        *("before", "open", "of it", "text/html", "close"),
        *("open", "image/png", "close"),
    ]
    assert "the table</summary>" in cells[1]["source"]
    assert "a &lt;b&gt;</summary>" in cells[5]["source"]


def test_what_a_folded_figure_tells_in_words_stands_before_its_box():
    cells = folded(code(FIGURE, WORDS, fold="the figure"))
    assert kinds(cells) == ["text/markdown", "open", "image/png", "close"]
    assert kinds(folded(code(WORDS, fold="the table"))) == [
        "text/markdown",
        "code",
    ]  # an empty table
    prose_too = folded(prose("of it", "the text"), code(WORDS, fold="the text"))
    assert kinds(prose_too) == ["open", "of it", "text/markdown", "close"]


def test_a_box_of_nothing_but_code_is_none():
    assert kinds(folded(code(fold="the figure"))) == ["code"]


def test_a_heading_in_a_fold_stops_the_site():
    with pytest.raises(SiteError, match="heading stands in the fold 'the table'"):
        folded(prose("## Heading", "the table"))


@pytest.mark.parametrize(
    ("outputs", "what"),
    [
        ([FIGURE, WORDS], "of this figure"),
        ([TABLE], "of this table"),
        ([WORDS], "of this text"),
        ([], "of what follows"),
    ],
)
def test_the_button_of_hidden_code_says_what_the_code_made(outputs, what):
    (cell,) = folds.named_code({"cells": [code(*outputs)]})["cells"]
    assert cell["metadata"]["mystnb"]["code_prompt_show"] == f"Show the code {what}"
    (shown,) = folds.named_code({"cells": [code(*outputs, tags=())]})["cells"]
    assert "mystnb" not in shown["metadata"]
