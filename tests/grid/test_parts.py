"""Cells that are for some suites only: which a suite's run has, and what it then computes."""

from __future__ import annotations

import nbformat
import pytest
from helpers.kernel_notebooks import LIGHT

from pythia_utils.base.errors import UsageError
from pythia_utils.engine import worker
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.parts import of_suite

TAGS = {
    "all": [],
    "ours": ["only-ours", "hide-input"],
    "theirs": ["not-ours"],
    "made": ["only-made-text"],
    "pythia": ["only-pythia"],
    "ours but pico": ["only-ours", "not-pico"],
}
HAS = {
    "pico": ["all", "ours", "made"],
    "nano": ["all", "ours", "made", "ours but pico"],
    "english": ["all", "ours", "ours but pico"],
    "pythia": ["all", "theirs", "pythia"],
    None: list(TAGS),
}


@pytest.mark.parametrize("suite", HAS)
def test_a_suite_has_the_cells_whose_tags_say_so(suite):
    cells = [{"source": name, "metadata": {"tags": tags}} for name, tags in TAGS.items()]
    assert [cell["source"] for cell in of_suite(cells, suite)] == HAS[suite]


def test_a_cell_without_metadata_is_for_all():
    assert of_suite([{"source": ""}], "pythia") == [{"source": ""}]


def test_an_unknown_suite_is_named():
    with pytest.raises(UsageError, match="'pyhtia'"):
        of_suite([], "pyhtia")


@pytest.mark.parametrize(("suite", "value"), [("pico", "12"), ("pythia", "1")])
def test_what_is_not_for_the_suite_is_neither_run_nor_kept(tmp_path, suite, value):
    cells = [
        nbformat.v4.new_code_cell('suite = "nano"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("value = 1"),
        nbformat.v4.new_markdown_cell("Ours.", metadata={"tags": ["only-ours"]}),
        nbformat.v4.new_code_cell("value = 12", metadata={"tags": ["only-ours"]}),
        nbformat.v4.new_code_cell("print(value)"),
    ]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    runs = tmp_path / "runs"
    cell = Cell(f"{suite}/x/chapter", "x", path, {"suite": suite}, tmp_path, runs, kind="chapter")
    with KernelPool(LIGHT) as pool:
        outcome = worker.run_cell(cell, pool)
    assert outcome.status == "done", outcome.error
    done = nbformat.reads(outcome.files[worker.NOTEBOOK].decode(), as_version=4)
    assert done.cells[-1].outputs[0].text.strip() == value
    assert ("Ours." in str(done)) == (suite == "pico")
