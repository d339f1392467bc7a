"""What the chapter on grammar states, as questions to the records of one seed.

`CLAIMS` were found on our own suites, by nano's pairs. `OF_BLIMP` are what the published evaluations of
Pythia's first release show; they are asked of any records of BLiMP.
"""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.evaluation.blimp import blimp_paradigms

# Of a phenomenon whose pairs an n-gram model cannot tell apart, within the noise of a few hundred pairs
# and of words that are several tokens.
NEAR_CHANCE = 0.6
_FIELDS = dict(blimp_paradigms().values())  # of BLiMP's phenomena
LEARNT_EARLY = ("argument_structure", "npi_licensing")


def _of(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The records of single phenomena."""
    return records[(records["metric"] == metric) & (records["subset"] != "all")]


def _at_the_end(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same, of standard models, at each one's last step."""
    return select.final(_of(records[records["variant"] == "standard"], metric))


def _counting_is_near_chance(records: pd.DataFrame) -> bool | None:
    found = _of(records, "accuracy_of_ngrams")
    return None if found.empty else found["value"].max() <= NEAR_CHANCE


def _counting_is_not_attracted(records: pd.DataFrame) -> bool | None:
    found = with_normal_interval(_of(records, "attraction_of_ngrams"))
    return None if found.empty or found["low"].isna().any() else not (found["low"] > 0).any()


def _networks_are_above_counting(records: pd.DataFrame) -> bool | None:
    found = records[records["metric"] == "accuracy_above_ngrams"]
    found = found[(found["subset"] == "all") & (found["variant"] == "standard")]
    found = with_normal_interval(select.final(found))
    return None if found.empty else (found["low"] > 0).all()


def _some_are_learnt_first(records: pd.DataFrame) -> bool | None:
    """Whether their mean over training is above that of every model's mean phenomenon."""
    found = _of(records[records["variant"] == "standard"], "accuracy")
    if found["step"].nunique() < 2 or not set(LEARNT_EARLY) <= set(found["subset"]):
        return None
    heights = found.pivot_table("value", "model", "subset", aggfunc="mean")
    return (heights[list(LEARNT_EARLY)].min(axis=1) > heights.mean(axis=1)).all()


def _over_training(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Of standard models and single phenomena the mean over steps, without step 0: a row a model."""
    found = _of(records[records["variant"] == "standard"], metric)
    return found[found["step"] > 0].pivot_table("value", "model", "subset")


def _attractors_are_harder(records: pd.DataFrame) -> bool | None:
    found = _over_training(records, "accuracy")
    names = ["subject_verb_agreement", "subject_verb_agreement_attractor"]
    if found.empty or not set(names) <= set(found):
        return None
    return (found[names[0]] > found[names[1]]).all()


def _networks_are_attracted(records: pd.DataFrame) -> bool | None:
    found = _over_training(records, "attraction_above_ngrams")
    gain = found.get("subject_verb_agreement_attractor")
    return None if gain is None else gain.mean() > 0


def _means_at_the_end(records: pd.DataFrame) -> pd.DataFrame:
    """Final accuracies of standard models on BLiMP: a row a model, smaller first, a column a phenomenon."""
    found = _at_the_end(records, "accuracy")
    sizes = found.groupby("model")["n_params"].first().sort_values(kind="stable")
    table = found.pivot_table("value", "model", "subset").reindex(sizes.index)
    return table if set(_FIELDS) <= set(table) else table.iloc[:0]


def _morphology_is_ahead(records: pd.DataFrame) -> bool | None:
    found = _means_at_the_end(records)
    if found.empty:
        return None
    inside = [name for name, field in _FIELDS.items() if field == "morphology"]
    rest = [name for name in _FIELDS if name not in inside]
    return (found[inside].mean(axis=1) > found[rest].mean(axis=1)).all()


def _islands_are_behind(records: pd.DataFrame) -> bool | None:
    found = _means_at_the_end(records)
    return None if found.empty else (found["island_effects"] < found.mean(axis=1)).all()


def _the_largest_is_ahead(records: pd.DataFrame) -> bool | None:
    found = _means_at_the_end(records).mean(axis=1)
    return None if len(found) < 2 else found.iloc[-1] > found.iloc[0]


def _claim(name: str, text: str, holds) -> Claim:
    return Claim(name, "grammar", text, holds)


CLAIMS = (
    _claim(
        "counting-does-not-answer",
        "No n-gram model of the training text, n up to 5, is right in more than .6 of any phenomenon's pairs.",
        _counting_is_near_chance,
    ),
    _claim(
        "counting-is-not-attracted",
        "N-gram models gain nothing when an attractor changes its number.",
        _counting_is_not_attracted,
    ),
    _claim(
        "grammar-is-above-counting",
        "At the end of training every size is, over all phenomena, above the best n-gram models.",
        _networks_are_above_counting,
    ),
    _claim(
        "some-are-learnt-first",
        "Argument structure and polarity items are learnt earlier or better than the mean phenomenon, at "
        "every size.",
        _some_are_learnt_first,
    ),
    _claim(
        "attractors-are-harder",
        "Over training, agreement with the noun right before the verb is better than across an attractor, at "
        "every size.",
        _attractors_are_harder,
    ),
    _claim(
        "networks-are-attracted",
        "Over training, an attractor in a prepositional phrase costs accuracy, beyond what counting loses by "
        "it, on average over sizes.",
        _networks_are_attracted,
    ),
)

OF_BLIMP = (
    _claim(
        "morphology-is-ahead",
        "At the end agreement and irregular forms, BLiMP's morphology, are on average ahead of its other "
        "phenomena, at every size.",
        _morphology_is_ahead,
    ),
    _claim(
        "islands-are-behind",
        "At the end island effects are below the mean phenomenon, at every size.",
        _islands_are_behind,
    ),
    _claim(
        "larger-is-better-on-blimp",
        "At the end the largest model is ahead of the smallest, on average over phenomena.",
        _the_largest_is_ahead,
    ),
)
