"""The card of the chapter on memorization: what is recited, and whether the place in training matters."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import by_class, curves
from pythia_utils.analysis.in_short import InShort, counted, ends, smallest_and_largest
from pythia_utils.analysis.memorization import deciles, tables
from pythia_utils.analysis.memorization.chapter import Parts
from pythia_utils.analysis.memorization.text import ALPHA
from pythia_utils.analysis.words import interval, span
from pythia_utils.base.markup import markdown

_WORDS = ("memorization", "canary", "seed", "step")


def in_short(parts: Parts) -> InShort:
    """The card, of models that read planted documents.

    Args:
        parts: of `chapter.parts`.
    """
    recited = tables.numbered(parts.ends, "copies")
    copies = sorted(recited["number"].unique())
    placed = recited.assign(place=recited["number"].map({n: at for at, n in enumerate(copies)}))
    labels = ("times that a document was read", "share recited")
    drawn = by_class(placed, [f"{n}" for n in copies], labels)
    return InShort([_copies(recited), _share(parts.best), *_place(parts)], drawn, _WORDS)


def _copies(recited: pd.DataFrame) -> str:
    last = ends(recited)
    if last.empty:
        return "These records hold no standard model that read planted documents."
    size, own = smallest_and_largest(last)[-1]
    most, least = (
        own[own["number"] == number] for number in (own["number"].max(), own["number"].min())
    )
    return (
        f"Of planted documents that training read {_times(most)} the largest models ({markdown(size)}) recite "
        f"{_of(most)} at the end; of those read {_times(least)}, {_of(least)}."
    )


def _times(rows: pd.DataFrame) -> str:
    number = rows["number"].iloc[0]
    return "once" if number == 1 else f"{number} times"


def _of(rows: pd.DataFrame) -> str:
    """`75% [51%, 90%]`, or `62% to 75% over 2 seeds`."""
    if len(rows) == 1:
        return interval(rows.iloc[0], digits=".0%")
    spread = span(rows["value"], ".0%")
    return f"{spread} {'over' if ' to ' in spread else 'in each of'} {len(rows)} seeds"


def _share(best: pd.DataFrame) -> str:
    whole = best[(best["metric"] == "memorized") & (best["subset"] == "all")]
    if whole.empty:
        return "These records hold no sample of training sequences."
    row = tables.with_intervals(whole).iloc[0]
    return (
        f"Of a sample of {row['n']:,.0f} texts from all of training {markdown(row['model'])} recites "
        f"{interval(row, digits='.2%')}."
    )


def _place(parts: Parts) -> list[str]:
    """Whether documents that were read within one tenth of training are known better for when that was."""
    table = deciles.table(tables.gains(parts.ends, "decile"))
    if table.empty:
        return []
    matters, later = (
        int((table["p_flat"] < ALPHA).sum()),
        int((table["late"] > table["early"]).sum()),
    )
    more = table["late"] - table["early"]
    return [
        f"When a document is read matters in {matters} of {counted(len(table), 'run')} (p < {ALPHA} in each): "
        f"read in the last three tenths and not the first three, it gains more in {later}, by "
        f"{span(more, '+.2f')} nats a token."
    ]


def of_sample(runs: pd.DataFrame) -> InShort:
    """The card, of a sample of the training sequences."""
    read = tables.of_read(runs)
    standard = read[read["variant"] == "standard"]
    drawn = curves(standard, "share of sequences recited", log=False)
    return InShort([_recited(standard), *_control(runs)], drawn, _WORDS)


def _recited(standard: pd.DataFrame) -> str:
    if standard.empty:
        return "No checkpoint here had read enough of the sample to tell a share."
    parts = []
    for size, own in smallest_and_largest(ends(standard)):
        parts.append(f"{markdown(size)} {_of(own)}")
    return f"Of the sampled sequences that they had read, models recite at the end: {', '.join(parts)}."


def _control(runs: pd.DataFrame) -> list[str]:
    rows = runs[(runs["metric"] == "memorized") & (runs["subset"] == "unseen")]
    n = rows["n"].astype(float)
    if not n.sum():
        return []
    return [
        f"Of those that a checkpoint had not read yet, the control, "
        f"{(rows['value'] * n).sum() / n.sum():.2%} are "
        f"recited, over {counted(len(select.final(rows)['model'].unique()), 'model')} and all of their "
        "checkpoints."
    ]
