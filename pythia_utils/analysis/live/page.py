"""Places on pages where the model can be asked: an element, what to begin with as JSON, and what stands there without
scripts. The scripts are in book/_static/live/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import show
from pythia_utils.analysis.live import examples, story
from pythia_utils.analysis.live.examples import Example, Group
from pythia_utils.base.markup import NO_MATHS, html, vega
from pythia_utils.suites import catalog
from pythia_utils.suites.checkpoints import load
from pythia_utils.suites.portable import portable, usual

if TYPE_CHECKING:
    from IPython.display import HTML

CUES = ["liking", "subject", "nearest"]
EVERYTHING = ("candidates", "cues", "attention", "lens", "write")


def try_it(suite: str) -> HTML:
    """The whole page's: all examples, and the tour where the suite's text has its words.

    Args:
        suite: one that is trained here.

    Raises:
        UsageError: no model of it is trained, or its corpus has not been made.
    """
    family = catalog.suite(suite)
    chosen = portable(family)
    steps_of = {name: [point.step for point in points] for name, points in chosen.items()}
    first = usual(chosen)
    _, tokenizer = load(first, steps_of[first][-1])
    told = {
        "groups": [group.told() for group in examples.menu(suite, tokenizer)],
        "reference": examples.reference(suite, tokenizer),
        "show": EVERYTHING,
    }
    if family.is_of_text:
        return element(told, "", "at-once")
    table = story.margins(steps_of)
    model = story.choose(table)
    stops = story.tour(table, model)
    own = table[table["model"] == model]
    opening = stops[min(1, len(stops) - 1)].step
    told |= {"model": model, "step": opening, "tour": [vars(stop) for stop in stops]}
    told["known"] = {"values": own["key_boxes"].tolist(), "cues": own[CUES].to_numpy().tolist()}
    return element(told, _tour(stops) + _margins(own, model), "at-once")


def box(
    pairs: Sequence[Example], show: Sequence[str] = (), reference: Sequence | None = None
) -> HTML:
    """A chapter's: a few examples, and the views that it needs. It loads when its reader asks.

    Args:
        pairs: one or more.
        show: of `EVERYTHING`.
        reference: rows of token ids for the averages of heads, where `show` has attention.
    """
    told = {"groups": [Group("Examples", tuple(pairs)).told()], "show": show}
    told |= {"reference": reference} if reference else {}
    first = pairs[0]
    texts = " / ".join(filter(None, (first.good, first.bad)))
    return element(told, f"<p><em>{html(texts)}</em></p>", "")


def element(told: Mapping, without_scripts: str, begin: str) -> HTML:
    """The element that the book's script fills.

    Args:
        told: what it is to begin with.
        without_scripts: HTML.
        begin: `at-once`, or empty: when the reader asks.
    """
    from IPython.display import HTML

    return HTML(
        f'<div class="live {NO_MATHS}" data-begin="{begin}"><script type="application/json">{vega(told)}</script>'
        f'<div class="live-static">{without_scripts}</div></div>'
    )


def _tour(stops: Sequence[story.Stop]) -> str:
    told = (f"<li><strong>{html(stop.title)}.</strong> {html(stop.words)}</li>" for stop in stops)
    return f"<ol>{''.join(told)}</ol>"


def _margins(own: pd.DataFrame, model: str) -> str:
    """The margins of a model's checkpoints as a table."""
    right = own["key_boxes"] > 0
    frame = pd.DataFrame(
        {
            "step": own["step"].map("{:,}".format),
            "margin (nats)": own["key_boxes"],
            "prefers": right.map({True: "is", False: "are"}),
        }
    )
    caption = f"{model}: The key near the boxes is / are. A positive margin is right."
    return show.table(frame, {"margin (nats)": "{:+.2f}"}, caption).to_html()
