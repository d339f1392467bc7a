"""Learning curves: when a skill sets in, when it settles, where it falls below chance, in which order.

A curve is a number of correct answers, of `n`, at each measured step. Between two measured steps it
is a straight line in log2(1 + step), the axis of all figures. Intervals of steps come from a
parametric bootstrap (Efron and Tibshirani 1993, chapter 6): each resampled curve draws every count
from a binomial with that step's accuracy. They cover the sampling of test items, not of training
runs. Confidence is a two-sided probability, .95 by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import words
from pythia_utils.analysis.stats import below_chance, wilson_interval
from pythia_utils.base.errors import UsageError


@dataclass(frozen=True)
class Milestone:
    """When a curve gets somewhere and stays: the step, its interval, or never (nan).

    Attributes:
        step: interpolated between measured steps; nan if it does not get there within training.
        low, high: percentile interval over resampled curves; `high` is inf where more than the
            upper tail of them never get there.
        reached: share of the resampled curves that get there.
        level: the accuracy that it is about.
    """

    step: float
    low: float
    high: float
    reached: float
    level: float


def step_in_words(step: float, low: float, high: float, last: float) -> str:
    """A milestone and its interval; one not reached by the last measured step is `> last`.

    An end of the interval beyond that step is a dash; without an end before it there is no interval.

    >>> step_in_words(640, 512, 900, 1000)
    '640 [512, 900]'
    >>> step_in_words(float("nan"), 917, float("inf"), 1000)
    '> 1,000 [917, –)'
    >>> step_in_words(float("nan"), float("inf"), float("inf"), 1000)
    '> 1,000'
    """
    told = f"> {last:,.0f}" if np.isnan(step) else f"{step:,.0f}"
    if not np.isfinite(low):
        return told
    return f"{told} [{low:,.0f}, " + (f"{high:,.0f}]" if np.isfinite(high) else "–)")


def onset(
    steps: Sequence[int],
    successes: Sequence[int],
    n: Sequence[int],
    threshold: float = 0.75,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Milestone:
    """Find the step from which an accuracy stays at or above `threshold`, and its interval.

    Between two measured steps a curve is a straight line in log2(1 + step). The interval is that of a
    parametric bootstrap over test items (Efron and Tibshirani 1993, chapter 6).

    Args:
        steps: measured steps, increasing, at least two.
        successes: correct answers at each step.
        n: answers at each step.
        threshold: halfway between chance and perfect by default, for two choices.
        confidence: two-sided.
        resamples: bootstrap curves.
        seed: of the bootstrap.

    Returns:
        The step and its interval, in training steps; the step is nan if the curve does not get there.

    Raises:
        UsageError: fewer than two steps, or steps out of order.
    """
    steps, curves = _curve_and_resamples(steps, successes, n, resamples, seed)
    entered = _entries(steps, curves, threshold, np.inf)
    return _milestone(entered, confidence, threshold)


def plateau(
    steps: Sequence[int],
    successes: Sequence[int],
    n: Sequence[int],
    tolerance: float = 0.1,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Milestone:
    """The step from which an accuracy stays within `tolerance` of its level in the second half.

    The level is the mean over the steps measured in the second half of training. A curve that
    leaves the band within that half, or was measured there less than twice, has no plateau yet.

    Args:
        tolerance: half the band's width; well above the standard error of one accuracy, or noise
            alone will put the plateau late.
        steps, successes, n, confidence, resamples, seed: as for `onset`.

    Returns:
        `level` is that of the measured curve.
    """
    steps, curves = _curve_and_resamples(steps, successes, n, resamples, seed)
    late = steps >= steps[-1] / 2
    levels = curves[:, late].mean(1)
    entered = _entries(steps, curves, levels - tolerance, levels + tolerance)
    if late.sum() < 2:
        entered[:] = np.inf
    entered[entered > steps[late][0]] = np.inf
    return _milestone(entered, confidence, levels[0])


def _curve_and_resamples(
    steps: Sequence[int], successes: Sequence[int], n: Sequence[int], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Steps as floats, and accuracies (1 + resamples, steps): the measured curve first."""
    steps, n = np.asarray(steps, dtype=float), np.asarray(n)
    if len(steps) < 2 or np.any(np.diff(steps) <= 0):
        raise UsageError("a curve needs at least two steps, in increasing order")
    accuracy = np.asarray(successes) / n
    drawn = np.random.default_rng(seed).binomial(n, accuracy, (resamples, len(steps))) / n
    return steps, np.vstack([accuracy, drawn])


def _entries(
    steps: np.ndarray, curves: np.ndarray, low: np.ndarray | float, high: np.ndarray | float
) -> np.ndarray:
    """For each curve (a row) the step from which it stays within [low, high]; inf if it ends outside."""
    low, high = (np.broadcast_to(edge, len(curves)) for edge in (low, high))
    outside = (curves < low[:, None]) | (curves > high[:, None])
    # Index of the last step outside; -1 where the curve is inside from the first step on.
    last = np.where(outside.any(1), len(steps) - 1 - outside[:, ::-1].argmax(1), -1)
    before, rows = np.clip(last, 0, len(steps) - 2), np.arange(len(curves))
    left, right = curves[rows, before], curves[rows, before + 1]
    edge = np.where(left < low, low, high)
    change = np.where(right != left, right - left, 1.0)
    part = np.clip((edge - left) / change, 0, 1)  # beyond only in rows that are replaced below
    time = np.log2(1 + steps)
    when = 2 ** (time[before] + part * (time[before + 1] - time[before])) - 1
    return np.where(outside[:, -1], np.inf, np.where(last < 0, steps[0], when))


