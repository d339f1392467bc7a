"""Figures of what others published of Pythia's memorization, alone and beside a sample of ours."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.memorization.published import parabola
from pythia_utils.analysis.palettes import ACCENT, REFERENCE
from pythia_utils.analysis.plots import interval_errors, legend_above
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext
from pythia_utils.suites.catalog import find_model

_VARIANTS = {"standard": ("o", ACCENT), "deduped": ("s", REFERENCE)}


def counts(frame: pd.DataFrame) -> Figure:
    """Published counts of memorized sequences: of final models over size, and shares over steps.

    Args:
        frame: of `published.counts`, of every step.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4), width_ratios=(1.5, 1))
    _growth(left, frame[frame["step"] == frame["step"].max()])
    several = frame[frame.groupby("model")["step"].transform("nunique") > 1]
    for model, part in several.sort_values("step").groupby("model", sort=False):
        marker, colour = _VARIANTS[find_model(model).variant]
        right.plot(part["step"], part["value"], f"{marker}-", color=colour, label=mathtext(model))
    right.set(xlabel="training step", ylabel="share of the sequences read so far", ylim=(0, None))
    right.xaxis.set_major_locator(MaxNLocator(4))
    right.xaxis.set_major_formatter("{x:,.0f}")
    right.yaxis.set_major_formatter("{x:.1%}")
    right.legend(loc="lower right")
    final = frame.loc[frame["step"] == frame["step"].max(), ["model", "memorized"]]
    return framed(
        figure,
        alt_text.rows(
            final[["model", "memorized"]],
            "published counts of memorized sequences",
            "model",
            value="memorized",
        ),
        "Published counts of memorized sequences by size, and shares of the sequences read over training.",
        name="published-counts",
        data=frame[["model", "step", "n_params", "memorized", "value"]],
    )


@or_words
def beside(ours: pd.DataFrame, theirs: pd.DataFrame) -> Figure:
    """A sample's shares of the sequences read so far at the end (filled, with intervals), and published (open).

    Args:
        ours: of `tables.of_read`, of Pythia's last steps; columns model, variant, n_params, value, low, high.
        theirs: of `published.counts`.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    for (variant, (marker, colour)), side in zip(_VARIANTS.items(), (0.96, 1.04), strict=True):
        style = {"marker": marker, "color": colour, "ls": "", "ms": 5}
        own = ours[ours["variant"] == variant]
        if len(own):
            errors = interval_errors(own)
            name = f"{variant}, sampled here"
            axes.errorbar(side * own["n_params"], own["value"], errors, label=name, **style)
        other = theirs[theirs["variant"] == variant].sort_values("n_params")
        hollow = style | {"mfc": "white", "ls": ":", "lw": 1}
        axes.plot(other["n_params"], other["value"], label=f"{variant}, published", **hollow)
    sizes = pd.concat([ours, theirs]).drop_duplicates("n_params").sort_values("n_params")
    names = [mathtext(find_model(name).size) for name in sizes["model"]]
    axes.set_xscale("log")
    axes.set_xticks(sizes["n_params"], names, rotation=45)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:.1%}")
    axes.set(xlabel="size (non-embedding parameters, log scale)", ylim=(0, None))
    axes.set_ylabel("share of sequences memorized")
    legend_above(figure)
    drawn = pd.concat([ours.assign(source="sampled here"), theirs.assign(source="published")])
    by = {"model": "model", "source": "source"}
    return framed(
        figure,
        alt_text.crossed(drawn, "Points", "the share of sequences memorized", by),
        "Share of the sequences read that are memorized at the end: sampled here, filled, and published, open.",
        name="beside-published",
        data=drawn[[*by, "n_params", "value", "low", "high"]],
    )


def _growth(axes: Axes, frame: pd.DataFrame) -> None:
    """Counts over size, both axes logarithmic, each variant with its `published.parabola`."""
    for variant, part in frame.groupby("variant", sort=False):
        marker, colour = _VARIANTS[variant]
        axes.plot(part["n_params"], part["memorized"], marker, color=colour, label=variant)
        span = np.geomspace(part["n_params"].min(), part["n_params"].max(), 20)
        axes.plot(span, np.exp(parabola(part)(np.log(span))), color=colour, ls="--", lw=1.2)
    for row in frame[frame["variant"] == "standard"].itertuples():
        near = {"xytext": (-4, 6), "textcoords": "offset points", "ha": "right"}
        size = mathtext(find_model(row.model).size)
        axes.annotate(size, (row.n_params, row.memorized), fontsize=8.5, **near)
    axes.set(xscale="log", yscale="log", xlabel="non-embedding parameters")
    axes.set(ylabel="memorized sequences", xlim=(8e6, 2e10))
    ticks = [400_000, 700_000, 1_000_000, 1_500_000, 2_500_000]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right")
