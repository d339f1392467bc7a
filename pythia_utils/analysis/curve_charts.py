"""Curves over training as Vega-Lite: the interactive form of the pictures that `plots.trajectories` draws.

The chart stands by itself in JupyterLab. On the site the script `charts.js` fits it to the page, and moves its
two parameters: `shown`, the names of the lines that are to be seen (null: all), and `marked`, a training step.
What the script must know beside Vega-Lite is in `usermeta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.colors import to_hex

from pythia_utils.analysis.curve_look import (
    DARK,
    DASHES,
    INK,
    MARK,
    PANEL,
    TALL,
    WHITE,
    WIDE,
    Look,
    legible,
    time_of,
)
from pythia_utils.analysis.curve_marks import layers
from pythia_utils.analysis.curve_rows import csv_data, rows_of, words_of
from pythia_utils.analysis.palettes import REFERENCE, on_dark
from pythia_utils.base.markup import address, plain
from pythia_utils.grid.records import stem
from pythia_utils.suites.catalog import find_model

_KINDS = {"-": "standard", ":": "deduped", "--": "another seed"}
_PAGE = ["suite", "experiment", "parameters"]  # with model and step: a record's page


def chart(frame: pd.DataFrame, look: Look) -> dict[str, Any]:
    """The specification of a figure of curves.

    Args:
        frame: columns step, value; low, high and n where there are such; those that `look` names.
        look: how it is drawn, in the picture too.
    """
    rows = rows_of(frame, look)
    drawn = layers(rows, look)
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "usermeta": {"curves": _meta(frame, look, rows), "dark": _dark(look)},
        "title": {"text": _title(look), "anchor": "start", "fontSize": 13, "fontWeight": "normal"},
        "params": [{"name": "shown", "value": None}, {"name": "marked", "value": None}],
        "data": csv_data(rows),
        "transform": words_of(rows),
    }
    if not look.panels:
        return spec | {"width": WIDE, "height": TALL, "layer": drawn}
    width, height = PANEL
    header = {"title": None, "labelAnchor": "start", "labelFontSize": 12, "labelPadding": 4}
    return spec | {
        "facet": {"field": "p", "type": "nominal", "sort": None, "header": header},
        "columns": look.columns,
        "spacing": {"row": 14, "column": 18},
        "spec": {"width": width, "height": height, "layer": drawn},
    }


def _title(look: Look) -> str:
    """The value, and for many small plots the time too, in place of a title at each of their axes."""
    label = plain(look.ylabel)
    return f"{label}, by {time_of(look)}" if look.panels else label


# --- what the site's script knows -----------------------------------------------------------------


def _meta(frame: pd.DataFrame, look: Look, rows: pd.DataFrame) -> dict[str, Any]:
    """What the lines are called and look like, in which groups a reader chooses them; steps; pages of records.

    Lines of models are chosen by their size and by their kind, others by their name.
    """
    names = list(look.styles)
    if look.series == "model":
        names.sort(key=lambda name: find_model(name).non_embedding_params)
    lines = [_line(name, look.styles[name], look.series) for name in names]
    found = {"lines": lines, "columns": look.columns if look.panels else 1}
    found["panels"] = list(dict.fromkeys(rows["p"])) if look.panels else [""]
    found["steps"] = sorted(rows["s"].unique().tolist())
    page = _pages(frame, look)
    return found | ({"pages": page} if page else {})


def _dark(look: Look) -> dict[str, str]:
    """What stands for each colour of the chart on a dark page."""
    own = {to_hex(style["color"]) for style in look.styles.values()}
    every = own | {legible(colour) for colour in own} | {REFERENCE, INK, MARK}
    return {colour: on_dark(colour) for colour in sorted(every)} | {WHITE: DARK}


def _line(name: str, style: Mapping[str, Any], series: str) -> dict[str, Any]:
    colour = to_hex(style["color"])
    line = {"name": plain(name), "colour": colour, "dark": on_dark(colour)}
    line["dash"] = DASHES[style["ls"]]
    if series != "model":
        return line | {"group": plain(series), "part": plain(name)}
    model = find_model(name)
    kind = _KINDS.get(style["ls"], model.variant)
    return line | {"group": model.suite, "part": model.size, "kind": kind}


def _pages(frame: pd.DataFrame, look: Look) -> list[str] | None:
    """Where the notebooks stand that measured the values: the folder, and how their names end after the step.

    None where values are no records, or of several measurements.
    """
    if look.series != "model" or not set(_PAGE) <= set(frame):
        return None
    of = frame[_PAGE].drop_duplicates()
    if len(of) > 1:
        return None
    suite, experiment, parameters = of.iloc[0]
    folder = address("..", "cells", suite, experiment)
    ending = address(f"{stem(0, parameters)}.html").removeprefix("step000000")
    return [folder, ending]
