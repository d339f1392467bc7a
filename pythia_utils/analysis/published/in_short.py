"""The card of the page on the suite's published results: LAMBADA by size, grammar, and trust in the scores."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.card_figures import curves
from pythia_utils.analysis.in_short import InShort, ends, smallest_and_largest
from pythia_utils.analysis.published.text import NUMERICAL_NOISE
from pythia_utils.analysis.words import interval
from pythia_utils.base.markup import markdown

_WORDS = ("checkpoint", "variant", "minimal pair")


def in_short(lambada: pd.DataFrame, phenomena: pd.DataFrame, apart: pd.DataFrame) -> InShort:
    """The card.

    Args:
        lambada: accuracies of all models on LAMBADA.
        phenomena: of `summary.blimp`, by phenomenon.
        apart: of `comparisons.variant_distances`.
    """
    standard = lambada[lambada["variant"] == "standard"]
    drawn = curves(standard, "accuracy, LAMBADA (v1)")
    return InShort([_learnt(standard), _grammar(phenomena), _trust(apart)], drawn, _WORDS)


def _learnt(lambada: pd.DataFrame) -> str:
    """From which step on every size knows something, how both ends end, and who is worse in the end."""
    worst = lambada.groupby("step")["value"].min()
    (small, first), (large, last) = smallest_and_largest(ends(lambada))
    return (
        f"From step {worst.index[worst > 0.01].min():,} on every size of Pythia gives more than one "
        "last word in a "
        f"hundred of LAMBADA's passages; at the end {markdown(small)} gives "
        f"{interval(first.iloc[0], digits='.2f')} "
        f"of them and {markdown(large)} {interval(last.iloc[0], digits='.2f')}."
    )


def _grammar(phenomena: pd.DataFrame) -> str:
    standard = phenomena[phenomena["variant"] == "standard"]
    means = standard.groupby("step")["value"].mean()
    return (
        f"Of BLiMP's pairs {means.iloc[0]:.0%} are right at step {means.index[0]:,}, the first that was "
        f"published, and {means.iloc[-1]:.0%} at the end (means over sizes and phenomena; chance is 50%)."
    )


def _trust(apart: pd.DataFrame) -> str:
    """Which sizes' two variants score too much alike to be two trainings."""
    same = apart[apart["distance"] < NUMERICAL_NOISE]
    if same.empty:
        return "The two variants of each size differ as two trainings do."
    parts = [
        f"{markdown(size)} up to step {own['step'].max():,}"
        for size, own in same.groupby("size", sort=False)
    ]
    return (
        "Not every score can be what its name says: the standard and the deduped variant of "
        f"{', of '.join(parts)} differ no more than one model from itself."
    )
