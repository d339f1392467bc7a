"""What a chart of curves draws, layer upon layer: intervals, levels, lines, points, the marked step, names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis.curve_look import (
    DASHES,
    INK,
    MARK,
    PANEL,
    TALL,
    WHITE,
    Look,
    across,
    by_name,
    colour_of,
    ink_of,
    is_thin,
    late_step,
    legend_of,
    time_of,
    upward,
)
from pythia_utils.analysis.curve_rows import ROW, number_format, told_of_nearest, whole
from pythia_utils.analysis.end_labels import apart
from pythia_utils.analysis.palettes import REFERENCE
from pythia_utils.analysis.words import readable, without_suite
from pythia_utils.base.markup import plain

_FEW_POINTS = 40  # of a line: they are marked
_LABELLED = 8  # lines of a single plot that are named at their ends
_LABEL = 13  # pixels from one name to the next
_READ_OUT = 6  # values in one plot that are written beside the marked step


def layers(rows: pd.DataFrame, look: Look) -> list[dict]:
    """The layers of one plot; `rows` are those of `curve_rows.rows_of`."""
    layers = [*_intervals(rows, look), *_levels(rows), _marked_step(look), _lines(rows, look)]
    layers += [_points(rows, look), *_read_out(rows, look)]
    labels = _end_labels(rows, look)
    return layers + ([labels] if labels else [])


def _axes(rows: pd.DataFrame, look: Look) -> dict:
    """Both axes, with as many steps named as have room."""
    short = (
        "datum.value >= 10000 ? format(datum.value / 1000, '~f') + 'k' : format(datum.value, ',')"
    )
    along = {"title": None if look.panels else time_of(look), "labelExpr": short, "grid": True}
    along |= {"labelOverlap": "greedy", "labelSeparation": 8, "labelFlush": 10}
    many = {"tickCount": 4 if look.panels else 8}
    along |= {"values": _named_steps(rows["s"])} if look.log else many
    beside = {"title": None, "tickCount": 4 if look.panels else 6}
    return {"x": across(look) | {"axis": along}, "y": upward(look) | {"axis": beside}}


def _named_steps(steps: pd.Series) -> list:
    """Some of the steps, evenly over log2(1 + step), the first and the last among them."""
    every = np.array(sorted(set(steps)), dtype=float)
    time = np.log2(1 + every)
    wanted = np.linspace(time[0], time[-1], 13)
    near = sorted({int(np.abs(time - place).argmin()) for place in wanted})
    return [whole(every[place]) for place in near]


def _intervals(rows: pd.DataFrame, look: Look) -> list[dict]:
    """Bands, of all lines but those of other seeds; or bars."""
    if "l" not in rows:
        return []
    ends = {"y": upward(look, "l"), "y2": {"field": "h"}, "color": colour_of(look)}
    if look.bars:
        return [
            {
                "mark": {"type": "rule", "strokeWidth": 1},
                "encoding": {"x": across(look, "x")} | ends,
            }
        ]
    opacity = round(min(0.18, 1.2 / len(look.styles)), 3)
    kept = {"filter": {"and": [{"field": "l", "valid": True}, {"not": is_thin(look)}]}}
    return [
        {
            "transform": [kept],
            "mark": {"type": "area", "opacity": opacity},
            "encoding": {"x": across(look)} | ends,
        }
    ]


def _levels(rows: pd.DataFrame) -> list[dict]:
    """The reference, dashed, and the baseline, dotted; one of each in a panel."""
    looks = {"r": {"color": REFERENCE, "strokeDash": [6, 4]}}
    looks |= {"b": {"color": INK, "strokeDash": [2, 3], "strokeWidth": 1.6}}
    return [
        {
            "transform": [
                {"filter": {"field": name, "valid": True}},
                {"aggregate": [{"op": "min", "field": name, "as": name}], "groupby": []},
            ],
            "mark": {"type": "rule", "strokeWidth": 1} | look,
            "encoding": {"y": {"field": name, "type": "quantitative"}},
        }
        for name, look in looks.items()
        if name in rows
    ]


def _marked_step(look: Look) -> dict:
    """A line at the step that is marked, in each panel."""
    one = [
        {"aggregate": [{"op": "count", "as": "c"}], "groupby": []},
        {"calculate": "marked", "as": "s"},
    ]
    return {
        "transform": [*one, {"filter": f"marked !== null && inrange(marked, {list(look.steps)})"}],
        "mark": {"type": "rule", "strokeWidth": 1.2, "color": MARK},
        "encoding": {"x": {"field": "s", "type": "quantitative"}},
    }


def _lines(rows: pd.DataFrame, look: Look) -> dict:
    """The lines; the one pointed at is heavier."""
    near = {"test": "near.m && near.m[0] === datum.m", "value": 3.4}
    width = {"condition": [near, {"test": is_thin(look), "value": 0.9}], "value": 1.8}
    dash = by_name(look, lambda style: DASHES[style["ls"]], legend_of(look))
    field = {"x": across(look, "x")} if look.bars else {}
    return {
        "mark": {"type": "line", "clip": True},
        "encoding": _axes(rows, look)
        | field
        | {"color": colour_of(look), "strokeDash": dash}
        | {"strokeWidth": width, "detail": {"field": "m"}},
    }


def _points(rows: pd.DataFrame, look: Look) -> dict:
    """Each measurement, to be pointed at: marked where a line has few."""
    few = rows.groupby([n for n in ("m", "p") if n in rows], sort=False)["v"].transform("size")
    size = 16 if few.max() <= _FEW_POINTS else 0
    near = {"param": "near", "empty": False}
    return {
        "params": [
            {
                "name": "near",
                "select": {"type": "point", "on": "pointerover", "nearest": True}
                | {"fields": ["m", "s"] + (["p"] if look.panels else []), "clear": "pointerout"},
            }
        ],
        "mark": {"type": "point", "filled": True, "opacity": 1}
        | {"tooltip": told_of_nearest(_tooltip(rows, look))},
        "encoding": {
            "x": across(look, "x" if look.bars else "s"),
            "y": upward(look),
            "color": colour_of(look),
            "size": {
                "condition": [near | {"value": 70}, {"test": is_thin(look), "value": 0}],
                "value": size,
            },
        },
    }


def _tooltip(rows: pd.DataFrame, look: Look) -> list[tuple[str, str]]:
    """What a measurement is, in words, as pairs of a name and an expression; its heading is the line's name."""
    found = [("title", f"{ROW}.m")]
    found += [(plain(readable(look.panels)), f"{ROW}.p")] if look.panels else []
    found += [("step", f"format({ROW}.s, ',~f')")]
    found += [(plain(look.ylabel), f"format({ROW}.v, '{number_format(rows['v'])}')")]
    found += [("95% interval", f"{ROW}.i")] if "l" in rows else []
    return found + (
        [("n", f"isValid({ROW}.n) ? format({ROW}.n, ',~f') : 'not known'")] if "n" in rows else []
    )


