"""Figures of the chapter on geometry and of its cells, in the style of `analysis.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from pythia_utils.analysis import alt_text, palettes, plots
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.geometry import tables
from pythia_utils.analysis.geometry.names import STREAM, kind_and_layer, some
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext

_MOST = 6  # layers with a map of their own
_VALUES = 40  # squares of a map in which their values are written
_MAP = "viridis"
_KIND = "Maps of coloured squares"


def spectra(found: Mapping[str, np.ndarray]) -> Figure:
    """Singular values over the greatest, from the greatest down: a line a matrix, a colour a kind.

    Args:
        found: of `measures.weights`.
    """
    kinds = [kind_and_layer(subset)[0] for subset in found]
    colours = palettes.category_palette(list(dict.fromkeys(kinds)))
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    for kind, singular in zip(kinds, found.values(), strict=True):
        shares = singular / max(singular[0], np.finfo(float).tiny)
        places = np.linspace(0, 1, len(singular))
        axes.plot(places, shares, color=colours[kind], lw=1.3, label=mathtext(kind))
    axes.set(xlabel="place from the greatest down, as a share of all", ylim=(-0.03, 1.03))
    axes.set_ylabel("singular value / greatest")
    plots.legend_above(figure)
    drawn = _at_places(found)
    what, along = "singular values over the greatest", "their place, as a share of all"
    return framed(
        figure,
        alt_text.lines(drawn, what, along, "kind", x="place"),
        "Singular values of each matrix over its greatest one, from the greatest down.",
        name="singular-values",
        data=drawn,
    )


def _at_places(found: Mapping[str, np.ndarray], places: int = 21) -> pd.DataFrame:
    """The curves at as many evenly spaced places: a file of all values would be heavy."""
    at = np.linspace(0, 1, places)
    rows = [
        pd.DataFrame({"matrix": subset, "kind": kind_and_layer(subset)[0], "place": at, "value": y})
        for subset, own in found.items()
        for y in [np.interp(at, np.linspace(0, 1, len(own)), own / max(own[0], 1e-300))]
    ]
    return pd.concat(rows, ignore_index=True)


@or_words
def stream(frame: pd.DataFrame) -> Figure | None:
    """One checkpoint by depth: anisotropy of the residual stream, and CKA with other steps of the model.

    Args:
        frame: its records.
    """
    rows = tables.by_matrix(frame, "anisotropy")
    return _stream(rows[rows["kind"] == STREAM], tables.over_steps(frame))


@or_words
def _stream(rows: pd.DataFrame, others: pd.DataFrame) -> Figure:
    figure, axes = plt.subplots(1, 2 if len(others) else 1, figsize=(7.2, 2.8), squeeze=False)
    first = axes[0, 0]
    first.plot(rows["layer"].astype(int), rows["value"], "o-", color=palettes.ACCENT, ms=4)
    first.axhline(0, color=palettes.REFERENCE, ls="--", lw=1)
    first.set(xlabel="layer", ylabel="anisotropy")
    first.xaxis.get_major_locator().set_params(integer=True)
    if len(others):
        table = others.pivot_table(index="layer", columns="other_step", values="value")
        _map(axes[0, 1], table, "CKA with itself at step", "layer")
    drawn = pd.concat([rows.assign(what="anisotropy"), others.assign(what="CKA")])
    told = [alt_text.rows(rows, "the residual stream's anisotropy by layer", "layer")]
    if len(others):
        by = {"layer": "layer", "other_step": "step"}
        told.append(alt_text.crossed(others, "Map of squares", "CKA with itself", by))
    caption = "Anisotropy of the residual stream by layer" + "; CKA with other steps" * bool(
        told[1:]
    )
    columns = [c for c in ("what", "layer", "other_step", "value") if c in drawn]
    return framed(figure, alt_text.together(*told), f"{caption}.", "stream", drawn[columns])


def _map(axes: Axes, table: pd.DataFrame, xlabel: str, ylabel: str) -> AxesImage:
    """A table of CKA as squares, coloured from 0 to 1, with their values where there are few."""
    values = table.to_numpy(float)
    image = axes.imshow(values, vmin=0, vmax=1, cmap=_MAP, aspect="auto", origin="lower")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    _ticks(axes.set_xticks, table.columns, rotation=90 * (max(table.columns) > 99))
    _ticks(axes.set_yticks, table.index)
    axes.grid(visible=False)
    if values.size <= _VALUES:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "black" if value > 0.6 else "white"
                look = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
                axes.text(column, row, f"{value:.2f}", **look)
    return image


def _ticks(set_them, names: Sequence[int], **look) -> None:
    shown = sorted(some(range(len(names)), 12))
    set_them(shown, [f"{names[place]:,}" for place in shown], fontsize=8, **look)


# --- the chapter's --------------------------------------------------------------------------------


@or_words
def over_steps(rows: pd.DataFrame) -> Figure:
    """CKA of one model between steps: a map of measured by other steps for each layer, at most six of them.

    Args:
        rows: of `tables.over_steps`, of one model.
    """
    layers = sorted(some(map(int, rows["layer"].unique()), _MOST))
    columns = min(3, len(layers))
    lines = -(-len(layers) // columns)
    size = (7.4, 0.5 + 2.5 * lines)
    figure, grid = plt.subplots(
        lines, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for axes, layer in zip(grid.flat, layers, strict=False):
        image = _map(axes, tables.step_map(rows[rows["layer"] == layer]), "", "")
        axes.set_title(f"layer {layer}", fontsize=8.5, fontweight="normal")
    for axes in grid.flat[len(layers) :]:
        axes.set_visible(False)
    figure.supxlabel("other step", fontsize="medium")
    figure.supylabel("step", fontsize="medium")
    figure.colorbar(image, ax=grid, label="CKA", shrink=0.8)
    drawn = rows[rows["layer"].astype(int).isin(layers)]
    by = {"step": "step", "other_step": "other step", "layer": "layer"}
    return framed(
        figure,
        alt_text.crossed(drawn, _KIND, "CKA of a model with itself", by),
        f"CKA of {rows['model'].iloc[0]} between its steps, a map a layer.",
        name="cka-between-steps",
        data=drawn[["model", *by, "value"]],
    )


@or_words
def layer_maps(rows: pd.DataFrame) -> Figure:
    """CKA of each layer of a model with each of another one, at the first and at the last step measured.

    Args:
        rows: of `tables.between`, of one pair of models.
    """
    steps = sorted({int(rows["step"].min()), int(rows["step"].max())})
    size = (1.2 + 3 * len(steps), 3)
    figure, grid = plt.subplots(1, len(steps), figsize=size, sharey=True, squeeze=False)
    for axes, step in zip(grid.flat, steps, strict=True):
        own = rows[rows["step"] == step]
        table = own.pivot_table(index="layer", columns="other_layer", values="value")
        image = _map(axes, table, f"layer of {mathtext(rows['other'].iloc[0])}", "")
        axes.set_title(f"step {step:,}", fontsize=9)
    grid[0, 0].set_ylabel(f"layer of {mathtext(rows['model'].iloc[0])}")
    figure.colorbar(image, ax=grid, label="CKA", shrink=0.9)
    drawn = rows[rows["step"].isin(steps)]
    by = {"layer": "layer", "other_layer": "other layer", "step": "step"}
    pair = f"{rows['model'].iloc[0]} with those of {rows['other'].iloc[0]}"
    return framed(
        figure,
        alt_text.crossed(drawn, _KIND, f"CKA of the layers of {pair}", by),
        f"CKA of each layer of {pair}.",
        name="cka-of-layers",
        data=drawn[["model", "other", *by, "value"]],
    )


@or_words
def relations(rows: pd.DataFrame) -> Figure:
    """CKA with relatives over training at three depths; bands are the range over all pairs compared.

    Args:
        rows: of `tables.places`.
    """
    own = tables.OWN_START
    dashed = [own] if (rows["what"] == own).any() else []
    how = {"panels": "place", "series": "what", "dashed": dashed, "reference": 0}
    caption = "CKA with relatives at three depths; bands are the range over all pairs compared."
    return framed(
        plots.trajectories(rows, "CKA", **how), caption=caption, name="cka-with-relatives"
    )
