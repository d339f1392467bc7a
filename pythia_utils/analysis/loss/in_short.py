"""The card of the chapter on loss: how far it falls, what size adds, and whether the law's forecast holds."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pythia_utils.analysis import seeds
from pythia_utils.analysis.card_figures import curves
from pythia_utils.analysis.in_short import InShort, ends, smallest_and_largest, value
from pythia_utils.analysis.loss.forecast import Forecast
from pythia_utils.analysis.loss.text import held_end, with_ends
from pythia_utils.base.markup import markdown

_WORDS = ("loss", "step", "power law", "seed")


def in_short(overall: pd.DataFrame, found: Mapping[str, Forecast]) -> InShort:
    """The card.

    Args:
        overall: losses on all text, with intervals.
        found: of `laws.forecasts`.
    """
    standard = overall[overall["variant"] == "standard"]
    sentences = [*_fall(overall), *_size(ends(overall)), *_forecast(found)]
    return InShort(sentences, curves(standard, "loss (nats a token)"), _WORDS)


def _fall(overall: pd.DataFrame) -> list[str]:
    last = ends(overall)
    if last.empty:
        return ["These records hold no standard model's loss."]
    size, own = smallest_and_largest(last)[-1]
    at_last = f"At step {own['step'].max():,} the loss of the largest models ({markdown(size)}) on unseen text"
    start = overall[(overall["step"] == 0) & overall["model"].isin(own["model"])]["value"]
    told = f"{at_last} is {value(own, unit='nats a token')}"
    if len(start) and own["step"].max() > 0:
        change = own["value"].mean() - start.mean()
        told += f", {abs(change):.2f} {'less' if change < 0 else 'more'} than before training"
    return [f"{told}."]


def _size(last: pd.DataFrame) -> list[str]:
    sizes = smallest_and_largest(last) if len(last) else []
    if len(sizes) < 2:
        return []
    (small, lesser), (large, greater) = sizes
    times = greater["n_params"].iloc[0] / lesser["n_params"].iloc[0]
    less = lesser["value"].mean() - greater["value"].mean()
    apart = lesser["value"].min() > greater["value"].max()
    told = (
        f"{markdown(large)} has {times:,.0f} times the parameters of {markdown(small)} and a loss "
        f"{abs(less):.2f} {'lower' if less > 0 else 'higher'}"
    )
    several = len(lesser) > 1 or len(greater) > 1
    every = (
        ", in every pair of their seeds" if apart else ", though not in every pair of their seeds"
    )
    return [f"{told}{every * several}."]


def _forecast(found: Mapping[str, Forecast]) -> list[str]:
    if "all" not in found:
        return []
    end = held_end(found["all"])
    told = (
        f"A law fitted to the smaller sizes forecasts {with_ends(end.iloc[0], 'forecast')} for the largest; "
        f"measured: {seeds.in_words(end['value'], 3)}"
    )
    if end["low"].isna().any():
        return [f"{told}. With one seed a size the forecast has no interval to be judged by."]
    inside = int(end["inside"].sum())
    return [f"{told}, {inside} of {len(end)} inside the 95% interval."]
