"""Order tests: against scipy and statsmodels, and by simulations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from pythia_utils.analysis import order_tests
from pythia_utils.base.errors import UsageError

PLACES = (np.arange(50) + 0.5) / 50


def poisson_blocks(rng, rate=5.0, blocks=50, tested=1000, spread=0.0):
    """Counts of tested sequences in blocks; rates vary by a gamma of that relative deviation."""
    rates = rng.gamma(spread**-2, rate * spread**2, blocks) if spread else np.full(blocks, rate)
    return rng.binomial(tested, rates / tested), np.full(blocks, tested)


# --- dispersion -----------------------------------------------------------------------------------


def test_dispersion_is_scipys_test_of_homogeneity():
    counts, tested = poisson_blocks(np.random.default_rng(0), rate=200)
    table = np.array([counts, tested - counts])
    expected = stats.chi2_contingency(table, correction=False)
    found = order_tests.dispersion(counts, tested, resamples=20_000)
    assert found.index == pytest.approx(expected.statistic / expected.dof)
    two_sided = 2 * min(expected.pvalue, 1 - expected.pvalue)
    assert found.p_value == pytest.approx(two_sided, abs=0.02)
    assert found.total == counts.sum()


def test_dispersion_of_blocks_of_unlike_size_is_scipys_too():
    rng = np.random.default_rng(1)
    tested = rng.integers(100, 2000, 30)
    counts = rng.binomial(tested, 0.1)
    expected = stats.chi2_contingency([counts, tested - counts], correction=False)
    assert order_tests.dispersion(counts, tested).index == pytest.approx(
        expected.statistic / expected.dof
    )


@pytest.mark.parametrize("rate", [0.3, 5.0])
def test_under_one_rate_dispersion_finds_something_as_often_as_it_says(rate):
    rng = np.random.default_rng(2)
    draws = [poisson_blocks(rng, rate) for _ in range(250)]
    found = np.array([order_tests.dispersion(*draw, resamples=300).p_value for draw in draws])
    assert (found < 0.05).mean() <= 0.08
    if rate == 5:  # fewer counts take few values, and the test finds less than it says
        assert (found < 0.5).mean() == pytest.approx(0.5, abs=0.12)


def test_dispersion_finds_clusters_and_regularity():
    rng = np.random.default_rng(3)
    clustered = order_tests.dispersion(*poisson_blocks(rng, spread=0.8))
    assert clustered.p_value < 0.01
    assert clustered.index > 1.5
    even = order_tests.dispersion(np.full(50, 5), np.full(50, 1000))
    assert even.p_value < 0.01
    assert (even.index, even.spread) == (0, 0)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_spread_of_rates_is_covered(spread):
    rng = np.random.default_rng(4)
    draws = [poisson_blocks(rng, rate=20, spread=spread) for _ in range(400)]
    found = [order_tests.dispersion(*draw, resamples=1) for draw in draws]
    covered = np.mean([each.low <= spread <= each.high for each in found])
    assert covered == pytest.approx(0.95, abs=0.035)
    if spread:
        assert np.mean([each.spread for each in found]) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("counts", [[0, 0, 0], [10, 10, 10], [3]])
def test_dispersion_of_nothing_is_refused(counts):
    with pytest.raises(UsageError, match="two blocks and a share between 0 and 1"):
        order_tests.dispersion(counts, [10] * len(counts))


def test_poisson_quantiles_hold_what_is_poisson_and_show_what_is_not():
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(100):
        frame = order_tests.poisson_quantiles(rng.poisson(5, 50), resamples=400)
        inside.append(frame["observed"].between(frame["low"], frame["high"]).mean())
    assert np.mean(inside) > 0.93
    assert frame["expected"].to_numpy() == pytest.approx(
        stats.poisson.ppf(PLACES, frame["observed"].mean())
    )
    wild = order_tests.poisson_quantiles(poisson_blocks(rng, spread=1.2)[0])
    assert not wild["observed"].between(wild["low"], wild["high"]).all()


# --- trends ---------------------------------------------------------------------------------------


def test_linear_trend_is_statsmodels_with_hc3():
    rng = np.random.default_rng(6)
    y = 2 + 0.7 * PLACES + rng.normal(0, 0.2 + PLACES)
    fit = sm.OLS(y, sm.add_constant(PLACES)).fit(cov_type="HC3", use_t=True)
    found = order_tests.linear_trend(y, PLACES)
    assert found.slope == pytest.approx(fit.params[1])
    assert found.stderr == pytest.approx(fit.bse[1])
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int()[1]))
    assert found.p_value == pytest.approx(fit.pvalues[1])
    assert found.dof == 48


def test_a_line_without_scatter_is_certain():
    flat = order_tests.linear_trend(np.ones(50), PLACES)
    assert (flat.slope, flat.low, flat.high, flat.p_value) == (0, 0, 0, 1)
    assert order_tests.equivalence(flat, 0.1).equivalent


def test_share_trend_of_two_places_is_the_log_odds_ratio_with_a_half_added_to_each_cell():
    """What Firth's penalty amounts to in a saturated model (Firth 1993, section 3.2)."""
    k, n = np.array([0, 7]), np.array([20, 20])
    found = order_tests.share_trend(k, n, [0, 1])
    odds = (k + 0.5) / (n - k + 0.5)
    assert found.slope == pytest.approx(np.log(odds[1] / odds[0]), abs=1e-3)


