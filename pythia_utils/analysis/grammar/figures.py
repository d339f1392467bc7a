"""Figures of minimal pairs: accuracies, margins, controls, and the order in which models learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.grammar.recorded import levels
from pythia_utils.analysis.learning_curves import step_in_words
from pythia_utils.analysis.palettes import ACCENT, PALE, REFERENCE, category_palette, size_palette
from pythia_utils.analysis.plots import (
    interval_errors,
    legend_above,
    name_rows,
    shown_name,
    step_axis,
)
from pythia_utils.analysis.show import or_words
from pythia_utils.analysis.words import readable, without_suite
from pythia_utils.base.markup import mathtext
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = list(category_palette(range(5)).values())
_ACCURACIES = {  # drawn from the top of a row to its bottom
    "accuracy": ("model", _COLOURS[0]),
    "accuracy_equal_length": ("model, pairs of equal length", _COLOURS[4]),
    "accuracy_of_frequencies": ("word frequencies alone", _COLOURS[1]),
}
_CORRELATIONS = {
    "frequency_correlation": ("word frequency", _COLOURS[1]),
    "length_correlation": ("length in tokens", _COLOURS[2]),
}

_ANOTHER = "another seed"


def accuracies(
    table: pd.DataFrame,
    paradigms: pd.DataFrame,
    by: str = "phenomenon",
    counting: pd.DataFrame | None = None,
) -> Figure:
    """A point with its interval a row, the best on top; thin lines and dots where it is a mean.

    Args:
        table: of `controls.accuracy`.
        paradigms: the same by paradigm: a dot each.
        by: the column that names the rows.
        counting: of `baselines.table`: a black tick for the accuracy of n-grams, where there is one.
    """
    table = table.sort_values("value", ascending=False)
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(table)))
    rows = name_rows(axes, table[by])
    axes.hlines(rows, table["wide_low"], table["wide_high"], color=PALE, lw=1)
    bars = {"xerr": interval_errors(table), "capsize": 3}
    axes.errorbar(table["value"], rows, fmt="o", color=ACCENT, ms=5, **bars)
    if (table["paradigms"] > 1).any():
        where = dict(zip(table[by], rows, strict=True))
        heights = [where[name] - 0.25 for name in paradigms[by]]
        axes.plot(paradigms["value"], heights, ".", color=PALE, ms=5, zorder=1)
    if counting is not None:
        ticks = pd.Series(levels(counting), dtype=float).reindex(table[by])
        axes.plot(ticks, rows, "|", color="black", ms=12, mew=1.6)
    left = min(0.45, table["low"].min(), paradigms["value"].min())
    axes.set(xlabel="accuracy", xlim=(left - 0.05, 1.02))
    axes.axvline(0.5, color=REFERENCE, ls="--", lw=1)
    marks = "; dots are paradigms" * bool((table["paradigms"] > 1).any())
    marks += "; black ticks are n-grams" * (counting is not None)
    return framed(
        figure,
        alt_text.rows(table, "accuracy, the best on top", by),
        f"Accuracy on each {by}, with intervals{marks}; the dashed line is chance.",
        name="accuracy",
        data=table,
    )


def margins(scores: pd.DataFrame) -> Figure:
    """How margins are spread in each phenomenon: quartiles as a box, 5% to 95% as whiskers."""
    import seaborn as sns  # half a second where no kernel is warm

    groups = {name: part.to_numpy() for name, part in scores.groupby("phenomenon")["margin"]}
    names = sorted(groups, key=lambda name: np.median(groups[name]), reverse=True)
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names)))
    axes.axvspan(min(0, *(np.quantile(v, 0.05) for v in groups.values())), 0, color="#f6e7e3", lw=0)
    sns.boxplot(
        scores,
        x="margin",
        y="phenomenon",
        order=names,
        ax=axes,
        width=0.55,
        whis=(5, 95),
        showfliers=False,
        color=PALE,
        linecolor=ACCENT,
        medianprops={"color": "black"},
    )
    axes.set_yticks(range(len(names)), [shown_name(name) for name in names])
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=REFERENCE, ls="--", lw=1)
    axes.set(xlabel="margin: log p(acceptable) − log p(unacceptable), nats", ylabel="")
    drawn = _quartiles(groups, names)
    boxes = {"value": "median", "kind": "Box plot"}
    ends = drawn.rename(columns={"quarter": "low", "three_quarters": "high"})
    return framed(
        figure,
        alt_text.rows(ends, "margins in nats, median and middle half", "phenomenon", **boxes),
        "Margins of each phenomenon: quartiles as a box, 5% to 95% as whiskers.",
        name="margins",
        data=drawn,
    )


def _quartiles(groups: dict[str, np.ndarray], names: list[str]) -> pd.DataFrame:
    places = [0.05, 0.25, 0.5, 0.75, 0.95]
    columns = ["low", "quarter", "median", "three_quarters", "high"]
    found = pd.DataFrame([np.quantile(groups[name], places) for name in names], columns=columns)
    found = found.rename(columns={"low": "5%", "high": "95%"})
    return found.assign(phenomenon=names)[["phenomenon", *found.columns]]


def controls(summary: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Left: accuracy beside that on pairs of equal length and that of word frequencies alone.
    Right: rank correlation of being right with the difference in frequency and in length.

    Args:
        summary: of `controls.accuracy`.
        table: of `controls.controls`; its rows `all` stand below, without an accuracy.
    """
    names = list(dict.fromkeys(table["phenomenon"]))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.4, 1.4 + 0.34 * len(names)), sharey=True, width_ratios=(1, 1)
    )
    places = dict(zip(names, name_rows(left, names), strict=True))
    measured = dict(tuple(table.groupby("metric"))) | {"accuracy": summary}
    for axes, reference, drawn in ((left, 0.5, _ACCURACIES), (right, 0, _CORRELATIONS)):
        shifts = np.linspace(0.11, -0.11, len(drawn)) * (len(drawn) - 1)
        for shift, (metric, (label, colour)) in zip(shifts, drawn.items(), strict=True):
            part = measured[metric].dropna(subset="value")
            rows = [places[name] + shift for name in part["phenomenon"]]
            style = {"fmt": "o", "color": colour, "ms": 4, "lw": 1.2, "label": label}
            if len(part):
                axes.errorbar(part["value"], rows, xerr=interval_errors(part), **style)
        axes.axvline(reference, color=REFERENCE, ls="--", lw=1)
        handles = axes.get_legend_handles_labels()
        axes.legend(*handles, loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=8.5)
    left.set_xlabel("accuracy")
    right.set_xlabel("rank correlation with being right")
    drawn = pd.concat([summary.assign(metric="accuracy"), table[table["metric"] != "accuracy"]])
    kinds = drawn[drawn["metric"].isin([*_ACCURACIES, *_CORRELATIONS])].dropna(subset="value")
    by = {"phenomenon": "phenomenon", "metric": "measure"}
    return framed(
        figure,
        alt_text.crossed(kinds, "Points with intervals", "accuracies and rank correlations", by),
        "Left, accuracy beside its controls; right, how far frequency and length go with being right.",
        name="controls",
        data=kinds[[*by, "value", "low", "high"]],
    )


