"""A scaling law put to the test: fitted to a part of the records, it forecasts the part that was held out.

Held out are the largest size and the last quarter of training. The interval of a forecast comes from a
bootstrap over models: a model's residuals, its whole curve over training, stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis.loss import surface
from pythia_utils.analysis.loss.surface import Surface
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model, suite

DRAWS = 100
LAST_PART = 0.75  # of training; what comes behind it is held out
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
    """What the law is about: standard models of every seed, behind the warm-up."""
    models = {name: find_model(name) for name in loss["model"].unique()}
    warm = {n: suite(m.suite).training["warmup"] * m.total_steps for n, m in models.items()}
    behind = loss["step"] > loss["model"].map(warm)
    return loss[behind & (loss["variant"] == "standard")]


def hold_out(points: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of the fit and those held out: the largest size, and the last quarter of training."""
    held = (points["n_params"] == points["n_params"].max()) | (
        points["step"] > LAST_PART * points["step"].max()
    )
    return points[~held], points[held]


def forecast(points: pd.DataFrame, floor: float | None = None, draws: int = DRAWS) -> Forecast:
    """Fit the law to what is not held out and forecast the rest, with 95% intervals.

    The bootstrap gives each model the fitted curve times the residuals of a model drawn from all (whole
    curves, so that what a model's checkpoints share stays shared; scaled by sqrt(n / (n - p)) for the p
    parameters that n points paid for), refits, and adds to the new forecast the residual of a drawn model
    at a drawn step: the interval is of a new model's loss, not of the law alone (Davison and Hinkley 1997,
    section 6.3.3, with models in place of points). It covers models that depart from the surface as the
    fitted ones do. It does not cover a law of another form.

    Args:
        points: columns model, n_params, step, tokens_seen, value, of one domain.
        floor: of the law, if known; 0 for none; None to fit it.
        draws: of the bootstrap.

    Raises:
        UsageError: too few models or steps for the law.
    """
    fitted, held = hold_out(points)
    curves = fitted.pivot_table(index=["model", "n_params"], columns="tokens_seen", values="value")
    curves = curves.dropna(axis="columns")
    if curves.empty:
        raise UsageError("no step was measured of every model behind the warm-up")
    best = _fit(curves, floor)
    drawn = list(_refits(curves, best, floor, held, draws))
    values = np.array([predicted for _, predicted in drawn]).reshape(draws, len(held))
    low, high = np.quantile(values, _INTERVAL, axis=0)
    said = best.predict(held["n_params"], held["tokens_seen"])
    held = held.assign(forecast=said, low=np.minimum(low, said), high=np.maximum(high, said))
    held["larger"] = held["n_params"] == points["n_params"].max()
    held["inside"] = held["value"].between(held["low"], held["high"])
    return Forecast(best, _parameters(best, [law for law, _ in drawn]), fitted, held)


def _fit(curves: pd.DataFrame, floor: float | None, near: Surface | None = None) -> Surface:
    sizes, tokens = _grid(curves)
    return surface.fit(sizes.ravel(), tokens.ravel(), curves.to_numpy().ravel(), floor, near)


def _grid(curves: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and tokens of the entries of a table of models by tokens."""
    sizes = curves.index.get_level_values("n_params").to_numpy(float)
    return tuple(np.meshgrid(sizes, curves.columns.to_numpy(float), indexing="ij"))


def _refits(
    curves: pd.DataFrame, best: Surface, floor: float | None, held: pd.DataFrame, draws: int
) -> Iterator[tuple[Surface, np.ndarray]]:
    """Refitted surfaces, and of each what it says of the held-out points, a new model's residual added."""
    rng = np.random.default_rng(0)
    law = best.predict(*_grid(curves))
    spent = 5 if floor is None else 4
    scale = np.sqrt(law.size / max(law.size - spent, 1))
    residuals = scale * np.log(curves.to_numpy() / law)
    names = held["model"].to_numpy()
    for _ in range(draws):
        chosen = residuals[rng.integers(len(curves), size=len(curves))]
        again = _fit(pd.DataFrame(law * np.exp(chosen), curves.index, curves.columns), floor, best)
        new = {name: rng.choice(residuals.ravel()) for name in dict.fromkeys(names)}
        shift = np.exp([new[name] for name in names])
        yield again, again.predict(held["n_params"], held["tokens_seen"]) * shift


def _parameters(best: Surface, drawn: list[Surface]) -> pd.DataFrame:
    rows = []
    for name in _PARAMETERS:
        value = getattr(best, name)
        low, high = np.quantile([getattr(law, name) for law in drawn], _INTERVAL)
        rows.append((name, value, min(low, value), max(high, value)))
    return pd.DataFrame(rows, columns=["parameter", "value", "low", "high"])
