"""Does a thing depend on its place in training? Dispersion, trend and equivalence tests.

"No effect" is not "not significant": a test that finds nothing may have been unable to find anything.
So each test comes with an effect size and its interval, and `equivalence` asks the other question:
whether the effect is smaller than a bound that was stated before.

Places are numbers from 0 (the start of training) to 1 (its end), so that a slope is the change from the
first sequence to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pythia_utils.analysis.firth import crossing, maximise, penalised
from pythia_utils.base.errors import UsageError


@dataclass(frozen=True)
class Dispersion:
    """Whether counts in blocks vary more, or less, than one common rate makes them.

    Attributes:
        index: variance of the counts over that under one rate: about 1 if there is one.
        p_value: two-sided, of one common rate.
        spread: standard deviation of the rate between blocks, as a share of its mean. The effect size.
        low, high: its confidence interval.
        total: things counted in all blocks.
    """

    index: float
    p_value: float
    spread: float
    low: float
    high: float
    total: int


def dispersion(
    counts: Sequence[int],
    tested: Sequence[int],
    confidence: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> Dispersion:
    """Fisher's index of dispersion (1925, section 16) of counts in blocks of tested things.

    With p the overall share, chi² = Σ (count - tested p)² / (tested p (1 - p)) and
    index = chi² / (blocks - 1). Where p is small this is the test of a Poisson process of constant rate.
    The p-value is exact up to simulation, however few are counted: given their total, under one rate the
    counts are a draw without replacement (multivariate hypergeometric); p = 2 min(tails), each
    (1 + as extreme) / (1 + resamples) (Phipson and Smyth 2010).

    If rates vary with relative deviation s, the index is about 1 + m s², m = mean(tested - 1) p / (1 - p),
    times a chi² variable over its degrees of freedom; solving for s gives `spread` and its interval. That
    is an approximation, made for counts of a few a block and more.

    Raises:
        UsageError: fewer than two blocks, nothing counted, or everything.
    """
    k, n = np.asarray(counts), np.asarray(tested)
    if len(k) < 2 or not 0 < k.sum() < n.sum():
        raise UsageError(
            f"dispersion needs two blocks and a share between 0 and 1; "
            f"got {k.sum()} of {n.sum()} in {len(k)}"
        )
    share, dof = k.sum() / n.sum(), len(k) - 1
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(n, k.sum(), resamples)
    chi2 = np.sum((np.vstack([k, drawn]) - n * share) ** 2 / (n * share * (1 - share)), axis=1)
    own, others = chi2[0], chi2[1:]
    slack = 1e-9 * own  # equal up to rounding is as extreme
    tails = [np.sum(others >= own - slack), np.sum(others <= own + slack)]
    p_value = min(1.0, 2 * (1 + min(tails)) / (1 + resamples))
    scale = np.mean(n - 1) * share / (1 - share)
    ends = stats.chi2.ppf([0.5 + confidence / 2, 0.5 - confidence / 2], dof)
    low, high = np.sqrt(np.maximum(own / ends - 1, 0) / scale)
    spread = np.sqrt(max(own / dof - 1, 0) / scale)
    return Dispersion(
        float(own / dof), p_value, float(spread), low.item(), high.item(), k.sum().item()
    )


def poisson_quantiles(
    counts: Sequence[int], confidence: float = 0.95, resamples: int = 4000, seed: int = 0
) -> pd.DataFrame:
    """Sorted counts beside the quantiles of a Poisson distribution of their mean: a Q-Q plot.

    Plotting positions are (i - 1/2) / n (Hazen). The band is pointwise: the middle `confidence` of the
    i-th smallest of n simulated Poisson counts.

    Returns:
        Columns expected, observed, low, high; ascending.
    """
    counts = np.sort(np.asarray(counts))
    places = (np.arange(len(counts)) + 0.5) / len(counts)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.poisson(counts.mean(), (resamples, len(counts))), axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0, method="nearest")
    expected = stats.poisson.ppf(places, counts.mean())
    return pd.DataFrame({"expected": expected, "observed": counts, "low": low, "high": high})


@dataclass(frozen=True)
class Trend:
    """A slope over training, from its start to its end.

    Attributes:
        slope: the change from place 0 to place 1; of a share, in log odds.
        stderr: its standard error.
        low, high: its confidence interval.
        p_value: two-sided, of no slope.
        dof: degrees of freedom for `equivalence`; infinite where it is the normal distribution.
    """

    slope: float
    stderr: float
    low: float
    high: float
    p_value: float
    dof: float = np.inf


def trend_of(slope: float, stderr: float, dof: float, confidence: float = 0.95) -> Trend:
    """The trend of an estimated slope, by Student's t."""
    half = stats.t.ppf(0.5 + confidence / 2, dof) * stderr
    p_value = 2 * stats.t.sf(abs(slope) / stderr, dof) if stderr else float(slope == 0)
    return Trend(*map(float, (slope, stderr, slope - half, slope + half, p_value, dof)))


