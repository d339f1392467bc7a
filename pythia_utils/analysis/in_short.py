"""The card that opens a chapter: two or three computed sentences, one figure, the words to know.

Each chapter's sentences and figure are made of its records in `analysis/<name>/in_short.py`. The first sentence
answers the chapter's question; the front page shows it again. `pythia_utils.site.cards` finds the card by the
tag `in-short` of its cell, and adds how long the page takes to read.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.card_figures import Drawn
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence

KIND = "application/vnd.pythia-book.card+json"  # of the output that holds the sentences
_DENSITY = 180  # dots an inch: twice what a card is wide


@dataclass(frozen=True)
class InShort:
    """What a card says and shows.

    Attributes:
        sentences: Markdown; the first answers the question.
        drawn: the figure; None where there is nothing to draw.
        words: that a reader should know, as the page on reading has them.
    """

    sentences: Sequence[str]
    drawn: Drawn | None = None
    words: Sequence[str] = ()


def show(card: InShort) -> None:
    """Show a card in a notebook: its sentences, then its figure with a text alternative."""
    from IPython.display import display

    told = {"sentences": [*card.sentences], "words": [*card.words]}
    display({KIND: told, "text/markdown": "\n\n".join(card.sentences)}, raw=True)
    if card.drawn is None:
        return
    picture = {"image/png": base64.b64encode(_png(card.drawn)).decode(), "text/plain": "<Figure>"}
    display(picture, raw=True, metadata={"image/png": {"alt": card.drawn.alt}})


def _png(drawn: Drawn) -> bytes:
    import matplotlib.pyplot as plt

    from pythia_utils.analysis.images import light_png

    picture = light_png(drawn.figure, dpi=_DENSITY, bbox_inches=None)
    plt.close(drawn.figure)  # or the notebook shows it once more
    return picture


# --- what sentences need --------------------------------------------------------------------------


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """Of curves the standard models' values near the last step, with a column size, the smallest first."""
    own = rows[(rows["variant"] == "standard") & rows["value"].notna()]
    if own.empty:
        return own.assign(size=[])
    last = select.near_the_end(own).sort_values("n_params", kind="stable")
    return last.assign(size=[find_model(name).size for name in last["model"]])


def smallest_and_largest(last: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Of `ends` the smallest size and the largest, with their rows; one of them where there is one."""
    sizes = list(dict.fromkeys(last["size"]))
    return [(size, last[last["size"] == size]) for size in dict.fromkeys([*sizes[:1], *sizes[-1:]])]


def value(rows: pd.DataFrame, digits: str = ".2f", unit: str = "") -> str:
    """A size's value, with its error.

    The mean and the range over its seeds: `0.83 nats (0.81 to 0.85 over 2 seeds)`. Of one seed its 95% interval
    over test items, if there is one: `0.83 nats [0.80, 0.86]`.
    """
    values = rows["value"]
    mean = " ".join(filter(None, (number(values.mean(), digits), unit)))
    if len(rows) > 1:
        low, high = (number(end, digits) for end in (values.min(), values.max()))
        spread = f"in each of {len(rows)}" if low == high else f"{low} to {high} over {len(rows)}"
        return f"{mean} ({spread} seeds)"
    only = rows.iloc[0]
    if pd.notna(only.get("low")):
        return f"{mean} [{number(only['low'], digits)}, {number(only['high'], digits)}]"
    return mean


def number(value: float, digits: str) -> str:
    """A number in these digits; what rounds to nothing has no sign."""
    told = f"{value:{digits}}"
    return told.removeprefix("-") if not any(digit in told for digit in "123456789") else told


def counted(number: int, what: str) -> str:
    """`1 seed`, `4 seeds`."""
    return f"{number:,} {what}{'s' * (number != 1)}"
