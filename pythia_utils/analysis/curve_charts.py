"""Curves over training as Vega-Lite: the interactive form of the pictures that `plots.trajectories` draws.

The chart stands by itself in JupyterLab. On the site the script `charts.js` fits it to the page, and moves its
two parameters: `shown`, the names of the lines that are to be seen (null: all), and `marked`, a training step.
What the script must know beside Vega-Lite is in `usermeta`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from pythia_utils.analysis.end_labels import apart
from pythia_utils.analysis.palettes import REFERENCE, luminance, on_dark
from pythia_utils.analysis.words import readable, without_suite
from pythia_utils.base.markup import address, plain
from pythia_utils.grid.records import stem
from pythia_utils.suites.catalog import find_model

WIDE, TALL = 620, 320  # pixels of a single plot
_PANEL = (200, 130)  # of one of several
_FEW_POINTS = 40  # of a line: they are marked
_LABELLED = 8  # lines of a single plot that are named at their ends
_LABEL = 13  # pixels from one name to the next
_READ_OUT = 6  # values in one plot that are written beside the marked step
_DASHES = {"-": [1, 0], ":": [2, 3], "--": [6, 4], "-.": [8, 3, 2, 3]}
_KINDS = {"-": "standard", ":": "deduped", "--": "another seed"}
_INK, _MARK = "#1f2a30", "#52616a"
_PAGE = ["suite", "experiment", "parameters"]  # with model and step: a record's page


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        styles: of each line: matplotlib's color and ls; lw where it is another seed's, thin and without a band.
        ylabel: what the value is, with its unit.
        limits: the lowest and the highest value of the axis.
        steps: the first and the last.
        series: column that names the lines.
        panels: column whose values get a panel each; None for one plot.
        columns: panels in a row.
        log: training time as log2(1 + step).
        reference: a dashed line: one, or by panel.
        baseline: a dotted line by panel.
        bars: intervals as bars, side by side, in place of bands.
    """

    styles: Mapping[str, Mapping[str, Any]]
    ylabel: str
    limits: tuple[float, float]
    steps: tuple[float, float]
    series: str = "model"
    panels: str | None = None
    columns: int = 1
    log: bool = True
    reference: float | Mapping[str, float] | None = None
    baseline: Mapping[str, float] | None = None
    bars: bool = False


def chart(frame: pd.DataFrame, look: Look) -> dict[str, Any]:
    """The specification of a figure of curves.

    Args:
        frame: columns step, value; low, high and n where there are such; those that `look` names.
        look: how it is drawn, in the picture too.
    """
    rows = _rows(frame, look)
    layers = _layers(rows, look)
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "usermeta": {"curves": _meta(frame, look, rows)},
        "title": {"text": _title(look), "anchor": "start", "fontSize": 13, "fontWeight": "normal"},
        "params": [{"name": "shown", "value": None}, {"name": "marked", "value": None}],
        "data": _data(rows),
        "transform": _words(rows),
    }
    if not look.panels:
        return spec | {"width": WIDE, "height": TALL, "layer": layers}
    width, height = _PANEL
    header = {"title": None, "labelAnchor": "start", "labelFontSize": 12, "labelPadding": 4}
    return spec | {
        "facet": {"field": "p", "type": "nominal", "sort": None, "header": header},
        "columns": look.columns,
        "spacing": {"row": 14, "column": 18},
        "spec": {"width": width, "height": height, "layer": layers},
    }


def _title(look: Look) -> str:
    """The value, and for many small plots the time too, in place of a title at each of their axes."""
    label = plain(look.ylabel)
    return f"{label}, by {_time(look)}" if look.panels else label


def _time(look: Look) -> str:
    return f"training step{' (log scale)' if look.log else ''}"


# --- the numbers ----------------------------------------------------------------------------------