def _read_out(rows: pd.DataFrame, look: Look) -> list[dict]:
    """At the marked step: the points, and, where they are few, their values beside them, moved apart."""
    at = {"filter": "datum.s === marked"}
    ring = {"mark": {"type": "point", "size": 60, "filled": True, "opacity": 1}}
    ring |= {
        "transform": [at],
        "encoding": {"x": across(look), "y": upward(look), "color": colour_of(look)},
    }
    low, high = look.limits
    gap = f"{12 * (high - low) / (PANEL[1] if look.panels else TALL):.6g}"
    order = {"sort": [{"field": "v"}], "frame": [None, 0], "groupby": []}
    moved_apart = [
        at,
        {"filter": {"not": is_thin(look)}},
        {"joinaggregate": [{"op": "count", "as": "c"}], "groupby": []},
        {"filter": f"datum.c <= {_READ_OUT if look.panels else 2 * _READ_OUT}"},
        {"window": [{"op": "row_number", "as": "k"}]} | order,
        {"calculate": f"datum.v - datum.k * {gap}", "as": "t"},
        {"window": [{"op": "max", "field": "t", "as": "t"}]} | order,
        {"calculate": f"datum.t + datum.k * {gap}", "as": "y"},
        {"calculate": f"format(datum.v, '{number_format(rows['v'])}')", "as": "w"},
    ]
    late = f"marked > {late_step(look):.6g}"  # no room at the right
    words = {"type": "text", "fontSize": 11, "fontWeight": 600, "baseline": "middle"}
    words |= {"align": {"expr": f"{late} ? 'right' : 'left'"}, "dx": {"expr": f"{late} ? -7 : 7"}}
    encoding = {
        "x": across(look),
        "y": upward(look, "y"),
        "text": {"field": "w"},
        "fill": ink_of(look),
    }
    written = {"transform": moved_apart, "mark": words, "encoding": encoding}
    ground = words | {"stroke": WHITE, "strokeWidth": 4, "strokeJoin": "round"}
    halo = written | {
        "mark": ground,
        "encoding": {k: v for k, v in encoding.items() if k != "fill"},
    }
    return [ring, halo, written]


def _end_labels(rows: pd.DataFrame, look: Look) -> dict | None:
    """The names of many lines at their ends, for a single plot that has room for them."""
    ends = rows.sort_values("s", kind="stable").groupby("m", sort=False).tail(1)
    thin = {plain(name) for name, style in look.styles.items() if "lw" in style}
    ends = ends[~ends["m"].isin(thin)]
    if look.panels or len(ends) < _LABELLED:
        return None
    low, high = look.limits
    heights = (ends["v"] - low) / (high - low) * TALL
    places = apart(list(heights), _LABEL, _LABEL / 2, TALL - _LABEL / 2)
    if places is None:
        return None
    values = [
        {"m": m, "w": _short(m, look), "y": round(low + place / TALL * (high - low), 6)}
        for m, place in zip(ends["m"], places, strict=True)
    ]
    seen = "shown === null || indexof(shown, datum.m) >= 0"
    words = {"type": "text", "align": "left", "baseline": "middle", "fontSize": 11, "dx": 6}
    encoding = {"x": {"value": "width"}, "y": upward(look, "y"), "text": {"field": "w"}}
    return {
        "data": {"values": values},
        "transform": [{"filter": seen}],
        "mark": words,
        "encoding": encoding | {"fill": ink_of(look)},
    }


def _short(name: str, look: Look) -> str:
    return without_suite(name) if look.series == "model" else name
