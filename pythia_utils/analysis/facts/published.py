"""Pythia's own numbers beside ours: arithmetic by size, step and examples; tasks that larger models do worse.

From `data/published`, which says whose they are. Razeghi et al. (2022) tie arithmetic to how often training
holds a number; Biderman et al. (2023, section 3.3) ask when in training, and at which size, that begins.
"""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.stats import with_normal_interval, with_wilson_interval
from pythia_utils.base.markup import markdown

SHOTS = ("0-shot", "16-shot")
KINDS = ("addition", "multiplication")


def arithmetic() -> pd.DataFrame:
    """Shares of right sums and products: columns of `published_tables.read`, kind, shots, panel, low, high."""
    table = published_tables.read("arithmetic")
    parts = table["subset"].str.split("/", expand=True)
    table = table.assign(kind=parts[0], shots=parts[1])[parts[2].isna()]
    n = table["n"].astype(float)
    table = with_wilson_interval(table, table["value"] * n, n)
    table["panel"] = table["kind"] + ", " + table["shots"].str.removesuffix("-shot") + " examples"
    return table.sort_values(["kind", "shots", "n_params", "step"], ignore_index=True)


def arithmetic_in_words(table: pd.DataFrame, kind: str = "multiplication") -> str:
    """How the smallest and the largest model get on with many examples, and what no examples leave of it."""
    rows = table[table["kind"] == kind]
    many, none = (rows[rows["shots"] == shots] for shots in reversed(SHOTS))
    by_size = many.sort_values(["n_params", "step"])
    small, large = (by_size[by_size["model"] == by_size["model"].iloc[i]] for i in (0, -1))
    first, last = large.iloc[0], large.iloc[-1]
    bare, shown = none[none["model"] == small["model"].iloc[0]]["value"].max(), small["value"].max()
    verdict = "more than with them" if bare > shown else "no more than with them"
    name = markdown(first["model"])
    return (
        f"**{kind.capitalize()}**, with 16 examples: {name} rises from {first['value']:.1%} at step "
        f"{first['step']:,} to {last['value']:.1%} at step {last['step']:,}; "
        f"{markdown(small['model'].iloc[0])} has at most {shown:.1%} at any of its "
        f"{len(small)} steps. Without examples the latter reaches {bare:.1%}, {verdict}."
    )


def inverse_scaling() -> pd.DataFrame:
    """Accuracies on tasks of inverse scaling, with normal intervals over items."""
    table = published_tables.read("inverse_scaling")
    table = with_normal_interval(table[table["metric"] == "accuracy"])
    return table.sort_values(["subset", "n_params", "step"], ignore_index=True)


def fallen(table: pd.DataFrame, errors: float = 3.0) -> pd.DataFrame:
    """The tasks at which the largest model ends lower than it began, by so many standard errors.

    Returns:
        Columns subset, model, first, last (steps), began, ended, smallest (the smallest model's end).
    """
    rows = []
    for task, part in table.groupby("subset"):
        order = part.sort_values(["n_params", "step"])
        large = order[order["model"] == order["model"].iloc[-1]]
        small = order[order["model"] == order["model"].iloc[0]]
        first, last = large.iloc[0], large.iloc[-1]
        if (
            first["value"] - last["value"]
            > errors * (first["stderr"] ** 2 + last["stderr"] ** 2) ** 0.5
        ):
            ends = (first["step"], last["step"], first["value"], last["value"])
            rows.append((task, last["model"], *ends, small["value"].iloc[-1]))
    columns = ["subset", "model", "first", "last", "began", "ended", "smallest"]
    return pd.DataFrame(rows, columns=columns)
