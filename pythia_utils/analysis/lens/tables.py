"""Tables that the chapter draws and tells: records by depth, what is missing, when pairs are decided."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis.lens.names import ALL, CONSTANT, place
from pythia_utils.analysis.stats import with_normal_interval

HALFWAY = 0.5  # of the way from chance to the final accuracy


def by_depth(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The records of one metric that were read through a lens.

    Returns:
        A copy with columns of (a phenomenon or `all`; empty of text), lens, depth, layers and place, the
        relative depth from 0 to 1.
    """
    own = records[(records["metric"] == metric) & (records["subset"] != CONSTANT)]
    named = pd.DataFrame(
        [place(subset) for subset in own["subset"]],
        columns=["of", "lens", "depth"],
        index=own.index,
    )
    own = own.assign(**named)
    layers = own.groupby("model")["depth"].transform("max")
    return own.assign(layers=layers, place=own["depth"] / layers.clip(lower=1))


def missing(records: pd.DataFrame) -> pd.DataFrame:
    """The share of the final answer that is missing at each depth: a lens' divergence over the constant's.

    Returns:
        As `by_depth`, value being the share; nan where all of a checkpoint's answers are the same.
    """
    kl = by_depth(records, "kl")
    whole = records[(records["metric"] == "kl") & (records["subset"] == CONSTANT)]
    constant = whole.set_index(["model", "step"])["value"]
    of = constant.reindex(pd.MultiIndex.from_frame(kl[["model", "step"]])).to_numpy()
    return kl.assign(value=kl["value"] / np.where(of > 0, of, np.nan))


def accuracy(records: pd.DataFrame, lens: str = "tuned") -> pd.DataFrame:
    """Accuracy on minimal pairs by depth, of each phenomenon, with normal 95% intervals."""
    own = by_depth(records, "accuracy")
    return with_normal_interval(own[(own["lens"] == lens) & (own["of"] != ALL)])


def decided(table: pd.DataFrame) -> pd.DataFrame:
    """The depth from which on each phenomenon's pairs are answered as at the end.

    That is the first depth from which on accuracy is more than half of the way from chance, one half, to
    its final value, above chance or below. Told only where the final accuracy is off chance, its interval
    on one side of one half; else the model has decided nothing.

    Args:
        table: of `accuracy`.

    Returns:
        A row for each model, step and phenomenon: model, n_params, step, of, final (accuracy), depth (nan where
        nothing is decided), layers, place.
    """
    rows = []
    by = ["model", "n_params", "step", "of", "layers"]
    for keys, own in table.groupby(by, sort=False):
        own = own.sort_values("depth")
        rows.append((*keys, own["value"].iloc[-1], _first(own)))
    frame = pd.DataFrame(rows, columns=[*by, "final", "depth"])
    return frame.assign(place=frame["depth"] / frame["layers"].clip(lower=1))


def _first(curve: pd.DataFrame) -> float:
    last, values = curve.iloc[-1], curve["value"].to_numpy()
    if not (last["low"] > 0.5 or last["high"] < 0.5):
        return float("nan")
    way = (values - 0.5) / (last["value"] - 0.5)
    short = np.flatnonzero(way <= HALFWAY)
    return float(short[-1] + 1 if len(short) else 0)
