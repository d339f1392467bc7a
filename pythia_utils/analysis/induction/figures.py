"""Figures of the notebook and the chapter on induction, in the style of `analysis.plots`."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text, select
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import REFERENCE, category_palette
from pythia_utils.analysis.plots import (
    interval_errors,
    legend_above,
    lines_with_bars,
    model_styles,
    panel_grid,
    step_axis,
)
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext

# How a score is called, and the top of its colours: None for the greatest value that there is.
SCORES: dict[str, tuple[str, float | None]] = {
    "prefix_matching": ("prefix matching", 1),
    "previous_token": ("previous token", 1),
    "first_token": ("first token", 1),
    "copying": ("copying (logits)", None),
    "ablation": ("gain lost when ablated (nats)", None),
}
_COLOURS = "viridis"


@or_words
def head_maps(heads: pd.DataFrame, scores: Sequence[str] = tuple(SCORES)) -> Figure:
    """All heads of one checkpoint, a map of layers by heads for each score; a ring around the heads found.

    Args:
        heads: of `tables.heads`, of one model and step.
        scores: columns.
    """
    known = [score for score in scores if heads[score].notna().any()]
    height = 1.3 + 0.22 * (heads["layer"].max() + 1)
    figure, axes = plt.subplots(
        1, len(known), figsize=(max(7.2, 2.1 * len(known)), height), squeeze=False
    )
    for place, (ax, score) in enumerate(zip(axes.flat, known, strict=True)):
        name, top = SCORES[score]
        image = _map(ax, heads, score, _top(heads, score, top))
        ax.set_title(name, fontsize=8.5, fontweight="normal")
        ax.set_xlabel("head")
        ax.set_ylabel("layer" if not place else "")
        bar = figure.colorbar(image, ax=ax, shrink=0.8, location="bottom", pad=0.02)
        bar.locator = MaxNLocator(3)
        bar.update_ticks()
    found = int((heads["found"] > 0).sum())
    return framed(
        figure,
        alt_text.together(_maps_in_words(heads, known), f"{found} heads have a ring"),
        "Scores of all heads, a map a score; a ring is around the heads that ablation found.",
        name="heads",
        data=heads[["layer", "head", *known, "found"]],
    )


def _maps_in_words(heads: pd.DataFrame, scores: Sequence[str], **more: str) -> str:
    """Where each score is highest."""
    told = heads.melt(["layer", "head", *more], list(scores), var_name="score")
    by = {"score": "score", "layer": "layer", "head": "head"} | more
    return alt_text.crossed(told, "Maps of coloured squares", "scores of heads", by)


def _top(heads: pd.DataFrame, score: str, top: float | None) -> float:
    return top if top is not None else max(float(heads[score].max()), 1e-3)


def _map(ax, heads: pd.DataFrame, score: str, top: float):
    """Layers from below, heads from the left; negative values have the colour of 0, unknown ones none."""
    grid = heads.pivot_table(index="layer", columns="head", values=score, dropna=False)
    image = ax.imshow(grid, origin="lower", aspect="auto", cmap=_COLOURS, vmin=0, vmax=top)
    found = heads[heads["found"] > 0]
    ax.plot(found["head"], found["layer"], "o", mfc="none", mec=REFERENCE, mew=1.8, ms=9)
    ax.grid(visible=False)
    for axis, values in ((ax.xaxis, grid.columns), (ax.yaxis, grid.index)):
        axis.set_major_locator(MaxNLocator(min(6, len(values)), integer=True))
    return image


@or_words
def strip(
    heads: pd.DataFrame, scores: Sequence[str] = ("previous_token", "prefix_matching")
) -> Figure:
    """One model's maps at up to eight steps: a row a score, a column a step.

    Args:
        heads: of `tables.heads`, of one model.
        scores: columns; `ablation` is left out where there is none.
    """
    heads = select.few_steps(heads, 8)
    known = [score for score in scores if heads[score].notna().any()]
    steps = sorted(heads["step"].unique())
    tall = 0.75 + 0.14 * (heads["layer"].max() + 1)
    size = (max(7.2, 1.1 * len(steps)), 0.6 + tall * len(known))
    figure, grid = plt.subplots(len(known), len(steps), figsize=size, squeeze=False)
    for row, score in zip(grid, known, strict=True):
        name, top = SCORES[score]
        for ax, step in zip(row, steps, strict=True):
            image = _map(ax, heads[heads["step"] == step], score, _top(heads, score, top))
            ax.set_title(f"step {step:,}", fontsize=8, fontweight="normal")
            ax.tick_params(labelsize=8)
        row[0].set_ylabel(name, fontsize=8)
        figure.colorbar(image, ax=list(row), shrink=0.9, pad=0.01).ax.tick_params(labelsize=8)
    figure.supxlabel("head", fontsize="small")
    return framed(
        figure,
        _maps_in_words(heads, known, step="step"),
        "Scores of all heads of one model over training: a row a score, a column a step.",
        name="heads-over-training",
        data=heads[["step", "layer", "head", *known, "found"]],
    )


@or_words
def gains(frame: pd.DataFrame) -> Figure:
    """The gains over training: a panel a size, a colour a gain, a thin line a seed and a thick one their mean.

    Args:
        frame: of `tables.gains`.
    """
    frame = frame.sort_values(["n_params", "step"])
    figure, grid, groups = panel_grid(frame, "size", 2)
    colours = category_palette(list(dict.fromkeys(frame["gain"])))
    for axes, (_, part) in zip(grid.flat, groups, strict=False):
        for gain, own in part.groupby("gain", sort=False):
            _seeds(axes, own, str(gain), colours[gain])
        axes.axhline(0, color="0.4", lw=0.8, zorder=1)
        step_axis(axes, frame["step"], wide=len(groups) == 1)
    figure.supxlabel("training step (log scale)", fontsize="medium")
    figure.supylabel("nats a token", fontsize="medium")
    legend_above(figure)
    return framed(
        figure,
        alt_text.lines(
            frame, "the gain, nats a token,", "training step, log scale", "gain", "size"
        ),
        "Gains over training, a panel a size: thin lines are seeds, thick ones their mean.",
        name="gains",
        data=frame[["model", "size", "gain", "step", "value"]],
    )


def _seeds(axes, own: pd.DataFrame, label: str, colour: str) -> None:
    for _, line in own.groupby("model"):
        axes.plot(np.log2(1 + line["step"].astype(float)), line["value"], color=colour, lw=0.8)
    runs, steps = own["model"].nunique(), own.groupby("step")["value"]
    mean = steps.mean()[steps.count() == runs]  # a mean of other seeds would jump
    x = np.log2(1 + mean.index.to_numpy(dtype=float))
    axes.plot(x, mean, color=colour, lw=2.2, marker="o", ms=3, label=mathtext(label))


@or_words
def by_length(
    frame: pd.DataFrame, column: str, ylabel: str, reference: float, inside: int = 0
) -> Figure:
    """A value for each kind of sequence, a point a model; the dashed line is chance.

    Args:
        frame: columns model, value, low, high and the one that names the kinds, in order.
        column: which that is.
        ylabel: what the value is.
        reference: chance.
        inside: so many kinds, from the left, are of the lengths that training has: shaded.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    names = list(dict.fromkeys(frame[column]))
    places = {name: place for place, name in enumerate(names)}
    rows = frame.assign(x=frame[column].map(places).astype(float))
    styles = model_styles(list(dict.fromkeys(frame["model"])))
    # No lines: what stands side by side is not one scale.
    lines_with_bars(
        axes, rows, "model", {name: own | {"ls": "none"} for name, own in styles.items()}
    )
    axes.axhline(reference, color=REFERENCE, ls="--", lw=1)
    if inside:
        axes.axvspan(-0.45, inside - 0.5, color="0.92", zorder=0)
    slope = {"rotation": 30, "ha": "right"} if max(map(len, names)) > 6 else {}
    axes.set_xticks(range(len(names)), [mathtext(name) for name in names], **slope)
    kind = "alphabet and " * names[0][:1].isalpha()
    axes.set(xlabel=f"{kind}period, or period + gap", ylabel=ylabel, xlim=(-0.5, len(names) - 0.5))
    legend_above(figure)
    by = {column: "kind of sequence", "model": "model"}
    return framed(
        figure,
        alt_text.crossed(frame, "Points with intervals", ylabel, by),
        f"{alt_text.sentence(ylabel)} for each kind of sequence; the dashed line is chance.",
        name=f"by-{column}",
        data=frame[[*by, "value", "low", "high"]],
    )


