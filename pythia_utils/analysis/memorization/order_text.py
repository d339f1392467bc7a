"""The computed sentences on the order of training: by stretch, by decile, by age and by rank.

Where a test of equivalence fails, its power decides what may be said: "not equal", or "cannot tell".
"""

from __future__ import annotations

import pandas as pd
from scipy import stats

from pythia_utils.analysis import order_tests
from pythia_utils.analysis.memorization.deciles import NEEDED_POWER
from pythia_utils.analysis.memorization.text import ALPHA, NO_TRUTH, runs_of, span
from pythia_utils.analysis.words import p_value
from pythia_utils.base.markup import markdown


def picture(counts: pd.DataFrame, model: str) -> str:
    """What the picture of counts by stretch shows.

    Args:
        counts: `tables.counts(…, "block")` of the model.
        model: its name.
    """
    return (
        f"{markdown(model)} has memorized {counts['memorized'].sum():,} of {counts['tested'].sum():,} tested "
        f"texts, in {len(counts)} stretches."
    )


def position(table: pd.DataFrame, tested: int, bound: float) -> str:
    """Dispersion, trend and equivalence of the memorized texts along training, over seeds.

    Args:
        table: of `tables.places`.
        tested: texts that were tested, of all runs.
        bound: ratio of rates at the two ends of training that counts as equal.
    """
    if table.empty:
        return f"Of {tested:,} tested texts none or all are memorized: nothing varies here."
    n = len(table)
    uneven = (table["p_dispersion"] < ALPHA).sum()
    trending = (table["p_trend"] < ALPHA).sum()
    same = (table["says"] == "equal within the bound").sum()
    events = order_tests.events_for_equivalence(bound)
    text = (
        f"Counts vary more or less than one rate would in {runs_of(uneven, n)}, and a trend is shown in "
        f"{runs_of(trending, n)} (p < {ALPHA} in each). Rates are shown to be equal within a ratio of {bound} "
        f"in {runs_of(same, n)}. "
    )
    return text + (
        f"{_power(table)} If rates are equal, about {events:,} memorized texts show it four times in five."
    )


def _power(table: pd.DataFrame) -> str:
    """What the power of the tests allows to say."""
    low, high = table["power"].min(), table["power"].max()
    shown = span(low, high, ".0%")
    if high < NEEDED_POWER:
        return (
            f"Had they been equal, the test would have shown it with a probability of {shown}. **It cannot "
            "tell**: that equality is not shown here is no evidence against it."
        )
    return f"Had they been equal, the test would have shown it with a probability of {shown}."


def experiment(table: pd.DataFrame, gains: pd.DataFrame) -> str:
    """Whether the decile of training matters to planted documents, over the runs that read them in deciles.

    Args:
        table: of `deciles.table`.
        gains: of `tables.gains(…, "decile")`, that it was made from.
    """
    if table.empty:
        return NO_TRUTH if gains.empty else "No checkpoint here has read six deciles of training."
    n = len(table)
    matters = (table["p_flat"] < ALPHA).sum()
    later = (table["late"] > table["early"]).sum()
    bends = (table["p_straight"] < ALPHA) & table["peak"].notna()
    more = (table["late"] - table["early"]).sort_values()
    text = (
        f"The gain depends on the decile in {runs_of(matters, n)} (F test over deciles, p < {ALPHA} in each). "
        f"Documents of the last three deciles gain more than those of the first three in {runs_of(later, n)}: "
        f"by {span(more.iloc[0], more.iloc[-1])} nats a token. "
    )
    if not bends.any():
        return text + "No profile is shown to bend down again."
    bent = table[bends]
    top = span(bent["peak"].min(), bent["peak"].max(), ".0%")
    inside = (bent["high"] < 1).sum()
    return text + (
        f"The profile bends downwards in {runs_of(len(bent), n)} (p < {ALPHA}). Its top lies at {top} of "
        f"training, and with its whole interval before the end in {runs_of(inside, n)}: later is better "
        "remembered, but the very last is not best."
        if inside
        else f"The profile bends downwards in {runs_of(len(bent), n)} (p < {ALPHA})."
    )


