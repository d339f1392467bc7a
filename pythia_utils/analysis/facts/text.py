"""The computed sentences of the chapter on facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select, show
from pythia_utils.analysis.facts.curves import Threshold
from pythia_utils.analysis.facts.tables import usual_class
from pythia_utils.analysis.words import interval, listed, span
from pythia_utils.base.markup import markdown

if TYPE_CHECKING:
    from IPython.display import Markdown

    from pythia_utils.analysis.show import Table

_NOTHING = "These records hold no facts by the times told."


def threshold(found: Threshold | None) -> str:
    """One model's threshold in a sentence."""
    if found is None:
        return "No two facts were told differently often so far: there is no curve to fit."
    if found.side == "below":
        told = f"what was told least so far ({found.least:,.0f} times)"
        return f"Accuracy is more than halfway even for {told}: the threshold lies below."
    if found.side == "above":
        told = f"what was told most so far ({found.most:,.0f} times)"
        return f"Accuracy is not halfway even for {told}: the threshold lies above."
    return (
        f"Accuracy is halfway between guessing and always right at {found.value:,.0f} tellings, 95% interval "
        f"{found.low:,.0f} to {found.high:,.0f} over subjects."
    )


def recall(final: pd.DataFrame, chance: float) -> str:
    """Accuracies of the least and the most often told facts at the last step, each as a range over models.

    Args:
        final: `tables.by_told` of the accuracy at the last step.
        chance: what guessing gets right.
    """
    if final.empty:
        return _NOTHING
    parts = []
    for size, own in final.groupby("size", sort=False):
        low, high = usual_class(own, 0), usual_class(own, -1)
        if set(low["told"]) != set(high["told"]):
            parts.append(
                f"**{markdown(size)}**: {seeds.in_words(low['value'])} of the facts told "
                f"{_classes(low)} times, {seeds.in_words(high['value'])} of those told {_classes(high)}"
            )
    told = "; ".join(parts)
    if not told:
        return "Nowhere do two classes of times told hold enough facts to compare."
    where = select.step_in_words(final)
    return f"At step {where}, by size, where guessing gets {chance:.3f}: {told}."


def _classes(rows: pd.DataFrame) -> str:
    """`65 or more`, `10,000-99,999`."""
    return re.sub(r"\d{4,}", lambda found: f"{int(found.group()):,}", listed(rows["told"]))


def estimates(records: pd.DataFrame) -> str:
    """How coarse the counts of a file's facts are, at the last step of each model. Markdown.

    Args:
        records: of one step a model.
    """
    told = records[records["metric"] == "told"]
    if not told["value"].any():
        return "None of the batches that were counted holds any of these facts."
    parts = []
    for variant, rows in told.groupby("variant", sort=False):
        own = rows[rows["model"] == rows["model"].iloc[0]].sort_values("value", ascending=False)
        least = own["value"][own["value"] > 0].min()
        most = ", ".join(
            f"{markdown(row.subset.split(': ')[0])} {row.value:,.0f}"
            for row in own[:3].itertuples()
        )
        parts.append(
            f"in the {markdown(variant)} text {(own['value'] == 0).sum()} of {len(own)} facts are in none of "
            f"the counted sequences, and the rarest of the others is estimated at {least:,.0f} tellings. "
            f"Estimated most often: {most}"
        )
    return f"At step {select.step_in_words(told)}: {'; '.join(parts)}."


def when_learnt(rows: pd.DataFrame, chance: float) -> str:
    """From which step on each model is above guessing, interval and all, and where it ends. Markdown.

    Args:
        rows: of `tables.of`, the accuracy of all facts.
        chance: what guessing gets right.
    """
    parts = []
    for model, own in rows.groupby("model", sort=False):
        own = own.sort_values("step")
        below = own["step"][own["low"] <= chance]
        above = own[own["step"] > below.max()] if len(below) else own
        since = f"from step {above['step'].iloc[0]:,} on" if len(above) else "not to the end"
        since = since if len(below) else "at every step measured"
        parts.append(f"{markdown(model)} {since}, {interval(own.iloc[-1])} at the last")
    if not parts:
        return _NOTHING
    told = "; ".join(parts)
    return f"Above guessing ({chance:.3f}) with the whole interval, and so at every later step: {told}."


