"""Does the decile of training in which a text is read matter? A profile over deciles, and what it shows.

The unit is the decile: all documents of one share its steps, its learning rate and its neighbours, so ten
deciles are ten observations, however many documents they hold. The gain need not rise or fall all the
way, so no straight line is fitted but a parabola, and its scatter over deciles gives the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pythia_utils.analysis import order_tests
from pythia_utils.analysis.stats import equivalence_power
from pythia_utils.suites.catalog import find_model

LEAST = 6  # deciles from which on a parabola is fitted: three degrees of freedom are left
NEEDED_POWER = 0.8


@dataclass(frozen=True, eq=False)
class Profile:
    """y = a + b x + c x², x from 0 (the start of training) to 1, by least squares.

    Attributes:
        beta: float64 (3,), a, b, c.
        cov: float64 (3, 3), their covariance, from the scatter about the curve.
        dof: degrees of freedom of the scatter.
        p_flat: of a constant (F test of b = c = 0).
        p_straight: of a straight line (t test of c = 0).
    """

    beta: np.ndarray
    cov: np.ndarray
    dof: int
    p_flat: float
    p_straight: float

    def at(self, x: np.ndarray, confidence: float = 0.95) -> pd.DataFrame:
        """The curve with its pointwise interval: columns x, value, low, high."""
        x = np.asarray(x, dtype=float)
        design = _design(x)
        half = self._t(confidence) * np.sqrt(np.sum(design @ self.cov * design, axis=1))
        value = design @ self.beta
        return pd.DataFrame({"x": x, "value": value, "low": value - half, "high": value + half})

    def peak(self, confidence: float = 0.95) -> tuple[float, float, float]:
        """Where the curve is highest, with Fieller's interval (1954) of the ratio -b / 2c.

        Returns:
            The place and its interval; nan where the curve bends upwards, and an unbounded interval
            (-inf, inf) where it is not shown to bend.
        """
        _, b, c = self.beta
        if c >= 0:
            return (np.nan,) * 3
        t2 = self._t(confidence) ** 2
        # (b + 2 c x)² = t² var(b + 2 c x) is a quadratic in x: its roots are the ends.
        square = 4 * (c**2 - t2 * self.cov[2, 2])
        linear = 4 * (b * c - t2 * self.cov[1, 2])
        constant = b**2 - t2 * self.cov[1, 1]
        if square <= 0:
            return float(-b / (2 * c)), -np.inf, np.inf
        low, high = np.sort(np.roots([square, linear, constant]).real)
        return float(-b / (2 * c)), float(low), float(high)

    def _t(self, confidence: float) -> float:
        return float(stats.t.ppf(0.5 + confidence / 2, self.dof))


def _design(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones_like(x), x, x**2])


def fit(values: Sequence[float], places: Sequence[float]) -> Profile | None:
    """The parabola through values at places; None of fewer than `LEAST` of them."""
    y, x = np.asarray(values, dtype=float), np.asarray(places, dtype=float)
    if len(y) < LEAST:
        return None
    design = _design(x)
    beta = np.linalg.lstsq(design, y)[0]
    dof = len(y) - 3
    residual = np.sum((y - design @ beta) ** 2)
    cov = residual / dof * np.linalg.inv(design.T @ design)
    explained = np.sum((y - y.mean()) ** 2) - residual
    with np.errstate(divide="ignore"):  # an exact curve leaves no scatter
        p_flat = stats.f.sf(explained / 2 / (residual / dof), 2, dof)
        p_straight = 2 * stats.t.sf(abs(beta[2]) / np.sqrt(cov[2, 2]), dof)
    return Profile(beta, cov, dof, float(p_flat), float(p_straight))


def place(gains: pd.DataFrame) -> pd.Series:
    """The middle of each row's decile, 0 to 1."""
    return (gains["number"] + 0.5) / 10


def read_whole(gains: pd.DataFrame) -> pd.DataFrame:
    """The rows whose decile the checkpoint has read to its end.

    Args:
        gains: of `tables.gains`.
    """
    steps = {name: find_model(name).total_steps for name in gains["model"].unique()}
    read = gains["step"] / gains["model"].map(steps).astype(float)
    return gains[(gains["number"] + 1) / 10 <= read + 1e-9]


def profiles(gains: pd.DataFrame) -> dict[str, Profile]:
    """The profile of each model that has read enough deciles whole, in order of appearance.

    Args:
        gains: of `tables.gains`, one step a model.
    """
    fits = {
        model: fit(part["value"], place(part))
        for model, part in read_whole(gains).groupby("model", sort=False)
    }
    return {model: profile for model, profile in fits.items() if profile}


def table(gains: pd.DataFrame) -> pd.DataFrame:
    """What each model's profile shows.

    Returns:
        A row a model: model, early, late (mean gain of the first and of the last three deciles that were
        read, nats a token), p_flat, p_straight, peak, low, high (0 to 1; where the gain is largest).
    """
    rows = []
    for model, found in profiles(gains).items():
        own = read_whole(gains[gains["model"] == model]).sort_values("number")["value"]
        early, late = own.iloc[:3].mean(), own.iloc[-3:].mean()
        peak = dict(zip(("peak", "low", "high"), found.peak(), strict=True))
        tests = {"p_flat": found.p_flat, "p_straight": found.p_straight}
        rows.append({"model": model, "early": early, "late": late} | tests | peak)
    columns = ["model", "early", "late", "p_flat", "p_straight", "peak", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def placebos(gains: pd.DataFrame, bound: float) -> pd.DataFrame:
    """Whether documents that were not read in their deciles show no slope over them: a test, and its power.

    Args:
        gains: of `tables.gains(…, "scattered")`, one step a model.
        bound: slopes within it count as none, in nats a token from the first decile to the last.

    Returns:
        A row a model: model, variant, slope, low, high (95%), p_equivalent, power, says.
    """
    rows = []
    for (model, variant), part in gains.groupby(["model", "variant"], sort=False):
        if part["number"].nunique() < LEAST:
            continue
        trend = order_tests.linear_trend(part["value"], place(part))
        shown = equivalence(trend, bound)
        slope = {"slope": trend.slope, "low": trend.low, "high": trend.high}
        rows.append({"model": model, "variant": variant} | slope | shown)
    columns = ["model", "variant", "slope", "low", "high", "p_equivalent", "power", "says"]
    return pd.DataFrame(rows, columns=columns)


def equivalence(trend: order_tests.Trend, bound: float) -> dict:
    """A test of equivalence with its power, and what it says in words: p_equivalent, power, says.

    Power is that of the test if there were no effect at all. A test that fails where its power is below
    80% could hardly have passed: it cannot tell.
    """
    test = order_tests.equivalence(trend, bound)
    power = equivalence_power(trend.stderr, bound, dof=trend.dof) if trend.stderr > 0 else 1.0
    if test.equivalent:
        says = "equal within the bound"
    elif trend.low > 0 or trend.high < 0:
        says = "different"
    else:
        says = "cannot tell" if power < NEEDED_POWER else "not shown to be equal"
    return {"p_equivalent": test.p_value, "power": power, "says": says}
