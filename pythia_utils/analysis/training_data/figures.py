"""Figures of the chapter on training data, in the style of `analysis.plots`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.palettes import ACCENT, REFERENCE
from pythia_utils.analysis.plots import interval_errors, legend_above
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import mathtext
from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.source import TrainingData

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def packing(data: TrainingData, colours: Mapping[str, str], shown: int = 4) -> Figure:
    """How documents become sequences: laid end to end above, cut below.

    Args:
        data: what a standard model of a local suite reads.
        colours: of each domain.
        shown: sequences, from the beginning of the stream.
    """
    order, seq_length = data.packed.order, data.seq_length
    first = order.doc_idx[: shown * seq_length]  # no document is shorter than a token
    lengths = data.packed.indexed.sizes[first]
    documents = open_corpus(data.model.suite).documents(data.model.reads)
    domains = documents["domain"].to_numpy()[first]
    figure, axes = plt.subplots(figsize=(8, 2.6))
    _stream(axes, lengths, domains, colours, shown * seq_length + 1)
    for number, position in enumerate(order.training_positions()[:shown]):
        step, row = divmod(position, data.batch_size)
        label = f"step {step}, row {row}" if step < data.total_steps else "not read"
        _sequence(axes, number, seq_length, label)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9)
    axes.set_yticks([2.6, 0.875], ["documents,\nend to end", "sequences"])
    limits = {"xlim": (-2, shown * seq_length + 3), "ylim": (0, 3.2)}
    axes.set(xlabel="tokens of the shuffled stream", **limits)
    axes.grid(visible=False)
    drawn = pd.DataFrame({"document": first, "domain": domains, "tokens": lengths})
    starts = np.cumsum([0, *lengths])[:-1]
    drawn = drawn.assign(starts_at=starts)[starts < shown * seq_length + 1]
    return framed(
        figure,
        alt_text.together(
            f"Bars of {len(drawn)} documents of {drawn['domain'].nunique()} domains, laid end to end, of "
            f"{alt_text.span(drawn['tokens'])} tokens",
            f"Below them the {shown} sequences of {seq_length + 1} tokens into which they are cut",
        ),
        "How documents become sequences: laid end to end above, cut below.",
        name="packing",
        data=drawn,
    )


@or_words
def batches(frame: pd.DataFrame, ylabel: str) -> Figure:
    """A number of single batches over the steps that read them: a point each, with its interval if it has one.

    Args:
        frame: of `tables.of_batches`.
        ylabel: the number.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3))
    markers = {"standard": ("o", ACCENT), "deduped": ("s", REFERENCE)}
    for (model, variant), own in frame.groupby(["model", "variant"], sort=False):
        marker, colour = markers.get(variant, ("^", "0.4"))
        errors = interval_errors(own) if "low" in own else None
        look = {"fmt": marker, "ms": 4, "color": colour, "elinewidth": 0.8, "alpha": 0.8}
        axes.errorbar(own["step"], own["value"], errors, label=mathtext(model), **look)
    axes.set(xlabel="training step that reads the batch", ylabel=ylabel)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,g}")
    legend_above(figure)
    along = "the training step that reads the batch"
    return framed(
        figure,
        alt_text.lines(frame, ylabel, along, "model", kind="Points"),
        f"{alt_text.sentence(ylabel)} over the steps that read the batches.",
        data=frame[[c for c in ("model", "step", "value", "low", "high") if c in frame]],
    )


def _stream(
    axes: Axes, lengths: np.ndarray, domains: np.ndarray, colours: Mapping[str, str], end: int
) -> None:
    """A bar for each document up to token `end`, each domain named once for the legend."""
    named = set()
    for start, length, domain in zip(np.cumsum([0, *lengths]), lengths, domains, strict=False):
        if start < end:
            span = [(start, min(length, end - start))]
            label = None if domain in named else mathtext(domain)
            named.add(domain)
            bar = {"color": colours[domain], "ec": "white", "lw": 1.2, "label": label}
            axes.broken_barh(span, (2.2, 0.8), **bar)
    axes.axvline(end - 1, color=REFERENCE, ls="--", lw=1)


def _sequence(axes: Axes, number: int, length: int, label: str) -> None:
    """A sequence is one token longer than the step between cuts: two rows show the overlap."""
    low = 0.95 if number % 2 == 0 else 0.1
    axes.broken_barh(
        [(number * length, length + 1)], (low, 0.7), color=ACCENT, alpha=0.3, ec=ACCENT
    )
    centred = {"ha": "center", "va": "center", "fontsize": 8}
    axes.text((number + 0.5) * length, low + 0.35, label, **centred)
    axes.axvline(number * length, color=REFERENCE, ls="--", lw=1)
