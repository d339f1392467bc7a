"""The computed sentences of the chapter on memorization: every number in them comes from its tables.

A sentence about models is one about all seeds of a size: ranges over them, or in how many something holds.
"""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import seeds
from pythia_utils.analysis.memorization.kinds import OFTEN
from pythia_utils.analysis.words import interval
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model

NO_TRUTH = "These data have no planted documents, and what is repeated in them is not recorded."
NO_COPIES = "Nothing here tells what copies do: a standard model or planted documents are missing."
ALPHA = 0.05


def runs_of(count: int, total: int) -> str:
    """`2 of 3 runs`, or `1 of 1 run`."""
    return f"{count} of {total} run{'s' * (total != 1)}"


def span(low: float, high: float, digits: str = ".2f") -> str:
    """`0.15 to 0.17`, or one number where both look alike."""
    ends = [f"{end:{digits}}" for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def size_of(models: pd.Series) -> str:
    """The size of models that are alike but for their seeds, for a sentence."""
    return markdown(find_model(models.iloc[0]).size)


def copies(shares: pd.DataFrame, gains: pd.DataFrame) -> str:
    """What the largest size recites by number of copies, and what a single copy leaves, over its seeds.

    Args:
        shares: `tables.numbered(…, "copies")` of one step a model, of all seeds of one size.
        gains: `tables.gains(…, "copies")` of the same.
    """
    if shares.empty:
        return NO_COPIES
    numbers = sorted(shares["number"].unique(), reverse=True)[:3]
    parts = [
        f"of {number} copies {seeds.in_words(shares['value'][shares['number'] == number])}"
        for number in numbers
    ]
    least = gains["number"].min()
    once = gains[gains["number"] == least]
    return (
        f"Size {size_of(shares['model'])} recites, as a share of planted documents: {'; '.join(parts)}. "
        f"{'A single copy' if least == 1 else f'{least} copies'} left a mean gain of "
        f"{seeds.in_words(once['value'])} nats a token."
    )


def same_texts(table: pd.DataFrame) -> str:
    """How much more the same texts gain from their copies in a standard model.

    Args:
        table: of `tables.same_texts`.
    """
    if table.empty:
        return "No size has both variants here, so no text can be compared with itself."
    often = table.loc[table.groupby("model")["number"].idxmax()]
    parts = [
        f"in {markdown(r.model)} documents of {r.number} copies gain {r.value:+.2f} "
        f"[{r.low:+.2f}, {r.high:+.2f}] nats a token more than in the deduplicated model of its size"
        for r in often.itertuples()
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}: the same {often['n'].iloc[0]} texts, each against itself."


def texts(records: pd.DataFrame, classes: pd.DataFrame) -> str:
    """How many sequences are how many texts, and how often those had been read.

    Args:
        records: of one step a model, all seeds of one size.
        classes: `tables.counts(…, "read")` of them.
    """
    if classes.empty:
        return NO_TRUTH
    whole = records[records["metric"] == "texts_of_memorized"]
    parts = [
        f"{row.n} memorized sequences are {row.value:.0f} texts in {markdown(row.model)}"
        for row in whole.itertuples()
    ]
    often = classes[classes["number"] >= OFTEN].sum()
    return (
        f"Of the tested, {'; '.join(parts)}. Among the sequences drawn by lot, in all runs of this "
        f"size together, {often['memorized']} of {classes['memorized'].sum()} memorized texts had been read "
        f"more than {OFTEN - 1} times. Such texts are "
        f"{often['tested'] / classes['tested'].sum():.1%} of all that were tested."
    )


def read_and_not(records: pd.DataFrame) -> str:
    """What is recited of texts that were read, and of those that were not yet: the control. Markdown.

    Args:
        records: of metric `memorized`, of all checkpoints.
    """
    parts = {name: records[records["subset"] == name] for name in ("seen", "unseen")}
    if any(part.empty for part in parts.values()):
        return "These checkpoints lack texts that they have read, or texts still to be read."
    (read, of_read), (new, of_new) = map(_recited, parts.values())
    return (
        f"Over all checkpoints, of texts read at the tested place {read:,} of {of_read:,} are recited "
        f"({read / of_read:.2%}), and {new:,} of {of_new:,} ({new / of_new:.2%}) of those that were not yet "
        "read there. What is recited without having been read is known from elsewhere, or follows from a rule."
    )


def _recited(records: pd.DataFrame) -> tuple[int, int]:
    """How many texts are recited, and of how many, from the shares of several checkpoints."""
    n = records["n"].astype(float)
    return round((records["value"] * n).sum()), int(n.sum())


def unread(records: pd.DataFrame) -> str:
    """Whether what is recited without having been read had been read elsewhere.

    Args:
        records: of metric `memorized`, of all checkpoints.
    """
    parts = {name: records[records["subset"] == f"unseen-{name}"] for name in ("met", "new")}
    if all(part.empty for part in parts.values()):
        return "No checkpoint here has sequences that it has not yet read."
    (met, of_met), (new, of_new) = map(_recited, parts.values())
    return (
        f"Over all checkpoints, of texts that were not yet read at the tested place, {met:,} of {of_met:,} "
        f"are recited where training had read the continuation elsewhere, and {new:,} of {of_new:,} where it "
        "had not."
    )


def forgetting(course: pd.DataFrame) -> str:
    """How much of the gain of the first decile's documents is left.

    Args:
        course: of `tables.gains(…, "decile")`, of all seeds of one size.
    """
    first = course[course["number"] == 0].sort_values("step")
    if first.empty:
        return NO_TRUTH
    if first["step"].nunique() < 2:
        return "One checkpoint tells nothing about forgetting."
    parts, fell = [], 0
    for model, own in first.groupby("model", sort=False):
        top, end = own.loc[own["value"].idxmax()], own.iloc[-1]
        fell += end["value"] < top["value"]
        parts.append(
            f"in {markdown(model)} {interval(top)} nats a token at step {top['step']:,}, and "
            f"{interval(end)} at step {end['step']:,}"
        )
    return (
        f"The gain of documents of the first decile is largest, of the checkpoints here, {'; '.join(parts)}. "
        f"It has fallen since in {runs_of(fell, len(parts))}."
    )


def early(found: pd.DataFrame, model: str) -> str:
    """How much of what a model memorizes in the end it has memorized halfway.

    Args:
        found: of `tables.predictions`.
        model: the one whose end is predicted.
    """
    own = found[(found["metric"] == "recall") & (found["model"] == model)].sort_values("step")
    if own.empty:
        return f"{markdown(model)} has memorized no item that could be predicted."
    half = own[own["step"] <= own["step"].max() / 2]
    if half.empty:
        return "No checkpoint of the first half of training is here."
    half = half.iloc[-1]
    return (
        f"At step {half['step']:,} {markdown(model)} has memorized {half['value']:.0%} "
        f"[{half['low']:.0%}, {half['high']:.0%}] of the {half['n']} items that it has memorized in the end."
    )
