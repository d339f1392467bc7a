"""Logistic regression of shares on one variable by Firth's penalised likelihood (1993).

Σ k log p + (n - k) log(1 - p) + log|I| / 2, with I the information: its maximum is finite even where all
successes stand at one end, and it removes the first-order bias of the coefficients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq


def maximise(
    k: np.ndarray, n: np.ndarray, design: np.ndarray, beta: np.ndarray, free: list[int]
) -> tuple[np.ndarray, float]:
    """Newton's method over the `free` coefficients: where the penalised likelihood is best, and how good."""
    value, score, information = penalised(k, n, design, beta)
    for _ in range(100):
        step = np.zeros(2)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        step /= max(1, np.abs(step).max())
        while True:
            found, *rest = penalised(k, n, design, beta + step)
            if found >= value - 1e-12 or np.abs(step).max() < 1e-9:
                break
            step /= 2
        beta, value, (score, information) = beta + step, found, rest
        if np.abs(step).max() < 1e-7:
            break
    return beta, value


def penalised(
    k: np.ndarray, n: np.ndarray, design: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The penalised log-likelihood, its gradient (2,) and the information (2, 2)."""
    logit = design @ beta
    log_p, log_q = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    p, weight = np.exp(log_p), n * np.exp(log_p + log_q)
    information = design.T @ (weight[:, None] * design)
    leverage = weight * np.sum(design @ np.linalg.inv(information) * design, axis=1)
    score = design.T @ (k - n * p + leverage * (0.5 - p))
    penalty = np.linalg.slogdet(information)[1] / 2
    return float(np.sum(k * log_p + (n - k) * log_q) + penalty), score, information


def crossing(fall: Callable[[float], float], limit: float, slope: float, step: float) -> float:
    """Where `fall` reaches `limit` on the side of `step`."""
    end = slope + step
    while fall(end) < limit:
        step *= 2
        end += step
    return brentq(lambda at: fall(at) - limit, slope, end, xtol=1e-6)