@or_words
def onsets(frame: pd.DataFrame, others: pd.DataFrame | None = None) -> Figure:
    """Onset steps with intervals, a colour a model; the right edge is what lies beyond its last step.

    Args:
        frame: of `learning_curves.milestones`, one model of each size.
        others: the same of other seeds: a small open mark each, in the colour of its size.
    """
    names = list(dict.fromkeys(frame["subset"]))[::-1]
    models = list(dict.fromkeys(frame["model"]))
    row = max(0.42, 0.1 * len(models))  # inches: markers of ten sizes must not cover each other
    figure, axes = plt.subplots(figsize=(7.4, 1.1 + row * len(names)))
    last_step = frame["last"].max()
    beyond = 1.04 * np.log2(1 + last_step)
    handles = {}
    for shift, (model, colour) in zip(
        np.linspace(0.27, -0.27, len(models)), size_palette(models).items(), strict=True
    ):
        part = frame[frame["model"] == model]
        rows = np.array([names.index(subset) for subset in part["subset"]]) + shift
        handles[mathtext(model)] = _onset_marks(axes, part, rows, colour, beyond)
        alike = [] if others is None else [n for n in others["model"].unique() if _alike(n, model)]
        for other in alike:
            own = others[(others["model"] == other) & others["subset"].isin(names)]
            heights = [names.index(subset) + shift for subset in own["subset"]]
            at = np.log2(1 + own["onset"]).fillna(beyond)
            look = {"ms": 4, "mfc": "white", "mec": colour, "mew": 0.9, "zorder": 3, "ls": ""}
            (handles[_ANOTHER],) = axes.plot(at, heights, "d", **look)
    handles |= _beyond_the_ends(frame)
    axes.set_yticks(range(len(names)), [shown_name(name) for name in names])
    step_axis(axes, [0, *(2**k for k in range(1, int(np.log2(1 + last_step)) + 1)), last_step])
    axes.set_xlim(left=np.log2(1 + frame["low"].clip(0, last_step).min()) - 0.5)
    axes.set_xlabel("training step (log scale)")
    legend_above(figure, handles)
    return framed(
        figure,
        _onsets_in_words(frame),
        "The step at which each phenomenon is learnt, with its interval, a colour a size.",
        name="onsets",
        data=pd.concat([frame, others])[["model", "subset", "onset", "low", "high"]],
    )