def baselines(records: pd.DataFrame) -> str:
    """The shares that shuffled answers and the n-gram model get, of records of one step a model."""
    last = records[records["subset"].isin(["all", "wording 1", "wording 2"])]
    value = last.groupby(["metric", "subset"])["value"].agg(["min", "max"])
    if "ngram" not in value.index:
        return "These records hold no baselines."

    def range_of(metric: str, subset: str = "all") -> str:
        low, high = value.loc[(metric, subset)]
        return f"{low:.3f} to {high:.3f}" if f"{low:.3f}" != f"{high:.3f}" else f"{low:.3f}"

    network, counted = (
        " and ".join(range_of(metric, f"wording {wording}") for wording in (1, 2))
        for metric in ("accuracy", "ngram")
    )
    return (
        f"Over all models of step {select.step_in_words(records)}: shuffled answers get "
        f"{range_of('shuffled')}, guessing {range_of('chance')}. The 5-gram model gets "
        f"{range_of('ngram')} of all answers: {counted} in the two wordings. The "
        f"networks get {range_of('accuracy')}: {network}."
    )


def sizes(ratios: pd.DataFrame) -> str:
    """Whether larger models need fewer tellings: in how many seeds, of standard models."""
    ratios = ratios[ratios["variant"] == "standard"]
    if ratios.empty:
        return "These records do not hold two sizes of one seed with a threshold each."
    parts = []
    for (small, large), rows in ratios.groupby(["smaller", "larger"], sort=False):
        fewer, n = int((rows["value"] < 1).sum()), len(rows)
        clear = int((rows["high"] < 1).sum()), int((rows["low"] > 1).sum())
        parts.append(
            f"{markdown(large)} needs {span(rows['value'])} times as many tellings as {markdown(small)}, "
            f"fewer in {fewer} of {n} seed{'s' * (n != 1)} (the interval lies below 1 in {clear[0]}, "
            f"above 1 in {clear[1]})"
        )
    return f"At step {ratios['step'].max():,}, over the same subjects: {'; '.join(parts)}."


def threshold_table(table: pd.DataFrame) -> Table | Markdown:
    """Thresholds by model and step: `tables.thresholds`, in words where one lies outside of the times told."""
    ends = {"within": table["value"], "below": table["least"], "above": table["most"]}
    shown_as = {"within": "{:,.0f}", "below": "below {:,.0f}", "above": "above {:,.0f}"}
    reached = [shown_as[side].format(ends[side][row]) for row, side in table["side"].items()]
    shown = pd.DataFrame(
        {
            "model": table["model"],
            "step": table["step"],
            "threshold": reached,
            "low": table["low"],
            "high": table["high"],
            "slope": table["slope"],
            "most told": table["most"],
        }
    )
    formats = dict.fromkeys(["step", "low", "high", "most told"], "{:,.0f}") | {"slope": "{:.1f}"}
    return show.table(shown, formats, "Thresholds in times told, with 95% intervals over persons.")


def over_time(table: pd.DataFrame) -> str:
    """How the threshold moves between steps: the range over standard models at each step."""
    standard = table[table["variant"] == "standard"]
    parts = []
    for step, rows in standard.groupby("step"):
        reached = rows["value"].dropna()
        shown = f"{reached.min():,.0f} to {reached.max():,.0f} tellings" if len(reached) else "none"
        outside = [
            f"{side} in {n}" for side in ("below", "above") if (n := (rows["side"] == side).sum())
        ]
        counted = ", ".join([f"{len(reached)} of {len(rows)} models", *outside])
        parts.append(f"step {step:,}: {shown} ({counted})")
    if not parts:
        return "These records hold no standard model's threshold."
    return f"Thresholds within what was told so far, over all standard models: {'; '.join(parts)}."


def together(final: pd.DataFrame, chance: float) -> str:
    """The most often told facts asked alone, after another, and in one sentence with it.

    Args:
        final: `tables.by_told` of these metrics at the last step; column `what` names them.
        chance: what guessing gets right.
    """
    high = usual_class(final, -1)
    if high.empty:
        return _NOTHING
    ranges = seeds.over(high, ["what"])
    parts = [
        f"{row.what}: {row.lowest:.2f} to {row.highest:.2f}"
        for row in ranges.itertuples()
        if np.isfinite(row.value)
    ]
    return (
        f"Facts told {_classes(high)} times, at step {select.step_in_words(final)}, over all models drawn: "
        f"{'; '.join(parts)}. Guessing gets {chance:.3f}."
    )


def fallen(table: pd.DataFrame) -> str:
    """Tasks at which the largest published model got worse in training."""
    if table.empty:
        return "At none of these tasks does the largest model end clearly below where it began."
    tasks = [
        f"{markdown(row.subset.replace('_', ' '))} from {row.began:.2f} to {row.ended:.2f} (the smallest model "
        f"ends at {row.smallest:.2f})"
        for row in table.itertuples()
    ]
    first = table.iloc[0]
    return (
        f"From step {first['first']:,} to {first['last']:,}, {markdown(first['model'])} falls by more than "
        f"three standard errors at {len(table)} tasks: {'; '.join(tasks)}."
    )
