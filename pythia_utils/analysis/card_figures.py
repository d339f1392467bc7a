"""Small figures for the cards that open chapters, each with its text alternative.

They stand beside a few sentences, 400 pixels wide, and on a phone below them: few lines, large letters, one
panel. Lines of models have their size's colour; other seeds are thin.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import plots
from pythia_utils.base.markup import mathtext, plain
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (4.4, 3.4)  # inches
_LETTERS = {"font.size": 10.5}
_TOLD = 6  # lines whose ends a text alternative gives


class Drawn(NamedTuple):
    """A figure and what it shows, in words.

    Attributes:
        figure: it.
        alt: its text alternative.
    """

    figure: Figure
    alt: str


def curves(
    frame: pd.DataFrame,
    ylabel: str,
    series: str = "model",
    reference: tuple[float, str] | None = None,
    log: bool = True,
) -> Drawn | None:
    """Values over training: a line a model, or another thing; None of no rows.

    Args:
        frame: columns step, value, and the one named by `series`.
        ylabel: what the value is, with its unit.
        series: names the lines, in order of appearance.
        reference: a dashed line across, and what it is.
        log: training time on the axis log2(1 + step); else linear.
    """
    steps = frame["step"].astype(float)
    frame = frame.assign(x=np.log2(1 + steps) if log else steps)
    axis = {"xlabel": f"training step{' (log scale)' if log else ''}", "ylabel": ylabel}
    drawn = _lines(frame, series, reference, axis, f"over training steps {_span(frame['step'])}")
    if drawn:
        plots.time_axis(drawn.figure.axes[0], frame["step"], log, wide=False)
    return drawn


def by_class(
    frame: pd.DataFrame,
    names: Sequence[str],
    labels: tuple[str, str],
    series: str = "model",
    reference: tuple[float, str] | None = None,
) -> Drawn | None:
    """Values by ordered classes, such as the times that a text was read: as `curves`.

    Args:
        frame: columns place (of the class in `names`), value, and the one named by `series`.
        names: of the classes.
        labels: of the two axes.
        series: names the lines, in order of appearance.
        reference: a dashed line across, and what it is.
    """
    axis = dict(zip(("xlabel", "ylabel"), labels, strict=True))
    told = f"by {labels[0]}, {names[0]} to {names[-1]}" if len(names) else ""
    drawn = _lines(frame.assign(x=frame["place"]), series, reference, axis, told)
    if drawn:
        few = [place for place in range(len(names)) if not place % (1 + len(names) // 9)]
        shown = [mathtext(names[place]) for place in few]
        slope = 45 if sum(map(len, shown)) > 32 else 0
        drawn.figure.axes[0].set_xticks(few, shown, rotation=slope)
    return drawn


def _span(steps: pd.Series) -> str:
    return f"{int(steps.min()):,} to {int(steps.max()):,}" if len(steps) else ""


def _lines(
    frame: pd.DataFrame,
    series: str,
    reference: tuple[float, str] | None,
    axis: Mapping[str, str],
    over: str,
) -> Drawn | None:
    if frame.empty:
        return None
    names = list(dict.fromkeys(frame[series]))
    styles = plots.model_styles(names) if series == "model" else _styles(names)
    with plt.rc_context(_LETTERS):
        figure, axes = plt.subplots(figsize=_SIZE)
        _draw(axes, frame, series, styles)
        if reference:
            look = {"color": plots.REFERENCE, "ls": "--", "lw": 1.2, "label": reference[1]}
            axes.axhline(reference[0], zorder=1, **look)
        axes.set(**axis)
        plots.legend_above(figure)
    return Drawn(figure, _alternative(frame, series, reference, axis["ylabel"], over))


def _styles(names: Sequence[str]) -> dict[str, dict]:
    return {n: {"color": colour, "ls": "-"} for n, colour in plots.category_palette(names).items()}


def _draw(axes: Axes, frame: pd.DataFrame, series: str, styles: Mapping[str, Mapping]) -> None:
    """The lines; the first of each size, or other thing, is named."""
    named = set()
    for name, line in frame.groupby(series, sort=False):
        label, line = _label(series, name), line.sort_values("x")
        shown = "_" if label in named else mathtext(label)
        named.add(label)
        marker = "o" if len(line) <= 12 else ""
        look = {"lw": 1.9, "ms": 3.5, "marker": marker, **styles[name], "label": shown}
        axes.plot(line["x"], line["value"], **look)


def _label(series: str, name: str) -> str:
    if series != "model":
        return name
    model = find_model(name)
    return model.size if model.variant == "standard" else f"{model.size} {model.variant}"


def _alternative(
    frame: pd.DataFrame,
    series: str,
    reference: tuple[float, str] | None,
    ylabel: str,
    over: str,
) -> str:
    """What the lines are, and from where to where each goes: means of a size's seeds."""
    ends = frame.assign(label=[_label(series, name) for name in frame[series]]).sort_values("x")
    parts = []
    for label, own in ends.groupby("label", sort=False):
        means = own.groupby("x")["value"].mean().dropna()
        parts += [f"{label} {means.iloc[0]:.3g} to {means.iloc[-1]:.3g}"] if len(means) else []
    order = list(dict.fromkeys(ends["label"][frame.index]))
    parts.sort(
        key=lambda part: next(i for i, name in enumerate(order) if part.startswith(f"{name} "))
    )
    shown = [*parts[: _TOLD - 1], *parts[-1:]] if len(parts) > _TOLD else parts
    told = f"Lines of {ylabel} {over}, from first to last value: {'; '.join(shown)}."
    if reference:
        told += f" A dashed line at {reference[0]:.3g}: {reference[1]}."
    return plain(told)


