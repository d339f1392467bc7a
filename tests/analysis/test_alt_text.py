"""Text alternatives say what is drawn, and where it begins and ends."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import alt_text


def curves() -> pd.DataFrame:
    rows = [
        ("a_b", 0, "x", 0.1),
        ("a_b", 512, "x", 0.9),
        ("c", 0, "x", 0.2),
        ("c", 512, "x", 0.5),
        ("c", 512, "y", 0.25),
    ]
    return pd.DataFrame(rows, columns=["model", "step", "task", "value"])


def test_lines_are_told_by_their_number_range_and_ends():
    told = alt_text.lines(curves(), "accuracy", "training step", "model", "task")
    assert told == (
        "Line chart of accuracy against training step: 2 lines, one a model, in 2 panels (x, y). "
        "Values: 0.1 to 0.9. At the end (step 512), means over panels, a b: 0.9; c: 0.375."
    )


def test_lines_that_end_at_different_steps_say_so_and_many_are_told_by_their_extremes():
    frame = pd.DataFrame({"model": list("abcdefgh"), "step": range(8), "value": range(8)})
    told = alt_text.lines(frame, "loss", "step", "model")
    assert told.endswith("At each line's end, highest h: 7; lowest a: 0.")


def test_rows_have_their_intervals_and_unknown_values_say_so():
    frame = pd.DataFrame(
        {"model": ["a", "b"], "value": [0.5, np.nan], "low": 0.4, "high": [0.6, np.inf]}
    )
    told = alt_text.rows(frame, "shares", "model")
    assert "Points with intervals of shares: 2 rows, one a model. Values: 0.5." in told
    assert "a: 0.5 [0.4, 0.6]; b: unknown [0.4, beyond the axis]." in told


def test_squares_are_told_by_their_highest_and_lowest():
    frame = curves().assign(lens=["l", "l", "m", "m", "m"])
    told = alt_text.crossed(
        frame, "Map", "accuracy", {"model": "model", "step": "step", "lens": "lens"}
    )
    assert told == (
        "Map of accuracy, by 2 models, 2 steps, 2 lenses. Values: 0.1 to 0.9. "
        "Highest: 0.9 at model a b, step 512, lens l. Lowest: 0.1 at model a b, step 0, lens l."
    )
    assert "No value is known" in alt_text.crossed(
        frame.assign(value=np.nan), "Map", "x", {"step": "step"}
    )


def test_what_is_too_long_ends_with_a_whole_sentence():
    told = alt_text.together("a" * 300, "b" * 200)
    assert told == "a" * 300 + "."
    assert len(alt_text.together("a" * 900)) == 400


def test_hostile_names_stay_in_one_line():
    frame = pd.DataFrame({"model": ["a\nb\x1b"], "value": [1.0]})
    assert "a b␛: 1" in alt_text.rows(frame, "x", "model")


def test_numbers_have_three_digits():
    assert [*map(alt_text.number, (0.51234, 3, 143000, 1234.5, 2.38e6, -0.0001234))] == [
        "0.512", "3", "143,000", "1,234", "2.38 million", "-0.000123",
    ]  # fmt: skip
