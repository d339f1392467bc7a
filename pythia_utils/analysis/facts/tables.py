"""From the records of experiment `facts` to what its chapter shows: curves, thresholds, comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select
from pythia_utils.analysis.facts.curves import Threshold, fit, ratio
from pythia_utils.analysis.stats import with_wilson_interval

TOLD = "told "  # what a subset begins with that is a class of times told
Fits = Mapping[tuple[str, int], Threshold]  # by model and step


def guess_rate(records: pd.DataFrame) -> float:
    """What guessing gets right."""
    return float(records.loc[records["metric"] == "chance", "value"].iloc[0])


def of(records: pd.DataFrame, metric: str, subset: str = "all") -> pd.DataFrame:
    """The records of one metric and subset, labelled by seed, with Wilson's interval over facts.

    Facts, not answers, are counted: the wordings of one fact are nearly one question.
    """
    rows = records[(records["metric"] == metric) & (records["subset"] == subset)]
    rows = seeds.label(rows.reset_index(drop=True))
    return with_wilson_interval(rows, rows["value"] * rows["n"], rows["n"])


def by_told(records: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Shares of right answers by the times told.

    Args:
        records: of any models and steps.
        metrics: a name for each that is wanted.

    Returns:
        The records, labelled by seed, with columns told (the class) and what (the metric's name), in order
        of times told.
    """
    rows = records[
        records["metric"].isin(list(metrics)) & records["subset"].str.match(rf"{TOLD}\d")
    ]
    rows = seeds.label(rows.reset_index(drop=True))
    rows = rows.assign(
        told=rows["subset"].str.removeprefix(TOLD), what=rows["metric"].map(dict(metrics))
    )
    least = rows["told"].str.extract(r"^(\d+)", expand=False).astype(int)
    return rows.assign(least=least).sort_values("least", kind="stable", ignore_index=True)


def each_fact(records: pd.DataFrame) -> pd.DataFrame:
    """A row for each model, step and fact: person, told, correct (share of the wordings)."""
    rows = records[records["metric"].isin(["correct", "told"])]
    table = rows.pivot_table(index=["model", "step", "subset"], columns="metric", values="value")
    table = table.reset_index().rename_axis(columns=None)
    return table.assign(person=table["subset"].str.rsplit(": ", n=1).str[0])


def fits(records: pd.DataFrame) -> Fits:
    """The threshold of every model and step that has one: the same facts in the same order in each."""
    guess = guess_rate(records)
    found = {
        key: fit(part["told"], part["correct"], part["person"], guess)
        for key, part in each_fact(records).groupby(["model", "step"])
    }
    return {key: threshold for key, threshold in found.items() if threshold is not None}


def thresholds(records: pd.DataFrame, found: Fits) -> pd.DataFrame:
    """The thresholds as a table, by variant, size, seed and step.

    Returns:
        Columns model, variant, n_params, size, seed, step, value, low, high, slope, least, most, side; value
        is nan where the threshold lies outside of the times told, and side says where (`curves.Threshold`).
    """
    names = ("value", "low", "high", "slope", "least", "most", "side")
    rows = [
        {"model": model, "step": step} | {name: getattr(one, name) for name in names}
        for (model, step), one in found.items()
    ]
    models = seeds.label(records[["model", "variant", "n_params"]].drop_duplicates())
    kept = models[["model", "variant", "n_params", "size", "seed"]]
    table = pd.DataFrame(rows, columns=["model", "step", *names]).merge(kept, on="model")
    order = ["variant", "n_params", "model", "step"]
    return table.sort_values(order, ascending=[False, True, True, True], ignore_index=True)


def size_ratios(records: pd.DataFrame, found: Fits) -> pd.DataFrame:
    """How many times as many tellings each size needs as the next smaller one of its seed, at its last step.

    Only runs of one variant and seed are compared, over the same persons (`curves.ratio`).

    Returns:
        Columns variant, seed, step, smaller, larger (sizes), value, low, high; only pairs of thresholds
        that were both reached.
    """
    table = select.near_the_end(thresholds(records, found))
    table = table[table["value"].notna()]
    rows = []
    for (variant, seed), part in table.groupby(["variant", "seed"], sort=False):
        sizes = list(part.sort_values("n_params").itertuples())
        for small, large in itertools.pairwise(sizes):
            ends = ratio(found[large.model, large.step], found[small.model, small.step])
            rows.append((variant, seed, small.step, small.size, large.size, *ends))
    columns = ["variant", "seed", "step", "smaller", "larger", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def usual_class(rows: pd.DataFrame, place: int) -> pd.DataFrame:
    """Of `by_told`, each model's rows of its first (0) or last (-1) class with at least ten facts."""
    rows = rows[rows["n"] >= 10]
    chosen = rows.groupby(["model", "step"])["least"].transform("min" if place == 0 else "max")
    return rows[np.equal(rows["least"], chosen)]
