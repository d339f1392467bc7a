"""Figures of the chapter on memorization, in the style of `analysis.plots`."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.memorization import deciles
from pythia_utils.analysis.order_tests import poisson_quantiles
from pythia_utils.analysis.palettes import ACCENT, REFERENCE, category_palette, size_palette
from pythia_utils.analysis.plots import (
    interval_bars,
    interval_errors,
    legend_above,
    lines_with_bars,
    model_styles,
    name_rows,
    panel_grid,
    trajectories,
)
from pythia_utils.analysis.show import or_words
from pythia_utils.analysis.stats import with_wilson_interval
from pythia_utils.nano.schedule import learning_rate
from pythia_utils.suites.catalog import find_model


def by_position(blocks: pd.DataFrame, read: float, blocks_in_all: int) -> Figure:
    """The share memorized in each stretch of training; shaded is what the checkpoint has not read.

    Args:
        blocks: columns number (of the stretch, from 0), value, low, high.
        read: how much of training the checkpoint has behind it, 0 to 1.
        blocks_in_all: stretches.
    """
    figure, axes = plt.subplots(figsize=(7, 2.8))
    middle = (blocks["number"] + 0.5) / blocks_in_all
    bars = {"yerr": interval_errors(blocks), "capsize": 2}
    axes.errorbar(middle, blocks["value"], fmt="o", ms=4, color=ACCENT, **bars)
    axes.axvspan(read, 1, color="0.9", zorder=0)
    if read < 0.9:
        label = {"ha": "center", "va": "top", "transform": axes.get_xaxis_transform()}
        axes.text((1 + read) / 2, 0.97, "not yet read", fontsize=9, color="0.35", **label)
    axes.set(xlabel="position in training", ylabel="share memorized", xlim=(0, 1))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_ylim(-0.04 * blocks["high"].max(), 1.05 * blocks["high"].max())
    drawn = blocks.assign(stretch=blocks["number"] + 1)
    by, unread = {"stretch": "stretch of training"}, f"{1 - read:.0%} of training is not yet read"
    told = alt_text.crossed(drawn, "Points with intervals", "the share memorized", by)
    return framed(
        figure,
        alt_text.together(told, unread),
        "Share memorized in each stretch of training; shaded is what is not yet read.",
        name="by-position",
        data=drawn[["stretch", "value", "low", "high"]],
    )


def by_copies(frames: dict[str, pd.DataFrame]) -> Figure | None:
    """Measures over the number of copies, a panel a measure and a line a model; none without rows.

    Args:
        frames: by label; columns model, number (of copies, from 1), value, low, high.
    """
    frames = {label: frame for label, frame in frames.items() if len(frame)}
    if not frames:
        return None
    width = 4 * len(frames) if len(frames) > 1 else 6.4
    figure, grid = plt.subplots(1, len(frames), figsize=(width, 3.4), squeeze=False)
    for axes, (label, frame) in zip(grid[0], frames.items(), strict=True):
        models = list(dict.fromkeys(frame["model"]))
        frame = frame.assign(x=np.log2(frame["number"]))
        lines_with_bars(axes, frame, "model", model_styles(models))
        ticks = sorted(set(frame["number"]))
        axes.set_xticks(np.log2(ticks), [str(tick) for tick in ticks])
        axes.set(xlabel="copies in training", ylabel=label)
    legend_above(figure)
    drawn = pd.concat(frame.assign(measure=label) for label, frame in frames.items())
    by = {"measure": "measure", "model": "model", "number": "number of copies"}
    what = " and ".join(frames)
    return framed(
        figure,
        alt_text.crossed(drawn, "Line charts with intervals", what, by),
        f"{alt_text.sentence(what)} by the number of copies in training.",
        name="by-copies",
        data=drawn[[*by, "value", "low", "high"]],
    )


@or_words
def by_reads(counts: pd.DataFrame) -> Figure:
    """The memorized share of texts by how often training has read their continuation.

    Args:
        counts: columns number (the least of the class), memorized, tested.
    """
    ends = [f"–{end - 1}" for end in counts["number"].iloc[1:]] + [" or more"]
    names = [f"{least}{end}" for least, end in zip(counts["number"], ends, strict=True)]
    reads = [{"0–0": "0 (not yet)", "1–1": "1"}.get(name, name) for name in names]
    frame = pd.DataFrame({"reads": reads})
    frame = with_wilson_interval(frame, counts["memorized"], counts["tested"])
    label = "share of texts memorized, by reads of the continuation"
    caption = "Share of texts memorized by how often their continuation was read."
    return framed(interval_bars(frame, "reads", label), caption=caption, name="by-reads")


@or_words
def by_decile(frame: pd.DataFrame) -> Figure:
    """The gain of the documents of each decile of training, with its profile, over the learning rate.

    Args:
        frame: of `tables.gains`, one step a model.
    """
    sizes = {"figsize": (7.2, 4.8), "height_ratios": (4, 1), "sharex": True}
    figure, (axes, rate) = plt.subplots(2, 1, **sizes)
    models = list(dict.fromkeys(frame["model"]))
    styles = model_styles(models)
    points = {name: {**style, "ls": ""} for name, style in styles.items()}
    lines_with_bars(axes, frame.assign(x=frame["number"] + 1), "model", points)
    for name, profile in deciles.profiles(frame).items():
        own = deciles.place(deciles.read_whole(frame[frame["model"] == name]))
        curve = profile.at(np.linspace(own.min(), own.max(), 50))
        axes.plot(10 * curve["x"] + 0.5, curve["value"], **{"lw": 1.4, **styles[name]})
    axes.axhline(0, color=REFERENCE, ls="--", lw=1.2)
    axes.set(ylabel="gain (nats a token)")
    done = np.linspace(0, 1, 200)
    rate.plot(10 * done + 0.5, rate_at(models[0], done), color="0.35", lw=1.4)
    rate.set_xticks(range(1, 11))
    rate.set(xlabel="decile of training that holds all 16 copies", ylabel="learning\nrate")
    rate.yaxis.set_major_formatter("{x:.0%}")
    rate.set_ylim(0, 1.05)
    legend_above(figure)
    drawn = frame.assign(decile=frame["number"] + 1)
    by = {"decile": "decile", "model": "model"}
    told = alt_text.crossed(drawn, "Points and curves", "the gain in nats a token", by)
    return framed(
        figure,
        alt_text.together(told, "Below them the learning rate falls over training"),
        "Gain of documents by the decile of training that holds their copies, over the learning rate.",
        name="by-decile",
        data=drawn[[*by, "value", "low", "high"]],
    )


def rate_at(model: str, done: np.ndarray) -> np.ndarray:
    """The learning rate as a share of its peak, at shares of training: float64 of the same shape."""
    found = find_model(model)
    steps = np.minimum(np.asarray(done) * found.total_steps, found.total_steps - 1).astype(int)
    return np.array([learning_rate(found, step) / found.learning_rate for step in steps.tolist()])


@or_words
def by_age(frame: pd.DataFrame) -> Figure:
    """What one reading of a sequence has left, by how many steps ago it was: a panel a checkpoint.

    Args:
        frame: of `tables.ages`.
    """
    frame = frame.sort_values(["step", "number"])
    panels = [f"step {step:,}" for step in frame["step"]]
    figure, grid, groups = panel_grid(frame.assign(panel=panels), "panel", 2)
    styles = model_styles(list(dict.fromkeys(frame["model"])))
    for axes, (name, part) in zip(grid.flat, groups, strict=False):
        rate = rate_at(part["model"].iloc[0], part["step"].iloc[:1] / _steps_of(part))[0]
        axes.set_title(f"{name}: rate at {rate:.0%} of its peak", fontsize=8.5)
        lines_with_bars(axes, part.assign(x=np.log2(part["number"])), "model", styles)
        axes.axhline(0, color=REFERENCE, ls="--", lw=1.2)
        ticks = sorted(set(part["number"]))
        axes.set_xticks(np.log2(ticks), [str(tick) for tick in ticks])
    figure.supxlabel("read at most so many steps ago", fontsize="medium")
    figure.supylabel("loss lower by (nats a token)", fontsize="medium")
    legend_above(figure)
    by = {"step": "checkpoint", "number": "age", "model": "model"}
    return framed(
        figure,
        alt_text.crossed(frame, "Line charts with intervals", "nats by which loss is lower", by),
        "What one reading of a sequence has left, by how many steps ago it was.",
        name="by-age",
        data=frame[[*by, "value", "low", "high"]],
    )


def _steps_of(part: pd.DataFrame) -> int:
    return find_model(part["model"].iloc[0]).total_steps


@or_words
def forgetting(frame: pd.DataFrame) -> Figure:
    """The gain of the documents of some deciles at each checkpoint of one model: learnt, then lost.

    Args:
        frame: of `tables.gains`, for one model.
    """
    total_steps = _steps_of(frame)
    frame = frame.sort_values("number").assign(
        decile=lambda f: [f"decile {n + 1}" for n in f["number"]]
    )
    label = "gain (nats a token)"
    figure = trajectories(frame, label, series="decile", log=False, reference=0)
    axes = figure.axes[0]
    names = dict(zip(frame["decile"], frame["number"], strict=True))
    for name, colour in category_palette(names).items():
        span = [(names[name] * total_steps / 10, total_steps / 10)]
        bar = {"color": colour, "lw": 0, "transform": axes.get_xaxis_transform()}
        axes.broken_barh(span, (0, 0.03), **bar)
    axes.set_xlabel("training step (bars: when the copies are read)")
    caption = "Gain of the documents of some deciles over training; bars show when copies are read."
    return framed(figure, caption=caption, name="forgetting")


def poisson_process(counts: pd.DataFrame) -> Figure | None:
    """Counts per stretch of training, and their Q-Q plot against a Poisson distribution; none of no counts.

    Args:
        counts: columns number (of the stretch) and memorized.
    """
    if not counts["memorized"].any():
        return None
    quantiles = poisson_quantiles(counts["memorized"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), width_ratios=(1.7, 1))
    left.bar(counts["number"] + 1, counts["memorized"], color=ACCENT, width=0.85)
    left.axhline(counts["memorized"].mean(), color=REFERENCE, ls="--", lw=1.2)
    left.set(xlabel="stretch of training", ylabel="memorized texts")
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    left.grid(axis="x", visible=False)
    ends = quantiles.groupby("expected")[["low", "high"]].agg({"low": "min", "high": "max"})
    right.fill_between(ends.index, ends["low"], ends["high"], color=REFERENCE, alpha=0.15, lw=0)
    top = max(quantiles["expected"].max(), quantiles["observed"].max()) + 0.5
    right.plot([0, top], [0, top], color=REFERENCE, ls="--", lw=1.2)
    sizes = quantiles.groupby(["expected", "observed"]).size().reset_index(name="blocks")
    right.scatter(
        sizes["expected"], sizes["observed"], s=12 + 6 * sizes["blocks"], color=ACCENT, zorder=3
    )
    right.set(xlabel="Poisson quantile", ylabel="observed quantile", xlim=(-0.4, top))
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    drawn = counts.assign(stretch=counts["number"] + 1)[["stretch", "memorized"]]
    by = {"stretch": "stretch of training"}
    return framed(
        figure,
        alt_text.crossed(drawn, "Bar chart", "memorized texts", by, value="memorized")
        + " Beside it their quantiles against those of a Poisson distribution.",
        "Memorized texts in each stretch of training, and their quantiles against a Poisson distribution's.",
        name="poisson",
        data=drawn,
    )


@or_words
def slopes(frame: pd.DataFrame, bound: float, xlabel: str) -> Figure:
    """A slope with its interval for each model; shaded are slopes that count as none.

    Args:
        frame: columns model, variant (deduplicated ones get a hollow point), slope, low, high.
        bound: of equivalence.
        xlabel: the slope, with its unit.
    """
    figure, axes = plt.subplots(figsize=(7.2, 0.9 + 0.3 * len(frame)))
    colours, rows = size_palette(list(frame["model"])), name_rows(axes, frame["model"])
    axes.axvspan(-bound, bound, color="0.9", zorder=0)
    axes.axvline(0, color=REFERENCE, ls="--", lw=1)
    for row, model in zip(rows, frame.itertuples(), strict=True):
        axes.plot([model.low, model.high], [row, row], color=colours[model.model], lw=2)
        fill = "white" if model.variant == "deduped" else colours[model.model]
        axes.plot(model.slope, row, "o", ms=6, color=colours[model.model], mfc=fill)
    axes.set_xlabel(xlabel)
    return framed(
        figure,
        alt_text.rows(frame, xlabel, "model", value="slope"),
        f"{alt_text.sentence(xlabel)}, with intervals; shaded are slopes that count as none.",
        name="slopes",
        data=frame[["model", "slope", "low", "high"]],
    )