def _rows(frame: pd.DataFrame, look: Look) -> pd.DataFrame:
    """What is drawn, in short: m(odel), s(tep), v(alue), and where there are l(ow), h(igh), n, p(anel),
    r(eference), b(aseline), x where bars stand beside the step."""
    rows = pd.DataFrame({"m": frame[look.series].map(plain), "s": frame["step"].map(_number)})
    if look.panels:
        rows["p"] = frame[look.panels].map(_panel_name)
    digits = _digits(frame["value"])
    for short, name in (("v", "value"), ("l", "low"), ("h", "high")):
        if name in frame and frame[name].notna().any():
            rows[short] = frame[name].astype(float).round(digits)
    if "n" in frame and frame["n"].notna().any():
        rows["n"] = frame["n"].map(_number)
    panel = frame[look.panels] if look.panels else pd.Series("", frame.index)
    for short, levels in (("r", look.reference), ("b", look.baseline)):
        if levels is not None:
            level = panel.map(levels) if isinstance(levels, Mapping) else levels
            rows[short] = pd.Series(level, frame.index).astype(float).round(digits + 1)
    if look.bars:
        rows["x"] = _beside(rows, list(look.styles), look.log)
    return rows.dropna(subset="v")


def _panel_name(name: object) -> str:
    return plain(readable(str(name)))


def _number(value: float) -> float | int | None:
    """A step or a count: mostly whole; None where there is none."""
    if pd.isna(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 2)


def _digits(values: pd.Series) -> int:
    """Behind the point, so that the largest value has four significant digits."""
    largest = float(values.abs().max())
    if not largest or not math.isfinite(largest):
        return 4
    return int(np.clip(3 - math.floor(math.log10(largest)), 0, 8))


def _beside(rows: pd.DataFrame, names: Sequence[str], log: bool) -> pd.Series:
    """Steps moved to the sides, each line by its own distance, as the picture has them."""
    time = rows["s"].astype(float)
    time = np.log2(1 + time) if log else time
    places = np.sort(time.unique())
    width = 0.35 * np.diff(places).min() if len(places) > 1 and len(names) > 1 else 0
    shifts = dict(
        zip(map(plain, names), np.linspace(-width / 2, width / 2, len(names)), strict=True)
    )
    moved = time + rows["m"].map(shifts)
    return (2**moved - 1 if log else moved).round(4)


def _data(rows: pd.DataFrame) -> dict:
    """The rows as CSV, which is half as long as JSON."""
    kinds = {name: "number" for name in rows if name not in ("m", "p")}
    kinds |= {name: "string" for name in ("m", "p") if name in rows}
    text = rows.to_csv(index=False, lineterminator="\n")
    return {"values": text, "format": {"type": "csv", "parse": kinds}}


def _words(rows: pd.DataFrame) -> list[dict]:
    """Only what is to be shown; and the interval as the words of a tooltip."""
    found = [{"filter": "shown === null || indexof(shown, datum.m) >= 0"}]
    if "l" in rows:
        form = _format(rows)
        words = f"format(datum.l, '{form}') + ' to ' + format(datum.h, '{form}')"
        known = "isValid(datum.l) && isValid(datum.h)"
        found.append({"calculate": f"{known} ? {words} : 'not known'", "as": "i"})
    return found


def _format(rows: pd.DataFrame) -> str:
    return f",.{max(_digits(rows['v']) - 1, 0)}f"


# --- what is drawn --------------------------------------------------------------------------------


def _layers(rows: pd.DataFrame, look: Look) -> list[dict]:
    layers = [*_intervals(rows, look), *_levels(rows), _marked_step(look), _lines(rows, look)]
    layers += [_points(rows, look), *_read_out(rows, look)]
    labels = _end_labels(rows, look)
    return layers + ([labels] if labels else [])


def _x(look: Look, field: str = "s") -> dict:
    scale = {"type": "symlog", "constant": 1} if look.log else {}
    scale |= {"domain": list(look.steps), "nice": False, "zero": False, "padding": 6}
    return {"field": field, "type": "quantitative", "scale": scale}


def _y(look: Look, field: str = "v") -> dict:
    scale = {"domain": [float(f"{end:.6g}") for end in look.limits], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "scale": scale}


def _axes(rows: pd.DataFrame, look: Look) -> dict:
    """Both axes, with as many steps named as have room."""
    short = (
        "datum.value >= 10000 ? format(datum.value / 1000, '~f') + 'k' : format(datum.value, ',')"
    )
    across = {"title": None if look.panels else _time(look), "labelExpr": short, "grid": True}
    across |= {"labelOverlap": "greedy", "labelSeparation": 8, "labelFlush": 10}
    across |= (
        {"values": _named_steps(rows["s"])} if look.log else {"tickCount": 4 if look.panels else 8}
    )
    up = {"title": None, "tickCount": 4 if look.panels else 6}
    return {"x": _x(look) | {"axis": across}, "y": _y(look) | {"axis": up}}


