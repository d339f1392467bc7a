"""Figures: one style, one function a figure. Colour means model size everywhere, dark for large.

Training time is shown on the axis log2(1 + step), so that step 0 and the powers of two of the
checkpoints are evenly spaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis.stats import PowerLaw
from pythia_utils.suites.catalog import find_model, suite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

plt.style.use("seaborn-v0_8-whitegrid")
plt.rcParams |= {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.titlesize": "medium",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
}
ACCENT = "#2f6f9f"
REFERENCE = "#b5533c"


def size_palette(models: Sequence[str]) -> dict[str, tuple]:
    """A colour for each model name, by size: the same size has the same colour in every figure."""
    import seaborn as sns  # half a second that the pages of single checkpoints do without

    sizes = sorted({find_model(name).non_embedding_params for name in models})
    colours = sns.color_palette("viridis_r", len(sizes) + 1)[1:]  # without the palest
    return {name: colours[sizes.index(find_model(name).non_embedding_params)] for name in models}


def readable(name: str) -> str:
    """A name of the code as words for a figure: `filler_gap` is `filler gap`."""
    return str(name).replace("_", " ").replace("subject verb", "subject-verb")


def step_axis(axes: Axes, steps: Sequence[int], wide: bool = True) -> None:
    """Label an axis of log2(1 + step) with as many of the steps as fit a wide or a narrow panel."""
    steps = sorted(set(steps))
    positions = np.log2(1 + np.array(steps, dtype=float))
    span = max(positions[-1] - positions[0], 1e-9)
    chosen: list[int] = []
    for step, position in zip(steps, positions, strict=True):
        gap = 0.11 if wide else max(0.18, 0.044 * len(f"{step:,}"))
        if not chosen or (position - np.log2(1 + chosen[-1])) / span > gap:
            chosen.append(step)
    if len(chosen) > 1 and chosen[-1] != steps[-1]:
        chosen[-1] = steps[-1]
    axes.set_xticks(np.log2(1 + np.array(chosen)), [f"{step:,}" for step in chosen])
    axes.set_xlabel("training step (log scale)")


def interval_bars(
    frame: pd.DataFrame, label: str, xlabel: str, reference: float | None = None, title: str = ""
) -> Figure:
    """A point with its interval for each row: columns `label`, value, low, high."""
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.32 * len(frame)))
    rows = np.arange(len(frame))[::-1]
    errors = np.abs([frame["value"] - frame["low"], frame["high"] - frame["value"]])
    axes.errorbar(frame["value"], rows, xerr=errors, fmt="o", color=ACCENT, capsize=3, ms=5)
    axes.set_yticks(rows, [readable(name) for name in frame[label]])
    axes.set(xlabel=xlabel, title=title, ylim=(-0.6, len(frame) - 0.4))
    axes.grid(axis="y", visible=False)
    if reference is not None:
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
    return figure


def histogram(values: Sequence[float], xlabel: str, reference: float | None = None) -> Figure:
    """How values are spread, with a reference line."""
    figure, axes = plt.subplots(figsize=(7, 2.4))
    axes.hist(np.asarray(values), bins=40, color=ACCENT, edgecolor="white", lw=0.4)
    axes.set(xlabel=xlabel, ylabel="count")
    if reference is not None:
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
    return figure


def bars(frame: pd.DataFrame, label: str, value: str, xlabel: str) -> Figure:
    """A horizontal bar for each row, the first on top: columns `label` and `value`."""
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.24 * len(frame)))
    rows = np.arange(len(frame))[::-1]
    axes.barh(rows, frame[value], color=ACCENT, height=0.7)
    axes.set_yticks(rows, frame[label])
    axes.set(xlabel=xlabel, ylim=(-0.6, len(frame) - 0.4))
    axes.grid(axis="y", visible=False)
    return figure


def panel_grid(
    frame: pd.DataFrame, panels: str | None, columns: int
) -> tuple[Figure, np.ndarray, list[tuple[str, pd.DataFrame]]]:
    """Small plots with common axes and the names of a column's values as titles, or one large plot.

    Args:
        frame: what is to be drawn.
        panels: column whose values get a panel each, in order of appearance; None for one plot.
        columns: panels in a row.

    Returns:
        The figure, its axes (rows, columns), those without a panel hidden, and the column's values
        with their parts of the frame.
    """
    groups = list(frame.groupby(panels, sort=False)) if panels else [("", frame)]
    columns = min(columns, len(groups))
    rows = -(-len(groups) // columns)
    size = (2.7 * columns, 2.0 * rows + 0.5) if len(groups) > 1 else (7.2, 4)
    figure, grid = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for axes, (name, _) in zip(grid.flat, groups, strict=False):
        axes.set_title(readable(name), fontsize=8.5, fontweight="normal")
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    return figure, grid, groups


def trajectories(
    frame: pd.DataFrame,
    ylabel: str,
    panels: str | None = None,
    reference: float | None = None,
    columns: int = 3,
    logy: bool = False,
) -> Figure:
    """Curves over training, a line a model, with intervals as bands.

    Args:
        frame: columns model, step, value, low, high, and the one named by `panels`.
        ylabel: what the value is, with its unit.
        panels: column whose values get a panel each, in order of appearance; None for one panel.
        reference: a horizontal line, such as chance.
        columns: panels in a row.
        logy: logarithmic vertical axis.
    """
    figure, grid, groups = panel_grid(frame, panels, columns)
    colours = size_palette(list(dict.fromkeys(frame["model"])))
    for axes, (_, part) in zip(grid.flat, groups, strict=False):
        _curves(axes, part, colours)
        if reference is not None:
            axes.axhline(reference, color=REFERENCE, ls="--", lw=1, zorder=1)
        if logy:
            axes.set_yscale("log")
        step_axis(axes, frame["step"], wide=len(groups) == 1)
    _outer_labels(figure, grid, len(groups), ylabel)
    legend_above(figure, grid.flat[0])
    return figure


def category_palette(names: Sequence[str]) -> dict[str, str]:
    """A colour for each of up to eight kinds of thing that are no models (Okabe and Ito's palette)."""
    colours = [
        "#0072b2",
        "#e69f00",
        "#009e73",
        "#cc79a7",
        "#d55e00",
        "#56b4e9",
        "#8a8d00",
        "#5b5b5b",
    ]
    return dict(zip(names, colours, strict=False))


def _curves(axes: Axes, frame: pd.DataFrame, colours: dict) -> None:
    for name, curve in frame.groupby("model", sort=False):
        curve = curve.sort_values("step")
        time = np.log2(1 + curve["step"].to_numpy(dtype=float))
        line = {"color": colours[name], "ls": line_style(name), "label": name}
        axes.plot(time, curve["value"], marker="o", ms=3, lw=1.6, **line)
        axes.fill_between(time, curve["low"], curve["high"], color=colours[name], alpha=0.18, lw=0)


def line_style(name: str) -> str:
    """Dotted for deduplicated data, dashed for another seed than the suite's own."""
    model = find_model(name)
    if model.variant == "deduped":
        return ":"
    return "-" if model.seed == suite(model.suite).training["seed"] else "--"


def _outer_labels(figure: Figure, grid: np.ndarray, panels: int, ylabel: str) -> None:
    """Axis labels only at the left and below the lowest panel of each column."""
    columns = grid.shape[1]
    for index, axes in enumerate(grid.flat):
        lowest = index + columns >= panels
        axes.tick_params(labelbottom=lowest)
        axes.set_xlabel(axes.get_xlabel() if lowest and panels == 1 else "")
    if panels > 1:
        figure.supxlabel("training step (log scale)", fontsize="medium")
        figure.supylabel(ylabel, fontsize="medium")
    else:
        grid[0, 0].set_ylabel(ylabel)


def legend_above(figure: Figure, axes: Axes) -> None:
    """Name the lines of one of its axes above a figure, unless there is only one.

    There are as many columns as fit: a legend wider than its figure would shrink the plots.
    """
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) < 2:
        return
    widest = 0.65 + 0.085 * max(map(len, labels))  # inches, at the size of the labels
    rows = -(-len(labels) // max(1, int(figure.get_figwidth() / widest)))
    figure.legend(handles, labels, loc="outside upper center", ncols=-(-len(labels) // rows))


def power_law(
    frame: pd.DataFrame, x: str, fit: PowerLaw, xlabel: str, ylabel: str, label: str | None = None
) -> Figure:
    """Measured points (columns `x`, value, low, high) and the fitted line, both axes logarithmic."""
    figure, axes = plt.subplots(figsize=(6.4, 3.8))
    errors = np.abs([frame["value"] - frame["low"], frame["high"] - frame["value"]])
    axes.errorbar(frame[x], frame["value"], yerr=errors, fmt="o", color=ACCENT, capsize=3, zorder=3)
    span = np.geomspace(frame[x].min() / 1.3, frame[x].max() * 1.3, 50)
    text = f"exponent {fit.exponent:.3f} [{fit.low:.3f}, {fit.high:.3f}]"
    axes.plot(span, fit.predict(span), color=REFERENCE, ls="--", lw=1.4, label=text)
    if label:
        for _, row in frame.iterrows():
            near = (row[x], row["value"])
            axes.annotate(row[label], near, xytext=(6, 6), textcoords="offset points", fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.yaxis.set_major_formatter("{x:.3g}")
    axes.yaxis.set_minor_formatter("{x:.3g}")
    axes.legend()
    return figure
