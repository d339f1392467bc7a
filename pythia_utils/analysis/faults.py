"""Checkpoints with a known erratum among the records of a grid: left out of curves, and told."""

from __future__ import annotations

import pandas as pd

from pythia_utils.suites.catalog import Model, find_model
from pythia_utils.suites.errata import fault, known_bad


def sound(records: pd.DataFrame) -> pd.DataFrame:
    """The records of checkpoints that are what their name says, as far as is known: columns model, step."""
    bad = {
        (model.name, step) for model, steps in _measured(records) for step in _faulty(model, steps)
    }
    if not bad:
        return records
    names = zip(records["model"], records["step"], strict=True)
    return records[[(model, int(step)) not in bad for model, step in names]]


def in_words(records: pd.DataFrame) -> str:
    """Which of the models shown have checkpoints with errata, and which of these were measured. Markdown."""
    lines, measured = [], 0
    for model, steps in _measured(records):
        lines += known_bad(model.checkpoints)
        measured += len(_faulty(model, steps))
    if not lines:
        return "No checkpoint of these models has a known erratum."
    told = "\n".join(f"- {line}" for line in lines)
    n = f"{measured} of these were" if measured != 1 else "One of these was"
    run = (
        "None of these was run."
        if not measured
        else f"{n} run: a square with a cross, in no curve below."
    )
    return f"Checkpoints of these models with a known erratum:\n\n{told}\n\n{run}"


def _measured(records: pd.DataFrame) -> list[tuple[Model, list[int]]]:
    """Each model of the records, and the steps that it was measured at."""
    steps = records.groupby("model", sort=False)["step"].unique()
    return [(find_model(name), [int(step) for step in own]) for name, own in steps.items()]


def _faulty(model: Model, steps: list[int]) -> list[int]:
    return [step for step in steps if fault(model.checkpoint(step))]