def linear_trend(
    values: Sequence[float], places: Sequence[float], confidence: float = 0.95
) -> Trend:
    """Least-squares slope with errors that hold where the scatter differs from place to place.

    HC3 (MacKinnon and White 1985): the sandwich of residuals e / (1 - h), h the leverage; Student's t
    with n - 2 degrees of freedom.

    Raises:
        UsageError: fewer than three different places.
    """
    y, x = np.asarray(values, dtype=float), np.asarray(places, dtype=float)
    if len(np.unique(x)) < 3:
        raise UsageError(f"a trend needs three places; got {len(np.unique(x))}")
    centred = x - x.mean()
    slope = centred @ (y - y.mean()) / (centred @ centred)
    leverage = 1 / len(x) + centred**2 / (centred @ centred)
    residuals = (y - y.mean() - slope * centred) / (1 - leverage)
    stderr = np.sqrt(np.sum((centred * residuals) ** 2)) / (centred @ centred)
    return trend_of(slope, stderr, len(x) - 2, confidence)


def share_trend(
    successes: Sequence[int],
    tested: Sequence[int],
    places: Sequence[float],
    confidence: float = 0.95,
) -> Trend:
    """Slope of a logistic regression of a share on the place; for small shares the log of a ratio of rates.

    Firth's penalised likelihood (1993; `firth`). The interval and the p-value come from the profile of that
    likelihood (Heinze and Schemper 2002), `stderr` from the information.

    Raises:
        UsageError: fewer than two different places, or nothing was tested.
    """
    k, n, x = (np.asarray(column, dtype=float) for column in (successes, tested, places))
    if len(np.unique(x[n > 0])) < 2:
        raise UsageError("a trend of a share needs tests at two places")
    design = np.column_stack([np.ones_like(x), x - np.average(x, weights=n)])
    start = np.array([np.log((k.sum() + 0.5) / (n.sum() - k.sum() + 0.5)), 0.0])
    beta, best = maximise(k, n, design, start, [0, 1])
    slope = beta[1]
    stderr = np.sqrt(np.linalg.inv(penalised(k, n, design, beta)[2])[1, 1])

    def fall(at: float) -> float:
        """Twice the fall of the profile from its top."""
        return 2 * (best - maximise(k, n, design, np.array([beta[0], at]), [0])[1])

    p_value = stats.chi2.sf(max(fall(0.0), 0), 1)
    limit = stats.chi2.ppf(confidence, 1)
    low, high = (crossing(fall, limit, slope, side * stderr) for side in (-1, 1))
    return Trend(*map(float, (slope, stderr, low, high, p_value)))


@dataclass(frozen=True)
class Equivalence:
    """Whether an effect is smaller than a bound, by two one-sided tests.

    Attributes:
        p_value: of an effect as large as the bound, or larger.
        low, high: the interval of confidence 1 - 2 alpha, which lies within the bound if the tests pass.
        equivalent: whether they do.
    """

    p_value: float
    low: float
    high: float
    equivalent: bool


def equivalence(trend: Trend, bound: float, alpha: float = 0.05) -> Equivalence:
    """Schuirmann's two one-sided tests (1987): is the slope between -bound and bound?

    p = max(P(T > (slope + bound) / stderr), P(T < (slope - bound) / stderr)). A small p-value speaks
    for equivalence; a large one for too few data as well as for a large effect.

    Raises:
        UsageError: a bound that is not above zero.
    """
    if not bound > 0:
        raise UsageError(f"the bound is {bound}; expected a number above 0")
    slope, stderr, dof = trend.slope, trend.stderr, trend.dof
    if not stderr:
        return Equivalence(float(abs(slope) >= bound), slope, slope, abs(slope) < bound)
    sides = stats.t.sf((slope + bound) / stderr, dof), stats.t.cdf((slope - bound) / stderr, dof)
    half = stats.t.ppf(1 - alpha, dof) * stderr
    return Equivalence(float(max(sides)), slope - half, slope + half, bool(max(sides) < alpha))


def events_for_equivalence(ratio: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Events, evenly over training, for `equivalence` to hold rates equal within `ratio`, if they are.

    K events of a Poisson process give the slope of the log rate a variance of 12 / K (12 is one over the
    variance of a uniform place), so K = 12 ((z(1 - alpha) + z((1 + power) / 2)) / log ratio)².
    """
    z = stats.norm.ppf(1 - alpha) + stats.norm.ppf((1 + power) / 2)
    return int(np.ceil(12 * (z / np.log(ratio)) ** 2))