def _onsets_in_words(frame: pd.DataFrame) -> str:
    by = {"subset": "phenomenon", "model": "model"}
    never = int(frame["onset"].isna().sum())
    told = alt_text.crossed(frame, "Points with intervals", "onset steps", by, value="onset")
    return alt_text.together(told, f"{never} of {len(frame)} onsets lie beyond the last step")


def _alike(one: str, other: str) -> bool:
    """Whether two models differ in nothing but their seeds."""
    first, second = map(find_model, (one, other))
    return (first.suite, first.size, first.variant) == (second.suite, second.size, second.variant)


def _onset_marks(
    axes: Axes, part: pd.DataFrame, rows: np.ndarray, colour: tuple, beyond: float
) -> Line2D:
    """A model's points and intervals: an arrow at `beyond` for a never, a line up to there for an open end,
    an arrow to the left where it had happened at the first measured step.
    """
    ends = np.log2(1 + part[["low", "high"]].to_numpy(float))  # inf stays inf
    some = np.isfinite(ends[:, 0]) & ~_before_the_first(part)
    axes.hlines(rows[some], *ends[some].clip(max=beyond).T, color=colour, lw=2, alpha=0.5)
    never = part["onset"].isna().to_numpy()
    axes.plot(np.full(never.sum(), beyond), rows[never], ">", ms=5, mfc="none", mec=colour)
    before = _before_the_first(part)
    axes.plot(np.log2(1 + part["onset"][before]), rows[before], "<", ms=5, mfc="none", mec=colour)
    return axes.plot(np.log2(1 + part["onset"][~before]), rows[~before], "o", ms=5, color=colour)[0]


def _before_the_first(part: pd.DataFrame) -> np.ndarray:
    """Which onsets had happened at the first measured step, bool (rows,)."""
    return ((part["onset"] <= part["first"]) & (part["first"] > 0)).to_numpy()


def _beyond_the_ends(frame: pd.DataFrame) -> dict[str, Line2D]:
    """For the legend, with an example: what an arrow means, or a line up to the edge."""
    early = frame["first"][_before_the_first(frame)]
    arrow = Line2D([], [], marker="<", mfc="none", mec="0.4", ls="")
    before = {f"before the first step, as by {early.iloc[0]:,}": arrow} if len(early) else {}
    return before | _beyond_the_last(frame)


def _beyond_the_last(frame: pd.DataFrame) -> dict[str, Line2D]:
    open_ended = frame[~np.isfinite(frame["high"])]
    if open_ended.empty:
        return {}
    never = open_ended[open_ended["onset"].isna()]
    row = (never if len(never) else open_ended).sort_values("low").iloc[0]
    text = step_in_words(row["onset"], row["low"], row["high"], row["last"])
    line = {"ls": "-", "lw": 2, "color": "0.7"}
    if len(never):
        arrow = Line2D([], [], marker=">", mfc="none", mec="0.4", **line)
        return {f"beyond the last step, as {text}": arrow}
    return {f"up to the edge: without an upper end, as {text}": Line2D([], [], **line)}


