"""Every claim of the chapter on induction can hold, can fail, and says nothing of records that cannot tell."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis.induction.claims import CLAIMS
from pythia_utils.grid import records

STEPS = (0, 16, 64, 256, 512, 1000)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("runs")
    made_records.write(folder, "induction", [("pico-57k", step) for step in STEPS])
    return records.read("induction", "pico", folder)


def changed(runs: pd.DataFrame, value: float, **where) -> pd.DataFrame:
    """The records with another value in those rows."""
    rows = pd.Series(True, index=runs.index)
    for column, wanted in where.items():
        rows &= runs[column] == wanted
    assert rows.any()
    return runs.assign(value=runs["value"].mask(rows, value))


CONTRARY = {
    "induction-untrained": (0.3, {"metric": "content_gain", "step": 0}),
    "induction-half-a-nat": (0.4, {"metric": "content_gain", "step": 1000}),
    "induction-cache-first": (-1.0, {"metric": "cache_gain"}),
    "induction-few-heads": (0.7, {"metric": "share_left", "subset": "heads found"}),
    "induction-not-others": (0.2, {"metric": "share_left", "subset": "as many others"}),
    "induction-two-kinds": (0.1, {"metric": "prefix_matching", "subset": "layer 1, head 1"}),
    "induction-echo": (20.0, {"metric": "echo_loss", "subset": "14"}),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_holds_fails_and_is_silent(runs, claim):
    assert claim.holds(runs) is True
    value, where = CONTRARY[claim.name]
    assert claim.holds(changed(runs, value, **where)) is False
    assert claim.holds(runs.iloc[:0]) is None
