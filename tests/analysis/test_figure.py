"""What a figure says of itself, and what a notebook shows of it."""

from __future__ import annotations

import ast
import base64
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from pythia_utils.analysis import figure, plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_what_is_not_said_again_stays_as_it_was():
    drawn = plots.bars(
        pd.DataFrame({"word": ["a", "b"], "share": [0.5, 0.25]}), "word", "share", "shares"
    )
    before = figure.frame_of(drawn)
    assert before.name == "shares"
    assert before.csv == "word,share\na,0.5\nb,0.25\n"
    assert "a: 0.5; b: 0.25" in before.alt
    again = figure.frame_of(figure.framed(drawn, caption="Words.", name="How often?"))
    assert (again.caption, again.name) == ("Words.", "how-often")
    assert (again.alt, again.csv) == (before.alt, before.csv)


def test_a_figure_that_nobody_described_is_told_by_its_axes():
    drawn, axes = plt.subplots()
    axes.plot([1, 2], label="a model")
    axes.set(xlabel="step", ylabel="loss")
    assert figure.frame_of(drawn).alt == "Figure of 1 panel: loss, step, a model."


def test_a_name_for_an_anchor_is_made_of_words():
    assert figure.slug("Share of <b>, in %: A/B") == "share-of-b-in-a-b"
    assert figure.slug("") == ""


CELL = """
from pythia_utils.analysis import plots, figure, heatmap
import pandas as pd
plots.histogram([1, 2, 2], "lengths")
plots.histogram([1, 2, 3], "widths")
None
"""


def test_a_notebook_shows_pictures_with_their_words_and_its_numbers(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    first, second = notebook.cells[0].outputs
    assert set(first.data) == {"image/svg+xml", "image/png", figure.KIND, "text/plain"}
    assert set(second.data) == set(first.data)
    assert Image.open(io.BytesIO(base64.b64decode(second.data["image/png"]))).width > 500
    told = second.data[figure.KIND]
    assert told["alt"] == second.metadata["alt"] == second.metadata["image/png"]["alt"]
    assert second.data["text/plain"] == f"{told['caption']} {told['alt']}"
    assert told["alt"].startswith("Histogram of widths, 3 values: median 2.")
    assert told["csv"].splitlines()[0] == "from,to,count"
    assert sum(int(row.split(",")[2]) for row in told["csv"].splitlines()[1:]) == 3
    assert 300 < told["least"] < told["width"] < 1000
    assert re.search(r"<svg.*<text", second.data["image/svg+xml"], re.DOTALL)


DRAWS = {
    "framed",
    "_of_parts",
    "_stream",
    "trajectories",
    "interval_bars",
}  # say it, or hand on who says it


def drawing_functions() -> list[tuple[str, ast.FunctionDef]]:
    folder = Path(figure.__file__).parent
    paths = [folder / "plots.py", *sorted(folder.rglob("*figures.py"))]
    return [
        (f"{path.parent.name}.{node.name}", node)
        for path in paths
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and ast.unparse(node.returns or ast.Constant(None)) in ("Figure", "Figure | None")
    ]


def test_every_function_that_draws_says_what_its_figure_tells():
    found = drawing_functions()
    assert len(found) > 30
    for name, node in found:
        called = {
            getattr(each.func, "id", getattr(each.func, "attr", ""))
            for each in ast.walk(node)
            if isinstance(each, ast.Call)
        }
        assert called & DRAWS, name
