"""What the chapter on loss finds, asked of the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.loss.forecast import LAST_PART, points
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.catalog import suite as find_suite

_ERRORS = 2.0  # standard errors that an excess may lie below zero by chance
_NAME = "loss"


def _of(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    return records[(records["metric"] == metric) & (records["variant"] == "standard")]


def _larger_is_lower(records: pd.DataFrame) -> bool | None:
    """Of each size and the next larger one at the last step that all of them have."""
    loss = _of(records, "loss")
    wide = loss[loss["subset"] == "all"].pivot_table("value", "step", "n_params").dropna()
    if wide.empty or wide.shape[1] < 2:
        return None
    return bool(wide.iloc[-1].is_monotonic_decreasing)


def _falls(records: pd.DataFrame) -> bool | None:
    """From each step after the warm-up to the first measured one at least twice as late, in every size."""
    loss = points(_of(records, "loss"))
    answers = [
        later["value"].iloc[0] < row.value
        for _, curve in loss[loss["subset"] == "all"].sort_values("step").groupby("model")
        for row in curve.itertuples()
        if len(later := curve[curve["step"] >= 2 * row.step])
    ]
    return all(answers) if answers else None


def _nothing_below(records: pd.DataFrame) -> bool | None:
    excess = _of(records, "excess").dropna(subset=["value", "stderr"])
    if excess.empty:
        return None
    return bool((excess["value"] > -_ERRORS * excess["stderr"]).all())


def _echo_is_farther(records: pd.DataFrame) -> bool | None:
    """Farther than facts, at the last step, in every size."""
    last = select.final(_of(records, "excess"))
    wide = last.pivot_table(index="model", columns="subset", values="value")
    if not {"echo", "facts"} <= set(wide):
        return None
    trained = last["step"].max() > LAST_PART * _total_steps(last)
    return bool((wide["echo"] > wide["facts"]).all()) if trained else None


def _total_steps(records: pd.DataFrame) -> int:
    return find_model(records["model"].iloc[0]).total_steps


CLAIMS = (
    Claim(
        "loss-falls-with-training",
        _NAME,
        "After the warm-up the loss of every size falls with each doubling of the tokens.",
        _falls,
    ),
    Claim(
        "larger-models-end-lower",
        _NAME,
        "At the last step that all sizes have, the loss of each is below that of the next smaller one.",
        _larger_is_lower,
    ),
    Claim(
        "no-loss-below-the-entropy",
        _NAME,
        "No model at any step has a loss below the entropy of echo, facts or arithmetic.",
        _nothing_below,
    ),
    Claim(
        "echo-stays-farther-from-its-floor-than-facts",
        _NAME,
        "At the end of training every size is farther above the least possible loss on echo than on facts.",
        _echo_is_farther,
    ),
)
_OF_ENTROPY = ("no-loss-below-the-entropy", "echo-stays-farther-from-its-floor-than-facts")


def of_suite(name: str) -> tuple[Claim, ...]:
    """The claims that can be asked of a suite: those of the entropy, where a program of ours made the text."""
    made = "made-text" in find_suite(name).kinds
    return tuple(claim for claim in CLAIMS if made or claim.name not in _OF_ENTROPY)
