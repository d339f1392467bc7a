"""Figures of patching: which parts restore the right verb, and where along the text the difference is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import REFERENCE, category_palette
from pythia_utils.analysis.plots import legend_above, shown_name
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_WRITTEN = 8  # columns of a map whose squares have room for a number
_PLACES = {"changed": "attractor", "between": "words between", "last": "last word"}


def _matrix(part: pd.DataFrame) -> np.ndarray:
    """Shares by layer (rows) and head (columns), the last column being the MLP; nan where there is none."""
    heads, mlps = part[part["kind"] == "head"], part[part["kind"] == "mlp"]
    found = np.full((int(mlps["layer"].max()) + 1, int(heads["head"].max()) + 2), np.nan)
    found[heads["layer"].astype(int), heads["head"].astype(int)] = heads["value"]
    found[mlps["layer"].astype(int), -1] = mlps["value"]
    return found


def _map(axes: Axes, part: pd.DataFrame) -> AxesImage:
    """One checkpoint's squares, layer 0 below; a number in each where there is room."""
    values = _matrix(part)
    look = {"cmap": "RdBu", "vmin": -1, "vmax": 1, "aspect": "auto", "origin": "lower"}
    image = axes.imshow(values, **look)
    rows, columns = values.shape
    axes.grid(visible=False)
    axes.axvline(columns - 1.5, color="black", lw=1)
    every = -(-columns // 10)
    heads = range(0, columns - 1, every)
    axes.set_xticks([*heads, columns - 1], [*map(str, heads), "MLP"])
    axes.set_yticks(range(0, rows, -(-rows // 8)))
    if columns <= _WRITTEN:
        for (layer, column), value in np.ndenumerate(values):
            colour = "white" if abs(value) > 0.6 else "black"
            text = re.sub(r"^(-?)0\.", r"\1.", f"{value:.2f}").replace("-.00", ".00")
            axes.text(column, layer, text, ha="center", va="center", color=colour, fontsize=8)
    return image


@or_words
def maps(found: pd.DataFrame, by: str = "phenomenon") -> Figure:
    """A map of heads and MLPs for each value of a column: the share of the attraction that each restores.

    Args:
        found: of `patching_tables.parts`, of one checkpoint of each value of `by`.
        by: column that names the panels.
    """
    groups = list(found.groupby(by, sort=False))
    figure, grid = plt.subplots(1, len(groups), figsize=(7.4, _height(found)), squeeze=False)
    for axes, (name, part) in zip(grid.flat, groups, strict=True):
        image = _map(axes, part)
        axes.set_title(shown_name(name), fontsize=8.5, fontweight="normal")
        axes.set_xlabel("head")
    grid[0, 0].set_ylabel("layer")
    figure.colorbar(image, ax=grid, label="share restored", shrink=0.9)
    caption = f"Share restored by each head and MLP, a map a {by}."
    return _of_parts(figure, found, caption, {by: by})


def _of_parts(figure: Figure, found: pd.DataFrame, caption: str, by: dict[str, str]) -> Figure:
    parts = found[found["kind"] != "stream"]
    names = [
        "MLP" if row.kind == "mlp" else f"head {int(row.head)}"
        for row in parts.itertuples(index=False)
    ]
    parts = parts.assign(part=names)
    by = {"part": "part", "layer": "layer"} | by
    told = alt_text.crossed(parts, "Maps of coloured squares", "the share restored", by)
    return framed(figure, told, caption, "restored-by-parts", parts[[*by, "value"]])


def _height(found: pd.DataFrame) -> float:
    layers = found.loc[found["kind"] == "mlp", "layer"].max() + 1
    return 1.2 + min(0.32 * layers, 3.5)


@or_words
def maps_along(found: pd.DataFrame) -> Figure:
    """A row of maps a model, a column a step: the share of the attraction that each part restores.

    A panel is missing where the attraction was not above zero with its interval, so that it has no shares.

    Args:
        found: of `patching_tables.parts`, of one phenomenon.
    """
    models, steps = list(dict.fromkeys(found["model"])), sorted(found["step"].unique())
    heights = [_height(found[found["model"] == model]) for model in models]
    size = (1.2 + 1.75 * max(len(steps), 3), 0.4 + sum(heights))
    figure, grid = plt.subplots(
        len(models), len(steps), figsize=size, squeeze=False, height_ratios=heights
    )
    image = None
    for row, model in zip(grid, models, strict=True):
        for axes, step in zip(row, steps, strict=True):
            part = found[(found["model"] == model) & (found["step"] == step)]
            axes.set_visible(len(part) > 0)
            if len(part):
                image = _map(axes, part)
                axes.set_title(f"{mathtext(model)}\nstep {step:,}", fontsize=8, fontweight="normal")
                axes.tick_params(labelsize=8)
    figure.supxlabel("head", fontsize="medium")
    figure.supylabel("layer", fontsize="medium")
    figure.colorbar(image, ax=grid, label="share restored", shrink=0.6)
    caption = "Share restored by each head and MLP, a row a model, a column a step."
    return _of_parts(figure, found, caption, {"model": "model", "step": "step"})


@or_words
def way(found: pd.DataFrame, by: str = "phenomenon") -> Figure:
    """Where the difference is before each layer: the share restored by the stream at each kind of place.

    Args:
        found: of `patching_tables.parts`, of one checkpoint of each value of `by`.
        by: column that names the panels.
    """
    rows = found[found["kind"] == "stream"]
    groups, colours = list(rows.groupby(by, sort=False)), category_palette(list(_PLACES))
    columns = min(len(groups), 3)
    lines = -(-len(groups) // columns)
    size = (max(4.5, 2.5 * columns), 0.9 + 2 * lines)
    figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False, sharey=True)
    for axes, (name, part) in zip(grid.flat, groups, strict=False):
        for place, label in _PLACES.items():
            line = part[part["place"] == place].sort_values("layer")
            look = {"color": colours[place], "label": label}
            axes.plot(line["layer"], line["value"], marker="o", ms=3.5, **look)
            axes.fill_between(
                line["layer"], line["low"], line["high"], alpha=0.15, lw=0, color=colours[place]
            )
        axes.axhline(0, color=REFERENCE, ls="--", lw=1, zorder=1)
        axes.set_title(shown_name(name), fontsize=8.5, fontweight="normal")
        _layer_axis(axes, int(part["layer"].max()))
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    figure.supylabel("share restored", fontsize="medium")
    figure.supxlabel("the stream before layer (the last: at the end)", fontsize="medium")
    legend_above(figure)
    drawn = rows.assign(place=rows["place"].map(_PLACES))
    kinds = {"place": "kind of place", "layer": "layer", by: by}
    return framed(
        figure,
        alt_text.crossed(drawn, "Line charts", "the share restored by the stream", kinds),
        f"Share restored by the stream before each layer, at each kind of place, a panel a {by}.",
        name="way-of-the-difference",
        data=drawn[[*kinds, "value", "low", "high"]],
    )


def _layer_axis(axes: Axes, last: int) -> None:
    every = -(-last // 8) or 1
    axes.set_xticks(sorted({*range(0, last + 1 - every // 2, every), last}))


@or_words
def carried(found: pd.DataFrame) -> Figure:
    """Over training, what the head that restores most does, a large mark, and what one at random does.

    Args:
        found: of `patching_tables.carriers`, of one phenomenon: a line a model.
    """
    from pythia_utils.analysis.plots import model_styles, step_axis

    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    styles = model_styles(list(dict.fromkeys(found["model"])))
    for model, line in found.groupby("model", sort=False):
        x, look = np.log2(1 + line["step"].astype(float)), styles[model]
        axes.plot(x, line["of_another"], marker="o", ms=4.5, label=mathtext(model), **look)
        axes.plot(x, line["usual"], marker=".", ms=4, **(look | {"lw": 0.6, "alpha": 0.6}))
    axes.axhline(0, color=REFERENCE, ls="--", lw=1)
    step_axis(axes, found["step"].tolist())
    axes.set(xlabel="training step (log scale)", ylabel="share restored")
    legend_above(figure)
    what, along = "the share restored by the head that restores most", "training step, log scale"
    return framed(
        figure,
        alt_text.lines(found, what, along, "model", value="of_another"),
        "Share restored by the head that restores most, large marks, and by one at random, small marks.",
        name="carriers",
        data=found[["model", "step", "of_another", "usual"]],
    )
