"""Do several orders of the same items agree? Rank correlation, concordance, a permutation test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pythia_utils.analysis import words
from pythia_utils.base.errors import UsageError


@dataclass(frozen=True)
class Agreement:
    """How far several orders of the same items agree.

    Attributes:
        rho: mean of Spearman's rank correlation over all pairs of orders; 0 if unrelated.
        low, high: its interval over items.
        w: Kendall's coefficient of concordance, 1 if all orders are the same.
        p_value: of the permutation test that the orders are unrelated.
        orders, items: how many.
    """

    rho: float
    low: float
    high: float
    w: float
    p_value: float
    orders: int
    items: int

    def __str__(self) -> str:
        return f"{words.interval(vars(self), 'rho')}, {words.p_value(self.p_value)}"


def order_agreement(
    values: np.ndarray, confidence: float = 0.95, permutations: int = 9999, seed: int = 0
) -> Agreement:
    """Agreement of the orders in which models learn the same phenomena.

    rho is the mean of Spearman's correlation over pairs of rows. Kendall's W, with his correction
    for ties (Kendall and Gibbons 1990, chapter 6), is 12 Σ (R_j - R̄)² / (m²(k³ - k) - m Σ (t³ - t))
    for m orders of k items with rank sums R_j and ties of lengths t. The test permutes each row on
    its own: p = (1 + #{rho* >= rho}) / (1 + permutations), one-sided for agreement. The interval is
    tanh(atanh(rho) ± t · se / (1 - rho²)), with the jackknife's error over items (Miller 1974) and
    k - 1 degrees of freedom. It covers which phenomena were chosen; noise in `values` lowers rho.
    Equal orders have an interval of no width, whatever their number.

    Args:
        values: (orders, items) float, such as onsets; inf comes last, equal values are ties.
        confidence: two-sided.
        permutations: of the test.
        seed: of the test.

    Returns:
        nan for all but the counts if an order is one great tie.

    Raises:
        UsageError: fewer than two orders or four items, or a nan among the values.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 4:
        raise UsageError(f"agreement needs 2 orders of 4 items or more; got shape {values.shape}")
    if np.isnan(values).any():
        raise UsageError("agreement needs a value for every item; use inf for never")
    m, k = values.shape
    ranks = _ranks(values)
    if (ranks.std(1) == 0).any():
        return Agreement(*[float("nan")] * 5, orders=m, items=k)
    rho = float(_mean_rho(ranks))
    shuffled = np.random.default_rng(seed).permuted(np.tile(ranks, (permutations, 1, 1)), axis=2)
    # The tolerance counts equal correlations as equal, whatever the order of summation was.
    p_value = (1 + np.sum(_mean_rho(shuffled) >= rho - 1e-12)) / (1 + permutations)
    low, high = _jackknife(values, rho, confidence)
    return Agreement(rho, low, high, _kendalls_w(ranks), float(p_value), m, k)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata  # slow to import

    return rankdata(values, axis=-1)


def _mean_rho(ranks: np.ndarray) -> np.ndarray:
    """Mean correlation of distinct rows of ranks (..., m, k): (|Σ unit rows|² - m) / (m(m - 1))."""
    unit = ranks - ranks.mean(-1, keepdims=True)
    length = np.sqrt((unit**2).sum(-1, keepdims=True))
    unit = unit / np.where(length > 0, length, 1)
    m = ranks.shape[-2]
    return ((unit.sum(-2) ** 2).sum(-1) - m) / (m * (m - 1))


def _kendalls_w(ranks: np.ndarray) -> float:
    m, k = ranks.shape
    ties = sum((t**3 - t).sum() for t in (np.unique(r, return_counts=True)[1] for r in ranks))
    return float(12 * k * ranks.sum(0).var() / (m**2 * (k**3 - k) - m * ties))


def _jackknife(values: np.ndarray, rho: float, confidence: float) -> tuple[float, float]:
    from scipy.stats import t

    k = values.shape[1]
    without = _mean_rho(_ranks(np.stack([np.delete(values, item, axis=1) for item in range(k)])))
    error = np.sqrt((k - 1) / k * np.sum((without - without.mean()) ** 2))
    inside = np.clip(rho, -1 + 1e-9, 1 - 1e-9)
    half = t.ppf(0.5 + confidence / 2, k - 1) * error / (1 - inside**2)
    return float(np.tanh(np.arctanh(inside) - half)), float(np.tanh(np.arctanh(inside) + half))
