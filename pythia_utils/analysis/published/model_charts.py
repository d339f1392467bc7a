"""Published numbers of a model by step, as a chart: one measure at a time, which a list below it chooses."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Sequence

from pythia_utils.analysis.published.model_rows import Row
from pythia_utils.base.markup import vega

_NAMES, _DATA = ("measure", "line"), ("run", "measure", "step", "value", "bottom", "top")
_FEWEST = 3  # steps of a line
_COLOURS = 7  # told apart in the book's own list; of more runs each is grey until it is pointed at
_TICKS = [0, 1, 8, 64, 512, 4000, 32000, 143000]


def curves(rows: Sequence[Row], description: str) -> str:
    """The HTML of a chart; empty where no measure has three steps.

    Args:
        rows: of `model_rows`, of one table.
        description: what a screen reader says of the chart.
    """
    steps: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        steps.setdefault((row.measure, row.line), set()).add(row.step)
    measures = {measure for (measure, _), own in steps.items() if len(own) >= _FEWEST}
    shown = [row for row in rows if row.measure in measures]
    if not shown:
        return ""
    spec = vega(_spec(shown, description))  # for the book's script, which draws it
    return f'<div class="vega-chart"><script type="application/json">{spec}</script></div>'


def _spec(rows: Sequence[Row], description: str) -> dict:
    measures, lines = (list(dict.fromkeys(getattr(r, n) for r in rows)) for n in _NAMES)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": description,
        "height": 300,
        "data": _data(rows, measures, lines),
        **_one_of(measures),
        "encoding": {"x": _steps({row.step for row in rows}), "color": _colour(lines)},
        "transform": _transform(measures, lines),
        "layer": [_intervals(), _lines(many=len(lines) > _COLOURS)],
    }


def _data(rows: Sequence[Row], measures: Sequence[str], lines: Sequence[str]) -> dict:
    """A line a number; names by their places in these lists, for they are long and come again and again."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_DATA)
    run, measure = ({name: n for n, name in enumerate(names)} for names in (lines, measures))
    for row in rows:
        numbers = map(_written, (row.value, row.bottom, row.top))
        writer.writerow([run[row.line], measure[row.measure], row.step, *numbers])
    types = {"type": "csv", "parse": dict.fromkeys(_DATA, "number")}
    return {"values": file.getvalue(), "format": types}


def _written(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5g}"


def _transform(measures: Sequence[str], lines: Sequence[str]) -> list[dict]:
    named = {"calculate": f"{json.dumps(lines)}[datum.run]", "as": "line"}
    chosen = {"filter": f"{json.dumps(measures)}[datum.measure] === shown"}
    return [chosen, named] if len(measures) > 1 else [named]


def _one_of(measures: Sequence[str]) -> dict:
    """A list to choose from, where there are several; the choice is the chart's title."""
    if len(measures) == 1:
        return {"title": measures[0]}
    choice = {"input": "select", "options": [*measures], "name": "Measure: "}
    shown = {"name": "shown", "value": measures[0], "bind": choice}
    return {"params": [shown], "title": {"text": {"expr": "shown"}}}


def _steps(steps: Collection[int]) -> dict:
    """The axis: even in the logarithm, with a place for 0, where the steps span more than a decade."""
    axis = {"title": "training step", "format": ",d", "grid": False, "labelOverlap": True}
    field = {"field": "step", "type": "quantitative"}
    first, last = min(steps), max(steps)
    if last < 20 * max(first, 1):
        return field | {"scale": {"zero": False}, "axis": axis}
    ticks = [tick for tick in _TICKS if first <= tick <= last]
    scale = {"type": "symlog", "constant": 1, "domain": [first, last]}
    return field | {"scale": scale, "axis": axis | {"values": ticks}}


def _colour(lines: Sequence[str]) -> dict:
    field = {"field": "line", "type": "nominal", "sort": [*lines]}
    if len(lines) > _COLOURS or len(lines) == 1:
        return field | {"scale": {"range": ["#0072b2" if len(lines) == 1 else "#7f8a93"]}} | _NONE
    return field | {"legend": {"title": None, "orient": "top", "columns": 2, "labelLimit": 330}}


_NONE = {"legend": None}


def _intervals() -> dict:
    value = {"field": "bottom", "type": "quantitative"}
    return {
        "transform": [{"filter": "isValid(datum.bottom)"}],
        "mark": {"type": "rule", "opacity": 0.45},
        "encoding": {"y": value, "y2": {"field": "top"}},
    }


def _lines(many: bool) -> dict:
    told = [{"field": "line", "title": "run"}, {"field": "step", "format": ",d"}]
    titles = {"value": "value", "bottom": "from", "top": "to"}
    told += [{"field": n, "type": "quantitative", "title": title} for n, title in titles.items()]
    y = {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}}
    mark = {"type": "line", "strokeWidth": 1 if many else 2, "point": {"size": 30}}
    return {"mark": mark, "encoding": {"y": y, "tooltip": told}}
