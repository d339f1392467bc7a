"""Answers in records: there and back; paired differences with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis.grammar import answers


def scores(**correct: list[bool]) -> pd.DataFrame:
    rows = [{"phenomenon": name, "correct": c} for name, row in correct.items() for c in row]
    return pd.DataFrame(rows)


def recorded(
    model: str, n_params: int, own: pd.DataFrame, measured_on: str = "mine"
) -> pd.DataFrame:
    where = {"model": model, "n_params": n_params, "step": 8, "measured_on": measured_on}
    return pd.DataFrame(answers.as_records(own)).assign(**where)


def test_answers_come_back_as_they_were():
    rng = np.random.default_rng(0)
    own = scores(filler_gap=rng.random(13) < 0.5, mine_too=rng.random(200) < 0.5)
    rows = pd.DataFrame(answers.as_records(own))
    assert rows["value"].tolist() == own.groupby("phenomenon")["correct"].sum().tolist()
    for name, found in answers.from_records(rows).items():
        assert found.tolist() == own["correct"][own["phenomenon"] == name].tolist()


def test_answers_of_very_many_pairs_are_not_kept(monkeypatch):
    monkeypatch.setattr(answers, "LONGEST", 3)
    kept = answers.as_records(scores(few=[True] * 3, many=[True] * 4))
    assert [row["subset"].split()[0] for row in kept] == ["few"]


def test_a_gain_of_size_is_a_paired_difference():
    """Half of the pairs are hard for both: the interval is that of the differences, not of two samples."""
    rng = np.random.default_rng(1)
    hard = np.repeat([True, False], 50)
    small, large = ~hard & (rng.random(100) < 0.8), ~hard & (rng.random(100) < 0.95)
    runs = [recorded("a", 7, scores(p=small)), recorded("b", 57, scores(p=large))]
    table, title = answers.size_gain(pd.concat(runs), ["a", "b"])
    interval = stats.ttest_rel(1.0 * large, 1.0 * small).confidence_interval()
    assert title == "b minus a at step 8"
    assert table[["low", "high"]].iloc[0].tolist() == pytest.approx(list(interval))
    assert table["found"].tolist() == [interval.low > 0 or interval.high < 0]
    empty, title = answers.size_gain(runs[0], ["a"])
    assert (len(empty), title) == (0, "")


def test_twins_of_nano_are_no_independent_pairs():
    """Each pair said twice: the interval of nano's pairs, which are twins, is the wider one."""
    gained = np.repeat(np.random.default_rng(2).random(20) < 0.5, 2)
    widths = {}
    for measured_on in ("nano", "mine"):
        rows = [("a", 7, np.zeros(40, bool)), ("b", 57, gained)]
        runs = [recorded(m, n, scores(filler_gap=c), measured_on) for m, n, c in rows]
        (row,) = answers.size_gain(pd.concat(runs), ["a", "b"])[0].itertuples()
        widths[measured_on] = row.high - row.low
    assert widths["nano"] > 1.3 * widths["mine"]


def in_paradigms(*values: np.ndarray) -> pd.DataFrame:
    parts = [scores(islands=list(own)).assign(paradigm=f"p{i}") for i, own in enumerate(values)]
    return pd.concat(parts, ignore_index=True)


def test_a_phenomenon_of_several_paradigms_gains_the_mean_of_theirs():
    """They weigh the same, however many pairs each has; and their errors add up as independent ones."""
    rng = np.random.default_rng(3)
    small = [rng.random(n) < 0.5 for n in (50, 200)]
    large = [rng.random(n) < p for n, p in ((50, 0.9), (200, 0.6))]
    rows = pd.DataFrame(answers.as_records(in_paradigms(*small)))
    assert list(answers.from_records(rows)) == ["islands > p0", "islands > p1"]
    runs = [
        recorded("a", 7, in_paradigms(*small)),
        recorded("b", 57, in_paradigms(*large)),
    ]
    (row,) = answers.size_gain(pd.concat(runs), ["a", "b"])[0].itertuples()
    gains = [after * 1.0 - before for before, after in zip(small, large, strict=True)]
    error = np.sqrt(sum(stats.sem(gain) ** 2 for gain in gains)) / 2
    half = stats.t.ppf(0.975, 49) * error
    assert row.subset == "islands"
    assert row.value == pytest.approx(np.mean([gain.mean() for gain in gains]))
    assert (row.low, row.high) == pytest.approx((row.value - half, row.value + half))