@or_words
def above_counting(frame: pd.DataFrame) -> Figure:
    """Accuracy less that of counting, by phenomenon: a colour a size, a small point a seed.

    The large point is the mean over seeds. The line reaches from the lowest seed to the highest; where there
    is one seed it is the 95% interval over pairs.

    Args:
        frame: a row for each model and phenomenon at one step: columns subset, size, model (of its size, for
            the colour), value, low, high.
    """
    names = list(frame.groupby("subset")["value"].mean().sort_values(ascending=False).index)
    figure, axes = plt.subplots(figsize=(7.4, 1.1 + 0.42 * len(names)))
    heights = dict(zip(names, name_rows(axes, names), strict=True))
    first = frame.drop_duplicates("size")
    colours = dict(zip(first["size"], size_palette(first["model"]).values(), strict=True))
    handles = {}
    for shift, (size, colour) in zip(
        np.linspace(0.27, -0.27, len(colours)), colours.items(), strict=True
    ):
        part = frame[frame["size"] == size]
        rows = part["subset"].map(heights) + shift
        axes.plot(part["value"], rows, "o", ms=2.5, color=colour, alpha=0.7)
        handles[mathtext(size)] = _means_over_seeds(axes, part.assign(row=rows), colour)
    axes.axvline(0, color=REFERENCE, ls="--", lw=1)
    axes.set_xlabel("accuracy less that of the best n-gram model")
    legend_above(figure, handles)
    by, what = (
        {"subset": "phenomenon", "size": "size"},
        "accuracy less that of the best n-gram model",
    )
    return framed(
        figure,
        alt_text.crossed(frame, "Points", what, by),
        "Accuracy less that of the best n-gram model: large points are means over seeds, small ones seeds.",
        name="above-counting",
        data=frame[["subset", "size", "model", "value", "low", "high"]],
    )


def _means_over_seeds(axes: Axes, part: pd.DataFrame, colour: tuple) -> Line2D:
    """The mean of each row's seeds, and their range; of one seed the interval over pairs."""
    groups = part.groupby("row")
    several = groups["value"].size() > 1
    low = groups["value"].min().where(several, groups["low"].min())
    high = groups["value"].max().where(several, groups["high"].max())
    axes.hlines(low.index, low, high, color=colour, lw=2, alpha=0.5)
    means = groups["value"].mean()
    return axes.plot(means, means.index, "o", ms=5.5, color=colour)[0]


@or_words
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
        axes.annotate(shown_name(name), at, va="center", fontsize=8.5, color=colours[fields[name]])
    for field, colour in colours.items():
        axes.plot([], [], color=colour, lw=2, label=mathtext(field))
    figure.legend(loc="outside upper center", ncols=len(colours), fontsize=9)
    axes.set_xticks(columns, _model_labels(list(ranks.columns)))
    axes.set(ylabel="order of learning", xlabel=xlabel, ylim=(len(ranks) + 0.7, 0.3))
    axes.set_xlim(-0.2, columns[-1] + 0.3 + 0.55 * max(len(columns) - 1, 1))
    axes.grid(visible=False)
    drawn = ranks.rename_axis("phenomenon").reset_index()
    drawn = drawn.melt("phenomenon", var_name="model", value_name="place")
    first, last = ranks.index[0], ranks.index[-1]
    return framed(
        figure,
        alt_text.together(
            f"Lines of the place of {len(ranks)} phenomena in the order in which each of {len(columns)} models "
            "learns them, the first on top",
            f"In the last model {readable(first)} comes first and {readable(last)} last",
        ),
        "The order in which each model learns the phenomena; colour is a phenomenon's field.",
        name="orders",
        data=drawn,
    )


def _model_labels(names: list[str]) -> list[str]:
    """Names of models below an axis; without the suite where there is no room for it."""
    return [mathtext(name if len(names) < 6 else without_suite(name)) for name in names]


def _apart(heights: np.ndarray) -> np.ndarray:
    """Heights of labels, in order, moved so that none covers another: ties share theirs evenly."""
    middle = [np.flatnonzero(heights == h).mean() for h in heights]
    return heights + np.arange(len(heights)) - np.array(middle)
