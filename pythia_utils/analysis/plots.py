"""Figures: one style, one function a figure. Colour means model size everywhere, dark for large.

Training time is shown on the axis log2(1 + step), so that step 0 and the powers of two of the
checkpoints are evenly spaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text, curve_charts, curve_look, interval_charts
from pythia_utils.analysis.figure import framed, show_with_frames
from pythia_utils.analysis.palettes import ACCENT, REFERENCE, category_palette, size_palette
from pythia_utils.analysis.show import or_words
from pythia_utils.analysis.words import readable
from pythia_utils.base.markup import mathtext
from pythia_utils.suites.catalog import find_model

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
if "inline" in plt.get_backend():  # a notebook's, which draws each figure as it shows it ...
    plt.switch_backend(plt.get_backend())
    plt.uninstall_repl_displayhook()  # ... so pyplot need not draw it once more before
show_with_frames()
_LINE = {"ms": 3, "lw": 1.6}
_OTHER_SEED = {"lw": 0.9, "alpha": 0.75}


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


def shown_name(name: object) -> str:
    """A name of the data as the label of a row, a panel or a line: in words, and not as mathematics."""
    return mathtext(readable(str(name)))


def name_rows(axes: Axes, names: Sequence[str]) -> np.ndarray:
    """Label the rows of a figure that has one for each name, the first on top; returns their heights."""
    rows = np.arange(len(names), dtype=float)[::-1]
    axes.set_yticks(rows, [shown_name(name) for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="y", visible=False)
    return rows


def interval_errors(frame: pd.DataFrame) -> np.ndarray:
    """Distances from value to low and to high, (2, rows), as matplotlib draws error bars."""
    return np.abs([frame["value"] - frame["low"], frame["high"] - frame["value"]])


@or_words
def interval_bars(
    frame: pd.DataFrame, label: str, xlabel: str, reference: float | None = None, title: str = ""
) -> Figure:
    """A point with its interval for each row: columns `label`, value, low, high.

    With a column `found` (`discoveries.with_finds`) the points of rows that are no finds are open.
    """
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.32 * len(frame)))
    rows, errors = name_rows(axes, frame[label]), interval_errors(frame)
    axes.errorbar(frame["value"], rows, xerr=errors, fmt="o", color=ACCENT, capsize=3, ms=5)
    if "found" in frame:
        other = ~frame["found"].to_numpy(bool)
        axes.plot(frame["value"][other], rows[other], "o", mfc="white", mec=ACCENT, ms=5, zorder=3)
    axes.set(xlabel=xlabel, title=mathtext(title, longest=100))
    if reference is not None:
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
    shown = [c for c in (label, "value", "low", "high", "n", "found") if c in frame]
    about = f"{alt_text.sentence(xlabel)}" + ", with intervals" * _has_intervals(frame)
    open_points = "; open points are no finds." if "found" in frame else "."
    alt = alt_text.rows(frame, xlabel, label)
    chart = interval_charts.chart(frame, label, xlabel, reference, title)
    return framed(figure, alt, about + open_points, xlabel, frame[shown], chart)


def histogram(values: Sequence[float], xlabel: str, reference: float | None = None) -> Figure:
    """How values are spread, with a reference line."""
    figure, axes = plt.subplots(figsize=(7, 2.4))
    counts, edges, _ = axes.hist(
        np.asarray(values), bins=40, color=ACCENT, edgecolor="white", lw=0.4
    )
    axes.set(xlabel=xlabel, ylabel="count")
    if reference is not None:
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
    bins = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "count": counts.astype(int)})
    alt, caption = alt_text.spread(values, xlabel), f"How {xlabel} are spread."
    return framed(figure, alt, caption, xlabel, bins)


def bars(frame: pd.DataFrame, label: str, value: str, xlabel: str) -> Figure:
    """A horizontal bar for each row, the first on top: columns `label` and `value`."""
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.24 * len(frame)))
    axes.barh(np.arange(len(frame))[::-1], frame[value], color=ACCENT, height=0.7)
    axes.set_yticks(np.arange(len(frame))[::-1], [mathtext(name) for name in frame[label]])
    axes.set(xlabel=xlabel, ylim=(-0.6, len(frame) - 0.4))
    axes.grid(axis="y", visible=False)
    alt = alt_text.rows(frame, xlabel, label, value, "Bar chart")
    caption = f"{alt_text.sentence(xlabel)} of each {readable(label)}."
    return framed(figure, alt, caption, xlabel, frame[[label, value]])


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
    size = (max(7.2, 2.7 * columns), max(3.4, 2.0 * rows + 0.5)) if len(groups) > 1 else (7.2, 4)
    figure, grid = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for axes, (name, _) in zip(grid.flat, groups, strict=False):
        axes.set_title(shown_name(name), fontsize=8.5, fontweight="normal")
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    return figure, grid, groups


@or_words
def trajectories(
    frame: pd.DataFrame,
    ylabel: str,
    panels: str | None = None,
    reference: float | Mapping[str, float] | None = None,
    columns: int = 3,
    series: str = "model",
    log: bool = True,
    dashed: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
    bars: bool = False,
    baseline: Mapping[str, float] | None = None,
) -> Figure:
    """Curves over training, with intervals as bands: a line a model, or another thing.

    Args:
        frame: columns step, value, low and high where there is an interval, and the ones named by
            `series` and `panels`.
        ylabel: what the value is, with its unit.
        panels: column whose values get a panel each, in order of appearance; None for one panel.
        reference: a horizontal line, such as chance: one, or one for each panel that has one.
        columns: panels in a row.
        series: column that names the lines, in order of appearance. Models have the colour of their
            size and a line of their variant and seed.
        log: training time on the axis log2(1 + step), which shows the first steps; else linear.
        dashed: lines that were not measured: an expectation, another's assumption.
        colours: of lines that are no models; by default those of `category_palette`.
        bars: intervals as bars side by side, for many wide ones that would cover each other as bands.
        baseline: a second, dotted line for each panel that has one: what something simpler reaches.
    """
    figure, grid, groups = panel_grid(frame, panels, columns)
    names = list(dict.fromkeys(frame[series]))
    styles = model_styles(names) if series == "model" else _styles(names, dashed, colours)
    for axes, (panel, part) in zip(grid.flat, groups, strict=False):
        time = part["step"].astype(float)
        draw = lines_with_bars if bars else _lines_with_bands
        draw(axes, part.assign(x=np.log2(1 + time) if log else time), series, styles)
        level = reference.get(panel) if isinstance(reference, Mapping) else reference
        if level is not None:
            axes.axhline(level, color=REFERENCE, ls="--", lw=1, zorder=1)
        if baseline and panel in baseline:
            axes.axhline(baseline[panel], color="black", ls=":", lw=1.6, zorder=1)
        time_axis(axes, frame["step"], log, wide=len(groups) == 1)
    label = f"training step{' (log scale)' if log else ''}"
    _outer_labels(figure, grid, len(groups), label, ylabel)
    if series == "model" and len(styles) > 8:
        _legend_of_sizes(figure, styles)
    else:
        legend_above(figure)
    options = {"panels": panels, "columns": columns, "log": log, "series": series, "bars": bars}
    options |= {"reference": reference, "baseline": baseline, "limits": grid[0, 0].get_ylim()}
    options["steps"] = (int(frame["step"].min()), int(frame["step"].max()))
    chart = curve_charts.chart(frame, curve_look.Look(styles, ylabel, **options))
    return framed(figure, **_said_of_curves(frame, ylabel, series, panels, label), chart=chart)


def _said_of_curves(
    frame: pd.DataFrame, ylabel: str, series: str, panels: str | None, along: str
) -> dict[str, Any]:
    """What a figure of curves says of itself, for `framed`."""
    whose = _whose(list(dict.fromkeys(frame[series])), ylabel) if series == "model" else ""
    caption = f"{alt_text.sentence(ylabel)}{whose} over training"
    caption += f", a line a {noun}" if (noun := alt_text.noun(series)) else ""
    caption += f", in {alt_text.count(frame[panels], 'panel', panels)}" if panels else ""
    caption += "; bands or bars are intervals." if _has_intervals(frame) else "."
    name = f"{ylabel} by {alt_text.noun(panels)}" if panels and alt_text.noun(panels) else ylabel
    columns = [series, panels, "step", "value", "low", "high", "stderr", "n"]
    shown = [column for column in dict.fromkeys(columns) if column in frame]
    alt = alt_text.lines(frame, ylabel, along, series, panels)
    return {"alt": alt, "caption": caption, "name": name, "data": frame[shown]}


def _whose(models: Sequence[str], ylabel: str) -> str:
    """` of deduplicated pico models`, unless the label says it."""
    found = [find_model(name) for name in models]
    suites = [name for name in dict.fromkeys(m.suite for m in found) if name not in ylabel.lower()]
    alike = "deduplicated " if all(model.variant == "deduped" for model in found) else ""
    return f" of {alike}{', '.join(suites)} models" if suites else ""


def _has_intervals(frame: pd.DataFrame) -> bool:
    return "low" in frame and bool(frame["low"].notna().any())


def model_styles(names: Sequence[str]) -> dict[str, dict]:
    """How each model's line is drawn: the colour of its size, the line of its variant and seed.

    Lines of other seeds than the usual are thin, and without a band: they show how far runs lie apart.
    """
    palette = size_palette(names)
    usual = {name: {"color": palette[name], "ls": line_style(name)} for name in names}
    return {n: s if find_model(n).has_usual_seed else s | _OTHER_SEED for n, s in usual.items()}


def _styles(
    names: list[str], dashed: Sequence[str], colours: Mapping[str, str] | None
) -> dict[str, dict]:
    colours = colours or category_palette([name for name in names if name not in dashed])
    unmeasured = {"color": REFERENCE, "ls": "--", "lw": 1.3}
    return {n: unmeasured if n in dashed else {"color": colours[n], "ls": "-"} for n in names}


def _lines_with_bands(
    axes: Axes, frame: pd.DataFrame, series: str, styles: Mapping[str, Mapping]
) -> None:
    """A line a series over `x`; points are marked where there are few of them and they were measured."""
    alpha = min(0.18, 1.2 / len(styles))  # many bands over each other would hide the lines
    for name, line in frame.groupby(series, sort=False):
        line, style = line.sort_values("x"), styles[name]
        thin = "lw" in style
        marker = "o" if len(line) == 1 or (len(line) <= 40 and not thin) else ""
        look = {"label": mathtext(name), "marker": marker, **_LINE, **style}
        axes.plot(line["x"], line["value"], **look)
        if "low" in line and not thin:
            band = {"color": style["color"], "alpha": alpha, "lw": 0}
            axes.fill_between(line["x"], line["low"], line["high"], **band)


def lines_with_bars(
    axes: Axes, frame: pd.DataFrame, series: str, styles: Mapping[str, Mapping]
) -> None:
    """A line a series over `x`, its intervals as bars, side by side so that none hides another."""
    groups, places = list(frame.groupby(series, sort=False)), np.sort(frame["x"].unique())
    width = 0.35 * np.diff(places).min() if len(places) > 1 and len(groups) > 1 else 0
    for (name, line), shift in zip(
        groups, np.linspace(-width / 2, width / 2, len(groups)), strict=True
    ):
        line = line.sort_values("x")
        drawn = {"yerr": interval_errors(line), "elinewidth": 1, "marker": "o"}
        drawn["label"] = mathtext(name)
        axes.errorbar(line["x"] + shift, line["value"], **drawn, **{**_LINE, **styles[name]})


def time_axis(axes: Axes, steps: pd.Series, log: bool, wide: bool) -> None:
    if log:
        step_axis(axes, steps, wide)
    elif wide:
        axes.xaxis.set_major_formatter("{x:,.0f}")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
        short = (
            (lambda step, _: f"{step / 1000:g}k" if step else "0") if steps.max() > 9999 else None
        )
        axes.xaxis.set_major_formatter(short or "{x:,.0f}")


def line_style(name: str) -> str:
    """Dotted for deduplicated data, dash-dotted for another variant, dashed for another seed than the usual."""
    model = find_model(name)
    if model.variant != "standard":
        return ":" if model.variant == "deduped" else "-."
    return "-" if model.has_usual_seed else "--"


def _outer_labels(figure: Figure, grid: np.ndarray, panels: int, xlabel: str, ylabel: str) -> None:
    """Axis labels only at the left and below the lowest panel of each column."""
    for index, axes in enumerate(grid.flat):
        axes.tick_params(labelbottom=index + grid.shape[1] >= panels)
        axes.set_xlabel(xlabel if panels == 1 else "")
    if panels > 1:
        figure.supxlabel(xlabel, fontsize="medium")
        figure.supylabel(ylabel, fontsize="medium")
    else:
        grid[0, 0].set_ylabel(ylabel)


def legend_above(figure: Figure, handles: Mapping[str, Line2D] | None = None) -> None:
    """Name the lines of a figure above it, those of all its axes, unless there is only one.

    There are as many columns as fit: a legend wider than its figure would shrink the plots.
    """
    if handles is None:
        drawn = [axes.get_legend_handles_labels() for axes in figure.axes]
        handles = {label: line for pair in drawn for line, label in zip(*pair, strict=True)}
    if len(handles) < 2:
        return
    widest = 0.65 + 0.085 * max(map(len, handles))  # inches, at the size of the labels
    rows = -(-len(handles) // max(1, int(figure.get_figwidth() / widest)))
    columns = -(-len(handles) // rows)
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=columns)


def _legend_of_sizes(figure: Figure, styles: Mapping[str, Mapping]) -> None:
    """For many models: what a colour means, and, where lines differ, what a line does."""
    models = {name: find_model(name) for name in styles}
    ordered = sorted(models, key=lambda name: models[name].non_embedding_params)
    handles = {mathtext(models[n].size): Line2D([], [], color=styles[n]["color"]) for n in ordered}
    kinds = {"-": "standard", ":": "deduped", "--": "another seed"}
    others = sorted({m.variant for m in models.values()} - {"standard", "deduped"})
    kinds |= {"-.": mathtext(", ".join(others))} if others else {}
    lines = {style["ls"] for style in styles.values()}
    if len(lines) > 1:
        own = {kinds[ls]: Line2D([], [], color="0.4", ls=ls) for ls in kinds if ls in lines}
        handles |= own
    legend_above(figure, handles)