@or_words
def trials(frame: pd.DataFrame) -> Figure:
    """The gain without any ablation, without the heads found, and without as many others: a group a model.

    Args:
        frame: of `tables.trials`, a step a model.
    """
    models, kinds = (list(dict.fromkeys(frame[name])) for name in ("model", "ablated"))
    figure, axes = plt.subplots(figsize=(7.2, 1.2 + 0.55 * len(models)))
    colours = category_palette(kinds)
    for place, kind in enumerate(kinds):
        own = frame[frame["ablated"] == kind]
        y = [len(models) - 1 - models.index(model) - 0.17 * (place - 1.5) for model in own["model"]]
        look = {"fmt": "o", "ms": 5, "capsize": 2, "color": colours[kind], "label": mathtext(kind)}
        axes.errorbar(own["value"], y, xerr=interval_errors(own), **look)
    axes.set_yticks(range(len(models))[::-1], [mathtext(model) for model in models])
    axes.axvline(0, color="0.4", lw=0.8)
    axes.set(xlabel="content gain left (nats a token)", ylim=(-0.6, len(models) - 0.4))
    axes.grid(axis="y", visible=False)
    legend_above(figure)
    by = {"model": "model", "ablated": "way of ablation"}
    return framed(
        figure,
        alt_text.crossed(frame, "Points with intervals", "content gain left, nats a token", by),
        "Content gain that is left without the heads found, and without as many others.",
        name="ablations",
        data=frame[[*by, "value", "low", "high"]],
    )