def test_share_trend_of_many_is_statsmodels_logistic_regression():
    rng = np.random.default_rng(7)
    n = np.full(50, 2000)
    k = rng.binomial(n, 1 / (1 + np.exp(2 - 0.4 * PLACES)))
    design = sm.add_constant(PLACES)
    family = sm.families.Binomial()
    fit = sm.GLM(np.column_stack([k, n - k]), design, family=family).fit()
    null = sm.GLM(np.column_stack([k, n - k]), design[:, :1], family=family).fit()
    found = order_tests.share_trend(k, n, PLACES)
    assert found.slope == pytest.approx(fit.params[1], rel=1e-3)
    assert found.stderr == pytest.approx(fit.bse[1], rel=1e-3)
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int()[1]), rel=1e-2)
    by_likelihood = stats.chi2.sf(2 * (fit.llf - null.llf), 1)
    assert found.p_value == pytest.approx(by_likelihood, rel=1e-2)


def test_a_rare_thing_has_the_slope_of_a_poisson_regression():
    rng = np.random.default_rng(8)
    n = np.full(50, 100_000)
    k = rng.binomial(n, 0.001 * np.exp(0.5 * PLACES))
    fit = sm.GLM(k, sm.add_constant(PLACES), family=sm.families.Poisson()).fit()
    assert order_tests.share_trend(k, n, PLACES).slope == pytest.approx(fit.params[1], rel=0.01)


def test_share_trend_is_finite_where_all_successes_stand_at_one_end():
    found = order_tests.share_trend([0] * 9 + [12], [12] * 10, np.arange(10) / 9)
    assert np.isfinite([found.slope, found.low, found.high]).all()
    assert found.low > 0
    assert found.p_value < 0.001


@pytest.mark.parametrize(("slope", "rate"), [(0.0, 0.01), (1.5, 0.01), (3.0, 0.3)])
def test_the_slope_of_a_share_is_covered(slope, rate):
    rng = np.random.default_rng(9)
    n = np.full(20, 40)
    x = (np.arange(20) + 0.5) / 20
    p = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + slope * (x - 0.5))))
    found = [order_tests.share_trend(rng.binomial(n, p), n, x) for _ in range(100)]
    assert np.mean([t.low <= slope <= t.high for t in found]) == pytest.approx(0.95, abs=0.055)
    if slope == 0:
        assert np.mean([t.p_value < 0.05 for t in found]) == pytest.approx(0.05, abs=0.055)
    if slope == 3:
        assert np.mean([t.p_value < 0.05 for t in found]) > 0.95


def test_trends_need_places():
    with pytest.raises(UsageError, match="three places; got 1"):
        order_tests.linear_trend([1, 2], [0.5, 0.5])
    with pytest.raises(UsageError, match="two places"):
        order_tests.share_trend([1, 2], [5, 0], [0.1, 0.9])


# --- equivalence ----------------------------------------------------------------------------------


def test_equivalence_is_statsmodels_two_one_sided_tests():
    values = np.random.default_rng(10).normal(0.1, 1, 60)
    mean = DescrStatsW(values)
    expected = mean.ttost_mean(-0.4, 0.4)[0]
    trend = order_tests.trend_of(values.mean(), stats.sem(values), 59)
    found = order_tests.equivalence(trend, 0.4)
    assert found.p_value == pytest.approx(expected)
    assert found.equivalent == (expected < 0.05)
    assert (found.low, found.high) == pytest.approx(mean.tconfint_mean(alpha=0.1))


def test_equivalence_at_the_bound_is_claimed_in_one_case_of_twenty():
    rng = np.random.default_rng(11)
    claims = []
    for _ in range(1000):
        y = 0.5 * PLACES + rng.normal(0, 0.2, 50)
        claims.append(order_tests.equivalence(order_tests.linear_trend(y, PLACES), 0.5).equivalent)
    assert np.mean(claims) == pytest.approx(0.05, abs=0.025)


def test_equivalence_needs_a_bound():
    with pytest.raises(UsageError, match="bound is 0"):
        order_tests.equivalence(order_tests.trend_of(0, 1, 10), 0)


def test_so_many_events_show_equivalence_as_often_as_was_planned():
    events = order_tests.events_for_equivalence(1.25, power=0.8)
    rng = np.random.default_rng(12)
    n = np.full(20, 10**6)
    x = (np.arange(20) + 0.5) / 20
    shown = []
    for _ in range(100):
        k = rng.poisson(events / 20, 20)
        trend = order_tests.share_trend(k, n, x)
        shown.append(order_tests.equivalence(trend, np.log(1.25)).equivalent)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.1)
