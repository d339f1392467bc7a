"""Chapters on memorization, facts, geometry and training data for the real Pythia, at any size of the grid."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from helpers import labels, made_pythia, made_records

from pythia_utils.grid.parts import of_suite
from pythia_utils.suites.errata import fault

EXPERIMENTS = ("facts", "memorization", "geometry", "training_data")
# What only a text of our own making has, and commands that run it.
OURS = (
    r"\*\*Planted documents\*\*|canar|\bdecile|Marralen|5-gram|placebo|invented persons|of each domain|"
    r"--model pico|miniature"
)
LONG = "pythia-70m"
FEW = {
    "one cell": [("pythia-70m", 143000)],
    "one model, two steps": [("pythia-160m", 512), ("pythia-160m", 143000)],
    "only deduplicated": [
        (model, step)
        for model in ("pythia-70m-deduped", "pythia-1b-deduped")
        for step in (0, 512, 1000, 143000)
    ],
    "no step 0": [(model, 64000) for model in ("pythia-70m", "pythia-12b")],
}


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")


def chapter(tmp_path, experiment: str, cells: list[tuple[str, int]]) -> tuple[str, list[str]]:
    """What a chapter says, and its tables, over made records of some cells."""
    made_records.write(tmp_path, experiment, cells, together=True)
    shown = made_records.run_chapter(experiment, tmp_path, suite="pythia")
    tables = [data["text/html"] for data in shown if "<table" in data.get("text/html", "")]
    return "\n".join(data.get("text/markdown", "") for data in shown), tables


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("experiment", "few"),
    [
        *itertools.product(EXPERIMENTS[:2], FEW),
        ("geometry", "one cell"),
        ("training_data", "one cell"),
    ],
)
def test_a_chapter_tells_in_words_what_it_cannot_show(tmp_path, experiment, few):
    shown, _ = chapter(tmp_path, experiment, FEW[few])
    assert "Watermark" in shown  # it came to its end
    assert not re.search(r"\bnan\b", shown)


def grid() -> list[tuple[str, int]]:
    """All sizes and both variants at four steps, and one of them at all 154; none that is faulty."""
    models = made_pythia.models()
    return [
        (model.name, c.step)
        for model in models
        for c in (model.checkpoints if model.name == LONG else model.checkpoints[3:154:50])
        if not fault(c)
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_chapter_stands_all_steps_and_sizes(tmp_path, monkeypatch, experiment):
    cells = grid()
    assert len({model for model, _ in cells}) >= 18
    assert len({step for _, step in cells}) == 154
    if experiment == "training_data":
        cells = [cell for cell in cells if cell[0] in (LONG, "pythia-70m-deduped")]
    with labels.watched(monkeypatch) as overlaps:
        shown, tables = chapter(tmp_path, experiment, cells)
    assert overlaps == []
    assert max(table.count("<tr") for table in tables) <= 25
    assert max(len(line) for line in shown.split("\n")) < 2500
    assert re.findall(OURS, shown) == []
    unasked = experiment == "geometry"  # other checkpoints: each is a download
    assert not re.search(r"\bnan\b" + r"|nothing to draw" * (not unasked), shown)
    assert SHOWS[experiment] <= set(re.findall("|".join(map(re.escape, SHOWS[experiment])), shown))


SHOWS = {
    "facts": {"When facts are learnt", "Estimated most often", "pythia-12b-deduped-v0 rises"},
    "memorization": {
        "Size and training",
        "checkpoints that others counted",
        "At the same size deduplicated models have memorized",
        "`-p ordinary=64` measures it",
    },
    "geometry": {
        "greatest at step 41,000 with 57.5",
        "The cosine of all weights to those of step 0",
        "cannot be compared number by number",
    },
    "training_data": {"Documents are seen to end", "different tokens", "The whole run of Pythia"},
}


def test_pages_of_others_numbers_are_written_for_their_suite(tmp_path):
    page = made_records.ROOT / "book" / "pages" / "published.ipynb"
    ours = of_suite(json.loads(page.read_text())["cells"], "pico")
    assert "miniature models of our own" in "".join(
        line for cell in ours for line in cell["source"]
    )
    shown = made_records.run_chapter("published", tmp_path, page, suite="pythia")
    text = "\n".join(data.get("text/markdown", "") for data in shown)
    assert not re.search("miniature|our own small models", text)
    assert "No erratum is without a report here" in text
    assert "pythia-1.4b-deduped, pronouns changed in the last 21%" in text
