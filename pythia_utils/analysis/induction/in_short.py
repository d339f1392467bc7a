"""The card of the chapter on induction: how much is gained by content, when, and by how few heads."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.card_figures import curves
from pythia_utils.analysis.in_short import (
    InShort,
    counted,
    ends,
    number,
    smallest_and_largest,
    value,
)
from pythia_utils.analysis.induction import tables
from pythia_utils.analysis.words import span
from pythia_utils.base.markup import markdown

_WORDS = ("induction", "loss", "step", "seed")


def in_short(runs: pd.DataFrame) -> InShort:
    """The card, of the chapter's records."""
    gain = tables.of(runs, "content_gain")
    gain = gain[gain["variant"] == "standard"]
    drawn = curves(gain, "content gain (nats a token)", reference=(0, "none"))
    sentences = [_gain(gain), *_onset(tables.onsets(runs)), *_heads(tables.shares_left(runs))]
    return InShort(sentences, drawn, _WORDS)


def _gain(gain: pd.DataFrame) -> str:
    last = ends(gain)
    if last.empty:
        return "These records hold no standard model's gain from repeats."
    size, own = smallest_and_largest(last)[-1]
    start = gain[gain["step"] == 0]["value"]
    before = f"; before training by {number(start.mean(), '.2f')}" if len(start) else ""
    return (
        f"At step {own['step'].max():,} knowing what came after the same token lowers the loss of the largest "
        f"models ({markdown(size)}) on a repeat by {value(own, unit='nats a token')}{before}."
    )


def _onset(found: pd.DataFrame) -> list[str]:
    if found.empty:
        return []
    steps = found["gain_onset"].dropna()
    told = f"In {len(steps)} of {counted(len(found), 'run')} measured along training the gain becomes clear"
    return [
        f"{told}; half of it is there from step {span(steps, ',.0f')} on."
        if len(steps)
        else f"{told}."
    ]


def _heads(shares: pd.DataFrame) -> list[str]:
    """What is left of the gain without the heads that it hangs on."""
    if shares.empty:
        return []
    left, others = shares["heads found"].median(), shares["as many others"].dropna()
    hangs = "It hangs on a few heads" if left < 0.5 else "The heads found do not carry it"
    told = f"{hangs}: without them {left:.0%} of the gain is left"
    if len(others):
        told += f", without as many others {others.median():.0%}"
    return [f"{told} (medians of {counted(len(shares), 'run')})."]
