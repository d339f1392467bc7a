"""The card of the chapter on training data: the mix along training, and when repeats begin."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pythia_utils.analysis.card_figures import curves
from pythia_utils.analysis.in_short import InShort
from pythia_utils.analysis.order_tests import linear_trend
from pythia_utils.analysis.training_data import tables
from pythia_utils.analysis.training_data.mix import domain_counts, homogeneity
from pythia_utils.analysis.words import p_value
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.source import TrainingData

_WORDS = ("step", "token", "variant")


def in_short(data: Mapping[str, TrainingData], read: Mapping[str, pd.DataFrame]) -> InShort:
    """The card, of a text of our own making.

    Args:
        data: what a model of each variant reads.
        read: their `occurrences.occurrences`.
    """
    lines = tables.repeat_curves(data, read)
    drawn = curves(lines, "share read before", "corpus", log=False)
    standard = data["standard"]
    counts = domain_counts(read["standard"], standard.total_steps)
    return InShort([_mix(counts), _again(lines), _times(data["deduped"])], drawn, _WORDS)


def _mix(counts: pd.DataFrame) -> str:
    """The test of an order that is known to be a shuffle: one shuffle in twenty has a p below .05."""
    found = homogeneity(counts)
    usual = found.p_value >= 0.05
    seen = (
        "The mix of texts is the same"
        if usual
        else "The mix of texts differs more than most shuffles make it"
    )
    return (
        f"{seen} from the first tenth of training to the last: no domain's share of the documents is "
        "in any tenth "
        f"more than {100 * found.gap:.1f} percentage points off its mean ({p_value(found.p_value)})."
    )


def _again(lines: pd.DataFrame) -> str:
    parts = []
    for corpus in ("standard", "deduped"):
        own = lines[lines["corpus"] == corpus].sort_values("step")
        parts.append(f"{own['value'].iloc[-1]:.0%} of what the {corpus} corpus gives")
    return f"In the last fiftieth of training {' and '.join(parts)} had been read before."


def _times(data: TrainingData) -> str:
    shares = tables.times_read(data)["this run"]
    return (
        f"Of the deduplicated documents {1 - shares.iloc[:2].sum():.0%} are read twice or more, "
        f"{shares.iloc[1]:.0%} once and {shares.iloc[0]:.0%} never, as all copies are shuffled together."
    )


def of_batches(runs: pd.DataFrame) -> InShort:
    """The card, of a text of which the batches alone are known."""
    tokens = tables.of_batches(runs, "distinct_tokens")
    pieces = tables.of_batches(runs, "pieces_per_sequence")
    drawn = curves(tokens, "different tokens in a batch")
    sentences = [
        _steady(tokens, "different tokens"),
        _steady(pieces, "pieces of documents a sequence"),
    ]
    return InShort([told for told in sentences if told] or [_NOTHING], drawn, _WORDS)


_NOTHING = "No batch was read here."


def _steady(rows: pd.DataFrame, what: str) -> str:
    """How much a number of single batches changes along training, of the first model."""
    if rows.empty:
        return ""
    model = rows["model"].iloc[0]
    own = rows[rows["model"] == model]
    low, high = own["value"].min(), own["value"].max()
    digits = ",.0f" if high >= 1000 else ".3g"
    told = f"The {len(own)} batches of {markdown(model)} that were opened hold "
    told += f"{low:{digits}} to {high:{digits}} {what}"
    if len(own) <= 3 or low == high:
        return f"{told}."
    trend = linear_trend(own["value"], own["step"] / find_model(model).total_steps)
    verdict = (
        "a change"
        if trend.low > 0 or trend.high < 0
        else "no change that could be told from chance"
    )
    return (
        f"{told}; from the first step to the last that is {verdict} ({trend.slope:+,.3g} "
        f"[{trend.low:+,.3g}, {trend.high:+,.3g}])."
    )
