"""Learning curves: when a skill sets in, when it settles, and how high a curve is over training.

A curve is a number of correct answers, of `n`, at each measured step. Between two measured steps it
is a straight line in log2(1 + step), the axis of all figures. `n` may be an effective number
(`clusters.effective_n`). Intervals of steps cover the sampling of test items, not of training runs.
Confidence is a two-sided probability, .95 by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis.stats import wilson_interval
from pythia_utils.base.errors import UsageError


@dataclass(frozen=True)
class Milestone:
    """When a curve gets somewhere and stays: the step, its interval, or never (nan).

    Attributes:
        step: interpolated between measured steps; nan if it does not get there within training.
        low, high: its interval; an end is inf where it is not within training.
        level: the accuracy that it is about.
    """

    step: float
    low: float
    high: float
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
    successes: Sequence[float],
    n: Sequence[float],
    threshold: float = 0.75,
    confidence: float = 0.95,
) -> Milestone:
    """Find the step at which a monotone fit of the accuracy reaches `threshold`, and its interval.

    The fit is the isotonic regression, the most likely of all curves that never fall (de Leeuw, Hornik and
    Mair 2009): one low accuracy on a plateau just above the threshold does not move it to the end of
    training. The interval inverts the curve's Wilson band: it begins where the upper limit first reaches
    the threshold, and ends where the lower limit first does. At the true onset the band holds the threshold
    as often as `confidence` says, or more often; that answers of different steps are to the same items
    does not matter, since no two steps are pooled.

    Args:
        steps: measured steps, increasing, at least two.
        successes: correct answers at each step.
        n: answers at each step, or what they are worth.
        threshold: halfway between chance and perfect by default, for two choices.
        confidence: two-sided.

    Returns:
        The step and its interval, in training steps; the step is nan if the fit does not get there.

    Raises:
        UsageError: fewer than two steps, or steps out of order.
    """
    from scipy.optimize import isotonic_regression

    steps, n = _checked(steps), np.asarray(n, dtype=float)
    successes = np.asarray(successes, dtype=float)
    fit = isotonic_regression(successes / n, weights=n).x
    lower, upper = wilson_interval(successes, n, confidence)
    step, low, high = (_first_crossing(steps, curve, threshold) for curve in (fit, upper, lower))
    # A curve that falls again may be above the threshold, all of its limits, before the fit is.
    return Milestone(step if np.isfinite(step) else float("nan"), low, max(high, step), threshold)


def _checked(steps: Sequence[int]) -> np.ndarray:
    steps = np.asarray(steps, dtype=float)
    if len(steps) < 2 or np.any(np.diff(steps) <= 0):
        raise UsageError("a curve needs at least two steps, in increasing order")
    return steps


def _first_crossing(steps: np.ndarray, curve: np.ndarray, threshold: float) -> float:
    """The step at which a curve first reaches the threshold; inf if it does not."""
    above = curve >= threshold - 1e-12  # the weighted means of a fit are rounded
    if not above.any():
        return float("inf")
    after = int(above.argmax())
    if after == 0:
        return float(steps[0])
    time, ends = np.log2(1 + steps[after - 1 : after + 1]), curve[after - 1 : after + 1]
    part = min((threshold - ends[0]) / (ends[1] - ends[0]), 1)
    return float(2 ** (time[0] + part * (time[1] - time[0])) - 1)


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
    leaves the band within that half, or was measured there less than twice, has no plateau yet. The
    interval is that of a parametric bootstrap (Efron and Tibshirani 1993, chapter 6): each resampled
    curve draws every count from a binomial with that step's accuracy.

    Args:
        tolerance: half the band's width; well above the standard error of one accuracy, or noise
            alone will put the plateau late.
        resamples: bootstrap curves.
        seed: of the bootstrap.
        steps, successes, n, confidence: as for `onset`.

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
    steps: Sequence[int], successes: Sequence[float], n: Sequence[float], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Steps as floats, and accuracies (1 + resamples, steps): the measured curve first."""
    steps, n = _checked(steps), np.asarray(n, dtype=float)
    accuracy = np.asarray(successes, dtype=float) / n
    whole = np.maximum(np.round(n), 1).astype(int)
    drawn = np.random.default_rng(seed).binomial(whole, accuracy, (resamples, len(steps))) / whole
    return steps, np.vstack([accuracy, drawn])


