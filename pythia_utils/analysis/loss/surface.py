"""The loss as a surface over size and tokens, L(N, D) = E + A / N^alpha + B / D^beta, and its fit.

Hoffmann et al. (2022, section 3.3, "approach 3") fit this form: a floor E that no model goes below, what
the size N lacks and what the tokens D lack. The parameters (ln A, alpha, ln B, beta, ln E) minimise the
Huber loss, of width 1e-3, of ln L less the log-sum-exp of the three terms, by L-BFGS from several starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pythia_utils.base.errors import UsageError

HUBER_WIDTH = 1e-3  # of ln L: a residual above .1% counts by its size, not by its square
_STEEPEST = 4.0  # exponents lie in [0, 4]
_LEAST_FLOOR = 1e-3  # of the least loss: a fitted floor below it is none
_LIMITS = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-10, "gtol": 1e-4}
# A refit that begins beside the answer ends where the loss is flat: forecasts no longer change there.
_REFIT_LIMITS = {"maxiter": 150, "maxfun": 200, "ftol": 1e-7, "gtol": 1e-2}


@dataclass(frozen=True)
class Surface:
    """L(N, D) = floor + size_scale · N^(-size_exponent) + token_scale · D^(-token_exponent).

    Attributes:
        floor: E, nats a token: the loss of unlimited size and tokens.
        size_scale, size_exponent: A and alpha.
        token_scale, token_exponent: B and beta.
    """

    floor: float
    size_scale: float
    size_exponent: float
    token_scale: float
    token_exponent: float

    def predict(self, n_params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The loss of `n_params` non-embedding parameters after `tokens` training tokens, broadcast."""
        size = np.asarray(n_params, dtype=float) ** -self.size_exponent
        read = np.asarray(tokens, dtype=float) ** -self.token_exponent
        return self.floor + self.size_scale * size + self.token_scale * read


@dataclass(frozen=True)
class _Points:
    """What is fitted: log sizes and log tokens, each less its mean, log losses, and a known floor or None."""

    size: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    floor: float | None

    def objective(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The Huber loss in units of its width squared, and its gradient in a, alpha, b, beta[, e]."""
        terms = self._log_terms(theta)
        log_sum = np.logaddexp.reduce(terms, axis=0)
        residual = (log_sum - self.loss) / HUBER_WIDTH
        pull = np.clip(residual, -1, 1)
        value = np.where(np.abs(residual) <= 1, residual**2 / 2, np.abs(residual) - 0.5).sum()
        size, tokens, *floor = np.exp(terms - log_sum) * pull / HUBER_WIDTH
        slopes = [size, -size * self.size, tokens, -tokens * self.tokens]
        if self.floor is None:
            slopes += floor
        return float(value), np.sum(slopes, axis=1)

    def _log_terms(self, theta: np.ndarray) -> np.ndarray:
        a, alpha, b, beta, *e = theta
        terms = [a - alpha * self.size, b - beta * self.tokens]
        if self.floor is None:
            terms.append(np.full_like(self.loss, e[0]))
        elif self.floor > 0:
            terms.append(np.full_like(self.loss, np.log(self.floor)))
        return np.array(terms)


def fit(
    n_params: Sequence[float],
    tokens: Sequence[float],
    loss: Sequence[float],
    floor: float | None = None,
    near: Surface | None = None,
) -> Surface:
    """Fit the surface to points.

    Args:
        n_params: (n,) non-embedding parameters N.
        tokens: (n,) training tokens D.
        loss: (n,) losses, nats a token.
        floor: E where it is known (0: a law without a floor); None: fit it as well.
        near: start from this surface alone, as refits of nearly the same points may; else from several.

    Raises:
        UsageError: fewer than two sizes or two numbers of tokens, fewer points than parameters, or
            values that are not positive.
    """
    from scipy import optimize  # slow to import, and not needed at every checkpoint

    points = np.array([n_params, tokens, loss], dtype=float)
    _require_enough(points, floor)
    size, read, logs = np.log(points)
    centred = _Points(size - size.mean(), read - read.mean(), logs, floor)
    levels = (logs.min() + np.log(_LEAST_FLOOR), logs.min())
    bounds = [(None, None), (0, _STEEPEST)] * 2 + [levels] * (floor is None)
    starts = _starts(points[2], floor) if near is None else [_as_start(near, size, read, floor)]
    options = {
        "method": "L-BFGS-B",
        "jac": True,
        "bounds": bounds,
        "options": _LIMITS if near is None else _REFIT_LIMITS,
    }
    found = [optimize.minimize(centred.objective, start, **options) for start in starts]
    a, alpha, b, beta, *e = min(found, key=lambda each: each.fun).x
    scales = np.exp([a + alpha * size.mean(), b + beta * read.mean()])
    level = float(np.exp(e[0])) if floor is None else float(floor)
    return Surface(level, float(scales[0]), float(alpha), float(scales[1]), float(beta))


def _require_enough(points: np.ndarray, floor: float | None) -> None:
    if np.any(points <= 0):
        raise UsageError("a scaling law needs sizes, tokens and losses above zero")
    needed = 5 if floor is None else 4
    sizes, tokens = (len(np.unique(each)) for each in points[:2])
    if sizes < 2 or tokens < 2 or points.shape[1] < needed:
        raise UsageError(
            f"a scaling law needs two sizes, two numbers of tokens and {needed} points; "
            f"got {sizes}, {tokens} and {points.shape[1]}"
        )


def _starts(loss: np.ndarray, floor: float | None) -> list[np.ndarray]:
    """Of each start the floor takes a share of the least loss, and size and tokens half of the rest each."""
    shares = (0.4, 0.8, 0.95) if floor is None else (floor / loss.min(),)
    starts = []
    for share, alpha, beta in itertools.product(shares, (0.15, 0.6), (0.15, 0.6)):
        half = np.log(max(np.median(loss) - share * loss.min(), 0.01 * loss.min()) / 2)
        start = [half, alpha, half, beta, np.log(share * loss.min())] if share else None
        starts.append(np.array((start or [half, alpha, half, beta])[: 4 + (floor is None)]))
    return starts


def _as_start(near: Surface, size: np.ndarray, read: np.ndarray, floor: float | None) -> np.ndarray:
    tiny = np.finfo(float).tiny
    a = np.log(max(near.size_scale, tiny)) - near.size_exponent * size.mean()
    b = np.log(max(near.token_scale, tiny)) - near.token_exponent * read.mean()
    start = [a, near.size_exponent, b, near.token_exponent]
    return np.array(start + [np.log(max(near.floor, tiny))] * (floor is None))
