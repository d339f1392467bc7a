"""Figures of seeds: each run's headline numbers, their sources of variation, and Pythia's own seeds."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text, palettes, plots, seeds
from pythia_utils.analysis.figure import framed
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
    """A panel a headline, each with its own unit: a mark for each run, by size. Of `headlines.values`."""
    sizes = found.drop_duplicates("size").sort_values("n_params")["size"].tolist()
    figure, panels = _panels(found, height=1.9)
    for axes, own in panels:
        for kind, runs in own.groupby(own["seed"].map(_kind), sort=False):
            at = runs["size"].map(sizes.index) + 0.16 * (list(_MARKS).index(kind) - 1.5)
            look = {"marker": _MARKS[kind], "ls": "", "ms": 5, "label": _MEANING[kind]}
            axes.plot(
                at, runs["value"], color=palettes.category_palette(list(_MARKS))[kind], **look
            )
        axes.set_xticks(range(len(sizes)), [mathtext(size) for size in sizes])
        axes.set_xlim(-0.5, len(sizes) - 0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    plots.legend_above(figure)
    return framed(
        figure,
        _headlines_in_words(found, "value", f"a mark for each of {found['model'].nunique()} runs"),
        "Headline numbers of every run, by size: a mark tells what its seed sets.",
        name="headlines",
        data=found[["headline", "model", "size", "seed", "value"]],
    )


def _headlines_in_words(frame: pd.DataFrame, value: str, marks: str) -> str:
    groups = list(frame.groupby("headline", sort=False)[value])
    told = [f"{name}, {alt_text.span(values)}" for name, values in groups]
    return alt_text.together(f"{len(groups)} panels of headline numbers, {marks}", *told)


@or_words
def sources_of_variation(sources: pd.DataFrame) -> Figure:
    """A panel a headline: the standard deviation of each source, with its interval. Of `headlines.table`."""
    figure, panels = _panels(sources, height=1.5)
    for axes, own in panels:
        heights = plots.name_rows(axes, list(own["source"]))
        top = own["sd"].max() * 3 or 1
        low, high = own["low"].fillna(own["sd"]), own["high"].fillna(own["sd"])
        axes.hlines(heights, low, high.clip(upper=top), color=palettes.ACCENT, lw=1.6)
        axes.plot(own["sd"], heights, "o", color=palettes.ACCENT, ms=5)
        cut = (high > top).to_numpy()
        axes.plot(np.full(cut.sum(), top), heights[cut], ">", color=palettes.ACCENT, ms=4)
        axes.set_xlim(0, top * 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("standard deviation, in the number's own unit", fontsize="medium")
    marks = f"the standard deviation of each of {sources['source'].nunique()} sources"
    return framed(
        figure,
        _headlines_in_words(sources, "sd", marks),
        "Standard deviation of each headline number over its sources of variation, with intervals.",
        name="sources-of-variation",
        data=sources[["headline", "source", "sd", "low", "high"]],
    )


def _panels(frame: pd.DataFrame, height: float) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Two columns of panels, one for each headline, with axes of their own."""
    groups = list(frame.groupby("headline", sort=False))
    rows = -(-len(groups) // 2)
    figure, grid = plt.subplots(rows, 2, figsize=(7.6, 0.5 + height * rows), squeeze=False)
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    panels = list(zip(grid.flat, (own for _, own in groups), strict=False))
    for axes, own in panels:
        axes.set_title(mathtext(own["headline"].iloc[0]), fontsize="medium")
    return figure, panels


@or_words
def published_seeds(curves: pd.DataFrame, ylabel: str) -> Figure:
    """A line for each published seed over the steps of Pythia: columns seed, step, value."""
    figure, axes = plt.subplots(figsize=(7, 3))
    for _, own in curves.sort_values("step").groupby("seed", dropna=False):
        axes.plot(np.log2(1 + own["step"]), own["value"], color=palettes.ACCENT, lw=1, alpha=0.7)
    plots.step_axis(axes, curves["step"].tolist())
    axes.set(xlabel="training step of Pythia", ylabel=ylabel)
    names = ["the usual seed" if pd.isna(seed) else f"seed {seed}" for seed in curves["seed"]]
    drawn = curves.assign(seed=names)
    return framed(
        figure,
        alt_text.lines(drawn, ylabel, "training step of Pythia, log scale", "seed"),
        f"{alt_text.sentence(ylabel)} over training, a line a published seed.",
        data=drawn[["seed", "step", "value"]],
    )
