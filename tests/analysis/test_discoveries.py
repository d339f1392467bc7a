"""Finds among many tests: against scipy, and by simulation with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import discoveries
from pythia_utils.analysis.stats import with_student_interval


def test_adjusted_p_values_are_the_smallest_rate_at_which_a_test_is_a_find():
    # The example of Benjamini and Hochberg (1995): at .05 the first four of fifteen are rejected.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    assert (discoveries.adjusted(p) <= 0.05).tolist() == [True] * 4 + [False] * 11
    mixed = discoveries.adjusted([np.nan, 0.01, 0.5])
    assert np.isnan(mixed[0])
    assert mixed[1:] == pytest.approx([0.02, 0.5])
    assert discoveries.adjusted([]).shape == (0,)


def means(truth: np.ndarray, rng: np.random.Generator, n: int = 8) -> pd.DataFrame:
    drawn = rng.normal(truth[:, None], 1, (len(truth), n))
    errors = drawn.std(1, ddof=1) / np.sqrt(n)
    table = pd.DataFrame({"value": drawn.mean(1), "stderr": errors, "n": n, "dof": n - 1.0})
    return with_student_interval(table)


def test_a_find_of_one_row_is_an_interval_without_the_reference():
    rng = np.random.default_rng(0)
    for truth in rng.normal(0.6, 0.3, 60):
        table = means(np.array([truth]), rng)
        outside = (table["low"] > 0) | (table["high"] < 0)
        assert discoveries.with_finds(table)["found"].tolist() == outside.tolist()


def test_false_finds_among_fifteen_intervals_are_rare():
    """Where nothing differs some interval of fifteen excludes zero in half of all tables; a find is rare."""
    rng, any_find, any_outside = np.random.default_rng(1), [], []
    for _ in range(250):
        table = discoveries.with_finds(means(np.zeros(15), rng))
        any_find.append(table["found"].any())
        any_outside.append(((table["low"] > 0) | (table["high"] < 0)).any())
    assert np.mean(any_outside) > 0.4
    assert np.mean(any_find) == pytest.approx(0.05, abs=0.03)


def test_the_share_of_false_finds_is_that_of_the_rate():
    rng, shares, power = np.random.default_rng(2), [], []
    truth = np.r_[np.full(5, 2.0), np.zeros(10)]
    for _ in range(250):
        found = discoveries.with_finds(means(truth, rng))["found"].to_numpy()
        shares.append(found[5:].sum() / max(found.sum(), 1))
        power.append(found[:5].mean())
    assert np.mean(shares) < 0.05
    assert np.mean(power) > 0.9


def test_a_value_at_the_reference_or_without_an_interval_is_no_find():
    frame = pd.DataFrame({"value": [0.0, 0.5, 1.0], "low": [0.0, np.nan, 0.9]})
    found = discoveries.with_finds(frame.assign(high=[0.0, np.nan, 1.1]))["found"]
    assert found.tolist() == [False, False, True]


def test_below_chance_keeps_false_finds_rare():
    rng = np.random.default_rng(1)
    null = rng.binomial(200, 0.5, 500)
    assert discoveries.below_chance(null, [200] * 500).sum() <= 2
    assert discoveries.below_chance([*null[:50], 60], [200] * 51)[-1]
    assert discoveries.below_chance([], []).shape == (0,)


def test_below_chance_of_one_accuracy_is_scipys_exact_test():
    for correct in range(30, 61):
        p_value = stats.binomtest(correct, 100, 0.5, "less").pvalue
        assert discoveries.below_chance([correct], [100]) == [p_value <= 0.05]


def test_below_chance_of_effective_numbers_lies_between_those_of_whole_ones():
    p = [discoveries.below_chance([k], [n])[0] for k, n in ((18, 50), (18.4, 51), (19.1, 53))]
    assert p == [True, True, True]
    assert not discoveries.below_chance([0.4 * 30.5], [30.5])[0]
