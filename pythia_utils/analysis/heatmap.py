"""A model x step heatmap whose cells lead to the executed notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis.plots import REFERENCE
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import address, vega
from pythia_utils.grid.records import stem
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import errata_to_mark

if TYPE_CHECKING:
    import altair as alt


@or_words
def grid_heatmap(
    frame: pd.DataFrame, title: str, scheme: str = "viridis", reverse: bool = False
) -> None:
    """Show a model × step heatmap whose cells lead to the executed notebooks.

    A cross marks checkpoints with a known erratum, measured or left out; its tooltip says what it is.

    Args:
        frame: records of one metric and subset: columns suite, experiment, parameters, model, n_params,
            step, value.
        title: what the colour is, with its unit.
        scheme: Vega colour scheme.
        reverse: low values get the strong colour.
    """
    import altair as alt  # only chapters draw one

    # In a book the chapter stands in experiments/, and its cells' pages beside that folder.
    pages = [
        address("..", "cells", r.suite, r.experiment, r.model, f"{stem(r.step, r.parameters)}.html")
        for r in frame.itertuples()
    ]
    rows = frame[["model", "step", "value"]].assign(page=pages)
    order = sorted(frame["model"].unique(), key=_place)
    steps = alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=4)
    place = {
        "x": alt.X("step:O", title="training step", axis=steps),
        "y": alt.Y("model:N", title=None, sort=order),
    }
    where = [alt.Tooltip("model:N"), alt.Tooltip("step:O")]
    chart = (
        alt.Chart(rows)
        .mark_rect(stroke="white", strokeWidth=1, cursor="pointer")
        .encode(
            **place,
            color=alt.Color("value:Q", title=None, scale=alt.Scale(scheme=scheme, reverse=reverse)),
            href="page:N",
            tooltip=[*where, alt.Tooltip("value:Q", title=title, format=".3f")],
        )
    )
    if len(faults := _faults(frame)):
        faults = faults.merge(rows[["model", "step", "page"]], how="left")
        chart = alt.layer(chart, _crosses(faults, place, where))
    text = f"{title} (click a cell for its notebook)"
    show_chart(chart.properties(width="container", height=alt.Step(26), title=text))


def _place(name: str) -> tuple:
    """Standard models above deduplicated ones, smaller ones first, the usual seed before others."""
    model = find_model(name)
    return model.variant != "standard", model.non_embedding_params, model.version, model.seed_name


def _faults(frame: pd.DataFrame) -> pd.DataFrame:
    """The places of a grid whose checkpoints have a known erratum: columns model, step, fault, kind."""
    measured = {find_model(name): part["step"] for name, part in frame.groupby("model")}
    rows = [(*place, text, "known erratum") for place, text in errata_to_mark(measured).items()]
    return pd.DataFrame(rows, columns=["model", "step", "fault", "kind"])


def _crosses(faults: pd.DataFrame, place: dict, where: list) -> alt.Chart:
    """A layer with a cross on each fault, which leads to the cell's page if there is one, and a legend."""
    import altair as alt

    legend = alt.Legend(title=None, orient="top", symbolStrokeColor=REFERENCE, symbolStrokeWidth=2)
    cross = alt.Scale(domain=["known erratum"], range=["M-1,-1L1,1M-1,1L1,-1"])
    return (
        alt.Chart(faults)
        .mark_point(size=120, stroke=REFERENCE, strokeWidth=2, opacity=1)
        .encode(
            **place,
            href="page:N",
            shape=alt.Shape("kind:N", scale=cross, legend=legend),
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
