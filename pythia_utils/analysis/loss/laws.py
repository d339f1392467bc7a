"""The records of experiment `loss` as scaling laws: of each domain, with its floor where that is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pythia_utils.analysis.loss.forecast import Forecast, forecast, points
from pythia_utils.analysis.stats import PowerLaw, fit_power_law
from pythia_utils.base.errors import UsageError

TRUE_EXPONENT = 0.30  # of the made-up losses of `line_without_floor`
_TRUE_FLOOR, _EXCESS = 2.0, 9.0


def floors(runs: pd.DataFrame) -> dict[str, float]:
    """The least possible loss of each domain where it is known: loss less excess, the same of every model."""
    keys = ["model", "step", "subset"]
    loss, excess = (runs[runs["metric"] == metric] for metric in ("loss", "excess"))
    both = loss.merge(excess, on=keys, suffixes=("", "_excess"))
    return (
        (both["value"] - both["value_excess"]).groupby(both["subset"], sort=False).mean().to_dict()
    )


def forecasts(loss: pd.DataFrame, known: Mapping[str, float]) -> dict[str, Forecast]:
    """Of every domain and of all the law and what it forecasts; none where there are too few models or steps.

    Args:
        loss: columns model, variant, n_params, step, tokens_seen, subset, value.
        known: floors of domains (`floors`); another domain's is fitted.
    """
    fitted = {}
    if loss["subset"].nunique() == 2:  # a lone domain is the mean itself
        loss = loss[loss["subset"] == "all"]
    for domain, part in points(loss).groupby("subset", sort=False):
        try:
            fitted[domain] = forecast(part, known.get(domain))
        except UsageError:
            continue
    return fitted


def without_floor(loss: pd.DataFrame) -> dict[str, Forecast]:
    """As `forecasts`, of the mean over domains alone, and of a law that lets the loss fall to zero."""
    return forecasts(loss[loss["subset"] == "all"], {"all": 0.0})


def line_without_floor() -> PowerLaw:
    """A straight line in logarithms through losses of L = 2 + 9 / D^.30, from 100k to 1M tokens."""
    tokens = np.geomspace(1e5, 1e6, 6)
    return fit_power_law(tokens, _TRUE_FLOOR + _EXCESS * tokens**-TRUE_EXPONENT)
