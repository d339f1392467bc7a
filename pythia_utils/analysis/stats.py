"""Intervals and power laws: how sure a figure is.

Every function states its formula and source. Confidence is a two-sided probability, .95 by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pythia_utils.base.errors import UsageError


def wilson_interval(
    successes: np.ndarray | float, n: np.ndarray | float, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the score interval of a proportion (Wilson 1927): it stays inside [0, 1] and works at 0 and n.

    centre = (p + z²/2n) / (1 + z²/n); half-width = z/(1 + z²/n) · sqrt(p(1-p)/n + z²/4n²).

    Args:
        successes: count, or array of counts.
        n: number of trials, broadcast against `successes`; at least 1.
        confidence: two-sided.

    Returns:
        The lower and the upper end, float64 of the broadcast shape, 0 to 1.

    Raises:
        UsageError: no trials.
    """
    n = np.asarray(n, dtype=float)
    if np.any(n < 1):
        raise UsageError("a proportion needs at least one trial; n is 0")
    p = np.asarray(successes, dtype=float) / n
    z = ndtri(0.5 + confidence / 2)
    scale = 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / scale
    half = z / scale * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def equivalence_power(
    stderr: float, margin: float, alpha: float = 0.05, effect: float = 0.0, dof: float = np.inf
) -> float:
    """Power of two one-sided tests (Schuirmann 1987): how likely they show an effect to be within `margin`.

    With s the estimated error and t = t(1 - alpha, dof) they pass where |estimate| < margin - t s, so the
    power is the mean over s of Φ((margin - t s - effect) / stderr) - Φ((-margin + t s - effect) / stderr),
    or 0 where margin < t s; s² dof / stderr² is a chi-squared variable of `dof` degrees of freedom. For
    infinite `dof` and no effect that is 2 Φ(margin / stderr - z) - 1. A power near 0 means that the data
    cannot tell: a test that then fails says nothing about the effect.

    Args:
        stderr: standard error of the estimate, above 0, in the unit of `margin`.
        margin: bound of what counts as no effect, above 0.
        alpha: of each one-sided test.
        effect: the true effect; none by default, where the power is largest.
        dof: degrees of freedom of `stderr`; infinite if it is known.

    Raises:
        UsageError: an error or a margin that is not above 0.
    """
    from scipy import stats

    if not (stderr > 0 and margin > 0):
        raise UsageError(
            f"power needs an error and a margin above 0; got {stderr:g} and {margin:g}"
        )
    quantiles = (np.arange(1000) + 0.5) / 1000
    ratio = np.sqrt(stats.chi2.ppf(quantiles, dof) / dof) if np.isfinite(dof) else np.ones(1)
    inside = np.maximum(margin - stats.t.ppf(1 - alpha, dof) * stderr * ratio, 0) / stderr
    shift = effect / stderr
    return float(np.mean(stats.norm.cdf(inside - shift) - stats.norm.cdf(-inside - shift)))


def effective_trials(value: np.ndarray | float, stderr: np.ndarray | float) -> np.ndarray:
    """The n whose `proportion_stderr` of a share of `value` is `stderr`: what an error says a share is worth.

    With u = z²/n and h = z · stderr the half-width of Wilson's interval gives the quadratic equation
    (1/4 - h²) u² + (p (1 - p) - 2 h²) u - h² = 0. An error of half of the whole range or more is worth nothing:
    it gives one trial.
    """
    p, z = np.asarray(value, dtype=float), ndtri(0.975)
    h2 = (z * np.asarray(stderr, dtype=float)) ** 2
    a, b = 0.25 - h2, p * (1 - p) - 2 * h2
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (-b + np.sqrt(b**2 + 4 * a * h2)) / (2 * a)
    return np.where(a > 0, np.maximum(z**2 / u, 1), np.where(np.isnan(h2), np.nan, 1.0))


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float]:
    """Sample mean and its standard error s/sqrt(n), with s from n - 1; the error of one value is nan."""
    values = np.asarray(values, dtype=float)
    if len(values) == 0:
        raise UsageError("a mean needs at least one value")
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(error)