def _milestone(entered: np.ndarray, confidence: float, level: float) -> Milestone:
    """Point estimate from the first entry, interval from the others."""
    point, spread = entered[0], entered[1:]
    tail = (1 - confidence) / 2
    # 'nearest': an interpolation between a step and infinity would be infinite either way.
    low, high = np.quantile(spread, [tail, 1 - tail], method="nearest")
    step = float(point) if np.isfinite(point) else float("nan")
    return Milestone(step, float(low), float(high), float(np.isfinite(spread).mean()), float(level))


_MILESTONES = ["model", "subset", "last", "onset", "low", "high"]
_MILESTONES += ["plateau", "plateau_low", "plateau_high", "level"]


def milestones(curves: pd.DataFrame, tolerance: float = 0.1) -> pd.DataFrame:
    """Onset and plateau of every curve of a grid.

    Args:
        curves: columns model, subset, step, correct, n.
        tolerance: of the plateau.

    Returns:
        A row a model and subset measured twice or more, in order of appearance: model, subset;
        last (the last measured step); onset, low, high; plateau, plateau_low, plateau_high, level.
    """
    rows = []
    for (model, subset), curve in curves.groupby(["model", "subset"], sort=False):
        curve = curve.sort_values("step")
        if len(curve) < 2:
            continue  # measured once: no curve
        data = (curve["step"], curve["correct"].astype(int), curve["n"].astype(int))
        start, end = onset(*data), plateau(*data, tolerance=tolerance)
        row = {"model": model, "subset": subset, "last": int(curve["step"].iloc[-1])}
        row |= {"onset": start.step, "low": start.low, "high": start.high}
        row |= {"plateau": end.step, "plateau_low": end.low, "plateau_high": end.high}
        rows.append(row | {"level": end.level})
    return pd.DataFrame(rows, columns=_MILESTONES)


def below_chance_phases(
    curves: pd.DataFrame, chance: float = 0.5, false_discovery: float = 0.05
) -> pd.DataFrame:
    """Phases of training in which a model is systematically wrong: below chance, not at it.

    Every measured accuracy after step 0 is tested (`stats.below_chance`: exact binomial
    tests, false discoveries held at a rate over the whole grid). Finds of one curve belong to one
    phase unless an accuracy at or above chance stands between them.

    Args:
        curves: columns model, subset, step, correct, n.
        chance: accuracy of guessing.
        false_discovery: expected share of false finds among the finds.

    Returns:
        A row a phase, the deepest first: model, subset; first, last (measured steps); deepest
        (step), value, low, high (accuracy there and its Wilson interval; the lowest of several
        noisy values, so somewhat too low); overcome, overcome_low, overcome_high (the `onset` of
        chance, from which the curve stays at or above it); end (the curve's last step).
    """
    tested = curves[curves["step"] > 0].sort_values("step", kind="stable", ignore_index=True)
    counts = tested["correct"].astype(int), tested["n"].astype(int)
    found = below_chance(*counts, chance=chance, false_discovery=false_discovery)
    tested = tested.assign(found=found, value=tested["correct"] / tested["n"])
    rows = []
    for (model, subset), curve in tested.groupby(["model", "subset"]):
        if not curve["found"].any():
            continue
        run = (curve["value"] >= chance).cumsum()  # constant between two accuracies not below
        past = _overcome(curve, chance) | {"end": curve["step"].iloc[-1]}
        for _, phase in curve[curve["found"]].groupby(run):
            deepest = phase.loc[phase["value"].idxmin()]
            low, high = wilson_interval(float(deepest["correct"]), float(deepest["n"]))
            ends = {"first": phase["step"].min(), "last": phase["step"].max()}
            depth = {"deepest": deepest["step"], "value": deepest["value"]}
            depth |= {"low": float(low), "high": float(high)}
            rows.append({"model": model, "subset": subset} | ends | depth | past)
    columns = ["model", "subset", "first", "last", "deepest", "value", "low", "high"]
    columns += ["overcome", "overcome_low", "overcome_high", "end"]
    return pd.DataFrame(rows, columns=columns).sort_values("value", ignore_index=True)


def _overcome(curve: pd.DataFrame, chance: float) -> dict[str, float]:
    """From when a curve stays at or above chance; not known of a single accuracy."""
    counts = (curve[name].astype(int) for name in ("step", "correct", "n"))
    known = len(curve) > 1
    found = onset(*counts, threshold=chance) if known else Milestone(np.nan, np.inf, np.inf, 0, 0)
    return {"overcome": found.step, "overcome_low": found.low, "overcome_high": found.high}


def mean_over_training(steps: Sequence[int], values: Sequence[float]) -> float:
    """Mean height of a curve over log2(1 + step), by the trapezoid rule: high if learnt early and well.

    It orders curves without a threshold, also where all of them set in before the first step.
    """
    time = np.log2(1 + np.asarray(steps, dtype=float))
    if len(time) < 2 or np.any(np.diff(time) <= 0):
        raise UsageError("a curve needs at least two steps, in increasing order")
    return float(np.trapezoid(np.asarray(values, dtype=float), time) / (time[-1] - time[0]))


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
