"""The parts of the records that the chapter on memorization looks at again and again."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.memorization import tables

FORMATS = {
    "index": "{:.2f}",
    **dict.fromkeys(["change", "low", "high"], "{:.2f}"),
    **dict.fromkeys(["p_dispersion", "p_trend", "p_equivalent"], "{:.2g}"),
    "power": "{:.0%}",
}  # of `tables.places`


@dataclass(frozen=True, eq=False)
class Parts:
    """Records of one suite, in parts.

    Attributes:
        shares: the share of all tested texts at each checkpoint, with intervals.
        ends: each standard model's last step.
        largest: the last step of the largest size, of all its seeds.
        best: the same, of its first model.
        name: that model's.
        tested: texts that were tested at these last steps.
    """

    shares: pd.DataFrame
    ends: pd.DataFrame
    largest: pd.DataFrame
    best: pd.DataFrame
    name: str
    tested: int


def parts(runs: pd.DataFrame) -> Parts:
    """The parts of an experiment's records."""
    last, name = select.final(runs), select.largest(runs)
    every = runs[(runs["metric"] == "memorized") & (runs["subset"] == "all")]
    shares = tables.with_intervals(every)
    largest = tables.largest_size(last)
    whole = largest[(largest["metric"] == "memorized") & (largest["subset"] == "all")]
    standard, best = last[last["variant"] == "standard"], last[last["model"] == name]
    return Parts(shares, standard, largest, best, name, int(whole["n"].sum()))


def of_largest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest size of a table, of all its seeds; those that there are, if there are none."""
    return tables.largest_size(frame) if len(frame) else frame
