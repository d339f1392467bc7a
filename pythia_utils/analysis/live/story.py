"""The tour of *The key near the boxes is/are*: at which steps a model is right, wrong and right again, and why.

The model is chosen for the story, among those that travel with the site: one in which it is to be seen clearly.
So the tour shows what can happen and not how often; the chapter on grammar counts.

Four beginnings tell what a model goes by. With margins m = log p(is) - log p(are) after *The (key|keys) near
the (box|boxes)*, the mean of the four is a liking for *is*; half of what the subject's number changes is the
pull of the subject; half of what the other noun's number changes is the pull of the nearest noun. But for a
rest that hangs on both, the margin after *The key near the boxes* is liking + subject - nearest noun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from pythia_utils.analysis.live.examples import attraction
from pythia_utils.evaluation.minimal_pairs import prepare_pairs
from pythia_utils.suites import sweep
from pythia_utils.suites.checkpoints import load

CLEAR = 0.1  # nats: a margin of less is a tie for the story's purposes
_NO_RULE = "That is no rule of any text that it read."
COLUMNS = ("key_box", "key_boxes", "keys_box", "keys_boxes")


@dataclass(frozen=True)
class Stop:
    """One step of the tour: a checkpoint, and what is to be seen there."""

    step: int
    title: str
    words: str


def margins(steps_of: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """Margins of *is* over *are* after the four beginnings, of each model at its steps.

    Args:
        steps_of: the models' names and their steps.

    Returns:
        A row a checkpoint: model, step, and nats in `COLUMNS`.
    """
    pairs = [SimpleNamespace(phenomenon="", good=good, bad=bad) for good, bad in attraction()]
    rows = []
    for model, steps in steps_of.items():
        _, tokenizer = load(model, steps[-1])
        prepared = prepare_pairs(tokenizer, pairs)
        for step, network in sweep.sweep(model, steps):
            found = prepared.score(network)["margin"]
            rows.append({"model": model, "step": step} | dict(zip(COLUMNS, found, strict=True)))
    return with_cues(pd.DataFrame(rows))


def with_cues(table: pd.DataFrame) -> pd.DataFrame:
    """Add `liking`, `subject` and `nearest` (nats) to a table with the four margins."""
    one, many = table["key_box"] + table["key_boxes"], table["keys_box"] + table["keys_boxes"]
    near_one, near_many = (
        table["key_box"] + table["keys_box"],
        table["key_boxes"] + table["keys_boxes"],
    )
    return table.assign(
        liking=(one + many) / 4, subject=(one - many) / 4, nearest=(near_one - near_many) / 4
    )


def turns(values: Sequence[float]) -> list[int]:
    """The places at which margins are clearest right, then wrong, then right again: three, two or one.

    Two where nothing comes clearly right again after the wrong, one where nothing goes clearly wrong.
    """
    for count in (3, 2):
        places, least = _clearest(np.asarray(values, float), count)
        if least >= CLEAR:
            return places
    return [int(np.argmax(values))]


def _clearest(values: np.ndarray, count: int) -> tuple[list[int], float]:
    """Right, wrong (and right): the places whose least margin, the wrong one turned round, is greatest."""
    found: list[tuple[list[int], float]] = [([], -np.inf)]
    for wrong in range(1, len(values) - (count == 3)):
        places = [int(values[:wrong].argmax()), wrong]
        clear = [values[places[0]], -values[wrong]]
        if count == 3:
            places.append(wrong + 1 + int(values[wrong + 1 :].argmax()))
            clear.append(values[places[2]])
        found.append((places, min(clear)))
    return max(found, key=lambda each: each[1])


def choose(table: pd.DataFrame) -> str:
    """The model in which the story is longest, and of these clearest; the largest of equals.

    Args:
        table: of `margins`, models in the order of the suite's file.
    """
    stories = {}
    for model, own in table.groupby("model", sort=False):
        values = own["key_boxes"].to_numpy()
        count = len(turns(values))
        clear = _clearest(values, count)[1] if count > 1 else 0.0
        stories[model] = (count, clear)
    return max(stories, key=lambda model: stories[model])


def tour(table: pd.DataFrame, model: str) -> list[Stop]:
    """The stops of a model's tour: before training, its turns, the end."""
    own = table[table["model"] == model].sort_values("step").reset_index(drop=True)
    titles = dict(zip(turns(own["key_boxes"]), ("right", "wrong", "right again"), strict=False))
    last = len(own) - 1
    verdict = "right" if own["key_boxes"][last] > 0 else "wrong"
    titles.setdefault(last, f"{verdict} at the end")
    stops = [_before(own.iloc[0], model)]
    for place in sorted(titles.keys() - {0}):
        row = own.iloc[place]
        words = [_preference(row), _why(row), *([_all_four(row)] if place == last else ())]
        stops.append(
            Stop(int(row["step"]), f"Step {row['step']:,}: {titles[place]}", " ".join(words))
        )
    return stops


