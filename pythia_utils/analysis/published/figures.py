"""Figures of the suite's published results. Colour means size, and the line the variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import ACCENT, REFERENCE
from pythia_utils.analysis.plots import interval_errors, trajectories
from pythia_utils.base.markup import mathtext
from pythia_utils.suites.catalog import find_model

_LINES = {"standard": "-", "deduped": ":"}
_MARKERS = {"standard": {"marker": "o"}, "deduped": {"marker": "s", "mfc": "white"}}


def final_by_size(frame: pd.DataFrame, chance: Mapping[str, float], columns: int = 3) -> Figure:
    """Accuracy against size, a panel a task, the two variants side by side.

    Args:
        frame: columns task, variant, size, n_params, value, low, high; one row a model and task.
        chance: a dashed line for the tasks that have one.
        columns: panels in a row.
    """
    tasks = list(dict.fromkeys(frame["task"]))
    rows = -(-len(tasks) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(2.6 * columns, 2.1 * rows + 0.4), sharex=True, squeeze=False
    )
    sizes = frame.drop_duplicates("size").sort_values("n_params")
    for axes, task in zip(grid.flat, tasks, strict=False):
        _by_size(axes, frame[frame["task"] == task])
        if task in chance:
            axes.axhline(chance[task], color=REFERENCE, ls="--", lw=1, zorder=1)
        axes.set_title(mathtext(task), fontsize=8.5, fontweight="normal")
        axes.set_xscale("log")
        axes.set_xticks(sizes["n_params"], [*map(mathtext, sizes["size"])], rotation=60, fontsize=8)
        axes.xaxis.set_minor_locator(NullLocator())
    for index, axes in enumerate(grid.flat):
        axes.set_visible(index < len(tasks))
        axes.tick_params(labelbottom=index + columns >= len(tasks))
    figure.supxlabel("size (non-embedding parameters, log scale)", fontsize="medium")
    figure.supylabel("accuracy", fontsize="medium")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    by = {"task": "task", "size": "size", "variant": "variant"}
    return framed(
        figure,
        alt_text.crossed(frame, "Line charts with intervals", "accuracy of final models", by),
        "Accuracy of the final models by size, a panel a task; the dashed line is chance.",
        name="final-by-size",
        data=frame[[*by, "n_params", "value", "low", "high"]],
    )


def _by_size(axes: Axes, frame: pd.DataFrame) -> None:
    for variant, marker in _MARKERS.items():
        own = frame[frame["variant"] == variant].sort_values("n_params")
        errors = interval_errors(own)
        style = {"color": ACCENT, "ls": _LINES[variant], "ms": 4.5, "lw": 1, "capsize": 2}
        axes.errorbar(own["n_params"], own["value"], errors, label=variant, **style, **marker)


def distances(
    frame: pd.DataFrame, expected: tuple[float, float], ylabel: str, marked: Sequence[str] = ()
) -> Figure:
    """How far apart two models of each size are, over training.

    Args:
        frame: columns model, step and distance, a line a model.
        expected: the range of the distance for two models that differ by chance alone: a band.
        ylabel: what the distance is, with its unit.
        marked: sizes drawn thick; the others are thin.
    """
    figure = trajectories(frame.rename(columns={"distance": "value"}), ylabel, log=False)
    axes = figure.axes[0]
    axes.axhspan(*expected, color=ACCENT, alpha=0.12, lw=0)
    axes.set_ylim(0, None)
    for line in axes.get_lines():
        is_marked = find_model(line.get_label()).size in marked
        line.set(**({"lw": 2.6, "zorder": 3} if is_marked else {"lw": 1, "marker": ""}))
    caption = f"{alt_text.sentence(ylabel)}; the band is what two models have that differ by chance alone."
    return framed(figure, caption=caption, name="distances")
