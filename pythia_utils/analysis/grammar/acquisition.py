"""A grid of learning curves as tables: who learns what when, and do models agree on the order.

Works for records of our own runs and for the suite's published results alike: a curve is a model, a
subset (a phenomenon), and an accuracy of `n` answers at each step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pythia_utils.analysis.discoveries import adjusted
from pythia_utils.analysis.grammar.recorded import WRONG_RULES
from pythia_utils.analysis.learning_curves import at_shared_steps, mean_over_training, milestones
from pythia_utils.analysis.orders import order_agreement
from pythia_utils.analysis.stats import (
    effective_trials,
    mean_and_stderr,
    with_student_interval,
    with_wilson_interval,
)
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import find_model

# The phenomenon of BLiMP that one of nano's is a small case of. Two have none.
IN_BLIMP = {
    "determiner_noun_agreement": "determiner_noun_agreement",
    "determiner_noun_agreement_adjective": "determiner_noun_agreement",
    "subject_verb_agreement": "subject_verb_agreement",
    "subject_verb_agreement_attractor": "subject_verb_agreement",
    "subject_verb_agreement_relative": "subject_verb_agreement",
    "subject_verb_agreement_coordination": "subject_verb_agreement",
    "reflexive_number": "anaphor_agreement",
    "reflexive_gender": "anaphor_agreement",
    "binding_domain": "binding",
    "argument_structure": "argument_structure",
    "irregular_participle": "irregular_forms",
    "npi_licensing": "npi_licensing",
    "filler_gap": "filler_gap_dependency",
}
_DATA = ("standard", "deduped")  # variants that differ in their data alone: interventions are none
_CURVE = 3  # steps of the shortest that is compared with longer ones


def curves(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of single phenomena with the counts that they are worth and Wilson's 95% interval.

    Pairs that share a twin or a word are not independent. Their records' errors allow for it, and tell
    how many independent pairs would have such an error (`stats.effective_trials`).

    Args:
        accuracy: records of an accuracy: columns model, subset, step, value, n, stderr (nan, or no such
            column: pairs count as independent).

    Returns:
        A copy without the subset `all`, with columns pairs (how many there are), n (how many independent
        ones they are worth, float), correct (of these), low, high.
    """
    frame = accuracy[accuracy["subset"] != "all"].copy()
    frame["pairs"] = frame["n"].astype(float)
    frame["n"] = frame["pairs"]
    if "stderr" in frame:
        worth = effective_trials(frame["value"], frame["stderr"])
        frame["n"] = frame["pairs"].where(np.isnan(worth), worth)
    frame["correct"] = frame["value"] * frame["n"]
    return with_wilson_interval(frame, frame["correct"], frame["n"])


def fields(phenomena: list[str]) -> dict[str, str]:
    """The field of linguistics of each phenomenon, nano's or BLiMP's; `other` of an unknown one."""
    known = dict(blimp_paradigms().values()) | {p.name: p.field for p in PHENOMENA.values()}
    return {name: known.get(name, "other") for name in phenomena}


