"""Figures of the chapter on training data, in the style of `analysis.plots`."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis.plots import ACCENT, REFERENCE, category_palette, legend_above


def over_training(
    frame: pd.DataFrame,
    series: str,
    ylabel: str,
    dashed: Sequence[str] = (),
    colours: dict[str, str] | None = None,
) -> Figure:
    """Curves over training time, which is linear here, a line a series.

    Args:
        frame: columns step, value, the one named by `series`, and low and high where there is an
            interval to draw.
        series: the column that names the lines, in order of appearance.
        ylabel: what the value is, with its unit.
        dashed: lines that were not measured: an expectation, another's assumption.
        colours: of the other lines; by default those of `category_palette`.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    names = list(dict.fromkeys(frame[series]))
    colours = colours or category_palette([name for name in names if name not in dashed])
    for name in names:
        line = frame[frame[series] == name].sort_values("step")
        colour = colours.get(name, REFERENCE)
        style = {"ls": "--", "lw": 1.3} if name in dashed else {"lw": 1.8}
        axes.plot(line["step"], line["value"], color=colour, label=name, **style)
        if "low" in line and name not in dashed:
            axes.fill_between(
                line["step"], line["low"], line["high"], color=colour, alpha=0.18, lw=0
            )
    axes.set(xlabel="training step", ylabel=ylabel)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    legend_above(figure, axes)
    return figure


def packing(
    lengths: Sequence[int],
    kinds: Sequence[str],
    seq_length: int,
    read_at: Sequence[str],
    colours: dict[str, str],
) -> Figure:
    """How documents become sequences: laid end to end above, cut below.

    Args:
        lengths: tokens of the first documents of the stream, in its order.
        kinds: of each document, for its colour.
        seq_length: tokens from one cut to the next.
        read_at: a label for each sequence; so many are drawn.
        colours: of each kind.
    """
    figure, axes = plt.subplots(figsize=(8, 2.6))
    end = seq_length * len(read_at) + 1
    starts = np.cumsum([0, *lengths])
    drawn = {}
    for start, length, kind in zip(starts, lengths, kinds, strict=False):
        if start < end:
            span = [(start, min(length, end - start))]
            bar = axes.broken_barh(span, (2.2, 0.8), color=colours[kind], ec="white", lw=1.2)
            drawn.setdefault(kind, bar)
    for number, text in enumerate(read_at):
        # A sequence is one token longer than the step between cuts: two rows show the overlap.
        low = 0.95 if number % 2 == 0 else 0.1
        span = [(number * seq_length, seq_length + 1)]
        axes.broken_barh(span, (low, 0.7), color=ACCENT, alpha=0.3, ec=ACCENT)
        axes.text(
            (number + 0.5) * seq_length, low + 0.35, text, ha="center", va="center", fontsize=8
        )
        axes.axvline(number * seq_length, color=REFERENCE, ls="--", lw=1)
    axes.axvline(end - 1, color=REFERENCE, ls="--", lw=1)
    figure.legend(drawn.values(), drawn, loc="outside upper center", ncols=len(drawn), fontsize=9)
    axes.set_yticks([2.6, 0.875], ["documents,\nend to end", "sequences"])
    axes.set(xlabel="tokens of the shuffled stream", xlim=(-2, end + 2), ylim=(0, 3.2))
    axes.grid(visible=False)
    return figure
