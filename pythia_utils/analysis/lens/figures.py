"""Figures of what lenses read: curves over depth, and phenomena by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text, palettes, plots, seeds
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.lens.names import CONSTANT, LENSES
from pythia_utils.analysis.lens.tables import by_depth
from pythia_utils.analysis.show import or_words
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.base.markup import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {"kl": "divergence from the final answer (nats)", "loss": "loss (nats a token)"}
_COLOURS = palettes.category_palette(LENSES)
_LINES = {"logit": "--", "tuned": "-"}
_FEW = 9  # depths up to which a table of colours holds its numbers


def at_every_depth(measured: pd.DataFrame) -> Figure:
    """One checkpoint's divergence and loss by depth, a line a lens, with normal 95% intervals over documents.

    Args:
        measured: of `measures.of_text`.
    """
    figure, grid = plt.subplots(1, 2, figsize=(7.4, 3))
    for axes, (metric, title) in zip(grid, _TITLES.items(), strict=True):
        own = _by_depth(measured, metric)
        for lens, part in own.groupby("lens", sort=False):
            look = {
                "color": _COLOURS[lens],
                "ls": _LINES[lens],
                "marker": "o",
                "ms": 4,
                "capsize": 2,
            }
            errors = plots.interval_errors(part)
            axes.errorbar(part["depth"], part["value"], yerr=errors, label=f"{lens} lens", **look)
        axes.set_title(title, fontsize=8.5, fontweight="normal")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    constant = measured[measured["subset"] == CONSTANT]["value"]
    grid[0].axhline(constant.item(), color="black", ls=":", label="constant answer")
    handles, labels = grid[0].get_legend_handles_labels()
    plots.legend_above(figure, dict(zip(labels, handles, strict=True)))
    figure.supxlabel("layers done", fontsize="medium")
    drawn = pd.concat(_by_depth(measured, metric).assign(metric=metric) for metric in _TITLES)
    by = {"metric": "measure", "lens": "lens", "depth": "depth"}
    return framed(
        figure,
        alt_text.crossed(drawn, "Line charts with intervals", "divergence and loss in nats", by),
        "Divergence from the final answer, and loss, by depth, with 95% intervals over documents.",
        name="by-depth",
        data=drawn[[*by, "value", "low", "high"]],
    )


def _by_depth(measured: pd.DataFrame, metric: str) -> pd.DataFrame:
    return with_normal_interval(by_depth(measured.assign(model="", step=0), metric))


@or_words
def missing_by_step(table: pd.DataFrame) -> Figure:
    """The share of the answer that is missing by depth, a line a step and lens, a panel a size.

    Args:
        table: of `tables.missing`, of one model a size.
    """
    frame = seeds.label(table.sort_values(["n_params", "step"]))
    figure, grid, groups = plots.panel_grid(frame, "size", 3)
    steps = sorted(frame["step"].unique())
    colours = palettes.step_palette(steps)
    for axes, (_, part) in zip(grid.flat, groups, strict=False):
        for (step, lens), line in part.groupby(["step", "lens"]):
            look = {"color": colours[step], "ls": _LINES[lens], "lw": 1.5}
            axes.plot(line["place"], line["value"], marker="o", ms=3, **look)
        axes.axhline(1, color="black", ls=":", lw=1)
        axes.set_ylim(0, min(2.5, 1.05 * frame["value"].max()))
    lines = {f"step {step:,}": Line2D([], [], color=colour) for step, colour in colours.items()}
    lines |= {f"{n} lens": Line2D([], [], color="0.4", ls=ls) for n, ls in _LINES.items()}
    _finish(figure, "share of the answer that is missing", lines)
    by = {"size": "size", "step": "step", "lens": "lens", "place": "depth"}
    return framed(
        figure,
        alt_text.crossed(frame, "Line charts", "the share of the answer that is missing", by),
        "Share of the answer that is missing by depth, a colour a step, a panel a size.",
        name="missing-by-step",
        data=frame[[*by, "value"]],
    )


@or_words
def missing_by_size(table: pd.DataFrame) -> Figure:
    """The share of the answer that is missing by depth, a line a model, in the colour of its size.

    Args:
        table: of `tables.missing`, of one lens, one step of each model.
    """
    frame = table.sort_values("n_params", kind="stable")
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    styles = plots.model_styles(list(dict.fromkeys(frame["model"])))
    for model, line in frame.groupby("model", sort=False):
        look = {"lw": 1.6, "marker": "o", "ms": 4} | styles[model]
        axes.plot(line["place"], line["value"], label=mathtext(model), **look)
    axes.set_ylim(0)
    _finish(figure, "share of the answer that is missing")
    by = {"model": "model", "place": "depth"}
    return framed(
        figure,
        alt_text.crossed(frame, "Line chart", "the share of the answer that is missing", by),
        "Share of the answer that is missing by depth, a line a model.",
        name="missing-by-size",
        data=frame[[*by, "value"]],
    )


def _finish(figure: Figure, ylabel: str, lines: Mapping[str, Line2D] | None = None) -> None:
    figure.supxlabel("depth: layers done, of all", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    plots.legend_above(figure, lines)


@or_words
def phenomena_by_depth(table: pd.DataFrame, panels: str = "step") -> Figure:
    """Accuracy of each phenomenon at each depth as a colour, blue above one half and red below; a panel a step.

    Args:
        table: of `tables.accuracy`, of one model (of one size).
        panels: column whose values get a panel each.
    """
    names = list(dict.fromkeys(table["of"]))
    groups = list(table.groupby(panels))
    depths = sorted(table["depth"].unique())
    wide = max(0.34 * len(depths), 1.1) if len(depths) <= _FEW else 2.0
    size = (2.6 + (wide + 0.15) * len(groups) + 0.6, 0.9 + 0.24 * len(names))
    figure, grid = plt.subplots(1, len(groups), figsize=size, sharey=True, squeeze=False)
    for axes, (name, part) in zip(grid.flat, groups, strict=True):
        square = part.pivot_table("value", "of", "depth").reindex(names)
        image = _colours(axes, square)
        axes.set_title(f"{panels} {name:,}", fontsize=8.5, fontweight="normal")
    grid[0, 0].set_yticks(range(len(names)), [plots.shown_name(name) for name in names])
    figure.supxlabel("layers done", fontsize="medium")
    figure.colorbar(image, ax=grid[0].tolist(), label="accuracy", shrink=0.8, pad=0.02)
    by = {"of": "phenomenon", "depth": "depth", panels: panels}
    return framed(
        figure,
        alt_text.crossed(table, "Maps of coloured squares", "accuracy", by),
        f"Accuracy on each phenomenon by depth, a map a {panels}: blue above one half, red below.",
        name="phenomena-by-depth",
        data=table[[*by, "value"]].rename(columns={"of": "phenomenon"}),
    )


def _colours(axes: Axes, square: pd.DataFrame):
    values, depths = square.to_numpy(), list(square.columns)
    image = axes.imshow(values, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    if len(depths) <= _FEW:
        _write(axes, values)
        axes.set_xticks(range(len(depths)), depths)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return image


def _write(axes: Axes, values: Sequence[Sequence[float]]) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value - 0.5) > 0.35 else "black"
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
