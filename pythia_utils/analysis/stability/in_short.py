"""The card of the page on seeds: how much another run changes, and which findings hold in all of them."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.card_figures import dots
from pythia_utils.analysis.in_short import InShort, counted
from pythia_utils.analysis.stability.text import at_the_end
from pythia_utils.base.markup import markdown

_WORDS = ("seed", "run", "step")


def in_short(beside: pd.DataFrame, asked: pd.DataFrame, blimp: pd.DataFrame) -> InShort:
    """The card.

    Args:
        beside: of `headlines.beside_items`.
        asked: of `claims.table`, of all chapters.
        blimp: the published accuracies of Pythia's seeds: columns seed, step, value.
    """
    rows = beside.sort_values("ratio", ascending=False).assign(what=lambda frame: frame["headline"])
    rows = rows.assign(value=rows["ratio"])
    drawn = dots(rows, "spread of runs / error over test items", reference=1)
    return InShort([*_runs(rows), *_findings(asked), _published(blimp)], drawn, _WORDS)


def _runs(rows: pd.DataFrame) -> list[str]:
    if rows.empty:
        return ["These records hold no size with runs that share one seed and not the other."]
    wider, most = int((rows["ratio"] > 1).sum()), rows.iloc[0]
    return [
        f"Another training run moves {wider} of {counted(len(rows), 'headline number')} by more than "
        "another set "
        f"of test items would, {markdown(most['headline'])} the most: by {most['ratio']:.1f} times as much."
    ]


def _findings(asked: pd.DataFrame) -> list[str]:
    told = asked["holds in"].str.extract(r"^(\d+) of (\d+) seeds?$").dropna().astype(int)
    several = told[told[1] > 1]
    if several.empty:
        return ["No finding could be asked of two seeds or more."]
    held = int((several[0] == several[1]).sum())
    return [
        f"Of {counted(len(several), 'finding')} of the chapters that two seeds or more can answer, "
        f"{held} hold in every seed."
    ]


def _published(blimp: pd.DataFrame) -> str:
    last, at = at_the_end(blimp)
    return (
        f"Of the real Pythia, the published seeds of one size lie between {at.min():.3f} and {at.max():.3f} of "
        f"BLiMP's pairs at step {last:,} ({len(at)} seeds)."
    )
