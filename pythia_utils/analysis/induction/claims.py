"""What the chapter on induction states of our own suites, as questions to the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.induction import tables
from pythia_utils.analysis.induction.names import ECHO_PERIODS, LEAST
from pythia_utils.analysis.induction.text import HALF

NOTHING = 0.05  # nats: less is no gain
MATCHES = 0.3  # prefix matching of what Trott (2025) counts as an induction head


def _of_all(holds: pd.Series) -> bool | None:
    return bool(holds.all()) if len(holds) else None


def _untrained(records: pd.DataFrame) -> bool | None:
    start = tables.of(records[records["step"] == 0], "content_gain")
    return _of_all(start["value"].abs() < NOTHING)


def _half_a_nat(records: pd.DataFrame) -> bool | None:
    last = select.near_the_end(tables.of(records, "content_gain"))
    last = last[last["step"] > 0]
    return bool((last["value"] >= HALF).any()) if len(last) else None


def _cache_first(records: pd.DataFrame) -> bool | None:
    """Of the models that gain by content in the end, and were measured in training before they did."""
    content = tables.of(records, "content_gain")
    began = content[content["step"] > 0].groupby("model")["step"].min()
    first = {
        metric: _first(tables.of(records, metric)) for metric in ("cache_gain", "content_gain")
    }
    both = pd.concat(first, axis=1).reindex(columns=list(first))
    both = both[both["content_gain"] > began.reindex(both.index)]
    return _of_all(both["cache_gain"] <= both["content_gain"])


def _first(curve: pd.DataFrame) -> pd.Series:
    """Of each model the first step at which a gain is clearly there."""
    return curve[curve["low"] > LEAST].groupby("model")["step"].min()


def _heads_carry_it(records: pd.DataFrame) -> bool | None:
    return _of_all(tables.shares_left(records)["heads found"] < 0.5)


def _others_do_not(records: pd.DataFrame) -> bool | None:
    shares = tables.shares_left(records).dropna(subset=["as many others"])
    return _of_all(shares["as many others"] - shares["heads found"] > 0.25)


def _of_two_kinds(records: pd.DataFrame) -> bool | None:
    found = tables.ranks(records).groupby("model")
    notes = found["previous_token_place"].min() == 1
    return _of_all(notes & (found["prefix_matching"].max() > MATCHES))


def _echo_by_distance(records: pd.DataFrame) -> bool | None:
    last = select.near_the_end(tables.echo(records))
    last = last[last["step"] > 0]
    within = last["period"].between(*ECHO_PERIODS) & (last["gap"] == 0)
    inside, beyond = (own.groupby("model")["value"].mean() for own in (last[within], last[~within]))
    return _of_all(inside < beyond)


_FOUND = {
    "induction-untrained": ("Before training, no model gains by content.", _untrained),
    "induction-half-a-nat": (
        "At its last step some size gains half a nat or more by content.",
        _half_a_nat,
    ),
    "induction-cache-first": (
        "A model that comes to use the order of what it has read remembered which tokens there were no later.",
        _cache_first,
    ),
    "induction-few-heads": (
        "Where there is a gain, ablating the heads found takes more than half of it on new sequences.",
        _heads_carry_it,
    ),
    "induction-not-others": (
        "Ablating as many other heads leaves at least a quarter of the gain more than ablating those found.",
        _others_do_not,
    ),
    "induction-two-kinds": (
        "Where there is a gain, the heads found include the one that attends most to the previous token, and "
        "one whose prefix matching is above .3.",
        _of_two_kinds,
    ),
    "induction-echo": (
        "At its last step every model copies echo documents better at the periods of training than beyond.",
        _echo_by_distance,
    ),
}
CLAIMS = tuple(Claim(name, "induction", text, holds) for name, (text, holds) in _FOUND.items())
