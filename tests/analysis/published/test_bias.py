"""CrowS-Pairs as published: the rows on gender, and what an intervention changed."""

from __future__ import annotations

import pandas as pd
import pytest

from pythia_utils.analysis.published import bias


def test_rows_are_those_on_gender_of_one_release():
    for version, sizes in (("", 4), ("v0", 4)):
        rows = bias.pairs_on_gender(version)
        assert set(rows["version"]) == {version}
        assert rows["model"].nunique() == sizes
        assert (rows["n"] == 320).all()
        assert rows["training"].notna().all()
        assert not rows.duplicated(["model", "training", "step"]).any()


def test_an_intervention_is_compared_with_its_own_model_at_its_last_step():
    rows = [
        ("pythia-70m-deduped", bias.AS_TRAINED, 1000, 0.9, 0.03),
        ("pythia-70m-deduped", bias.AS_TRAINED, 2000, 0.6, 0.03),
        ("pythia-70m-deduped", "changed", 2000, 0.4, 0.04),
        ("pythia-410m-deduped", bias.AS_TRAINED, 2000, 0.1, 0.03),
    ]
    frame = pd.DataFrame(rows, columns=["model", "training", "step", "value", "stderr"])
    (row,) = bias.differences(frame).itertuples()
    assert (row.model, row.value) == ("pythia-70m-deduped", pytest.approx(-0.2))
    assert row.stderr == pytest.approx(0.05)
    assert (row.low, row.high) == pytest.approx((-0.298, -0.102), abs=1e-3)
    told = bias.in_words(bias.differences(frame))
    assert "pythia-70m-deduped, changed: -0.200 [-0.298, -0.102]" in told
    assert "excludes 0 in 1 of 1" in told


def test_winobias_is_compared_as_crows_pairs_are():
    rows = bias.winobias()
    assert rows["training"].notna().all()
    found = bias.differences(rows)
    assert set(found["model"]) == {
        "pythia-410m-deduped",
        "pythia-1.4b-deduped",
        "pythia-6.9b-deduped",
    }
    assert len(found) == 4  # 1.4b was changed in the last 7% and in the last 21%
    assert (found["stderr"] > 0).all()
    told = bias.in_words(found, bias.WINOBIAS)
    within = (found["value"].abs() < found["stderr"]).sum()
    assert f"less than a standard error in {within} of 4" in told
    late = bias.since_changed(rows)
    assert 0 < len(late) < len(rows)
    assert late["step"].min() == late.loc[late["training"] != bias.AS_TRAINED, "step"].min()
    assert "no model with and without" in bias.in_words(found.iloc[:0])
