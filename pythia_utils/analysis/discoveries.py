"""Many tests at once: which finds to name, so that few of them are false.

Of twenty intervals of 95% one misses its value by chance. Where many stand together, what a text names is
chosen by Benjamini and Hochberg's procedure (1995), which keeps the expected share of false finds among
the finds at a level; it holds for independent tests and for those that depend on one another positively
(Benjamini and Yekutieli 2001). Intervals stay what they are: one alone covers its value as often as it says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def adjusted(p_values: Sequence[float]) -> np.ndarray:
    """Each p-value as the least rate of false finds at which its test is a find; nan stays nan.

    Benjamini and Hochberg (1995): p · tests / rank, the smallest of this and all of higher rank.
    """
    from scipy.stats import false_discovery_control  # slow to import

    p = np.asarray(p_values, dtype=float)
    known, result = ~np.isnan(p), np.full(p.shape, np.nan)
    if known.any():
        result[known] = false_discovery_control(p[known])
    return result


def with_finds(
    frame: pd.DataFrame, reference: float = 0.0, confidence: float = 0.95, rate: float = 0.05
) -> pd.DataFrame:
    """A copy with column `found`: which of the rows' values differ from `reference`, as a family.

    A row's p-value is that at which its interval would end at the reference, the half towards it being
    that of Student's t of the row's `dof`, or of a normal distribution where there is no such column.

    Args:
        frame: columns value, low, high (of `confidence`) and, if they are few, dof.
        reference: the value of no effect.
        confidence: of the intervals.
        rate: of false finds among the finds.
    """
    from scipy.stats import t

    dof = frame["dof"].to_numpy(dtype=float) if "dof" in frame else np.full(len(frame), np.inf)
    value, low, high = (frame[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    away = np.abs(value - reference)
    half = np.where(value > reference, value - low, high - value)
    with np.errstate(divide="ignore", invalid="ignore"):  # an interval without width
        ratio = np.where(away == 0, 0.0, away / half)
    p_values = 2 * t.sf(ratio * t.ppf(0.5 + confidence / 2, dof), dof)
    return frame.assign(found=adjusted(p_values) <= rate)


def below_chance(
    successes: Sequence[float],
    n: Sequence[float],
    chance: float = 0.5,
    false_discovery: float = 0.05,
) -> np.ndarray:
    """Which accuracies lie below chance, with few false finds among those that are named.

    One-sided exact binomial tests, P(X <= k) = I(1 - chance; n - k, k + 1), the incomplete beta function
    that also holds where n and k are effective numbers (Korn and Graubard 1998); then
    `adjusted` p-values.

    Returns:
        bool array of the shape of `successes`.
    """
    from scipy.special import betainc

    k, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    p_values = np.where(k < n, betainc(np.maximum(n - k, 1e-9), k + 1, 1 - chance), 1.0)
    return adjusted(p_values) <= false_discovery
