"""Sentences of the page on seeds, computed of its tables."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.stability.components import SOURCES
from pythia_utils.base.markup import markdown

_WORDS = {
    "weights": "the initial weights",
    "order": "the order of the data",
    "rest": "what neither explains",
}


def sources_in_words(sources: pd.DataFrame) -> str:
    """Which source is the largest of each headline, and whether the intervals tell it from the next."""
    if sources.empty:
        return (
            "No headline has runs here that share one seed and not the other: their weights and order cannot "
            "be told apart."
        )
    lines = [_one(name, own) for name, own in sources.groupby("headline", sort=False)]
    return "\n".join(f"- {line}" for line in lines)


def _one(name: str, own: pd.DataFrame) -> str:
    parts = own[own["source"].isin(SOURCES)].sort_values("sd", ascending=False)
    first, second = parts.iloc[0], parts.iloc[1]
    told = first["low"] > second["high"]
    verdict = (
        "The intervals do not overlap."
        if told
        else "The intervals overlap: which is larger is not shown."
    )
    return (
        f"**{markdown(name)}**, {int(first['runs'])} runs of {int(first['sizes'])} sizes: most from "
        f"{_WORDS[first['source']]} (standard deviation {_small(first['sd'])}), then "
        f"{_WORDS[second['source']]} ({_small(second['sd'])}). {verdict}"
    )


def _small(sd: float) -> str:
    """A standard deviation in two digits; what the fit leaves of none is none."""
    return f"{sd:.2g}" if sd > 1e-6 else "0"


def items_in_words(beside: pd.DataFrame) -> str:
    """How much wider a statement about models must be than one about test items."""
    if beside.empty:
        return "Nothing here compares runs with test items."
    lines = [
        f"- **{markdown(row.headline)}**: {row.ratio:.1f} times"
        for row in beside.sort_values("ratio", ascending=False).itertuples()
    ]
    listed, wider = "\n".join(lines), int((beside["ratio"] > 1).sum())
    return (
        "How much another training run changes a number, in units of the change by another set of test "
        "items:\n\n"
        f"{listed}\n\nFor {wider} of {len(beside)} an interval over items alone is narrower than the spread of "
        "runs: a statement about models needs several runs."
    )


def at_the_end(curves: pd.DataFrame) -> tuple[int, pd.Series]:
    """The last step that all published seeds have, and their values there."""
    steps = curves.groupby("step")["seed"].nunique()
    last = steps[steps == steps.max()].index.max()
    return last, curves.loc[curves["step"] == last, "value"]


def published_spread(curves: pd.DataFrame) -> str:
    """How far the published seeds lie apart at the last step that all have."""
    last, at = at_the_end(curves)
    return (
        f"At step {last:,} of Pythia its {len(at)} seeds lie between {at.min():.3f} and {at.max():.3f} "
        f"(standard deviation {at.std():.4f})."
    )


def outliers(states: pd.DataFrame, curves: pd.DataFrame, far: float = 5.0) -> str:
    """Which published seeds leave the others: by more than `far` median absolute deviations at the last step.

    Args:
        states: published states of training, columns seed, step, value: the source's own finding.
        curves: one measure of the same seeds, columns seed, step, value.
    """
    last = curves[curves["step"] == curves["step"].max()]
    deviation = (last["value"] - last["value"].median()).abs()
    away = last.loc[deviation > far * deviation.median(), "seed"].dropna().astype(int).sort_values()
    ends = states[states["step"] == states["step"].max()]
    usual = ends["value"].mode().iloc[0]
    other = ends.loc[ends["value"] != usual, "seed"].dropna().astype(int).sort_values()
    return (
        f"Seeds that end in another state than most: {_listed(other)}. Seeds whose correlation lies far from "
        f"the others' at the last step: {_listed(away)}."
    )


def _listed(numbers: pd.Series) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) else "none"
