"""The computed sentences of the chapter on training data: every number comes from the order or a simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis.order_tests import linear_trend
from pythia_utils.analysis.training_data.mix import homogeneity
from pythia_utils.analysis.training_data.tables import second_epoch
from pythia_utils.analysis.words import p_value
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data import repeats


def packing(pieces: pd.DataFrame, suite: str) -> str:
    """How many sequences are cut from several documents, and documents into several pieces.

    Args:
        pieces: of `occurrences.occurrences` for the suite's standard models.
        suite: its name.
    """
    sequences = pieces.groupby(["step", "row"])
    several = (sequences.size() > 1).mean()
    begins_late = (sequences["offset"].first() > 0).mean()
    cut = (pieces.groupby("entry").size() > 1).mean()
    return (
        f"Of {markdown(suite)}'s {len(sequences):,} standard sequences, {several:.0%} hold pieces of more than "
        f"one document, and {begins_late:.0%} begin in the middle of one. Of the documents, {cut:.0%} are read "
        "in several pieces."
    )


def mix(counts: pd.DataFrame) -> str:
    """The test of `domain_counts` in deciles of training, whose order is known to be a shuffle.

    A small p must come now and then; one that no shuffle gives is told as the fault that it is.
    """
    found = homogeneity(counts)
    verdict = "No change of the mix is seen."
    if found.p_value < 0.05:
        verdict = "One shuffle in twenty gives a p below .05; this order is a shuffle."
    if found.p_value < 1e-4:
        verdict = "**No shuffle gives such a p: the order or the counting is at fault.**"
    return (
        f"**Test.** If the mix does not change, χ² is about its degrees of freedom. Here χ² = "
        f"{found.chi_squared:.1f} on {found.dof} degrees of freedom ({p_value(found.p_value)}). {verdict} "
        f"**Effect size.** Cramér's V is {found.cramer_v:.3f}, on a scale from 0 (the same mix everywhere) "
        f"to 1; a random order of this many documents gives about {found.by_chance:.3f}. The largest "
        f"departure of any domain in any decile is {100 * found.gap:.1f} percentage points "
        f"({markdown(found.gap_column)}, decile {found.gap_row + 1})."
    )


def steady(rows: pd.DataFrame, what: str) -> str:
    """Whether a number of single batches changes from the first step to the last: its trend over batches.

    The batches are the units: their scatter about a straight line in the step gives the interval.

    Args:
        rows: of `tables.of_batches`.
        what: the number, for a sentence.
    """
    parts = []
    for model, own in rows.groupby("model", sort=False):
        low, high = own["value"].min(), own["value"].max()
        digits = ",.0f" if high >= 1000 else ".3g"
        text = f"{markdown(model)} has {low:{digits}} to {high:{digits}} in {len(own)} batches"
        if len(own) > 3 and high > low:
            trend = linear_trend(own["value"], own["step"] / find_model(model).total_steps)
            text += (
                f", changing by {trend.slope:+,.3g} [{trend.low:+,.3g}, {trend.high:+,.3g}] from the first "
                f"step to the last ({p_value(trend.p_value)})"
            )
        parts.append(text)
    return (
        f"**{what}**: {'; '.join(parts)}."
        if parts
        else f"{what} cannot be told from these batches."
    )


def marked(table: pd.DataFrame) -> str:
    """In how many of the batches of each model the ends of documents are marked.

    Args:
        table: of `tables.marked`.
    """
    parts = [
        f"{row.with_ends} of {row.batches} batches of {markdown(row.model)}"
        for row in table.itertuples()
    ]
    return (
        f"Documents are seen to end in {', and in '.join(parts)}."
        if parts
        else "No batch was read here."
    )


def simulation(simulated: repeats.Repeats, run: repeats.Run) -> str:
    """When repeats begin in a simulated run, and how often its documents were read in the end."""
    never, once, twice = simulated.shares
    boundary = second_epoch(run)
    at = simulated.again[: round(boundary)].sum() / simulated.again.sum()
    expected = ", ".join(f"{share:.1%}" for share in repeats.expected_shares(run)[::-1])
    return (
        f"In the simulation, step {simulated.first_repeat} is the first to read a document again. By the end, "
        f"{twice:.1%} of the documents were read twice, {once:.1%} once and {never:.1%} never (expected: "
        f"{expected}). Of all repeats, {at:.0%} come before step {boundary:,.0f}, where the second epoch was "
        "assumed to begin."
    )


def decisive_check(run: repeats.Run, batches: int = 1000) -> str:
    """What a search of the first batches finds under each reading of how copies are ordered.

    Under the joint shuffle a document of these batches has its other copy in them, too, with the share of
    the stream that they are; if a second epoch follows the first, none has.
    """
    share = batches * run.batch_size / run.samples
    texts = int(np.ceil(np.log(0.05) / np.log1p(-share)))
    again = run.documents * share**2
    return (
        f"Under the joint shuffle about {again:,.0f} documents are read twice within the first {batches:,} "
        f"batches, {share:.2%} of the documents there. If the second epoch came after the first, only "
        f"near-duplicates are. A search of these batches for {texts:,} of their own documents finds one "
        "that comes again with a probability of 95%, if it was one shuffle. We have not done this here: "
        f"the batches are {batches * run.batch_size * (run.seq_length + 1) * 2 / 1e9:.1f} GB."
    )
