"""Accuracy as a curve in the times told: a logistic fit with a guess rate, and its threshold.

    P(right | told t times) = g + (1 - g) / (1 + (t / T)^-b)

A logistic function of log t that rises from the guess rate g to 1 (Wichmann and Hill 2001, equation 1, without
lapses). T is the threshold: at T tellings accuracy is halfway between g and 1. The likelihood is computed on a
grid of T and b, so a fit never fails to converge, and one product of matrices fits all resamples.

The interval is over facts, by a bootstrap that draws persons: facts of one person are one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLDS = 161  # of the grid, evenly spaced in log T from the least to the most times told
SLOPES = np.geomspace(0.5, 16, 21)
DRAWS = 400
SEED = 0  # the same persons are drawn for every model, so thresholds compare in pairs


@dataclass(frozen=True, eq=False)
class Threshold:
    """The times told at which accuracy is halfway from guessing to always right.

    Attributes:
        value: T; nan where it lies outside of the times told.
        low, high: ends of its interval, within the times told. An end at `least` or `most` is open.
        slope: b, how steeply accuracy rises.
        draws: log T of the resamples, float64 (draws,).
        least, most: times told of the facts that were fitted.
        n: of these facts.
        side: where T lies: `within` the times told, `below` them (halfway even for what was told least), or
            `above` (not halfway even for what was told most).
    """

    value: float
    low: float
    high: float
    slope: float
    draws: np.ndarray
    least: float
    most: float
    n: int
    side: str = "within"

    @property
    def is_reached(self) -> bool:
        """Whether the threshold lies within the times told."""
        return self.side == "within"


def fit(
    told: np.ndarray,
    correct: np.ndarray,
    persons: np.ndarray,
    guess: float,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Threshold | None:
    """Fit the curve to the facts of one model at one step.

    Args:
        told: times, (facts,). Those never told say nothing of T, and are left out.
        correct: share of the wordings answered right, 0 to 1, (facts,).
        persons: whom each fact is about, (facts,); the clusters of the bootstrap.
        guess: g, the share that guessing gets right.
        confidence: two-sided, of the percentile interval.
        draws: resamples.

    Returns:
        The threshold; None where no two facts differ in the times told.
    """
    told, correct, persons = (
        np.asarray(told, float),
        np.asarray(correct, float),
        np.asarray(persons),
    )
    drawn = _drawn_weights(persons, draws)[
        :, told > 0
    ]  # before facts go: the same draw for all models
    told, correct = told[told > 0], correct[told > 0]
    if len(np.unique(told)) < 2:
        return None
    grid = np.geomspace(told.min(), told.max(), THRESHOLDS)
    weights = np.vstack([np.ones(len(told)), drawn])
    places = (weights @ _log_likelihoods(told, correct, grid, guess)).argmax(axis=1)
    at, slope = np.unravel_index(places, (len(grid), len(SLOPES)))
    logs = np.log(grid[at])
    tail = (1 - confidence) / 2
    low, high = np.exp(np.quantile(logs[1:], [tail, 1 - tail]))
    side = {0: "below", len(grid) - 1: "above"}.get(int(at[0]), "within")
    value = grid[at[0]] if side == "within" else np.nan
    found = (float(value), float(low), float(high), float(SLOPES[slope[0]]), logs[1:])
    return Threshold(*found, float(grid[0]), float(grid[-1]), len(told), side)


def accuracy(told: np.ndarray, threshold: float, slope: float, guess: float) -> np.ndarray:
    """The curve: the chance of a right answer to facts that were told so often."""
    return guess + (1 - guess) / (1 + (np.asarray(told, float) / threshold) ** -slope)


def _log_likelihoods(
    told: np.ndarray, correct: np.ndarray, grid: np.ndarray, guess: float
) -> np.ndarray:
    """Of every fact and every curve of the grid, nats: float64 (facts, thresholds * slopes)."""
    p = accuracy(told[:, None, None], grid[:, None], SLOPES, guess).reshape(len(told), -1)
    right = correct[:, None]
    # At the steepest slopes 1 - p is zero to rounding; a wrong answer there is all but impossible.
    return right * np.log(p) + (1 - right) * np.log(np.maximum(1 - p, 1e-12))


def _drawn_weights(persons: np.ndarray, draws: int) -> np.ndarray:
    """How often each fact is in each resample of persons, float64 (draws, facts)."""
    names, owner = np.unique(persons, return_inverse=True)
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, owner].astype(float)


def ratio(one: Threshold, other: Threshold, confidence: float = 0.95) -> tuple[float, float, float]:
    """How many times as many tellings `one` needs as `other` does, with the interval over persons.

    Both were fitted to the same facts, so a resample holds the same persons in both: a paired comparison.

    Returns:
        The ratio of the thresholds (nan where one was not reached), and the ends of its interval.
    """
    tail = (1 - confidence) / 2
    low, high = np.exp(np.quantile(one.draws - other.draws, [tail, 1 - tail]))
    return one.value / other.value, float(low), float(high)
