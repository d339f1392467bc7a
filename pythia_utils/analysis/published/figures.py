"""Figures of the suite's published results. Colour means size, and the line the variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from pythia_utils.analysis.plots import ACCENT, REFERENCE, panel_grid, size_palette, step_axis

_LINES = {"standard": "-", "deduped": ":"}
_MARKERS = {"standard": {"marker": "o"}, "deduped": {"marker": "s", "mfc": "white"}}


def trajectories(
    frame: pd.DataFrame,
    ylabel: str,
    panels: str | None = None,
    reference: float | Mapping[str, float] | None = None,
    columns: int = 3,
    early: bool = False,
) -> Figure:
    """Curves over training, a line a model, with intervals as bands.

    Args:
        frame: columns model, size, n_params, variant, step, value, low, high, and `panels`.
        ylabel: what the value is, with its unit.
        panels: column whose values get a panel each, in order of appearance; None for one panel.
        reference: a dashed line such as chance: one, or one for each panel that has one.
        columns: panels in a row.
        early: training time on the axis log2(1 + step), which shows the first steps; else linear.
    """
    figure, grid, groups = panel_grid(frame, panels, columns)
    colours = size_palette(list(frame["model"].unique()))
    for axes, (name, part) in zip(grid.flat, groups, strict=False):
        _curves(axes, part, colours, early)
        level = reference.get(name) if isinstance(reference, Mapping) else reference
        if level is not None:
            axes.axhline(level, color=REFERENCE, ls="--", lw=1, zorder=1)
    _time_axes(grid, len(groups), sorted(set(frame["step"])) if early else None)
    figure.supxlabel(f"training step{' (log scale)' if early else ''}", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    _size_legend(figure, frame, colours)
    return figure


def _curves(axes: Axes, frame: pd.DataFrame, colours: Mapping, early: bool) -> None:
    for model, line in frame.groupby("model", sort=False):
        line = line.sort_values("step")
        time = np.log2(1 + line["step"].to_numpy(float)) if early else line["step"]
        style = {"color": colours[model], "ls": _LINES[line["variant"].iloc[0]]}
        axes.plot(time, line["value"], marker="o", ms=2, lw=1.4, **style)
        axes.fill_between(time, line["low"], line["high"], color=colours[model], alpha=0.15, lw=0)


def _time_axes(grid: np.ndarray, panels: int, steps: Sequence[int] | None) -> None:
    """Ticks of training time, below the lowest panel of each column; `steps` for a log axis."""
    for index, axes in enumerate(grid.flat):
        axes.tick_params(labelbottom=index + grid.shape[1] >= panels)
        if steps is not None:
            step_axis(axes, steps, wide=panels == 1)
            axes.set_xlabel("")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:.0f}k" if step else "0")


def _size_legend(figure: Figure, frame: pd.DataFrame, colours: Mapping) -> None:
    models = frame.sort_values("n_params").drop_duplicates("size")
    entries = {
        size: Line2D([], [], color=colours[model])
        for size, model in zip(models["size"], models["model"], strict=True)
    }
    if len(set(frame["variant"])) > 1:
        entries |= {name: Line2D([], [], color="0.4", ls=ls) for name, ls in _LINES.items()}
    figure.legend(
        entries.values(), entries, loc="outside upper center", ncols=len(entries), fontsize=9,
        columnspacing=1.2, handlelength=1.4,
    )  # fmt: skip


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
        axes.set_title(task, fontsize=8.5, fontweight="normal")
        axes.set_xscale("log")
        axes.set_xticks(sizes["n_params"], sizes["size"], rotation=60, fontsize=8)
        axes.xaxis.set_minor_locator(NullLocator())
    for index, axes in enumerate(grid.flat):
        axes.set_visible(index < len(tasks))
        axes.tick_params(labelbottom=index + columns >= len(tasks))
    figure.supxlabel("size (non-embedding parameters, log scale)", fontsize="medium")
    figure.supylabel("accuracy", fontsize="medium")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _by_size(axes: Axes, frame: pd.DataFrame) -> None:
    for variant, marker in _MARKERS.items():
        own = frame[frame["variant"] == variant].sort_values("n_params")
        errors = np.abs([own["value"] - own["low"], own["high"] - own["value"]])
        style = {"color": ACCENT, "ls": _LINES[variant], "ms": 4.5, "lw": 1, "capsize": 2}
        axes.errorbar(own["n_params"], own["value"], errors, label=variant, **style, **marker)


def distances(
    frame: pd.DataFrame, expected: tuple[float, float], ylabel: str, marked: Sequence[str] = ()
) -> Figure:
    """How far apart two models of each size are, over training time, which is linear here.

    Args:
        frame: columns model, size, step and distance, a line a size.
        expected: the range of the distance for two models that differ by chance alone: a band.
        ylabel: what the distance is, with its unit.
        marked: sizes drawn thick; the others are thin.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    axes.axhspan(*expected, color=ACCENT, alpha=0.12, lw=0)
    colours = size_palette(list(frame["model"].unique()))
    for (size, model), line in frame.groupby(["size", "model"], sort=False):
        thick = {"lw": 2.6, "marker": "o", "ms": 4, "zorder": 3}
        style = thick if size in marked else {"lw": 1, "alpha": 0.8}
        axes.plot(line["step"], line["distance"], color=colours[model], label=size, **style)
    axes.set(ylim=(0, None), xlabel="training step", ylabel=ylabel)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=8, fontsize=9
    )
    return figure
