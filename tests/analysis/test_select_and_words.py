"""Parts of records, and numbers in sentences."""

import pandas as pd
import pytest

from pythia_utils.analysis import select, words
from pythia_utils.suites.catalog import find_model

NAMES = ["nano-7k", "nano-57k", "nano-57k-deduped", "nano-57k-seed1"]
RECORDS = pd.DataFrame(
    [
        (name, find_model(name).variant, find_model(name).non_embedding_params, step)
        for name in NAMES
        for step in ((0, 16) if name == "nano-7k" else (0, 16, 64))
    ],
    columns=["model", "variant", "n_params", "step"],
)


def test_the_last_step_is_each_models_own():
    assert list(select.final(RECORDS)["step"]) == [16, 64, 64, 64]


def test_the_largest_is_a_standard_model_if_there_is_one():
    assert select.largest(RECORDS) == "nano-57k"
    assert select.largest(RECORDS[RECORDS["variant"] == "deduped"]) == "nano-57k-deduped"


def test_one_seed_of_each_size_and_variant_is_left():
    assert list(select.usual_seed(RECORDS)["model"].unique()) == NAMES[:3]
    none = select.usual_seed(RECORDS[:0])
    assert none.empty
    assert list(none) == list(RECORDS)
    assert select.usual_seed(RECORDS[:0]).empty


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, "p = 0.5"), (0.0314, "p = 0.031"), (0.0009, "p < 0.001"), (0, "p < 0.001")],
)
def test_a_p_value_in_words(p, text):
    assert words.p_value(p) == text


def test_intervals_and_lists_in_words():
    row = {"slope": 0.126, "low": -1, "high": 2}
    assert words.interval(row, "slope") == "0.13 [-1.00, 2.00]"
    assert words.interval(row, "slope", "+.1f") == "+0.1 [-1.0, +2.0]"
    assert words.listed(["filler_gap", "npi", "filler_gap"]) == "filler gap, npi"
    assert words.listed([]) == "none"