def _named_steps(steps: pd.Series) -> list:
    """Some of the steps, evenly over log2(1 + step), the first and the last among them."""
    every = np.array(sorted(set(steps)), dtype=float)
    time = np.log2(1 + every)
    wanted = np.linspace(time[0], time[-1], 13)
    near = sorted({int(np.abs(time - place).argmin()) for place in wanted})
    return [_number(every[place]) for place in near]


def _by_name(look: Look, of: Any, legend: Any = None) -> dict:
    """A channel that each line has its own value of."""
    names = list(look.styles)
    scale = {
        "domain": [plain(name) for name in names],
        "range": [of(look.styles[n]) for n in names],
    }
    return {"field": "m", "type": "nominal", "scale": scale, "legend": legend}


def _colour(look: Look, legend: Any = None) -> dict:
    return _by_name(look, lambda style: to_hex(style["color"]), legend)


def _is_thin(look: Look) -> dict:
    """Which lines have no band, and their points no mark: those of other seeds, and what was not measured."""
    return {
        "field": "m",
        "oneOf": [plain(name) for name, how in look.styles.items() if "lw" in how],
    }


def _legend(look: Look) -> dict | None:
    if len(look.styles) < 2:
        return None
    return {"orient": "top", "title": None, "columns": 6, "symbolType": "stroke", "symbolLimit": 60}


def _intervals(rows: pd.DataFrame, look: Look) -> list[dict]:
    """Bands, of all lines but those of other seeds; or bars."""
    if "l" not in rows:
        return []
    ends = {"y": _y(look, "l"), "y2": {"field": "h"}, "color": _colour(look)}
    if look.bars:
        return [
            {"mark": {"type": "rule", "strokeWidth": 1}, "encoding": {"x": _x(look, "x")} | ends}
        ]
    opacity = round(min(0.18, 1.2 / len(look.styles)), 3)
    kept = {"filter": {"and": [{"field": "l", "valid": True}, {"not": _is_thin(look)}]}}
    return [
        {
            "transform": [kept],
            "mark": {"type": "area", "opacity": opacity},
            "encoding": {"x": _x(look)} | ends,
        }
    ]


def _levels(rows: pd.DataFrame) -> list[dict]:
    """The reference, dashed, and the baseline, dotted; one of each in a panel."""
    looks = {"r": {"color": REFERENCE, "strokeDash": [6, 4]}}
    looks |= {"b": {"color": _INK, "strokeDash": [2, 3], "strokeWidth": 1.6}}
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
        "mark": {"type": "rule", "strokeWidth": 1.2, "color": _MARK},
        "encoding": {"x": {"field": "s", "type": "quantitative"}},
    }


def _lines(rows: pd.DataFrame, look: Look) -> dict:
    """The lines; the one pointed at is heavier."""
    near = {"test": "near.m && near.m[0] === datum.m", "value": 3.4}
    width = {"condition": [near, {"test": _is_thin(look), "value": 0.9}], "value": 1.8}
    dash = _by_name(look, lambda style: _DASHES[style["ls"]], _legend(look))
    field = {"x": _x(look, "x")} if look.bars else {}
    return {
        "mark": {"type": "line", "clip": True},
        "encoding": _axes(rows, look)
        | field
        | {"color": _colour(look, _legend(look)), "strokeDash": dash}
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
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {
            "x": _x(look, "x" if look.bars else "s"),
            "y": _y(look),
            "color": _colour(look),
            "size": {
                "condition": [near | {"value": 70}, {"test": _is_thin(look), "value": 0}],
                "value": size,
            },
            "tooltip": _tooltip(rows, look),
        },
    }


def _tooltip(rows: pd.DataFrame, look: Look) -> list[dict]:
    """What a measurement is, in words; its heading is the line's name."""
    found = [{"field": "m", "title": "title"}]
    found += [{"field": "p", "title": plain(readable(look.panels))}] if look.panels else []
    found.append({"field": "s", "type": "quantitative", "title": "step", "format": ",~f"})
    form = _format(rows)
    found.append(
        {"field": "v", "type": "quantitative", "title": plain(look.ylabel), "format": form}
    )
    found += [{"field": "i", "title": "95% interval"}] if "l" in rows else []
    if "n" in rows:
        found.append({"field": "n", "type": "quantitative", "title": "n", "format": ",~f"})
    return found


