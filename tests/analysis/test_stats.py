"""Intervals against scipy and published examples; coverage by simulation with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import stats as statistics
from pythia_utils.base.errors import UsageError


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (181, 200), (1, 1)])
def test_wilson_interval_is_scipys(successes, n):
    low, high = statistics.wilson_interval(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "n"), [(0, 200), (200, 200), (7, 20)])
def test_the_error_of_a_proportion_is_that_of_its_interval_and_never_zero(successes, n):
    ends = stats.binomtest(successes, n).proportion_ci(method="wilson")
    error = statistics.proportion_stderr(successes, n)
    assert 2 * stats.norm.ppf(0.975) * error == pytest.approx(ends.high - ends.low)
    assert error > 0


def test_the_error_of_a_proportion_of_many_is_the_usual_one():
    usual = np.sqrt(0.3 * 0.7 / 100_000)
    assert statistics.proportion_stderr(30_000, 100_000) == pytest.approx(usual, rel=1e-4)


def test_an_error_tells_how_many_trials_a_share_is_worth():
    """The reverse of the error of a proportion, also where none or all succeed."""
    k, n = np.array([0, 3, 100, 200, 1]), np.array([10, 10, 200, 200, 1])
    errors = [statistics.proportion_stderr(*pair) for pair in zip(k, n, strict=True)]
    assert statistics.effective_trials(k / n, errors) == pytest.approx(n)
    assert statistics.effective_trials(0.3, np.sqrt(0.21 / 5e4)) == pytest.approx(5e4, rel=1e-3)
    assert np.isnan(statistics.effective_trials(0.5, np.nan))
    assert statistics.effective_trials(0.5, 0.9) == 1


def test_wilson_interval_of_nothing_is_refused():
    with pytest.raises(UsageError, match="at least one trial"):
        statistics.wilson_interval(np.array([1, 0]), np.array([2, 0]))


def test_wilson_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, n = 0.9, 200
    low, high = statistics.wilson_interval(rng.binomial(n, truth, 4000), n)
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.02)


def test_mean_and_stderr_is_scipys():
    values = [1.0, 2.0, 4.0, 8.0]
    assert statistics.mean_and_stderr(values) == pytest.approx((3.75, stats.sem(values)))
    assert np.isnan(statistics.mean_and_stderr([1.0])[1])


def test_ratio_of_equal_clusters_is_the_mean():
    totals = np.array([2.0, 4.0, 9.0])
    ratio, error = statistics.ratio_and_stderr(totals, [2, 2, 2])
    assert (ratio, error) == pytest.approx(statistics.mean_and_stderr(totals / 2))


def test_ratio_error_covers_under_clustering():
    """Tokens of a document are alike: an error per token would be far too small."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(1500):
        sizes = rng.integers(20, 80, 64)
        totals = sizes * (3 + rng.normal(0, 0.5, 64)) + rng.normal(0, np.sqrt(sizes))
        ratio, error = statistics.ratio_and_stderr(totals, sizes)
        hits += abs(ratio - 3) < 1.96 * error
    assert hits / 1500 == pytest.approx(0.94, abs=0.025)


def test_weighted_mean_of_equal_weights_is_the_mean():
    value, error = statistics.weighted_mean([1, 2, 3], [0.3, 0.3, 0.3])
    assert (value, error) == pytest.approx((2, 0.3 / np.sqrt(3)))
    assert statistics.weighted_mean([5, 7], [0.1, 9], [1, 0]) == pytest.approx((5, 0.1))


def test_normal_interval_contains_its_value():
    frame = statistics.with_normal_interval(pd.DataFrame({"value": [1.0], "stderr": [0.5]}))
    assert frame["high"][0] - frame["low"][0] == pytest.approx(2 * 1.959964 * 0.5)


def test_power_law_is_recovered_exactly_from_exact_points():
    x = np.array([1e3, 1e4, 1e5, 1e6])
    fit = statistics.fit_power_law(x, 7 * x**-0.25)
    assert (fit.exponent, fit.scale, fit.r_squared) == pytest.approx((0.25, 7, 1))
    assert fit.predict(x) == pytest.approx(7 * x**-0.25)


def test_power_law_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    x = np.geomspace(1e3, 1e6, 5)
    fits = [
        statistics.fit_power_law(x, 5 * x**-0.05 * np.exp(rng.normal(0, 0.02, 5)))
        for _ in range(2000)
    ]
    assert np.mean([f.low <= 0.05 <= f.high for f in fits]) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 0, 2])])
def test_power_law_refuses_too_few_or_nonpositive_points(x, y):
    with pytest.raises(UsageError):
        statistics.fit_power_law(x, y)


def test_intervals_of_tables_are_those_of_the_formulas():
    frame = pd.DataFrame({"value": [0.5, 2.0], "stderr": [0.1, np.nan], "n": [5, 1]}, index=[7, 9])
    found = statistics.with_student_interval(frame)
    assert found["high"].iloc[0] == pytest.approx(0.5 + 2.776445 * 0.1)  # t of 4 degrees of freedom
    assert np.isnan(found["low"].iloc[1])
    shares = statistics.with_wilson_interval(frame[["n"]], [4, 1], frame["n"])
    assert list(shares["value"]) == [0.8, 1]
    assert (shares["low"].iloc[0], shares["high"].iloc[0]) == statistics.wilson_interval(4, 5)


def test_power_of_an_equivalence_test_is_that_of_simulated_tests():
    rng = np.random.default_rng(0)
    estimates, errors = rng.normal(0.1, 1.0, 4000), np.sqrt(rng.chisquare(8, 4000) / 8)
    half = stats.t.ppf(0.95, 8) * errors
    passed = (estimates - half > -2.5) & (estimates + half < 2.5)
    power = statistics.equivalence_power(1.0, 2.5, effect=0.1, dof=8)
    assert power == pytest.approx(passed.mean(), abs=0.02)


def test_power_of_an_equivalence_test_with_a_known_error():
    z = stats.norm.ppf(0.95)
    assert statistics.equivalence_power(0.5, 2.0) == pytest.approx(2 * stats.norm.cdf(4 - z) - 1)
    assert statistics.equivalence_power(1.0, 1.6) == 0  # the interval never fits between the bounds
    assert statistics.equivalence_power(1.0, 9.0, effect=9.0) == pytest.approx(0.05)
    with pytest.raises(UsageError, match="above 0"):
        statistics.equivalence_power(0, 1)
