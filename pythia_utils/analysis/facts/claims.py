"""What the chapter on facts states of our own suites, as questions to the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.facts.tables import by_told

LEAST = 10  # facts in a class of times told that is compared
SMALL = 10_000  # parameters: models with no more do not always learn what is told most often


def _classes(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """At each step of each model the metric in its least and its most often told class: columns first, last.

    Classes of fewer than `LEAST` facts are left out, and so are steps with one class.
    """
    rows = by_told(records, {metric: metric})
    rows = rows[rows["n"] >= LEAST].sort_values("least")
    ends = rows.groupby(["model", "step"])["value"].agg(["first", "last", "size"])
    return ends[ends["size"] > 1][["first", "last"]]


def _ends(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same at the last step alone: a row a model."""
    return _classes(select.final(records), metric).droplevel("step")


def _of_all(holds: pd.Series) -> bool | None:
    return bool(holds.all()) if len(holds) else None


def _grows(records: pd.DataFrame) -> bool | None:
    ends = _ends(records, "accuracy")
    return _of_all((ends["last"] > ends["first"]) | (ends["last"] == 1))


def _knows_what_is_often_told(records: pd.DataFrame) -> bool | None:
    return _of_all(_ends(records[records["n_params"] > SMALL], "accuracy")["last"] >= 0.75)


def _counting_needs_fewer(records: pd.DataFrame) -> bool | None:
    ours, counted = _classes(records, "accuracy"), _classes(records, "ngram")
    ahead = counted["first"] > ours["first"].reindex(counted.index)
    return _of_all(ahead.groupby("model").any())


def _is_tied_to_its_sentence(records: pd.DataFrame) -> bool | None:
    told, new = _ends(records, "two_sentences"), _ends(records, "one_sentence")
    return _of_all(told["last"] - new["last"] >= 0.1)


def _guesses_at_first(records: pd.DataFrame) -> bool | None:
    rows = records[(records["step"] == 0) & (records["subset"] == "all")]
    value, chance = (rows[rows["metric"] == m].set_index("model") for m in ("accuracy", "chance"))
    off = (value["value"] - chance["value"]).abs()
    error = value["stderr"].reindex(off.index)
    return _of_all((off <= 4 * error)[off.notna() & error.notna()])


_FOUND = {
    "facts-untrained": ("Before training, models only guess.", _guesses_at_first),
    "facts-grow": (
        "At the end, each model answers the facts told most often better than those told least, or all of "
        "them.",
        _grows,
    ),
    "facts-often-told": (
        "At the end, each model of more than ten thousand parameters answers at least three in four of the "
        "facts told most often.",
        _knows_what_is_often_told,
    ),
    "facts-counting": (
        "At some step, a 5-gram model of what was read answers the facts told least better than the network, "
        "whatever its size.",
        _counting_needs_fewer,
    ),
    "facts-one-sentence": (
        "At the end, each model loses at least one in ten of the answers to the facts told most often when "
        "two facts are put into one sentence.",
        _is_tied_to_its_sentence,
    ),
}
CLAIMS = tuple(Claim(name, "facts", text, holds) for name, (text, holds) in _FOUND.items())