def _read_out(rows: pd.DataFrame, look: Look) -> list[dict]:
    """At the marked step: the points, and, where they are few, their values beside them, moved apart."""
    at = {"filter": "datum.s === marked"}
    ring = {"mark": {"type": "point", "size": 60, "filled": True, "opacity": 1}}
    ring |= {"transform": [at], "encoding": {"x": _x(look), "y": _y(look), "color": _colour(look)}}
    low, high = look.limits
    gap = f"{12 * (high - low) / (_PANEL[1] if look.panels else TALL):.6g}"
    order = {"sort": [{"field": "v"}], "frame": [None, 0], "groupby": []}
    moved_apart = [
        at,
        {"filter": {"not": _is_thin(look)}},
        {"joinaggregate": [{"op": "count", "as": "c"}], "groupby": []},
        {"filter": f"datum.c <= {_READ_OUT if look.panels else 2 * _READ_OUT}"},
        {"window": [{"op": "row_number", "as": "k"}]} | order,
        {"calculate": f"datum.v - datum.k * {gap}", "as": "t"},
        {"window": [{"op": "max", "field": "t", "as": "t"}]} | order,
        {"calculate": f"datum.t + datum.k * {gap}", "as": "y"},
        {"calculate": f"format(datum.v, '{_format(rows)}')", "as": "w"},
    ]
    late = f"marked > {_late(look):.6g}"  # no room at the right
    words = {"type": "text", "fontSize": 11, "fontWeight": 600, "baseline": "middle"}
    words |= {"align": {"expr": f"{late} ? 'right' : 'left'"}, "dx": {"expr": f"{late} ? -7 : 7"}}
    encoding = {"x": _x(look), "y": _y(look, "y"), "text": {"field": "w"}, "color": _ink(look)}
    return [ring, {"transform": moved_apart, "mark": words, "encoding": encoding}]


def _late(look: Look) -> float:
    """The step at four fifths of the axis."""
    first, last = (math.log2(1 + step) if look.log else step for step in look.steps)
    at = first + 0.8 * (last - first)
    return 2**at - 1 if look.log else at


def _ink(look: Look) -> dict:
    """A line's colour for words: dark enough to read."""
    return _by_name(look, lambda style: legible(to_hex(style["color"])))


def legible(colour: str) -> str:
    """A colour `#rrggbb`, darkened where it must be to have 4.5:1 on white."""
    strong = luminance(colour)
    most = 1.05 / 4.5 - 0.05
    if strong <= most:
        return colour
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return to_hex([part * (most / strong) ** (1 / 2.2) * 0.99 for part in parts])


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
    encoding = {"x": {"value": "width"}, "y": _y(look, "y"), "text": {"field": "w"}}
    return {
        "data": {"values": values},
        "transform": [{"filter": seen}],
        "mark": words,
        "encoding": encoding | {"color": _ink(look)},
    }


def _short(name: str, look: Look) -> str:
    return without_suite(name) if look.series == "model" else name


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
    used = {REFERENCE, _INK, _MARK, *(line["colour"] for line in lines)}
    used |= {legible(line["colour"]) for line in lines}
    found["dark"] = {colour: on_dark(colour) for colour in sorted(used)}
    found["steps"] = sorted(rows["s"].unique().tolist())
    page = _pages(frame, look)
    return found | ({"pages": page} if page else {})


def _line(name: str, style: Mapping[str, Any], series: str) -> dict[str, Any]:
    colour = to_hex(style["color"])
    line = {"name": plain(name), "colour": colour, "dark": on_dark(colour)}
    line["dash"] = _DASHES[style["ls"]]
    if series != "model":
        return line | {"group": plain(series), "part": plain(name)}
    model = find_model(name)
    kind = _KINDS.get(style["ls"], model.variant)
    return line | {"group": model.suite, "part": model.size, "kind": kind}


def _pages(frame: pd.DataFrame, look: Look) -> list[str] | None:
    """Where the notebooks stand that measured the values: the folder, and how their names end behind the step.

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