def _entries(
    steps: np.ndarray, curves: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """For each curve (a row) the step from which it stays within [low, high]; inf if it ends outside."""
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
    return Milestone(step, float(low), float(high), float(level))


def stays_above(steps: Sequence[int], values: Sequence[float], level: float) -> float:
    """The step from which on a curve stays at or above a level; nan if it ends below.

    Args:
        steps: measured steps, increasing, at least two.
        values: of any unit, at each step.
        level: in that unit.

    Raises:
        UsageError: fewer than two steps, or steps out of order.
    """
    curve, ends = np.asarray(values, dtype=float)[None], np.array([level, np.inf])
    (entered,) = _entries(_checked(steps), curve, ends[:1], ends[1:])
    return float(entered) if np.isfinite(entered) else float("nan")


_MILESTONES = ["model", "subset", "first", "last", "onset", "low", "high"]
_MILESTONES += ["plateau", "plateau_low", "plateau_high", "level"]


def milestones(curves: pd.DataFrame, tolerance: float | None = 0.1) -> pd.DataFrame:
    """Onset and plateau of every curve of a grid.

    Args:
        curves: columns model, subset, step, correct, n.
        tolerance: of the plateau; None for onsets alone, which take no time: the rest is nan.

    Returns:
        A row a model and subset measured twice or more, in order of appearance: model, subset;
        first, last (measured steps; what is told as the first happened by then, nobody knows when); onset,
        low, high; plateau, plateau_low, plateau_high, level.
    """
    rows = []
    for (model, subset), curve in curves.groupby(["model", "subset"], sort=False):
        curve = curve.sort_values("step")
        if len(curve) < 2:
            continue  # measured once: no curve
        data = (curve["step"], curve["correct"], curve["n"])
        start, end = onset(*data), Milestone(*[float("nan")] * 4)
        if tolerance is not None:
            end = plateau(*data, tolerance=tolerance)
        ends = {"first": int(curve["step"].iloc[0]), "last": int(curve["step"].iloc[-1])}
        row = {"model": model, "subset": subset} | ends
        row |= {"onset": start.step, "low": start.low, "high": start.high}
        row |= {"plateau": end.step, "plateau_low": end.low, "plateau_high": end.high}
        rows.append(row | {"level": end.level})
    return pd.DataFrame(rows, columns=_MILESTONES)


def at_shared_steps(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves at the steps that all of their models were measured at, without models measured at few.

    What is compared between models must be of the same steps: a mean over training depends on where it begins,
    and an onset on the steps around it. A model measured once has no curve; one measured at less than half as
    many steps as their median has, such as a model whose early checkpoints are faulty, would take from all
    others the steps that it lacks.

    Args:
        curves: columns model, step.
    """
    steps = {name: set(part) for name, part in curves.groupby("model")["step"]}
    few = max(1.5, np.median([len(own) for own in steps.values()]) / 2) if steps else 0
    several = {name: own for name, own in steps.items() if len(own) >= few}
    shared = set.intersection(*several.values()) if several else set()
    return curves[curves["model"].isin(several) & curves["step"].isin(shared)]


def mean_over_training(steps: Sequence[int], values: Sequence[float]) -> float:
    """Mean height of a curve over log2(1 + step), by the trapezoid rule: high if learnt early and well.

    It orders curves without a threshold, also where all of them set in before the first step.
    """
    time = np.log2(1 + _checked(steps))
    return float(np.trapezoid(np.asarray(values, dtype=float), time) / (time[-1] - time[0]))
