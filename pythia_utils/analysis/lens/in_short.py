"""The card of the chapter on where the answer forms: what the embedding tells, and where the rest comes."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import Drawn, by_class
from pythia_utils.analysis.in_short import InShort, counted, ends, smallest_and_largest, value
from pythia_utils.analysis.lens import tables
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.analysis.words import span
from pythia_utils.base.markup import markdown

_WORDS = ("token", "step", "minimal pair", "seed")
_PLACES = 5  # of depth, in the figure


def in_short(runs: pd.DataFrame) -> InShort:
    """The card, of the chapter's records."""
    missing = tables.missing(runs[runs["variant"] == "standard"])
    last = ends(missing[missing["lens"] == "tuned"])
    depths = runs[runs["metric"] == "formation_depth"]
    sentences = [_embedding(last), *_depth(ends(with_normal_interval(depths))), *_moves(depths)]
    return InShort(sentences, _drawn(last), _WORDS)


def _drawn(last: pd.DataFrame) -> Drawn | None:
    """The share that is missing, by relative depth."""
    drawn = last.assign(place=last["place"] * (_PLACES - 1))
    names = ["0", "¼", "½", "¾", "1"]
    labels = ("depth, as a share of the layers", "share of the answer missing")
    return by_class(drawn, names, labels)


def _embedding(last: pd.DataFrame) -> str:
    own = last[last["depth"] == 0]
    if own.empty:
        return "These records hold no standard model's answers by depth."
    return (
        f"At the end of training {span(1 - own['value'], '.0%')} of the way from an answer without the text to "
        f"the final one is there in the input embedding, before the first layer "
        f"({counted(len(own), 'run')}); the layers add the rest."
    )


def _depth(last: pd.DataFrame) -> list[str]:
    if last.empty:
        return []
    parts = [f"{value(own)} in {markdown(size)}" for size, own in smallest_and_largest(last)]
    return [
        f"On average the answer forms at a depth of {' and '.join(parts)}, where 0 is the embedding "
        "and 1 the last layer."
    ]


def _moves(depths: pd.DataFrame) -> list[str]:
    """Whether the answer forms deeper at the last step than at the first one of training that was measured."""
    own = depths[(depths["variant"] == "standard") & (depths["step"] > 0) & depths["value"].notna()]
    own = own[own.groupby("model")["step"].transform("nunique") > 1]
    if own.empty:
        return []
    first = own.sort_values("step").groupby("model")["value"].first()
    last = select.final(own).set_index("model")["value"].reindex(first.index)
    deeper = int((last > first).sum())
    return [
        f"That is deeper than at the first measured step of training in {deeper} of "
        f"{counted(len(last), 'run')}: the change is {span(last - first, '+.2f')}."
    ]
