"""Figures of the paradigms inside a phenomenon: one model's over training, and every model's at the end."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import ACCENT, REFERENCE
from pythia_utils.analysis.plots import panel_grid, shown_name, step_axis
from pythia_utils.analysis.show import or_words
from pythia_utils.analysis.words import without_suite
from pythia_utils.base.markup import mathtext


@or_words
def inside(paradigms: pd.DataFrame, means: pd.DataFrame) -> Figure:
    """A panel a phenomenon: a thin line for each of its paradigms, a thick one for their mean.

    Args:
        paradigms: of `paradigms.curves`, of one model: columns phenomenon, subset, step, value.
        means: of `acquisition.curves`, of the same model: columns subset (the phenomenon), step, value.
    """
    figure, grid, groups = panel_grid(paradigms, "phenomenon", 3)
    alone = {"marker": "o", "ms": 4} if len(set(paradigms["step"])) == 1 else {}
    for axes, (phenomenon, part) in zip(grid.flat, groups, strict=False):
        for _, own in part.sort_values("step").groupby("subset"):
            axes.plot(
                np.log2(1 + own["step"]), own["value"], color=ACCENT, lw=0.7, alpha=0.6, **alone
            )
        mean = means[means["subset"] == phenomenon].sort_values("step")
        axes.plot(np.log2(1 + mean["step"]), mean["value"], color="black", lw=2, **alone)
        axes.axhline(0.5, color=REFERENCE, ls="--", lw=1, zorder=1)
        step_axis(axes, paradigms["step"], wide=len(groups) == 1)
    figure.supxlabel("training step (log scale)", fontsize="medium")
    figure.supylabel("accuracy", fontsize="medium")
    by = {"phenomenon": "phenomenon", "subset": "paradigm", "step": "step"}
    return framed(
        figure,
        alt_text.crossed(paradigms, "Line charts", "accuracy over training", by),
        "Accuracy of each paradigm of a phenomenon over training; the thick line is their mean.",
        name="paradigms",
        data=paradigms[["phenomenon", "subset", "step", "value"]],
    )


@or_words
def at_the_end(final: pd.DataFrame) -> Figure:
    """Every paradigm's accuracy as a coloured square: a column a model, rows grouped by phenomenon.

    Args:
        final: of `paradigms.curves`, at one step of each model: columns phenomenon, subset, model, value.
    """
    models = list(dict.fromkeys(final["model"]))
    table = final.pivot_table("value", ["phenomenon", "subset"], "model")[models]
    figure, axes = plt.subplots(figsize=(7.4, 1.2 + 0.185 * len(table)))
    shown = axes.imshow(table, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(table)), [shown_name(name) for _, name in table.index], fontsize=8)
    sizes = [mathtext(without_suite(name)) for name in models]
    axes.set_xticks(range(len(models)), sizes, fontsize=8)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    _name_groups(axes, table.index.get_level_values("phenomenon"))
    bar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.5, aspect=30, pad=0.01)
    bar.set_label("accuracy at the last step (white: chance)")
    by = {"subset": "paradigm", "model": "model"}
    return framed(
        figure,
        alt_text.crossed(final, "Map of coloured squares", "accuracy at the last step", by),
        "Accuracy of each model on each paradigm at its last step; white is chance.",
        name="paradigms-at-the-end",
        data=final[["phenomenon", *by, "value"]],
    )


def _name_groups(axes: plt.Axes, names: pd.Index) -> None:
    """A line between rows of different names, and each name at the right of its rows."""
    places = (
        pd.Series(range(len(names)), index=names).groupby(level=0, sort=False).agg(["min", "max"])
    )
    for name, (first, last) in places.iterrows():
        axes.axhline(last + 0.5, color="0.4", lw=0.6)
        where = (1.01, (first + last) / 2)
        at = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8}
        axes.annotate(shown_name(name), where, **at)
