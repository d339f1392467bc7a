"""The page "Try it": its tour and its curves, computed of the checkpoints that travel with the site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import show
from pythia_utils.analysis.live import examples, story
from pythia_utils.analysis.live.places import EVERYTHING, element
from pythia_utils.base.errors import UsageError
from pythia_utils.base.markup import html
from pythia_utils.suites import catalog
from pythia_utils.suites.portable import portable

if TYPE_CHECKING:
    from IPython.display import HTML

CUES = ["liking", "subject", "nearest"]


def try_it(suite: str) -> HTML:
    """The whole page's: all examples, and the tour where the suite's text has its words.

    Args:
        suite: one that is trained here.

    Raises:
        UsageError: no model of it is trained.
    """
    family = catalog.suite(suite)
    chosen = portable(family)
    if not chosen:
        raise UsageError(f"no model of {suite} is trained; run: pythia train {suite}")
    told = {
        "groups": [group.told() for group in examples.menu(suite)],
        "reference": examples.reference(suite),
        "show": EVERYTHING,
    }
    if family.is_of_text:
        return element(told, "", "at-once")
    steps_of = {name: [point.step for point in points] for name, points in chosen.items()}
    table = story.margins(steps_of)
    model = story.choose(table)
    stops = story.tour(table, model)
    own = table[table["model"] == model]
    opening = stops[min(1, len(stops) - 1)].step
    told |= {"model": model, "step": opening, "tour": [vars(stop) for stop in stops]}
    told["known"] = {"values": own["key_boxes"].tolist(), "cues": own[CUES].to_numpy().tolist()}
    return element(told, _tour(stops) + _margins(own, model), "at-once")


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
    return show.table(frame, {"margin (nats)": "{:+.2f}"}, caption).source
