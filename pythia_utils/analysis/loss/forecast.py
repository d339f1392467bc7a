"""A scaling law put to the test: fitted to a part of the records, it forecasts the part that was held out.

Held out are the largest size and the last quarter of training. The interval of a forecast comes from a
bootstrap over models: a model's residuals, its whole curve over training, stay together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import faults
from pythia_utils.analysis.loss import surface
from pythia_utils.analysis.loss.surface import Surface
from pythia_utils.suites.catalog import find_model, suite

DRAWS = 100
LAST_PART = 0.75  # of training; what comes after it is held out
_PARAMETERS = ("floor", "size_exponent", "token_exponent")
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Forecast:
    """A surface fitted to some points, and what it says of the others.

    Attributes:
        surface: the fit.
        parameters: columns parameter (floor, size_exponent, token_exponent), value, low, high.
        fitted: the points of the fit: columns model, n_params, step, tokens_seen, value.
        held: the others, with columns forecast, low, high, larger (of the size that was held out) and
            inside (value lies in [low, high]).
    """

    surface: Surface
    parameters: pd.DataFrame
    fitted: pd.DataFrame
    held: pd.DataFrame


def points(loss: pd.DataFrame) -> pd.DataFrame:
    """What the law is about: standard models of every seed, after the warm-up, without known faults."""
    models = {name: find_model(name) for name in loss["model"].unique()}
    warm = {n: suite(m.suite).training["warmup"] * m.total_steps for n, m in models.items()}
    behind = loss["step"] > loss["model"].map(warm).astype(float)  # of no model, too
    return faults.sound(loss[behind & (loss["variant"] == "standard")])


def hold_out(points: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of the fit and those held out: the largest size, and the last quarter of training."""
    held = (points["n_params"] == points["n_params"].max()) | (
        points["step"] > LAST_PART * points["step"].max()
    )
    return points[~held], points[held]


def forecast(points: pd.DataFrame, floor: float | None = None, draws: int = DRAWS) -> Forecast:
    """Fit the law to what is not held out and forecast the rest, with 95% intervals over training runs.

    The bootstrap gives each fitted model the mean curve of its size times how far a run lies from the mean
    of its size: the curve of deviations, in logarithms, of a run drawn from all sizes, scaled by
    sqrt(k / (k - 1)) for the mean of k seeds and by Student's t over the normal quantile for few runs. It
    refits, and adds a drawn deviation to the forecast as well: the interval is of another run for which the
    law is true. So it can fail: how far the law is from the shape of the curves does not widen it. With one
    seed of each size there is no interval.

    Args:
        points: columns model, n_params, step, tokens_seen, value, of one domain.
        floor: of the law, if known; 0 for none; None to fit it.
        draws: of the bootstrap.

    Raises:
        UsageError: too few sizes or steps for the law.
    """
    fitted, held = hold_out(points)
    best = surface.fit(fitted["n_params"], fitted["tokens_seen"], fitted["value"], floor)
    curves = fitted.pivot_table(index=["n_params", "model"], columns="tokens_seen", values="value")
    runs = list(_other_runs(np.log(curves), best, floor, held, draws))
    said = best.predict(held["n_params"], held["tokens_seen"])
    low, high = _interval(np.array([law for _, law in runs]).reshape(len(runs), len(held)), said)
    held = held.assign(forecast=said, low=low, high=high)
    held["larger"] = held["n_params"] == points["n_params"].max()
    held["inside"] = held["value"].between(held["low"], held["high"])
    return Forecast(best, _parameters(best, [law for law, _ in runs]), fitted, held)


def _other_runs(
    curves: pd.DataFrame, best: Surface, floor: float | None, held: pd.DataFrame, draws: int
) -> Iterator[tuple[Surface, np.ndarray]]:
    """Refitted surfaces, and of each what it says of the held-out points, a run's deviation added.

    `curves` are log losses, models by tokens. A run's deviation is known at the steps that were measured of
    every model; at another step it is that of the last of these before it.
    """
    rng = np.random.default_rng(0)
    common = curves.dropna(axis="columns")
    deviations = _deviations(common)
    if not deviations.size:
        return

    def columns(tokens: Sequence[float]) -> np.ndarray:
        return np.searchsorted(common.columns, tokens, side="right").clip(1) - 1

    def drawn(n: int) -> np.ndarray:
        return deviations[rng.integers(len(deviations), size=n)]

    measured, own = curves.notna().to_numpy(), columns(curves.columns)
    means = curves.groupby("n_params").transform("mean").to_numpy()
    n_params = curves.index.get_level_values("n_params")
    sizes, tokens = np.meshgrid(n_params, curves.columns, indexing="ij")
    model, ahead = pd.factorize(held["model"])[0], columns(held["tokens_seen"])
    for _ in range(draws):
        losses = np.exp(means + drawn(len(curves))[:, own])[measured]
        law = surface.fit(sizes[measured], tokens[measured], losses, floor, best)
        said = law.predict(held["n_params"], held["tokens_seen"])
        yield law, said * np.exp(drawn(model.max() + 1)[model, ahead])


def _deviations(curves: pd.DataFrame) -> np.ndarray:
    """How far each run of a size with several lies from their mean, made as wide as those of new runs."""
    from scipy import stats  # slow to import

    by_size = curves.groupby("n_params")
    seeds = by_size.transform("count")
    apart = (curves - by_size.transform("mean")) * np.sqrt(seeds / (seeds - 1))
    apart = apart[(seeds > 1).all(axis=1)]
    freedom = len(apart) - apart.index.get_level_values("n_params").nunique()
    widen = stats.t.ppf(_INTERVAL[1], max(freedom, 1)) / stats.norm.ppf(_INTERVAL[1])
    return apart.to_numpy() * widen


def _interval(drawn: np.ndarray, value: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the middle 95% of drawn values, the value itself inside; nan where nothing was drawn."""
    if not len(drawn):
        return np.full_like(value, np.nan, dtype=float), np.full_like(value, np.nan, dtype=float)
    low, high = np.quantile(drawn, _INTERVAL, axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _parameters(best: Surface, drawn: list[Surface]) -> pd.DataFrame:
    rows = []
    for name in _PARAMETERS:
        value = getattr(best, name)
        low, high = _interval(np.array([getattr(law, name) for law in drawn]), value)
        rows.append((name, value, float(low), float(high)))
    return pd.DataFrame(rows, columns=["parameter", "value", "low", "high"])
