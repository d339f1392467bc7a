"""The paradigms inside a phenomenon: where a mean over constructions hides what each of them does.

BLiMP's 12 phenomena are means of up to 13 paradigms (Warstadt et al. 2020, table 3), each a construction of
its own. Sets of one paradigm a phenomenon, such as nano's, have nothing to tell here.
"""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.grammar import acquisition
from pythia_utils.analysis.phases import below_chance_phases
from pythia_utils.analysis.words import interval, listed, readable
from pythia_utils.base.markup import markdown
from pythia_utils.evaluation.blimp import blimp_paradigms

LISTED = 20  # paradigms of a table, the deepest


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of single paradigms, as `acquisition.curves`, with columns phenomenon and field.

    Paradigms of other sets than BLiMP have the phenomenon and field `other`. Empty where none were recorded.
    """
    found = acquisition.curves(runs[runs["metric"] == "accuracy_of_paradigm"])
    labels = [blimp_paradigms().get(name, ("other", "other")) for name in found["subset"]]
    kinds = pd.DataFrame(labels, columns=["phenomenon", "field"], index=found.index)
    return found.assign(phenomenon=kinds["phenomenon"], field=kinds["field"])


def asked_in_words(runs: pd.DataFrame) -> str:
    """How many pairs of how many paradigms and phenomena a grid was asked, and how many nobody could answer."""
    whole = runs[runs["metric"] == "accuracy"]
    phenomena = whole[whole["subset"] != "all"]
    inside = runs[runs["metric"] == "accuracy_of_paradigm"]
    inside = phenomena if inside.empty else inside
    n = sorted({int(count) for count in inside["n"].dropna()})
    each = "–" if not n else f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    left_out = runs.loc[runs["metric"] == "unanswerable", "value"].max()
    none = (
        f" {int(left_out)} more, whose sentences are the same, nobody could answer."
        if left_out > 0
        else ""
    )
    models = whole["model"].nunique()
    return (
        f"{models} model{'s were' if models != 1 else ' was'} asked {each} pairs of each of "
        f"{inside['subset'].nunique()} paradigms, of {phenomena['subset'].nunique()} phenomena.{none}"
    )


def spread_in_words(final: pd.DataFrame) -> str:
    """How far the paradigms of one phenomenon lie apart in one model at its last step.

    Args:
        final: of `curves`, of one model at one step.
    """
    if final.empty:
        return "These records have one paradigm a phenomenon: nothing lies inside it."
    model, step = final["model"].iloc[0], final["step"].iloc[0]
    several = final[final.groupby("phenomenon")["subset"].transform("size") > 1]
    below, n = final[final["high"] < 0.5], len(final)
    told = f"At step {step:,} of {markdown(model)} {len(below)} of {n} paradigms are below chance with their"
    told += f" interval ({listed(below['subset'])})." if len(below) else " interval."
    if several.empty:
        return told
    ends = several.groupby("phenomenon")["value"].agg(["min", "max"])
    wide = (ends["max"] - ends["min"]).idxmax()
    return (
        f"{told} They lie furthest apart in {listed([wide])}: from {ends['min'][wide]:.2f} to "
        f"{ends['max'][wide]:.2f}."
    )


def below_chance(curves: pd.DataFrame) -> pd.DataFrame:
    """Paradigms that some model gets systematically wrong in some phase of training, the deepest first.

    Args:
        curves: of `curves`, of any models.

    Returns:
        A row a paradigm: subset, phenomenon, models (that have such a phase), of (models asked), still (models
        that are below at their last finding and not overcome), and model, deepest, value, low, high of the
        deepest phase.
    """
    phases = below_chance_phases(curves)
    if phases.empty:
        return phases.assign(phenomenon=[], models=[], of=[], still=[])
    asked = curves.groupby("subset")["model"].nunique()
    rows = []
    for name, own in phases.groupby("subset", sort=False):
        never = own[own["overcome"].isna()]["model"].nunique()
        counts = {"models": own["model"].nunique(), "of": asked[name], "still": never}
        deepest = own.iloc[0][["model", "deepest", "value", "low", "high"]].to_dict()
        phenomenon = curves.loc[curves["subset"] == name, "phenomenon"].iloc[0]
        rows.append({"subset": name, "phenomenon": phenomenon} | counts | deepest)
    return pd.DataFrame(rows)


def below_table(found: pd.DataFrame) -> pd.DataFrame:
    """`below_chance` as texts, at most `LISTED` rows."""
    return pd.DataFrame(
        {
            "paradigm": readable(row.subset),
            "phenomenon": readable(row.phenomenon),
            "models below chance": f"{row.models} of {row.of}",
            "not overcome in": row.still,
            "deepest accuracy": f"{interval(row._asdict())}, {row.model} at {row.deepest:,}",
        }
        for row in found.head(LISTED).itertuples()
    )


def below_in_words(found: pd.DataFrame, asked: int) -> str:
    """How many paradigms have such a phase, of how many were asked."""
    if found.empty:
        return f"No model is below chance on any of {asked} paradigms." if asked else ""
    still = int((found["still"] > 0).sum())
    shown = f" The table has the {LISTED} deepest." if len(found) > LISTED else ""
    return (
        f"{len(found)} of {asked} paradigms are below chance in some model at some step after the first; in "
        f"{still or 'none'} of them a model does not come back to chance by its last step.{shown}"
    )