def ratio_and_stderr(totals: Sequence[float], sizes: Sequence[float]) -> tuple[float, float]:
    """A ratio of sums, sum(totals) / sum(sizes), over independent clusters, and its standard error.

    The linearised error of a ratio estimator (Cochran 1977, section 2.11): the residuals
    totals - ratio · sizes have mean 0, so se = sqrt(n/(n-1) · Σ residual²) / Σ sizes. With documents
    as clusters it allows for the likeness of tokens within one, which an error per token would not.

    Returns:
        The ratio, and its error (nan for one cluster).
    """
    totals, sizes = np.asarray(totals, dtype=float), np.asarray(sizes, dtype=float)
    n = len(totals)
    if n == 0 or sizes.sum() <= 0:
        raise UsageError("a ratio needs at least one cluster of a size above zero")
    ratio = totals.sum() / sizes.sum()
    if n == 1:
        return float(ratio), float("nan")
    error = np.sqrt(n / (n - 1) * np.sum((totals - ratio * sizes) ** 2)) / sizes.sum()
    return float(ratio), float(error)


def proportion_stderr(successes: float, n: int) -> float:
    """Standard error of a proportion: half the width of its `wilson_interval`, over the normal quantile.

    For many trials it is sqrt(p(1-p)/n), which would be 0, as if all were known, where none or all succeed.
    """
    low, high = wilson_interval(successes, n)
    return float((high - low) / (2 * ndtri(0.975)))


def weighted_mean(
    values: Sequence[float], stderrs: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """Weighted mean of independent estimates and its standard error, sqrt(Σ w² se²) / Σ w.

    Args:
        values: the estimates.
        stderrs: their standard errors.
        weights: fixed weights, not the precision of the estimates; equal if None.
    """
    values, stderrs = np.asarray(values, dtype=float), np.asarray(stderrs, dtype=float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=float)
    total = weights.sum()
    error = np.sqrt(np.sum((weights * stderrs) ** 2)) / total
    return float(np.sum(weights * values) / total), float(error)


def with_wilson_interval(
    frame: pd.DataFrame, successes: Sequence[float], n: Sequence[float]
) -> pd.DataFrame:
    """A copy with columns value, the share of `successes` in `n`, and low and high (`wilson_interval`)."""
    k, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    low, high = wilson_interval(k, n)
    return frame.assign(value=k / n, low=low, high=high)


def with_student_interval(frame: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """A copy with columns low and high: value ± t · stderr, t of n - 1 degrees of freedom, of a mean of n."""
    from scipy import stats

    freedom = np.maximum(frame["n"].to_numpy(dtype=float) - 1, 1)
    half = stats.t.ppf(0.5 + confidence / 2, freedom) * frame["stderr"]
    return frame.assign(low=frame["value"] - half, high=frame["value"] + half)


def with_normal_interval(frame: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """A copy with columns low and high: value ± z · stderr, the large-sample interval of a mean."""
    half = ndtri(0.5 + confidence / 2) * frame["stderr"]
    return frame.assign(low=frame["value"] - half, high=frame["value"] + half)


@dataclass(frozen=True)
class PowerLaw:
    """y = scale · x^(-exponent), fitted to points (x, y) in logarithms.

    Attributes:
        exponent: the fall per factor of e in x; positive when y falls.
        low, high: the exponent's confidence interval (Student's t, n - 2 degrees of freedom).
        scale: y at x = 1.
        r_squared: share of the variance of log y that the line explains.
        n: number of points.
    """

    exponent: float
    low: float
    high: float
    scale: float
    r_squared: float
    n: int

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.scale * np.asarray(x, dtype=float) ** -self.exponent


def fit_power_law(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> PowerLaw:
    """Least squares of log y on log x, the form of Kaplan et al. (2020), equation 1.1.

    The interval covers the scatter about the line, under the usual assumptions (independent
    residuals of one variance). It does not cover the choice of the form itself.

    Raises:
        UsageError: fewer than three points, or values that are not positive.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) < 3:
        raise UsageError(f"a power law with an interval needs 3 points; got {len(x)}")
    if np.any(x <= 0) or np.any(y <= 0):
        raise UsageError("a power law needs positive values on both axes")
    from scipy import stats

    line = stats.linregress(np.log(x), np.log(y))
    half = stats.t.ppf(0.5 + confidence / 2, len(x) - 2) * line.stderr
    return PowerLaw(
        exponent=-line.slope,
        low=-line.slope - half,
        high=-line.slope + half,
        scale=float(np.exp(line.intercept)),
        r_squared=line.rvalue**2,
        n=len(x),
    )
