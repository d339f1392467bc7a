"""The records of experiment `loss` as power laws: in size at the end, and in tokens on the way."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.stats import PowerLaw, fit_power_law
from pythia_utils.suites.catalog import find_model, suite


def in_size(overall: pd.DataFrame) -> tuple[pd.DataFrame, PowerLaw | None]:
    """The final loss of each standard model of the usual seed, and its law in non-embedding parameters.

    Args:
        overall: the loss of subset `all`: columns model, variant, n_params, step, value.

    Returns:
        The points, and the law; None where there are fewer than three.
    """
    last = select.usual_seed(overall[overall["step"] == overall["step"].max()])
    points = last[last["variant"] == "standard"].sort_values("n_params")
    return points, _law(points, "n_params")


def in_tokens(overall: pd.DataFrame) -> tuple[pd.DataFrame, PowerLaw | None]:
    """The largest standard model's loss behind the warm-up, and its law in tokens; else as `in_size`."""
    points = overall[overall["model"] == select.largest(overall)]
    model = find_model(points["model"].iloc[0])
    warm = suite(model.suite).training["warmup"] * model.total_steps
    points = points[points["step"] > warm]
    return points, _law(points, "tokens_seen")


def _law(points: pd.DataFrame, x: str) -> PowerLaw | None:
    return fit_power_law(points[x], points["value"]) if len(points) >= 3 else None
