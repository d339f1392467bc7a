"""The card of the chapter on n-grams: in which order they are passed, and how far after they are left."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import curves
from pythia_utils.analysis.in_short import InShort, counted, ends, smallest_and_largest, value
from pythia_utils.analysis.ngrams import phases
from pythia_utils.base.markup import markdown

_WORDS = ("step", "loss", "seed")


def in_short(runs: pd.DataFrame, least: pd.DataFrame) -> InShort:
    """The card.

    Args:
        runs: the chapter's records.
        least: of `phases.extrema`, of the divergences.
    """
    kl = runs[(runs["metric"] == "kl") & (runs["variant"] == "standard")]
    if len(kl):
        kl = kl[kl["model"] == select.largest(kl)].sort_values("subset", kind="stable")
    drawn = curves(kl, "divergence from n-grams (nats)", "subset")
    return InShort([_order(phases.by_order(least)), *_ahead(runs)], drawn, _WORDS)


def _order(steps: pd.DataFrame) -> str:
    if steps.empty:
        return "No model was measured at enough steps to tell when it was closest to which n-grams."
    kept = int((steps.diff(axis=1).iloc[:, 1:] >= 0).all(axis=1).sum())
    medians = ", ".join(f"{name}s at step {steps[name].median():,.0f}" for name in steps)
    told = f"In {kept} of {counted(len(steps), 'run')} a model comes closest to n-grams in the order of n"
    return f"{told}; at the median it is closest to {medians}."


def _ahead(runs: pd.DataFrame) -> list[str]:
    """How the largest models' loss compares with that of the best n-grams, at the end."""
    loss = runs[runs["metric"] == "loss"]
    last = ends(loss[loss["subset"] == "model"])
    counts = loss[(loss["subset"] != "model") & (loss["variant"] == "standard")]
    if last.empty or counts.empty:
        return []
    size, own = smallest_and_largest(last)[-1]
    means = counts.groupby("subset")["value"].mean()
    best, theirs = means.idxmin(), means.min()
    less = theirs - own["value"].mean()
    return [
        f"At step {own['step'].max():,} the largest models ({markdown(size)}) have a loss of "
        f"{value(own, unit='nats a token')} on new text, {abs(less):.2f} "
        f"{'less' if less > 0 else 'more'} than the best n-grams of the same "
        f"text ({best}: {theirs:.2f})."
    ]
