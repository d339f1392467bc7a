"""Agreement of orders against scipy, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pythia_utils.analysis import orders
from pythia_utils.base.errors import UsageError


def test_two_orders_agree_as_scipys_spearman():
    rng = np.random.default_rng(7)
    x = rng.integers(0, 8, (2, 15)).astype(float)  # with ties
    found = orders.order_agreement(x, permutations=99)
    assert found.rho == pytest.approx(stats.spearmanr(*x).statistic)


@pytest.mark.parametrize("ties", [False, True])
def test_concordance_is_friedmans_statistic(ties):
    # Kendall's W = chi² / (m (k - 1)), with the same correction for ties as scipy's.
    rng = np.random.default_rng(8)
    x = rng.integers(0, 5, (4, 9)).astype(float) if ties else rng.random((4, 9))
    chi2 = stats.friedmanchisquare(*x.T).statistic
    assert orders.order_agreement(x, permutations=9).w == pytest.approx(chi2 / (4 * 8))


def test_equal_and_opposite_orders():
    order = np.arange(10.0)
    same = orders.order_agreement([order, 2 * order, order**3])
    assert (same.rho, same.w, same.p_value) == (pytest.approx(1), pytest.approx(1), 1e-4)
    assert same.low == pytest.approx(same.high, abs=1e-3)
    assert orders.order_agreement([order, -order]).rho == pytest.approx(-1)


def test_never_comes_last_and_an_order_without_differences_says_nothing():
    learnt, one_never = [1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, np.inf]
    assert orders.order_agreement([learnt, one_never]).rho == pytest.approx(1)
    assert np.isnan(orders.order_agreement([learnt, [np.inf] * 5]).rho)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2, 3, 4]], "2 orders"),
        ([[1, 2, 3], [1, 2, 3]], "4 items"),
        ([[1, 2, 3, np.nan], [1, 2, 3, 4]], "use inf"),
    ],
)
def test_orders_that_cannot_be_compared_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        orders.order_agreement(np.array(values))


def test_permutation_test_has_its_size_and_power():
    rng = np.random.default_rng(9)
    unrelated = [
        orders.order_agreement(rng.random((3, 12)), permutations=199).p_value <= 0.05
        for _ in range(400)
    ]
    assert np.mean(unrelated) == pytest.approx(0.05, abs=0.03)
    related = [
        orders.order_agreement(
            rng.normal(size=12) + 0.5 * rng.normal(size=(3, 12)), permutations=199
        ).p_value
        <= 0.05
        for _ in range(50)
    ]
    assert np.mean(related) > 0.95


@pytest.mark.parametrize(
    ("items", "rows", "correlation"), [(15, 4, 0.8), (15, 2, 0.5), (12, 8, 0.9)]
)
def test_agreement_interval_covers_the_correlation_of_the_population(items, rows, correlation):
    """Normal ratings of correlation r have Spearman's correlation 6/pi asin(r/2)."""
    rng, hits = np.random.default_rng(10), 0
    for _ in range(250):
        shared = np.sqrt(correlation) * rng.normal(size=items)
        x = shared + np.sqrt(1 - correlation) * rng.normal(size=(rows, items))
        found = orders.order_agreement(x, permutations=1)
        hits += found.low <= 6 / np.pi * np.arcsin(correlation / 2) <= found.high
    assert 0.9 <= hits / 250 <= 0.99


def test_agreement_reads_as_a_clause():
    found = orders.Agreement(0.812, 0.6, 0.9, 0.85, 0.0312, 3, 15)
    assert str(found) == "0.81 [0.60, 0.90], p = 0.031"
    assert "p < 0.001" in str(orders.Agreement(0.8, 0.6, 0.9, 0.85, 1e-4, 3, 15))
