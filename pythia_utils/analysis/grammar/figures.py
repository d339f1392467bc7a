"""Figures of minimal pairs: accuracies, margins, controls, and the order in which models learn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis.plots import (
    ACCENT,
    REFERENCE,
    category_palette,
    legend_above,
    readable,
    size_palette,
    step_axis,
)

_PALE = "#8fb6d0"


def accuracies(table: pd.DataFrame, paradigms: pd.DataFrame, by: str = "phenomenon") -> Figure:
    """A point with its interval a row, the best on top; thin lines and dots where it is a mean.

    Args:
        table: of `controls.accuracy`.
        paradigms: the same by paradigm: a dot each.
        by: the column that names the rows.
    """
    table = table.sort_values("value", ascending=False)
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(table)))
    rows = np.arange(len(table))[::-1]
    axes.hlines(rows, table["wide_low"], table["wide_high"], color=_PALE, lw=1)
    errors = np.abs([table["value"] - table["low"], table["high"] - table["value"]])
    axes.errorbar(table["value"], rows, xerr=errors, fmt="o", color=ACCENT, capsize=3, ms=5)
    if (table["paradigms"] > 1).any():
        where = dict(zip(table[by], rows, strict=True))
        heights = [where[name] - 0.25 for name in paradigms[by]]
        axes.plot(paradigms["value"], heights, ".", color=_PALE, ms=5, zorder=1)
    _name_rows(axes, table[by], rows)
    left = min(0.45, table["low"].min(), paradigms["value"].min())
    axes.set(xlabel="accuracy", xlim=(left - 0.05, 1.02))
    axes.axvline(0.5, color=REFERENCE, ls="--", lw=1)
    return figure


def margins(scores: pd.DataFrame) -> Figure:
    """How margins are spread in each phenomenon: quartiles as a box, 5% to 95% as whiskers."""
    groups = {name: part.to_numpy() for name, part in scores.groupby("phenomenon")["margin"]}
    names = sorted(groups, key=lambda name: np.median(groups[name]), reverse=True)
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names)))
    rows = np.arange(len(names))[::-1]
    axes.axvspan(min(0, *(np.quantile(v, 0.05) for v in groups.values())), 0, color="#f6e7e3", lw=0)
    axes.boxplot(
        [groups[name] for name in names],
        positions=rows,
        orientation="horizontal",
        widths=0.55,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": _PALE, "edgecolor": ACCENT},
        medianprops={"color": "black"},
        whiskerprops={"color": ACCENT},
        capprops={"color": ACCENT},
    )
    _name_rows(axes, names, rows)
    axes.axvline(0, color=REFERENCE, ls="--", lw=1)
    axes.set_xlabel("margin: log p(acceptable) − log p(unacceptable), nats")
    return figure


def controls(summary: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Left: accuracy beside that on pairs of equal length and that of word frequencies alone.
    Right: rank correlation of being right with the difference in frequency and in length.

    Args:
        summary: of `controls.accuracy`.
        table: of `controls.controls`; its row `all` stands below, without an accuracy.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.4, 1.4 + 0.34 * len(table)), sharey=True, width_ratios=(1, 1)
    )
    rows = np.arange(len(table))[::-1].astype(float)
    overall = summary[["value", "low", "high"]].reindex(range(len(table))).add_prefix("own_")
    table = table.assign(own=overall["own_value"], **overall[["own_low", "own_high"]])
    colours = category_palette(range(5))
    drawn = [
        _intervals(left, table, rows + 0.22, "own", "model", colours[0]),
        _intervals(left, table, rows, "matched", "model, pairs of equal length", colours[5 - 1]),
        _intervals(left, table, rows - 0.22, "unigram", "word frequencies alone", colours[1]),
    ]
    right_drawn = [
        _intervals(right, table, rows + 0.12, "frequency", "word frequency", colours[1]),
        _intervals(right, table, rows - 0.12, "length", "length in tokens", colours[2]),
    ]
    for axes, reference, handles in ((left, 0.5, drawn), (right, 0, right_drawn)):
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
        shown = [handle for handle in handles if handle is not None]
        axes.legend(handles=shown, loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=8.5)
    _name_rows(left, table["phenomenon"], rows)
    left.set_xlabel("accuracy")
    right.set_xlabel("rank correlation with being right")
    return figure


def _intervals(axes, table: pd.DataFrame, rows: np.ndarray, name: str, label: str, colour: str):
    """Points of one column with their intervals; None where the column has no value."""
    known = table[name].notna().to_numpy()
    if not known.any():
        return None
    part = table[known]
    errors = np.abs([part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]])
    style = {"fmt": "o", "color": colour, "ms": 4, "lw": 1.2, "label": label}
    return axes.errorbar(part[name], rows[known], xerr=errors, **style)


def _name_rows(axes, names, rows: np.ndarray) -> None:
    axes.set_yticks(rows, [readable(name) for name in names])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.grid(axis="y", visible=False)


def onsets(frame: pd.DataFrame, last_step: int) -> Figure:
    """Onset steps with intervals: columns subset, model, onset, low, high (inf: not within training)."""
    figure, axes = plt.subplots(figsize=(7.4, 0.9 + 0.42 * frame["subset"].nunique()))
    names = list(dict.fromkeys(frame["subset"]))[::-1]
    models = list(dict.fromkeys(frame["model"]))
    colours, end = size_palette(models), np.log2(1 + last_step)
    for shift, model in zip(np.linspace(0.27, -0.27, len(models)), models, strict=True):
        part = frame[frame["model"] == model]
        rows = np.array([names.index(subset) for subset in part["subset"]]) + shift
        ends = [np.log2(1 + part[c].clip(0, last_step).to_numpy(float)) for c in ("low", "high")]
        some = np.isfinite(part["low"].to_numpy(float))
        axes.hlines(rows[some], ends[0][some], ends[1][some], color=colours[model], lw=2, alpha=0.5)
        axes.plot(np.log2(1 + part["onset"]), rows, "o", ms=5, color=colours[model], label=model)
        never = part["onset"].isna().to_numpy()
        axes.plot(
            np.full(never.sum(), end * 1.04), rows[never], ">", ms=5, mfc="none", mec=colours[model]
        )
    axes.set_yticks(range(len(names)), [readable(name) for name in names])
    step_axis(axes, [0, *(2**k for k in range(1, int(end) + 1)), last_step])
    axes.set_xlim(left=np.log2(1 + frame["low"].clip(0, last_step).min()) - 0.5)
    legend_above(figure, axes)
    return figure


def orders(ranks: pd.DataFrame, fields: dict[str, str], xlabel: str) -> Figure:
    """Each phenomenon's place in every model's order, the first on top; colour is its field.

    Args:
        ranks: a row a phenomenon, a column a model: rank, ties sharing their mean.
        fields: of each phenomenon.
        xlabel: what the columns are.
    """
    figure, axes = plt.subplots(figsize=(7.2, 1.2 + 0.3 * len(ranks)))
    colours = category_palette(sorted({fields[name] for name in ranks.index}))
    columns = np.arange(ranks.shape[1])
    ranks = ranks.iloc[np.argsort(ranks.iloc[:, -1].to_numpy(), kind="stable")]
    for name, row in ranks.iterrows():
        axes.plot(columns, row, marker="o", ms=4, lw=1.6, color=colours[fields[name]], alpha=0.8)
    ends = _apart(ranks.iloc[:, -1].to_numpy(dtype=float))
    for name, height in zip(ranks.index, ends, strict=True):
        at = (columns[-1] + 0.08, height)
        axes.annotate(readable(name), at, va="center", fontsize=8.5, color=colours[fields[name]])
    for field, colour in colours.items():
        axes.plot([], [], color=colour, lw=2, label=field)
    figure.legend(loc="outside upper center", ncols=len(colours), fontsize=9)
    axes.set_xticks(columns, ranks.columns)
    axes.set(ylabel="order of learning", xlabel=xlabel, ylim=(len(ranks) + 0.7, 0.3))
    axes.set_xlim(-0.2, columns[-1] + 0.3 + 0.55 * max(len(columns) - 1, 1))
    axes.grid(visible=False)
    return figure


def _apart(heights: np.ndarray) -> np.ndarray:
    """Heights of labels, in order, moved so that none covers another: ties share theirs evenly."""
    middle = [np.flatnonzero(heights == h).mean() for h in heights]
    return heights + np.arange(len(heights)) - np.array(middle)