def _before(row: pd.Series, model: str) -> Stop:
    words = (
        f"This is {model} before training. Its weights are random numbers: to it each token is about as likely "
        f"as any other, so all are warm. {_preference(row)} That is an accident of those numbers."
    )
    return Stop(int(row["step"]), f"Step {row['step']:,}: it knows nothing", words)


def _all_four(row: pd.Series) -> str:
    """How many of the four beginnings it goes on with rightly."""
    right = [row[name] > 0 for name in COLUMNS[:2]] + [row[name] < 0 for name in COLUMNS[2:]]
    if all(right):
        return "It is right after all four beginnings, singular and plural."
    return f"Of the four beginnings, singular and plural, it goes on with {sum(right)} rightly."


def _preference(row: pd.Series) -> str:
    margin = row["key_boxes"]
    word = "is" if margin > 0 else "are"
    verdict = "right" if margin > 0 else "wrong"
    return (
        f"After “The key near the boxes” it finds “{word}” {_times(margin)} as the other form, "
        f"which is {verdict}."
    )


def _times(margin: float) -> str:
    times = math.exp(abs(margin))
    return f"{times:,.1f} times as likely" if times < 10 else f"{times:,.0f} times as likely"


def _why(row: pd.Series) -> str:
    """What of liking, subject and nearest noun speaks most for the form that it prefers."""
    side = 1 if row["key_boxes"] > 0 else -1
    parts = {"liking": row["liking"], "subject": row["subject"], "nearest": -row["nearest"]}
    lead = max(parts, key=lambda name: side * parts[name])
    return {"liking": _by_liking, "subject": _by_subject, "nearest": _by_nearest}[lead](row, side)


def _by_liking(row: pd.Series, side: int) -> str:
    word, other = ("is", "are") if side > 0 else ("are", "is")
    everywhere = all(side * row[name] > 0 for name in COLUMNS)
    where = (
        f"It prefers “{word}” after all four beginnings, “The keys near the boxes” among them"
        if everywhere and side > 0
        else f"It prefers “{word}” after all four beginnings, “The key near the box” among them"
        if everywhere
        else f"After the four beginnings it prefers “{word}” on average"
    )
    return f"Why? Not by a rule. {where}: it likes this word better than “{other}”, whatever stands before."


def _by_subject(row: pd.Series, side: int) -> str:
    if side < 0:
        return f"Why? It lets the verb differ from the subject in number. {_NO_RULE}"
    pull = row["nearest"]
    rest = f"still pulls the other way, by {pull:.2f} nats" if pull > CLEAR else "hardly counts"
    return (
        "Why? It goes by the subject: with “keys” in place of “key” the margin would "
        f"{_changes(row['keys_boxes'] - row['key_boxes'])}. The noun nearest to the verb {rest}."
    )


def _by_nearest(row: pd.Series, side: int) -> str:
    if side > 0:
        return f"Why? It lets the verb differ from the nearest noun in number. {_NO_RULE}"
    return (
        "Why? It has learnt that a verb goes with a noun, and takes the one that stands nearest: “boxes”. "
        f"With “box” in its place the margin would {_changes(row['key_box'] - row['key_boxes'])}; with “keys” "
        f"in place of “key” it would {_changes(row['keys_boxes'] - row['key_boxes'])}. People make this error "
        "too; it is called attraction."
    )


def _changes(nats: float) -> str:
    return f"{'rise' if nats > 0 else 'fall'} by {abs(nats):.2f} nats"