def heights(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over training (`learning_curves.mean_over_training`), a row a model, a column a subset.

    Over the steps that these models share. A model that was measured at fewer than `_CURVE` steps is left
    out where others have more, or it would leave all of them next to none; so are those measured once.
    """
    steps = curves.groupby("model")["step"].transform("nunique")
    long = curves[steps >= min(_CURVE, steps.max())] if len(curves) else curves
    rows = []
    for (model, subset), curve in at_shared_steps(long).groupby(["model", "subset"], sort=False):
        curve = curve.sort_values("step")
        if len(curve) < 2:
            continue  # no curve
        height = mean_over_training(curve["step"], curve["value"])
        rows.append({"model": model, "subset": subset, "height": height})
    return by_subset(pd.DataFrame(rows, columns=["model", "subset", "height"]), "height").T


def by_subset(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """One column as a table, a row a subset, a column a model, both in order of appearance."""
    models = frame.groupby("model", sort=False)
    table = pd.DataFrame({name: part.set_index("subset")[column] for name, part in models})
    return table.loc[list(dict.fromkeys(frame["subset"]))]


def ranks(milestones: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Each phenomenon's place in the order of onsets, a row a phenomenon, a column a model that has any.

    1 is the first; ties share their mean, and those without an onset are tied at the end. Of a model whose
    first measured step is after most of its onsets no order is known: it is left out.
    """
    late = (milestones["onset"] <= milestones["first"]) & (milestones["first"] > 0)
    known = late.groupby(milestones["model"]).mean() <= 0.5
    onsets = by_subset(milestones[milestones["model"].map(known).astype(bool)], "onset")
    return onsets[[model for model in models if model in onsets]].fillna(np.inf).rank()


def onsets(curves: pd.DataFrame) -> pd.DataFrame:
    """Onsets at the steps that these models share: a row a model, a column a subset; inf for never."""
    return by_subset(milestones(at_shared_steps(curves), None), "onset").T.fillna(np.inf)


def difficulty(curves: pd.DataFrame) -> pd.DataFrame:
    """The negative of `heights`: least for what is learnt first and best."""
    return -heights(curves)


def agreements(
    curves: pd.DataFrame, measure: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Agreement of orders across sizes, seeds and variants, one thing changed at a time.

    Args:
        curves: of all models, as `heights` takes them.
        measure: what to order by, `onsets` or `difficulty`: of the curves of the models that are compared,
            whose steps alone they have to share.

    Returns:
        A row a comparison: compared (what differs, in words), orders, items, rho, low, high, w,
        p_value (`orders.order_agreement`), p_adjusted (`discoveries.adjusted`, over the rows). Empty if
        there is nothing to compare, or fewer than four phenomena.
    """
    rows = []
    for compared, names in _comparisons(list(dict.fromkeys(curves["model"]))):
        values = measure(curves[curves["model"].isin(names)])
        if len(values) < 2 or values.shape[1] < 4:
            continue
        found = order_agreement(values.to_numpy())
        fields = ("orders", "items", "rho", "low", "high", "w", "p_value")
        rows.append({"compared": compared} | {name: getattr(found, name) for name in fields})
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=adjusted(table["p_value"])) if rows else table


def _comparisons(names: list[str]) -> list[tuple[str, list[str]]]:
    """Models that differ in one thing, if there are two of them, and in what."""
    models = pd.DataFrame(
        {"model": n, "size": m.size, "variant": m.variant, "main": m.has_usual_seed}
        for n, m in ((name, find_model(name)) for name in names)
    )
    found = []
    for variant in _DATA:
        part = models[models["main"] & (models["variant"] == variant)]
        found.append((f"sizes, {variant} data", list(part["model"])))
    for (size, variant), part in models.groupby(["size", "variant"], sort=False):
        data = "" if variant == "standard" else f", {variant} data"
        found.append((f"seeds of {size}{data}", list(part["model"])))
    main = models[models["main"] & models["variant"].isin(_DATA)]
    for size, part in main.groupby("size", sort=False):
        found.append((f"standard and deduped data, {size}", list(part["model"])))
    return [(compared, members) for compared, members in found if len(members) > 1]


def variant_gains(heights: pd.DataFrame) -> pd.DataFrame:
    """Deduplicated minus standard, mean over phenomena of the mean accuracy over training, by size.

    The interval is Student's t over phenomena: it asks whether other phenomena would gain too, not
    whether another seed would.

    Returns:
        Columns size, value, stderr, n, low, high; empty where no size has both variants.
    """
    rows = []
    usual = {name: find_model(name) for name in heights.index}
    main = [name for name, m in usual.items() if m.has_usual_seed and m.variant in _DATA]
    for size, pair in pd.Series(main).groupby([find_model(n).size for n in main], sort=False):
        by_variant = {find_model(name).variant: heights.loc[name] for name in pair}
        if len(by_variant) == 2:
            difference = by_variant["deduped"] - by_variant["standard"]
            rows.append((size, *mean_and_stderr(difference), len(difference)))
    return with_student_interval(pd.DataFrame(rows, columns=["size", "value", "stderr", "n"]))


def named_phases(phases: pd.DataFrame, attraction: pd.DataFrame) -> pd.DataFrame:
    """Phases below chance with the rule that the model follows, where one was tested.

    A rule is named where the phenomenon has a attractor that tempts to it, and changing that
    attractor alone raised the accuracy at the phase's deepest step (its interval above 0).

    Args:
        phases: of `phases.below_chance_phases`.
        attraction: records of that gain: columns model, subset, step, value, low.

    Returns:
        A copy with columns gain (nan if not measured) and follows, a rule or `no rule that we tested`.
    """
    keys = {"model": "model", "subset": "subset", "step": "deepest"}
    gains = attraction[[*keys, "value", "low"]].rename(
        columns=keys | {"value": "gain", "low": "surely"}
    )
    table = phases.merge(gains, how="left", on=["model", "subset", "deepest"])
    rules = table["subset"].map(WRONG_RULES)
    follows = rules.where(table.pop("surely") > 0, "no rule that we tested")
    return table.assign(follows=follows)


def beside_blimp(nano: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Mean height of nano's and of Pythia's curves for the phenomena that both have.

    Args:
        nano, published: of `heights`; means are over their models and, for nano, over the
            phenomena that are cases of one of BLiMP's.

    Returns:
        A row a phenomenon of BLiMP: columns ours, pythia. Empty where `nano` holds other phenomena.
    """
    own = nano.mean().rename(IN_BLIMP).loc[lambda row: row.index.isin(IN_BLIMP.values())]
    own = own.groupby(level=0).mean()
    return pd.DataFrame({"ours": own, "pythia": published.mean().reindex(own.index)})
