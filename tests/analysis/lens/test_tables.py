"""Depths at which pairs are decided on curves that are known, and claims that can be false."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis.claims import verdicts
from pythia_utils.analysis.lens import tables
from pythia_utils.analysis.lens.claims import CLAIMS
from pythia_utils.grid import records

CELLS = [
    (model, step)
    for model in ("pico-7k", "pico-57k", "pico-7k-seed1", "pico-57k-seed1")
    for step in (0, 128, 1000)
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("runs")
    made_records.write(folder, "lens", CELLS, together=True)
    return records.read("lens", "pico", runs=folder)


def curve(values, half: float = 0.05) -> pd.DataFrame:
    values = np.array(values, dtype=float)
    frame = pd.DataFrame({"model": "m", "n_params": 1, "step": 1, "of": "p", "value": values})
    return frame.assign(
        depth=range(len(values)), layers=len(values) - 1, low=values - half, high=values + half
    )


@pytest.mark.parametrize(
    ("values", "depth"),
    [
        ([0.5, 0.6, 0.9], 2),
        ([0.5, 0.71, 0.9], 1),
        ([0.5, 0.7, 0.9], 2),  # halfway is not more than halfway
        ([0.9, 0.5, 0.9], 2),  # it was undone
        ([0.8, 0.9, 0.9], 0),
        ([0.5, 0.3, 0.1], 2),  # below chance
        ([0.5, 0.2, 0.1], 1),
        ([0.9, 0.9, 0.54], np.nan),  # the answer is no better than chance
        ([0.5, 0.5, 0.46], np.nan),
    ],
)
def test_a_phenomenon_is_decided_where_it_stays_past_halfway(values, depth):
    (row,) = tables.decided(curve(values)).itertuples()
    np.testing.assert_equal(row.depth, depth)
    np.testing.assert_equal(row.place, depth / 2)


def test_what_is_missing_is_a_share_of_the_constant_answer_s_distance(runs):
    table = tables.missing(runs)
    kl = tables.by_depth(runs, "kl")
    assert len(table) == len(CELLS) * 2 * 3
    constant = runs[runs["subset"] == "constant"].set_index(["model", "step"])["value"]
    where = list(zip(kl["model"], kl["step"], strict=True))
    assert (table["value"] * constant.loc[where].to_numpy()).tolist() == pytest.approx(kl["value"])
    assert set(table["place"]) == {0, 0.5, 1}


def answers(frame: pd.DataFrame) -> dict[str, set]:
    found = verdicts(CLAIMS, frame)
    return {name: set(part["holds"]) for name, part in found.groupby("claim")}


def test_every_claim_holds_of_records_made_for_it(runs):
    assert answers(runs) == {claim.name: {True} for claim in CLAIMS}


def changed(runs, metric: str, starts: str, value, step: int = 1000) -> pd.DataFrame:
    rows = (
        (runs["metric"] == metric) & runs["subset"].str.startswith(starts) & (runs["step"] == step)
    )
    assert rows.any()
    return runs.assign(value=runs["value"].mask(rows, value))


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("tuned-lens-is-closer", ("kl", "logit 1", 0.01, 128)),
        ("every-layer-brings-the-answer", ("kl", "tuned 1", 9)),
        ("embedding-tells-most", ("kl", "tuned 0", 2.5)),
        ("answer-moves-deeper", ("formation_depth", "all", 0.01)),
        ("every-layer-brings-grammar", ("accuracy", "all tuned 1", 0.2)),
        ("grammar-needs-layers", ("accuracy", "all tuned 0", 0.99)),
    ],
)
def test_a_claim_is_false_of_records_that_say_otherwise(runs, claim, change):
    assert answers(changed(runs, *change))[claim] == {False}


def test_what_is_near_may_not_be_decided_later_than_what_is_far(runs):
    at_once = changed(runs, "accuracy", "reflexive_number tuned", 0.99)
    late = changed(at_once, "accuracy", "argument_structure tuned 0", 0.5)
    assert answers(at_once)["distant-is-decided-later"] == {True}
    assert answers(late)["distant-is-decided-later"] == {False}


def test_claims_that_records_cannot_tell_are_not_told(runs):
    assert answers(runs[runs["step"] == 0]) == {
        claim.name: {True if claim.name == "tuned-lens-is-closer" else None} for claim in CLAIMS
    }
    assert answers(runs[runs["metric"] == "loss"]) == {claim.name: {None} for claim in CLAIMS}


@pytest.mark.parametrize("column", ["value", "stderr"])
def test_a_depth_without_its_error_or_value_is_not_compared(runs, column):
    gone = runs[column].mask(runs["metric"] == "formation_depth")
    assert answers(runs.assign(**{column: gone}))["answer-moves-deeper"] == {None}
