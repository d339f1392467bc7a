"""Chapters with little to show: they say so in words, and nothing fails."""

from __future__ import annotations

import re

import pytest
from helpers import made_records

FEW = {
    "one cell": [("pico-7k", 16)],
    "one model, two steps": [("pico-57k", 16), ("pico-57k", 512)],
    "only deduplicated": [("pico-7k-deduped", step) for step in (0, 16, 512)],
    "no step 0": [(model, step) for model in ("pico-7k", "pico-14k") for step in (16, 512, 1000)],
    "uneven": [("pico-7k", 0), ("pico-7k", 1000), ("pico-14k", 16)],
}
EXPERIMENTS = [
    "loss",
    "ngrams",
    "grammar",
    "facts",
    "memorization",
    "induction",
    "lens",
    "geometry",
    "interventions",
]
# What a chapter says of the first and the third.
SAYS = {
    ("loss", "one cell"): ["too few sizes or steps", "nothing to list"],
    ("loss", "only deduplicated"): [
        "nothing to draw",
        "no standard model's loss beside a known entropy",
    ],
    ("ngrams", "one cell"): ["at enough steps", "nothing to list"],
    ("ngrams", "only deduplicated"): ["at enough steps", "nothing to draw"],
    ("grammar", "one cell"): ["no curve to compare", "nothing to draw", "too few, or learn too"],
    ("grammar", "only deduplicated"): ["nothing to draw", "one seed of each size"],
    ("facts", "one cell"): ["nothing to draw", "do not hold two sizes"],
    ("facts", "only deduplicated"): ["nothing to draw", "no standard model's threshold"],
    ("interventions", "one cell"): [
        "nothing to draw",
        "no model of an intervention beside its base",
    ],
    ("memorization", "one cell"): [
        "nothing varies here",
        "One checkpoint tells nothing about forgetting",
    ],
    ("memorization", "only deduplicated"): ["Nothing here tells what copies do"],
    ("induction", "one cell"): ["In none of 1 models is there a gain to ablate", "nothing to draw"],
    ("induction", "only deduplicated"): ["nothing to draw", "No heads were found"],
    ("lens", "only deduplicated"): ["No standard model", "nothing to draw", "nothing to list"],
    ("geometry", "one cell"): [
        "nothing to draw",
        "No model was measured at step 0 and later",
        "No two seeds were compared before training and later",
        "No model was compared with half of its steps twice",
    ],
    ("geometry", "only deduplicated"): ["nothing to draw", "No two seeds were compared"],
}


def words(shown: list[dict]) -> str:
    return "\n".join(data.get("text/markdown", "") for data in shown)


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("few", FEW)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_chapter_tells_in_words_what_it_cannot_show(tmp_path, experiment, few):
    made_records.write(tmp_path, experiment, FEW[few])
    shown = words(made_records.run_chapter(experiment, tmp_path))
    assert "Watermark" in shown  # it came to its end
    assert not re.search(r"\bnan\b", shown)
    assert [text for text in SAYS.get((experiment, few), ()) if text not in shown] == []


@pytest.mark.parametrize("few", ["one cell", "only deduplicated", "no step 0"])
def test_the_chapter_on_training_data_does_with_few_batches(tmp_path, home, few):
    made_records.write(tmp_path, "training_data", FEW[few])
    assert "Watermark" in words(made_records.run_chapter("training_data", tmp_path))


def test_a_chapter_with_enough_has_nothing_to_excuse(tmp_path):
    models = ("pico-7k", "pico-14k", "pico-57k", "pico-7k-deduped")
    cells = [(model, step) for model in models for step in (0, 4, 16, 64, 256, 512, 1000)]
    made_records.write(tmp_path, "grammar", cells)
    shown = words(made_records.run_chapter("grammar", tmp_path))
    assert "nothing to draw" not in shown
    assert "Across 3 sizes" in shown
    assert "overcome by the last step, with their whole interval" in shown
