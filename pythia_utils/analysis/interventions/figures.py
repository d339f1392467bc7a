"""Figures of the chapter on interventions: from the base to the changed model, by steps and by tellings."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pythia_utils.analysis import alt_text, palettes, plots
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext


@or_words
def changes(rows: pd.DataFrame, xlabel: str) -> Figure:
    """From each base to its changed model: an open and a filled point, a line between them, a panel each way.

    Args:
        rows: of `tables.at_the_end`, named: columns intervention, model, size, what, value, base_value.
        xlabel: what the values are, with their unit.
    """
    groups = list(rows.groupby("intervention", sort=False))
    names, models = list(dict.fromkeys(rows["what"])), list(dict.fromkeys(rows["model"]))
    height = 0.9 + len(names) * max(0.34, 0.09 * len(models))
    figure, grid = plt.subplots(
        1, len(groups), figsize=(9, height), sharex=True, sharey=True, squeeze=False
    )
    palette = palettes.size_palette(models)
    for axes, (intervention, part) in zip(grid[0], groups, strict=True):
        heights = dict(zip(names, plots.name_rows(axes, names), strict=True))
        _draw_changes(axes, part, heights, palette)
        axes.set_title(mathtext(intervention))
    figure.supxlabel(xlabel, fontsize="medium")
    handles = {"base": Line2D([], [], color="0.4", marker="o", mfc="white", ls="")}
    handles["after the intervention"] = Line2D([], [], color="0.4", marker="o", ls="")
    sizes = rows.sort_values("n_params").drop_duplicates("size")
    for row in sizes.itertuples():
        handles[mathtext(row.size)] = Line2D([], [], color=palette[row.model], lw=3)
    plots.legend_above(figure, handles)
    by = {"what": "measure", "model": "model", "intervention": "intervention"}
    told = alt_text.crossed(rows, "Points of changed models", xlabel, by)
    base = f"Bases, open points, have {alt_text.span(rows['base_value'])}"
    return framed(
        figure,
        alt_text.together(told, base),
        f"{alt_text.sentence(xlabel)}: from each base, open, to its changed model, filled.",
        name="changes",
        data=rows[[*by, "base_value", "value"]],
    )


def _draw_changes(
    axes: Axes, rows: pd.DataFrame, heights: Mapping[str, float], palette: Mapping[str, tuple]
) -> None:
    """The models of one intervention, a little above each other."""
    models = list(dict.fromkeys(rows["model"]))
    shifts = dict(zip(models, np.linspace(0.28, -0.28, len(models) + 2)[1:-1], strict=True))
    for row in rows.itertuples():
        y, colour = heights[row.what] + shifts[row.model], palette[row.model]
        axes.plot([row.base_value, row.value], [y, y], color=colour, lw=1.6, zorder=2)
        axes.plot(row.base_value, y, "o", color=colour, mfc="white", ms=5, zorder=3)
        axes.plot(row.value, y, "o", color=colour, ms=5, zorder=3)


@or_words
def over_time(rows: pd.DataFrame, ylabel: str, panels: str = "what") -> Figure:
    """How far an intervention gets by steps since the fork, on the axis log2(1 + steps); a line a model.

    Args:
        rows: of `tables.by_time`, named, of one intervention.
        ylabel: what the values are, with their unit.
        panels: column whose values get a panel each.
    """
    figure, grid, groups = plots.panel_grid(rows, panels, 3)
    names = list(dict.fromkeys(rows["model"]))
    palette = palettes.size_palette(names)
    for axes, (_, part) in zip(grid.flat, groups, strict=False):
        for name, line in part.groupby("model", sort=False):
            label = mathtext(f"{line['size'].iloc[0]}, {line['seed'].iloc[0]}")
            axes.plot(
                np.log2(1 + line["since"]),
                line["value"],
                marker="o",
                ms=4,
                color=palette[name],
                ls=_seed_line(line["seed"].iloc[0]),
                label=label,
            )
        plots.step_axis(axes, rows["since"], wide=False)
    figure.supxlabel("steps since the fork (log scale)", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    plots.legend_above(figure)
    along = "steps since the fork, log scale"
    return framed(
        figure,
        alt_text.lines(rows, ylabel, along, "model", panels, x="since"),
        f"{alt_text.sentence(ylabel)} over the steps since the fork, a line a model.",
        name="since-the-fork",
        data=rows[["model", panels, "since", "value"]],
    )


def _seed_line(seed: str) -> str:
    return "-" if seed == "usual" else "--"


@or_words
def by_tellings(rows: pd.DataFrame, base: float | None) -> Figure:
    """Shares answered anew by tellings since the fork, a line a model, the dotted line what bases answer.

    Args:
        rows: of `tables.by_tellings`.
        base: how often bases give these answers, told to nobody.
    """
    figure, axes = plt.subplots(figsize=(7, 3.4))
    names = list(dict.fromkeys(rows["told"]))
    palette = palettes.size_palette(list(dict.fromkeys(rows["model"])))
    for name, line in rows.groupby("model", sort=False):
        places = [names.index(told) for told in line["told"]]
        label = mathtext(f"{line['size'].iloc[0]}, {line['seed'].iloc[0]}")
        axes.plot(
            places,
            line["value"],
            marker="o",
            color=palette[name],
            ls=_seed_line(line["seed"].iloc[0]),
            label=label,
        )
    if base is not None:
        axes.axhline(base, color=palettes.REFERENCE, ls=":", lw=1.2)
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="times told since the fork", ylabel="share answered anew", ylim=(-0.03, 1.03))
    plots.legend_above(figure)
    by = {"told": "class of tellings", "model": "model"}
    return framed(
        figure,
        alt_text.crossed(rows, "Lines", "the share answered anew", by),
        "Share answered anew by the times told since the fork; the dotted line is what bases answer.",
        name="by-tellings",
        data=rows[[*by, "value"]],
    )
