"""Values with their intervals, a row each, as Vega-Lite: the interactive form of `plots.interval_bars`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pythia_utils.analysis.curve_look import DARK, WHITE
from pythia_utils.analysis.curve_rows import (
    ROW,
    csv_data,
    digits_of,
    number_format,
    told_of_nearest,
    whole,
)
from pythia_utils.analysis.palettes import ACCENT, REFERENCE, on_dark
from pythia_utils.analysis.words import readable
from pythia_utils.base.markup import plain

_ROW, _AXIS = 24, 45  # pixels: a row, the steps and their title


def chart(
    frame: pd.DataFrame, label: str, xlabel: str, reference: float | None, title: str
) -> dict[str, Any]:
    """The specification; arguments as those of `plots.interval_bars`."""
    rows = _rows(frame, label)
    dark = {ACCENT: on_dark(ACCENT), REFERENCE: on_dark(REFERENCE), WHITE: DARK}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "usermeta": {"dark": dark, "height": _ROW * len(rows) + _AXIS * (2 if title else 1)},
        "data": csv_data(rows),
        "width": "container",
        "height": {"step": _ROW},
        "layer": [*_reference(reference), _bars(), _points(rows, xlabel)],
    }
    return spec | ({"title": plain(title)} if title else {})


def _rows(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    """In short: m, what a row is; v(alue), l(ow), h(igh); n and f(ound) where there are such."""
    digits = digits_of(frame["value"])
    rows = pd.DataFrame({"m": frame[label].map(lambda name: plain(readable(str(name))))})
    for short, name in (("v", "value"), ("l", "low"), ("h", "high")):
        rows[short] = frame[name].astype(float).round(digits)
    if "n" in frame and frame["n"].notna().any():
        rows["n"] = frame["n"].map(whole)
    if "found" in frame:
        rows["f"] = frame["found"].astype(int)
    return rows


def _reference(level: float | None) -> list[dict]:
    if level is None:
        return []
    mark = {"type": "rule", "strokeDash": [6, 4], "color": REFERENCE}
    return [
        {
            "data": {"values": [{"x": level}]},
            "mark": mark,
            "encoding": {"x": {"field": "x", "type": "quantitative"}},
        }
    ]


def _across(field: str) -> dict:
    return {"field": field, "type": "quantitative", "scale": {"zero": False}}


def _down() -> dict:
    axis = {"title": None, "labelLimit": 220, "grid": False}
    return {"field": "m", "type": "nominal", "sort": None, "axis": axis}


def _bars() -> dict:
    mark = {"type": "rule", "color": ACCENT, "strokeWidth": 1.6}
    return {"mark": mark, "encoding": {"x": _across("l"), "x2": {"field": "h"}, "y": _down()}}


def _points(rows: pd.DataFrame, xlabel: str) -> dict:
    """Those of rows that are no finds are open."""
    form = number_format(rows["v"])
    words = f"format(datum.l, '{form}') + ' to ' + format(datum.h, '{form}')"
    fill = {"value": ACCENT}
    if "f" in rows:
        fill = {"condition": {"test": "datum.f > 0", "value": ACCENT}, "value": WHITE}
    told = [
        ("title", f"{ROW}.m"),
        (plain(xlabel), f"format({ROW}.v, '{form}')"),
        ("95% interval", f"{ROW}.i"),
    ]
    told += (
        [("n", f"isValid({ROW}.n) ? format({ROW}.n, ',~f') : 'not known'")] if "n" in rows else []
    )
    across = _across("v") | {"axis": {"title": plain(xlabel), "titleAnchor": "end", "tickCount": 6}}
    near = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}
    return {
        "transform": [{"calculate": words, "as": "i"}],
        "params": [{"name": "near", "select": near}],
        "mark": {
            "type": "point",
            "filled": True,
            "opacity": 1,
            "stroke": ACCENT,
            "strokeWidth": 1.6,
        }
        | {"tooltip": told_of_nearest(told)},
        "encoding": {
            "x": across,
            "y": _down(),
            "fill": fill,
            "size": {"condition": {"param": "near", "empty": False, "value": 130}, "value": 55},
        },
    }
