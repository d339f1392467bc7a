"""Phases of training in which a model is systematically wrong: below chance, not at it."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.discoveries import below_chance
from pythia_utils.analysis.learning_curves import Milestone, onset
from pythia_utils.analysis.stats import wilson_interval


def below_chance_phases(
    curves: pd.DataFrame, chance: float = 0.5, false_discovery: float = 0.05
) -> pd.DataFrame:
    """Phases of training in which a model is systematically wrong: below chance, not at it.

    Every measured accuracy after step 0 is tested (`discoveries.below_chance`: exact binomial
    tests, false discoveries held at a rate over the whole grid). Finds of one curve belong to one
    phase unless an accuracy at or above chance stands between them.

    Args:
        curves: columns model, subset, step, correct, n.
        chance: accuracy of guessing.
        false_discovery: expected share of false finds among the finds.

    Returns:
        A row a phase, the deepest first: model, subset; first, last (measured steps); deepest
        (step), value, low, high (accuracy there and its Wilson interval; the lowest of several
        noisy values, so somewhat too low); overcome, overcome_low, overcome_high (the `onset` of
        chance after the curve's last find); end (the curve's last step).
    """
    tested = curves[curves["step"] > 0].sort_values("step", kind="stable", ignore_index=True)
    counts = tested["correct"].to_numpy(float), tested["n"].to_numpy(float)
    found = below_chance(*counts, chance=chance, false_discovery=false_discovery)
    tested = tested.assign(found=found, value=tested["correct"] / tested["n"])
    rows = []
    for (model, subset), curve in tested.groupby(["model", "subset"]):
        if not curve["found"].any():
            continue
        run = (curve["value"] >= chance).cumsum()  # constant between two accuracies not below
        past = _overcome(curve, chance) | {"end": curve["step"].iloc[-1]}
        for _, phase in curve[curve["found"]].groupby(run):
            deepest = phase.loc[phase["value"].idxmin()]
            low, high = wilson_interval(float(deepest["correct"]), float(deepest["n"]))
            ends = {"first": phase["step"].min(), "last": phase["step"].max()}
            depth = {"deepest": deepest["step"], "value": deepest["value"]}
            depth |= {"low": float(low), "high": float(high)}
            rows.append({"model": model, "subset": subset} | ends | depth | past)
    columns = ["model", "subset", "first", "last", "deepest", "value", "low", "high"]
    columns += ["overcome", "overcome_low", "overcome_high", "end"]
    return pd.DataFrame(rows, columns=columns).sort_values("value", ignore_index=True)


def _overcome(curve: pd.DataFrame, chance: float) -> dict[str, float]:
    """From when on a curve is at or above chance after it was last below; not known if it ends there."""
    after = curve[curve["step"] >= curve["step"][curve["found"]].max()]
    found = Milestone(float("nan"), float("inf"), float("inf"), chance)
    if len(after) > 1:
        found = onset(*(after[name] for name in ("step", "correct", "n")), threshold=chance)
    return {"overcome": found.step, "overcome_low": found.low, "overcome_high": found.high}