def dots(
    frame: pd.DataFrame,
    xlabel: str,
    reference: float | None = None,
    before: str = "",
) -> Drawn | None:
    """A row for each thing, a small point for each run, a large one for their mean; None of no rows.

    Args:
        frame: columns what (names the rows, in order of appearance), value, and, for `before`, base_value.
        xlabel: what the value is.
        reference: a dashed line from top to bottom.
        before: what base_value is: then an open point for its mean stands in each row, and a line leads from
            it to the mean of the values.
    """
    if frame.empty:
        return None
    names = list(dict.fromkeys(frame["what"]))
    with plt.rc_context(_LETTERS):
        figure, axes = plt.subplots(figsize=(_SIZE[0], min(_SIZE[1], 1.3 + 0.5 * len(names))))
        rows = dict(zip(names, plots.name_rows(axes, names), strict=True))
        axes.set_yticks([*rows.values()], [*map(_broken, names)])
        heights = frame["what"].map(rows).to_numpy(float)
        axes.plot(frame["value"], heights, ".", color=plots.ACCENT, alpha=0.45, ms=7)
        means = frame.groupby("what", sort=False)["value"].mean()
        if before:
            _from_before(axes, frame, rows)
        axes.plot(means, means.index.map(rows), "o", color=plots.ACCENT, ms=8)
        key = f"\n(open: {mathtext(before)}; filled: after)" if before else ""
        axes.set(xlabel=f"{xlabel}{key}")
        if reference is not None:
            axes.axvline(reference, color=plots.REFERENCE, ls="--", lw=1.2, zorder=1)
    return Drawn(figure, _told_in_rows(frame, xlabel, before))


def _from_before(axes: Axes, frame: pd.DataFrame, rows: Mapping[str, float]) -> None:
    for name, own in frame.groupby("what", sort=False):
        ends = own["base_value"].mean(), own["value"].mean()
        axes.plot(ends, [rows[name]] * 2, color=plots.ACCENT, lw=1.5)
        axes.plot(ends[0], rows[name], "o", mfc="white", mec=plots.ACCENT, ms=8, zorder=3)


def _broken(name: str, longest: int = 22) -> str:
    """A name in lines of so many letters, as a label."""
    return "\n".join(map(mathtext, textwrap.wrap(plain(name), longest)))


def _told_in_rows(frame: pd.DataFrame, xlabel: str, before: str) -> str:
    parts = []
    for name, own in frame.groupby("what", sort=False):
        start = f"from {own['base_value'].mean():.3g} to " if before else ""
        parts.append(f"{name}: {start}{own['value'].mean():.3g}")
    way = f", from {before} to after" if before else ""
    return plain(f"Points of {xlabel}{way}, means over runs: {'; '.join(parts)}.")
