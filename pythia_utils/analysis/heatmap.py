"""A model x step heatmap whose cells lead to the executed notebooks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis.plots import REFERENCE
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import address, vega
from pythia_utils.grid.failures import failures
from pythia_utils.grid.records import runs_dir, stem
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import errata_to_mark

if TYPE_CHECKING:
    import altair as alt

_EQUAL = 40  # steps that have columns of one width; where there are more the early ones are wider
_WHOLE = 100_000  # the width of all columns: places are whole numbers, which name their labels
# How a mark is drawn, in the square from -1 to 1.
_MARKS = {
    "known erratum": "M-1,-1L1,1M-1,1L1,-1",
    "failed": "M-1,-1L1,-1L1,1L-1,1ZM0,-0.6L0,0.2M0,0.5L0,0.6",
}


@or_words
def grid_heatmap(
    frame: pd.DataFrame, title: str, scheme: str = "viridis", reverse: bool = False
) -> None:
    """Show a model × step heatmap whose cells lead to the executed notebooks.

    A mark shows a checkpoint with a known erratum, measured or left out, and a run that failed; its tooltip
    says what is wrong. Of more than 40 steps the early ones, where models change most, get more of the width.

    Args:
        frame: records of one metric and subset: columns suite, experiment, parameters, model, n_params,
            step, value.
        title: what the colour is, with its unit.
        scheme: Vega colour scheme.
        reverse: low values get the strong colour.
    """
    import altair as alt  # only chapters draw one

    rows = frame[["model", "step", "value"]].assign(page=[_page(r) for r in frame.itertuples()])
    marks = _all_marks(frame, rows)
    places = columns([*rows["step"], *marks["step"]])
    order = sorted({*rows["model"], *marks["model"]}, key=_place)
    names = alt.Axis(labelLimit=250)  # a cut name of an intervention would be its sibling's
    y = alt.Y("model:N", title=None, sort=order, scale=alt.Scale(paddingInner=0.04), axis=names)
    where = [alt.Tooltip("model:N"), alt.Tooltip("step:Q", format=",")]
    drawn, border = _drawn(places)
    chart = (
        alt.Chart(rows.merge(drawn))
        .mark_rect(cursor="pointer", **border)
        .encode(
            x=_x_axis(places),
            x2="right:Q",
            y=y,
            color=alt.Color("value:Q", title=None, scale=alt.Scale(scheme=scheme, reverse=reverse)),
            href="page:N",
            tooltip=[*where, alt.Tooltip("value:Q", title=title, format=".3f")],
        )
    )
    if len(marks):
        size = 110 if len(places) <= _EQUAL else 40
        chart = alt.layer(chart, _marked(marks.merge(places), y, where, size))
    wider = "" if len(places) <= _EQUAL else "; early steps are drawn wider"
    text = f"{title} (click a cell for its notebook{wider})"
    show_chart(chart.properties(width="container", height=alt.Step(26), title=text))


def _page(row: object) -> str:
    """The address of a record's page. In a book the chapter stands in experiments/, its cells beside that."""
    name = f"{stem(row.step, row.parameters)}.html"
    return address("..", "cells", row.suite, row.experiment, row.model, name)


def _place(name: str) -> tuple:
    """Standard models above deduplicated ones, smaller ones first, the usual seed before others."""
    model = find_model(name)
    return model.variant != "standard", model.non_embedding_params, model.version, model.seed_name


# --- columns --------------------------------------------------------------------------------------


