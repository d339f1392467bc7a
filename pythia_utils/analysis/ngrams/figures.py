"""Figures of n-gram stages: a colour for each n, a thin line for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pythia_utils.analysis import alt_text, seeds
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import category_palette
from pythia_utils.analysis.plots import legend_above, panel_grid, step_axis
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@or_words
def stages(curves: pd.DataFrame, ylabel: str, columns: int = 2) -> Figure:
    """The divergence from n-grams of every length over training, a panel a size.

    A thin line for each seed, a broad pale one for their mean where there are several, and a dot at the
    least value of each thin line.

    Args:
        curves: records of one metric: columns model, n_params, step, subset (the n-grams), value.
        ylabel: what the value is, with its unit.
        columns: panels in a row.
    """
    frame = seeds.label(curves).sort_values(["n_params", "step"])
    figure, grid, groups = panel_grid(frame, "size", columns)
    colours = category_palette(sorted(frame["subset"].unique()))
    for axes, (_, part) in zip(grid.flat, groups, strict=False):
        _panel(axes, part, colours)
        step_axis(axes, frame["step"], wide=len(groups) == 1)
    figure.supxlabel("training step (log scale)", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    lines = {mathtext(n): Line2D([], [], color=colour) for n, colour in colours.items()}
    legend_above(figure, lines | {"least": Line2D([], [], color="0.3", marker="o", ls="")})
    by = {"size": "size", "subset": "kind of n-gram", "step": "step"}
    return framed(
        figure,
        alt_text.crossed(frame, "Line charts", f"{ylabel} over training", by),
        f"{alt_text.sentence(ylabel)} over training, a panel a size; a dot is where a line is lowest.",
        name="stages",
        data=frame[["model", *by, "value"]],
    )


def _panel(axes: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    for name, own in part.groupby("subset"):
        for _, line in own.groupby("model"):
            x, values = np.log2(1 + line["step"].to_numpy(dtype=float)), line["value"].to_numpy()
            axes.plot(x, values, color=colours[name], lw=0.8)
            least = values.argmin()
            axes.plot(x[least], values[least], "o", color=colours[name], ms=4)
        mean = _mean(own)
        x = np.log2(1 + mean.index.to_numpy(dtype=float))
        axes.plot(x, mean, color=colours[name], lw=4, alpha=0.25, zorder=1)


def _mean(curves: pd.DataFrame) -> pd.Series:
    """The mean over seeds, by step, where all of several have one: a mean of others would jump."""
    runs, steps = curves["model"].nunique(), curves.groupby("step")["value"]
    return steps.mean()[(steps.count() == runs) & (runs > 1)]
