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
        by_reading: shares of texts, also of those that were read at the tested place and those that were not.
        ends: each standard model's last step.
        largest: the last step of the largest size, of all its seeds.
        compared: the same, or if it has one seed the last steps of all standard models.
        best: the last step of the largest size's first model.
        name: that model's.
        tested: texts that were tested in the cells of `compared`.
    """

    shares: pd.DataFrame
    by_reading: pd.DataFrame
    ends: pd.DataFrame
    largest: pd.DataFrame
    compared: pd.DataFrame
    best: pd.DataFrame
    name: str
    tested: int


def parts(runs: pd.DataFrame) -> Parts:
    """The parts of an experiment's records."""
    last, name = select.final(runs), select.largest(runs)
    texts = runs[runs["metric"] == "memorized"]
    shares = tables.with_intervals(texts[texts["subset"] == "all"])
    largest, best = tables.largest_size(last), last[last["model"] == name]
    ends = select.near_the_end(runs)
    standard = ends[ends["variant"] == "standard"]
    alone = set(largest["model"]) == {name} and len(standard)
    compared = standard if alone else largest
    whole = compared[(compared["metric"] == "memorized") & (compared["subset"] == "all")]
    return Parts(shares, texts, standard, largest, compared, best, name, int(whole["n"].sum()))


def of_largest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest size of a table, of all its seeds; those that there are, if there are none."""
    return tables.largest_size(frame) if len(frame) else frame
