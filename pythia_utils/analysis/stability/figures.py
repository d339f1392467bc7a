"""Figures of seeds: each run's headline numbers, their sources of variation, and Pythia's own seeds."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import plots, seeds
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext

_MARKS = {seeds.USUAL: "o", "seed": "s", "weight-seed": "^", "data-seed": "v"}
_MEANING = {
    seeds.USUAL: "the usual seed",
    "seed": "another seed of both",
    "weight-seed": "other weights, the same order",
    "data-seed": "another order, the same weights",
}


def _kind(seed: str) -> str:
    return seed.rstrip("0123456789")


@or_words
def runs_of_headlines(found: pd.DataFrame) -> Figure:
    """A panel a headline: a mark for each run, by size. Of `headlines.values`."""
    sizes = found.drop_duplicates("size").sort_values("n_params")["size"].tolist()
    figure, grid, panels = plots.panel_grid(found, "headline", columns=2)
    for axes, (name, own) in zip(grid.flat, panels, strict=False):
        own = own.assign(kind=own["seed"].map(_kind))
        for kind, runs in own.groupby("kind", sort=False):
            at = runs["size"].map(sizes.index) + 0.16 * (list(_MARKS).index(kind) - 1.5)
            look = {"marker": _MARKS[kind], "ls": "", "ms": 5, "label": _MEANING[kind]}
            axes.plot(at, runs["value"], color=plots.category_palette(list(_MARKS))[kind], **look)
        axes.set_xticks(range(len(sizes)), [mathtext(size) for size in sizes])
        axes.set(title=mathtext(name), xlim=(-0.5, len(sizes) - 0.5))
        axes.tick_params(labelbottom=True)
        axes.relim()
        axes.autoscale(axis="y")
    plots.legend_above(figure)
    return figure


@or_words
def sources_of_variation(sources: pd.DataFrame) -> Figure:
    """A panel a headline: the standard deviation of each source, with its interval. Of `headlines.table`."""
    names = list(sources["headline"].unique())
    rows = -(-len(names) // 2)
    figure, grid = plt.subplots(rows, 2, figsize=(7.6, 0.5 + 1.45 * rows), squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        own = sources[sources["headline"] == name]
        heights = plots.name_rows(axes, list(own["source"]))
        top = own["sd"].max() * 3
        low, high = own["low"].fillna(own["sd"]), own["high"].fillna(own["sd"]).clip(upper=top)
        axes.hlines(heights, low.clip(upper=top), high, color=plots.ACCENT, lw=1.6)
        axes.plot(own["sd"], heights, "o", color=plots.ACCENT, ms=5)
        cut = (own["high"] > top).to_numpy()
        axes.plot(np.full(cut.sum(), top), heights[cut], ">", color=plots.ACCENT, ms=4)
        axes.set(title=mathtext(name), xlim=(0, top * 1.04 or 1))
    figure.supxlabel("standard deviation, in the number's own unit", fontsize="medium")
    return figure


@or_words
def published_seeds(curves: pd.DataFrame, ylabel: str) -> Figure:
    """A line for each published seed over the steps of Pythia: columns seed, step, value."""
    figure, axes = plt.subplots(figsize=(7, 3))
    for _, own in curves.sort_values("step").groupby("seed", dropna=False):
        axes.plot(np.log2(1 + own["step"]), own["value"], color=plots.ACCENT, lw=1, alpha=0.7)
    plots.step_axis(axes, curves["step"].tolist())
    axes.set(xlabel="training step of Pythia", ylabel=ylabel)
    return figure
