"""Places on pages where the model can be asked: an element, what to begin with as JSON, and what stands there
without scripts. The scripts are in book/_static/live/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pythia_utils.analysis.live import examples
from pythia_utils.analysis.live.examples import Example, Group
from pythia_utils.base.markup import NO_MATHS, html, vega

if TYPE_CHECKING:
    from IPython.display import HTML

EVERYTHING = ("candidates", "cues", "attention", "lens", "write")  # views


def box(pairs: Sequence[Example], show: Sequence[str], suite: str) -> HTML:
    """A chapter's: a few examples, and the views that it needs. It loads when its reader asks.

    Args:
        pairs: one or more.
        show: of `EVERYTHING`.
        suite: whose held-out texts tell what a head says on average, where `show` has attention.
    """
    told = {"groups": [Group("Examples", tuple(pairs)).told()], "show": show}
    if "attention" in show:
        told["reference"] = examples.reference(suite)
    first = pairs[0]
    texts = " / ".join(filter(None, (first.good, first.bad)))
    return element(told, f"<p>To try at every checkpoint: <em>{html(texts)}</em></p>", "")


def element(told: Mapping, without_scripts: str, begin: str) -> HTML:
    """The element that the book's script fills.

    Args:
        told: what it is to begin with.
        without_scripts: HTML.
        begin: `at-once`, or empty: when the reader asks.
    """
    from IPython.display import HTML

    data = f'<script type="application/json">{vega(told)}</script>'
    static = f'<div class="live-static">{without_scripts}</div>'
    return HTML(f'<div class="live {NO_MATHS}" data-begin="{begin}">{data}{static}</div>')
