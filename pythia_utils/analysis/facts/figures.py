"""Figures of the chapter on facts, in the style of `analysis.plots`."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.facts.curves import Threshold, accuracy
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import ACCENT, REFERENCE, category_palette
from pythia_utils.analysis.plots import legend_above, name_rows, panel_grid, trajectories
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext


@or_words
def by_told(frame: pd.DataFrame, panels: str, chance: float, columns: int = 4) -> Figure:
    """Shares of right answers by the times told: a thin line a seed, a thick one their mean.

    Args:
        frame: columns model, what (names the colours), told (class), least (its least number), value, and the
            one named by `panels`.
        panels: column whose values get a panel each.
        chance: the dashed line.
        columns: panels in a row.
    """
    figure, grid, groups = panel_grid(frame, panels, columns)
    classes = frame.drop_duplicates("least").sort_values("least")
    places = {least: place for place, least in enumerate(classes["least"])}
    colours = category_palette(list(dict.fromkeys(frame["what"])))
    for place, (axes, (_, part)) in enumerate(zip(grid.flat, groups, strict=False)):
        for what, rows in part.groupby("what", sort=False):
            _lines(axes, rows.assign(x=rows["least"].map(places)), str(what), colours[what])
        axes.axhline(chance, color=REFERENCE, ls="--", lw=1, zorder=1)
        labels = [mathtext(_short(name)) for name in classes["told"]]
        axes.set_xticks(range(len(classes)), labels, rotation=60, fontsize=8)
        axes.tick_params(labelbottom=place + grid.shape[1] >= len(groups))
        axes.set_ylim(-0.03, 1.03)
    figure.supxlabel("times told so far", fontsize="medium")
    figure.supylabel("share answered right", fontsize="medium")
    legend_above(figure)
    what, along = "the share answered right", "how often a fact was told so far, in classes"
    return framed(
        figure,
        alt_text.lines(frame, what, along, "what", panels, x="least"),
        "Share answered right by the times told so far; thin lines are seeds, the dashed line is guessing.",
        name="by-times-told",
        data=frame[["model", panels, "what", "told", "value"]],
    )


def _lines(axes, rows: pd.DataFrame, what: str, colour: str) -> None:
    for _, line in rows.groupby("model"):
        axes.plot(line["x"], line["value"], color=colour, lw=0.7, alpha=0.5)
    mean = rows.groupby("x")["value"].mean()
    axes.plot(mean.index, mean, color=colour, lw=2, marker="o", ms=3, label=mathtext(what))


def _short(told: str) -> str:
    """A class of times told as a label: `65+`, `10k-100k`."""
    text = told.replace(" or more", "+")
    return re.sub(r"\d{4,}", lambda found: _round(int(found.group())), text)


def _round(number: int) -> str:
    thousands = round(number / 1000)
    return f"{thousands}k" if thousands < 1000 else f"{thousands / 1000:.0f}M"


@or_words
def thresholds(frame: pd.DataFrame, label: str = "model") -> Figure:
    """Thresholds with their intervals on a logarithmic axis; an arrow to where one lies outside of it.

    Args:
        frame: of `tables.thresholds`, and the column `label`.
        label: names the rows.
    """
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(frame)))
    rows = name_rows(axes, list(frame[label]))
    for height, row in zip(rows, frame.itertuples(), strict=True):
        if row.side == "within":
            axes.plot([row.low, row.high], [height, height], color=ACCENT, lw=1.4)
            axes.plot(row.value, height, "o", color=ACCENT, ms=5)
        elif row.side == "below":
            axes.plot(row.least, height, "<", color="0.6", ms=6)
        else:
            axes.plot(row.most, height, ">", color="0.6", ms=6)
    axes.set(xscale="log", xlabel="threshold: times told, logarithmic")
    low, high = axes.get_xlim()
    ticks = [n * 10**power for power in range(-3, 10) for n in _between(high / low)]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:,g}" if tick < 10_000 else _round(tick) for tick in shown])
    axes.minorticks_off()
    within = frame[frame["side"] == "within"]
    outside = f"{len(within)} of {len(frame)} lie within what was told"
    return framed(
        figure,
        alt_text.together(alt_text.rows(within, "the threshold, times told", label), outside),
        "Thresholds, in times told, with their intervals; an arrow leads to one outside of what was told.",
        name="thresholds",
        data=frame[[label, "side", "value", "low", "high", "least", "most"]],
    )


@or_words
def thresholds_over_time(frame: pd.DataFrame) -> Figure:
    """The threshold at each step, on a logarithmic axis, a line a model; gaps where there is none within.

    Args:
        frame: of `tables.thresholds`, without rows whose value is nan.
    """
    figure = trajectories(frame, "threshold: times told, log scale")
    figure.axes[0].set_yscale("log")
    figure.axes[0].yaxis.set_major_formatter("{x:,g}")
    return framed(figure, caption="The threshold, in times told, over training.", name="threshold")


def _between(span: float) -> tuple[float, ...]:
    """The ticks of each power of ten on an axis from 1 to `span`."""
    return (1, 1.5, 2, 3, 5, 7) if span < 50 else (1, 3) if span < 3000 else (1,)


def curve(facts: pd.DataFrame, threshold: Threshold | None, guess: float) -> Figure:
    """One model's facts as points, a little apart from one another, and the fitted curve.

    Args:
        facts: columns told, correct; those never told are drawn at half a telling.
        threshold: of `curves.fit`.
        guess: what guessing gets right.
    """
    figure, axes = plt.subplots(figsize=(7, 3.2))
    shake = np.random.default_rng(0).uniform(-0.025, 0.025, len(facts))
    told = facts["told"].clip(lower=0.5)
    axes.plot(told, facts["correct"] + shake, "o", ms=4, alpha=0.4, color=ACCENT, mew=0)
    axes.axhline(guess, color=REFERENCE, ls="--", lw=1)
    if threshold is not None and threshold.is_reached:
        span = np.geomspace(threshold.least, threshold.most, 200)
        fitted = accuracy(span, threshold.value, threshold.slope, guess)
        axes.plot(span, fitted, color="0.2", lw=1.8)
        axes.axvline(threshold.value, color="0.5", lw=1, ls=":")
    axes.set(xscale="log", xlabel="times told so far, logarithmic", ylabel="share answered right")
    axes.xaxis.set_major_formatter("{x:g}")
    return framed(
        figure,
        _curve_in_words(facts, threshold),
        "Facts by the times told, right ones above and wrong ones below; the line is the fitted curve.",
        name="facts-by-times-told",
        data=facts[["told", "correct"]],
    )


def _curve_in_words(facts: pd.DataFrame, threshold: Threshold | None) -> str:
    right = int(facts["correct"].sum())
    span = f"{alt_text.number(facts['told'].min())} to {alt_text.number(facts['told'].max())}"
    fitted = "No fitted curve has its threshold within these"
    if threshold is not None and threshold.is_reached:
        fitted = (
            f"The fitted curve has its threshold at {alt_text.number(threshold.value)} times told"
        )
    points = f"Points for {len(facts)} facts by the times told, logarithmic, {span}"
    return alt_text.together(points, f"{right} are answered right", fitted)
