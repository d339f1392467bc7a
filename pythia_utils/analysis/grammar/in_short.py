"""The card of the chapter on grammar: how often the largest models are right, beside counting and chance."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import Drawn, curves
from pythia_utils.analysis.in_short import InShort, ends, smallest_and_largest, value
from pythia_utils.analysis.learning_curves import milestones
from pythia_utils.analysis.phases import below_chance_phases
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.analysis.words import readable
from pythia_utils.base.markup import markdown

_WORDS = ("minimal pair", "phenomenon", "onset", "seed")


def in_short(runs: pd.DataFrame, curves_of: pd.DataFrame) -> InShort:
    """The card.

    Args:
        runs: the chapter's records.
        curves_of: of `acquisition.curves`.
    """
    whole = runs[(runs["metric"] == "accuracy") & (runs["subset"] == "all")]
    last = ends(with_normal_interval(whole))
    counting = runs[(runs["metric"] == "accuracy_of_ngrams") & (runs["subset"] == "all")]["value"]
    standard = curves_of[curves_of["variant"] == "standard"]
    sentences = [_right(last, counting), *_size(last), *_order(standard)]
    return InShort(sentences, _drawn(whole, counting), _WORDS)


def _drawn(whole: pd.DataFrame, counting: pd.Series) -> Drawn | None:
    level = (counting.mean(), "best n-grams") if len(counting) else (0.5, "chance")
    return curves(whole[whole["variant"] == "standard"], "share of pairs right", reference=level)


def _right(last: pd.DataFrame, counting: pd.Series) -> str:
    if last.empty:
        return "These records hold no standard model's answers to minimal pairs."
    size, own = smallest_and_largest(last)[-1]
    told = (
        f"At step {own['step'].max():,} the largest models ({markdown(size)}) prefer the grammatical "
        "sentence in "
        f"{value(own, '.0%', 'of the pairs')}"
    )
    if counting.empty:
        return f"{told}; chance is 50%."
    return (
        f"{told}; the best n-gram models of their text do in {counting.mean():.0%}, chance in 50%."
    )


def _size(last: pd.DataFrame) -> list[str]:
    sizes = smallest_and_largest(last) if len(last) else []
    if len(sizes) < 2:
        return []
    (small, lesser), _ = sizes
    return [f"The smallest ({markdown(small)}) do so in {value(lesser, '.0%')}."]


def _order(standard: pd.DataFrame) -> list[str]:
    """Which phenomena the largest model learns, and which of them first."""
    usual = select.usual_seed(standard) if len(standard) else standard
    if usual.empty or usual["step"].nunique() < 2:
        return []
    largest = usual[usual["model"] == select.largest(usual)]
    if largest["step"].nunique() < 2:
        return []
    found = milestones(largest, None).sort_values("onset")
    learnt = found[found["onset"].notna()]
    name = markdown(largest["model"].iloc[0])
    told = f"Of {len(found)} phenomena {name} gets {len(learnt)} right three times in four"
    if len(learnt):
        first = learnt.iloc[0]
        told += (
            f", {markdown(readable(first['subset']))} first (at about step {first['onset']:,.0f})"
        )
    return [f"{told}; {_below(standard)}."]


def _below(standard: pd.DataFrame) -> str:
    """How many phenomena are shown to be below chance at some step of some model."""
    wrong = below_chance_phases(standard)
    n = wrong["subset"].nunique() if len(wrong) else 0
    if not n:
        return "none is shown to be below chance on the way"
    return f"on the way {n} {'is' if n == 1 else 'are'} below chance in some model"