def placebo(table: pd.DataFrame, bound: float) -> str:
    """Whether the same texts show a slope where they were not read in deciles.

    Args:
        table: of `deciles.placebos`.
        bound: slopes within it count as none, nats a token.
    """
    if table.empty:
        return "No run here read these documents in another way, so there is no placebo."
    n = len(table)
    sloping = ((table["low"] > 0) | (table["high"] < 0)).sum()
    same = (table["says"] == "equal within the bound").sum()
    return (
        f"The same texts without the treatment: a slope over their deciles is shown in "
        f"{runs_of(sloping, n)}, and shown to be within {bound} nats a token in {runs_of(same, n)}. "
        f"{_power(table)}"
    )


def ages(frame: pd.DataFrame) -> str:
    """What one reading leaves, at each step: of what was read of late, and of what was read long ago.

    Args:
        frame: of `tables.ages`.
    """
    if frame.empty:
        return "No checkpoint here has both sequences read since an earlier one and sequences still to be read."
    lines = []
    for step, part in frame.groupby("step"):
        recent, old = ends_of_ages(part)
        both = recent.merge(old, on="model", suffixes=("", "_old"))
        fades = (both["value"] > both["value_old"]).sum()
        low, high = recent["value"].min(), recent["value"].max()
        shown = (recent["low"] > 0).sum()
        lines.append(
            f"- **Step {step:,}.** What was read at most {recent['number'].iloc[0]} steps ago has a loss "
            f"lower by {span(low, high)} nats a token for that reason; the interval is above 0 in "
            f"{runs_of(shown, len(recent))}."
            + (
                f" It is more than what is left of the oldest class, of {old['number'].iloc[0]} steps, in "
                f"{runs_of(fades, len(both))}."
                if len(both)
                else ""
            )
        )
    return "\n".join(lines)


def once(ages_found: pd.DataFrame, read: pd.DataFrame, unread: pd.DataFrame) -> str:
    """`ages` and `ranks`, or how to have them: such sequences are tested where it is asked for. Markdown."""
    if ages_found.empty and read.empty:
        return (
            "These runs did not measure what one reading leaves: it takes a request for each sequence, and an "
            "earlier checkpoint. `-p ordinary=64` measures it, at the steps that you choose."
        )
    return f"{ages(ages_found)}\n\n{ranks(read, unread)}"


def ends_of_ages(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of one step's `tables.ages`: the class of 9 to 16 steps, or the newest, and the oldest, if another.

    Not the last eight steps: momentum of .9 may carry a reading into the weights over some ten.
    """
    numbers = sorted(part["number"].unique())
    recent = 16 if 16 in numbers else numbers[0]
    old = part[(part["number"] == numbers[-1]) & (numbers[-1] > recent)]
    return part[part["number"] == recent], old


def ranks(read: pd.DataFrame, unread: pd.DataFrame) -> str:
    """The rank test over all checkpoints, and its placebo.

    Args:
        read: of `tables.correlations`.
        unread: of the same, of the placebo.
    """
    if read.empty:
        return "No checkpoint here has sequences that it read since an earlier one."
    lines = []
    for step, part in read.groupby("step"):
        lines.append(
            f"- **Step {step:,}.** r is {span(part['value'].min(), part['value'].max(), '+.2f')}; above 0 "
            f"with p < {ALPHA} in {runs_of(_found(part), len(part))}."
        )
    text = "\n".join(lines)
    if unread.empty:
        return text
    false = (stats.false_discovery_control(unread["p_value"]) < ALPHA).sum()
    return (
        f"{text}\n\nPlacebo: for sequences still to be read, a correlation is found at "
        f"{false} of {len(unread)} checkpoints (false discoveries controlled; the smallest is "
        f"{p_value(unread['p_value'].min())})."
    )


def _found(part: pd.DataFrame) -> int:
    """Runs in which the order is found, with false discoveries controlled (Benjamini and Hochberg 1995)."""
    adjusted = stats.false_discovery_control(part["p_value"])
    return int(((adjusted < ALPHA) & (part["value"] > 0)).sum())