def columns(steps: Sequence[int]) -> pd.DataFrame:
    """Where the column of each step begins and ends, in 100,000 parts of the width.

    Half of the width is dealt out evenly, half by log2(1 + step): where steps are many, the first powers of
    two would have next to no room on an even axis, and the last thousands none on a logarithmic one.

    Args:
        steps: in any order, and repeated. Up to 40 different ones have one width.

    Returns:
        Columns step, left, right, middle (whole numbers), by step.
    """
    steps = np.array(sorted(set(steps)))
    widths = np.full(len(steps), 1 / len(steps))
    if len(steps) > _EQUAL:
        time = np.log2(1 + steps)
        gaps = np.diff(time, append=2 * time[-1] - time[-2])
        widths = widths / 2 + gaps / gaps.sum() / 2
    right = np.round(np.cumsum(widths) * _WHOLE).astype(int)
    left = np.concatenate([[0], right[:-1]])
    return pd.DataFrame(
        {"step": steps, "left": left, "right": right, "middle": (left + right) // 2}
    )


def _drawn(places: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """The columns as they are drawn, and the line around each cell: none where it would be much of a cell.

    Without lines each column reaches a little under the next one, or seams would show between them.
    """
    if len(places) <= _EQUAL:
        return places, {"stroke": "white", "strokeWidth": 1}
    return places.assign(right=(places["right"] + _WHOLE // 1000).clip(upper=_WHOLE)), {}


def _x_axis(places: pd.DataFrame) -> alt.X:
    """The axis of the columns: labels in their middles, as many as have room."""
    import altair as alt

    chosen = places if len(places) <= _EQUAL else places[_apart(places["middle"], _WHOLE * 0.07)]
    names = {str(r.middle): _short(r.step) for r in chosen.itertuples()}
    axis = alt.Axis(
        values=chosen["middle"].tolist(),
        labelExpr=f"({json.dumps(names)})[datum.value]",
        labelOverlap="greedy",
        labelSeparation=4,
        labelAngle=0,
        labelFlush=16,
        grid=False,
    )
    scale = alt.Scale(domain=[0, _WHOLE], nice=False, zero=False)
    return alt.X("left:Q", title="training step", axis=axis, scale=scale)


def _apart(places: Sequence[int], gap: float) -> list[bool]:
    """Which of some ascending places to keep: the first, the last, and between them none nearer than `gap`."""
    first, *between, last = places
    kept = [first]
    for place in between:
        if place - kept[-1] >= gap and last - place >= 1.5 * gap:  # the last label leans inwards
            kept.append(place)
    return [place in (*kept, last) for place in places]


def _short(step: int) -> str:
    """`512`, `1,000`, `143k`."""
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:,}"


# --- marks ----------------------------------------------------------------------------------------


def _all_marks(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Columns model, step, fault, kind, and page: None where there is none."""
    faults = _faults(frame).merge(rows[["model", "step", "page"]], how="left")
    marks = pd.concat([faults, _failed(frame)], ignore_index=True)
    pages = [page if isinstance(page, str) else None for page in marks["page"]]
    return marks.assign(page=pd.Series(pages, dtype="str"))  # of objects Altair makes NaN, no JSON


def _faults(frame: pd.DataFrame) -> pd.DataFrame:
    """The places of a grid whose checkpoints have a known erratum: columns model, step, fault, kind."""
    measured = {find_model(name): part["step"] for name, part in frame.groupby("model")}
    rows = [(*place, text, "known erratum") for place, text in errata_to_mark(measured).items()]
    return pd.DataFrame(rows, columns=["model", "step", "fault", "kind"])


def _failed(frame: pd.DataFrame) -> pd.DataFrame:
    """The usual runs of a grid that failed: columns as of `_faults`, and the page that tells."""
    rows = []
    for suite, experiment in (
        frame[["suite", "experiment"]].drop_duplicates().itertuples(index=False)
    ):
        for each in failures(runs_dir(), suite, experiment):
            if not each.parameters:
                name = f"{stem(each.step)}.html"
                page = address("..", "cells", suite, experiment, each.model, name)
                rows.append((each.model, each.step, each.error, "failed", page))
    return pd.DataFrame(rows, columns=["model", "step", "fault", "kind", "page"])


def _marked(marks: pd.DataFrame, y: alt.Y, where: list, size: int) -> alt.Chart:
    """A layer with a mark on each fault, which leads to the cell's page if there is one, and a legend."""
    import altair as alt

    kinds = [kind for kind in _MARKS if kind in set(marks["kind"])]
    look = {"symbolStrokeColor": REFERENCE, "symbolStrokeWidth": 2, "columns": 1}
    legend = alt.Legend(title=None, orient="top", **look)
    shapes = alt.Scale(domain=kinds, range=[_MARKS[kind] for kind in kinds])
    return (
        alt.Chart(marks)
        .mark_point(size=size, stroke=REFERENCE, strokeWidth=size**0.5 / 5, opacity=1)
        .encode(
            x=alt.X("middle:Q"),
            y=y,
            href="page:N",
            shape=alt.Shape("kind:N", scale=shapes, legend=legend),
            tooltip=[*where, alt.Tooltip("fault:N")],
        )
    )


def show_chart(chart: alt.TopLevelMixin) -> None:
    """Display an Altair chart for JupyterLab and, as data for the book's own script, for the site."""
    from IPython.display import display

    spec = chart.to_dict()
    # Lab knows Vega-Lite up to version 5; our charts use nothing newer.
    html = f'<div class="vega-chart"><script type="application/json">{vega(spec)}</script></div>'
    display({"application/vnd.vegalite.v5+json": spec, "text/html": html}, raw=True)
