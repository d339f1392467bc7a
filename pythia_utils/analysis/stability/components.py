"""Variance components: how much of a number is the initial weights, the data order, or the test items.

Runs whose weights and order are crossed (some share one, some the other) let the two be told apart. The
model is the crossed random-effects model (Searle, Casella and McCulloch 1992, chapter 4), fitted by restricted
maximum likelihood: of the value of weights i and order j at size g,

    y = mean(g) + weights(g, i) + order(g, j) + rest(g, i, j),

all three normal, with variances that sizes share. `rest` is what neither explains alone: their interaction, and
the answers of this very run to these very items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import minimize

SOURCES = ("weights", "order", "rest")
_LIMIT = stats.chi2.ppf(0.95, 1)
# Standard deviations at which the likelihood is looked at, in units of the spread of the values.
_GRID = np.array([0, *np.geomspace(0.03, 30, 24)])


@dataclass(frozen=True)
class Components:
    """Standard deviations over training runs, in the unit of the number.

    Attributes:
        sd: by source: `weights`, `order`, `rest`.
        low, high: by source, the 95% interval by profile likelihood: values that fit hardly worse.
        runs: how many values there were.
        sizes: how many groups had a mean of their own.
    """

    sd: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    runs: int
    sizes: int

    @property
    def total(self) -> float:
        """Standard deviation of a new run with other weights and another order."""
        return float(np.sqrt(sum(sd**2 for sd in self.sd.values())))


def components(values: pd.DataFrame) -> Components | None:
    """Estimate the standard deviation of each source.

    Args:
        values: a row a run: value, weight_seed, data_seed, and `group`, whose values have means of their
            own (such as sizes).

    Returns:
        None where runs do not tell the sources apart: fewer than two runs a group beyond its mean, or no
        two runs that share one seed and not the other.
    """
    if not _crossed(values):
        return None
    design = Design.of(values)
    estimate, low, high = design.estimate(values["value"].to_numpy(float))
    named = [dict(zip(SOURCES, sds.tolist(), strict=True)) for sds in (estimate, low, high)]
    return Components(*named, len(values), values["group"].nunique())


def _crossed(values: pd.DataFrame) -> bool:
    shared = [
        values.duplicated(["group", one], keep=False).any() for one in ("weight_seed", "data_seed")
    ]
    distinct = not values.duplicated(["group", "weight_seed", "data_seed"]).any()
    return all(shared) and distinct and len(values) - values["group"].nunique() >= 3


@dataclass(frozen=True)
class Design:
    """Which runs share what, and what that makes of their likelihood.

    Attributes:
        free: (n, runs), contrasts that no mean of a group moves; n is the runs less the groups. Their
            likelihood is the restricted likelihood.
        kernels: (3, n, n), the contrasts' covariance under one unit of variance of each source.
    """

    free: np.ndarray
    kernels: np.ndarray

    @classmethod
    def of(cls, values: pd.DataFrame) -> Design:
        """The design of a table as `components` takes it."""
        group = values["group"].to_numpy()
        same = group[:, None] == group
        shared = [same & _equal(values[f]) for f in ("weight_seed", "data_seed")]
        means = (group[:, None] == np.unique(group)).astype(float)
        free = np.linalg.svd(means, full_matrices=True)[0][:, means.shape[1] :].T
        return cls(free, np.array([free @ k @ free.T for k in (*shared, np.eye(len(group)))]))

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Log determinants (cells,) and inverses (cells, n, n) of the covariance over all of `_GRID`."""
        variances = np.stack(np.meshgrid(*[_GRID**2] * 3, indexing="ij"), -1).reshape(-1, 3)
        variances[:, 2] = np.maximum(
            variances[:, 2], _GRID[1] ** 2
        )  # else no covariance can be inverted
        covariance = np.tensordot(variances, self.kernels, 1)
        return np.linalg.slogdet(covariance)[1], np.linalg.inv(covariance)

    def estimate(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standard deviations of the sources and the ends of their intervals, (3,) each, for values (runs,)."""
        z = self.free @ y
        scale = float(np.sqrt(np.mean(z**2))) or 1.0
        z = z / scale
        determinants, inverses = self._tables
        deviance = determinants + (inverses @ z) @ z
        deviance = deviance.reshape([len(_GRID)] * 3)
        start = np.array(np.unravel_index(deviance.argmin(), deviance.shape))
        best = self._refined(z, _GRID[start])
        low, high = zip(*(self._interval(deviance, source) for source in range(3)), strict=True)
        return best * scale, np.array(low) * scale, np.array(high) * scale

    def _refined(self, z: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The most likely standard deviations near the best of the grid."""

        def deviance(sds: np.ndarray) -> float:
            covariance = np.tensordot(sds**2, self.kernels, 1)
            return np.linalg.slogdet(covariance)[1] + z @ np.linalg.solve(covariance, z)

        bounds = [(0, None), (0, None), (_GRID[1], None)]
        return np.abs(minimize(deviance, start, bounds=bounds, method="L-BFGS-B").x)

    def _interval(self, deviance: np.ndarray, source: int) -> tuple[float, float]:
        """The standard deviations whose least deviance is within 3.84 of the least of all."""
        others = tuple(axis for axis in range(3) if axis != source)
        profile = deviance.min(axis=others)
        inside = np.flatnonzero(profile - profile.min() <= _LIMIT)
        first, last = inside[0], inside[-1]
        low = _GRID[max(first - 1, 0)] if first > 1 else 0.0
        return float(low), float(_GRID[last + 1]) if last + 1 < len(_GRID) else np.inf


def _equal(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    return values[:, None] == values
