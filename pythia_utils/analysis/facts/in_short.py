"""The card of the chapter on facts: how recall follows the times told, and what a new sentence costs."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import Drawn, by_class
from pythia_utils.analysis.facts import tables
from pythia_utils.analysis.in_short import InShort, ends, smallest_and_largest
from pythia_utils.analysis.words import span
from pythia_utils.base.markup import markdown

_WORDS = ("step", "run", "seed")
_NETWORK = {"accuracy": "network"}
_TOGETHER = {"two_sentences": "two", "one_sentence": "one"}


def in_short(runs: pd.DataFrame) -> InShort:
    """The card, of the chapter's records."""
    standard = ends(runs)
    told = tables.by_told(standard, _NETWORK)
    guess = tables.guess_rate(runs)
    sentences = [_recall(told, guess), *_size(told), *_together(standard)]
    return InShort(sentences, _drawn(told, guess), _WORDS)


def _drawn(told: pd.DataFrame, guess: float) -> Drawn | None:
    names = list(dict.fromkeys(told["told"]))
    told = told.assign(place=told["told"].map({name: at for at, name in enumerate(names)}))
    labels = ("times told so far", "share answered right")
    return by_class(told.sort_values("n_params"), names, labels, reference=(guess, "guessing"))


def _recall(told: pd.DataFrame, guess: float) -> str:
    if told.empty:
        return "These records hold no standard model's answers by the times told."
    size, own = smallest_and_largest(told.sort_values("n_params"))[-1]
    low, high = (tables.usual_class(own, place) for place in (0, -1))
    if low.empty:
        return "These records hold no class of ten facts or more."
    return (
        f"At step {select.step_in_words(own)} the largest models ({markdown(size)}) answer "
        f"{_share(high)} of the "
        f"facts that they were told {_class(high)} times, and {_share(low)} of those told {_class(low)} times; "
        f"guessing gets {guess:.0%}."
    )


def _share(rows: pd.DataFrame) -> str:
    seeds = f" ({len(rows)} seeds)" if len(rows) > 1 else ""
    return f"{span(rows['value'], '.0%')}{seeds}"


def _class(rows: pd.DataFrame) -> str:
    return " and ".join(map(markdown, dict.fromkeys(rows["told"])))


def _size(told: pd.DataFrame) -> list[str]:
    sizes = smallest_and_largest(told.sort_values("n_params")) if len(told) else []
    if len(sizes) < 2:
        return []
    (small, lesser), (_, greater) = sizes
    means = [own.groupby("least")["value"].mean() for own in (lesser, greater)]
    ahead = (means[1] > means[0]).reindex(means[0].index.intersection(means[1].index))
    return [
        f"They are ahead of the smallest ({markdown(small)}) in {int(ahead.sum())} of {len(ahead)} classes of "
        "times told."
    ]


def _together(standard: pd.DataFrame) -> list[str]:
    """What the most often told facts lose in a sentence with another fact."""
    rows = tables.by_told(standard, _TOGETHER)
    high = tables.usual_class(rows, -1) if len(rows) else rows
    means = high.groupby("what")["value"].mean() if len(high) else {}
    if not {"one", "two"} <= set(means.keys()):
        return []
    return [
        "After another fact of the same person the most often told facts are answered in "
        f"{means['two']:.0%} of cases over all models; in one new sentence with it, in {means['one']:.0%}."
    ]
