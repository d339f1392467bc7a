"""Parts of records, and numbers in sentences."""

import numpy as np
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


def of(*cells: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["model", "step"])


def test_a_model_that_lacks_its_very_last_steps_is_near_the_end_and_one_that_stopped_is_not():
    frame = of(
        ("pythia-12b", 0), ("pythia-12b", 143000), ("pythia-2.8b", 142000), ("pythia-1b", 64000)
    )
    last = select.near_the_end(frame)
    assert last.to_numpy().tolist() == [["pythia-12b", 143000], ["pythia-2.8b", 142000]]
    assert select.step_in_words(last) == "143,000 (pythia-2.8b: 142,000)"
    assert select.step_in_words(frame[:2]) == "143,000"


def test_few_steps_are_spread_over_the_logarithm_and_keep_both_ends():
    steps = find_model("pythia-70m").steps
    frame = of(*(("pythia-70m", step) for step in steps))
    found = select.few_steps(frame, 8)["step"].tolist()
    assert len(found) == 8
    assert (found[0], found[-1]) == (0, 143000)
    times = np.log2(1 + np.array(found))
    assert np.diff(times).min() > 0.6 * np.diff(times).max()
    assert select.few_steps(frame[:8], 8).equals(frame[:8])


def test_a_span_is_one_number_where_its_ends_are_written_alike():
    values = pd.Series([0.241, np.nan, 0.738, 0.5])
    assert words.span(values) == "0.24 to 0.74"
    assert words.span(values, "+.0%") == "+24% to +74%"
    assert words.span(values[:2]) == words.span(pd.Series([0.2401, 0.2399])) == "0.24"
