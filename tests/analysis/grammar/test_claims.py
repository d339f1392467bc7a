"""The chapter's claims: each can be true, false and untold."""

from __future__ import annotations

import pandas as pd
import pytest

from pythia_utils.analysis.grammar.claims import CLAIMS, OF_BLIMP
from pythia_utils.evaluation.blimp import blimp_paradigms

HOLDS = {claim.name: claim.holds for claim in CLAIMS}


def records(*rows: tuple[str, str, float], step: int = 1000, stderr: float = 0.01) -> pd.DataFrame:
    """Of one model: metric, subset and value of each row."""
    frame = pd.DataFrame(rows, columns=["metric", "subset", "value"])
    return frame.assign(model="pico-57k", variant="standard", step=step, stderr=stderr, n_params=1)


def curves(**ends: float) -> pd.DataFrame:
    """Accuracies that go from one half to the value of each phenomenon."""
    parts = [
        records(*(("accuracy", name, value) for name, value in at.items()), step=step)
        for step, at in ((0, dict.fromkeys(ends, 0.5)), (1000, ends))
    ]
    return pd.concat(parts, ignore_index=True)


def attracted(*gains: float) -> pd.DataFrame:
    """A size each."""
    metric, name = "attraction_above_ngrams", "subject_verb_agreement_attractor"
    return pd.concat(
        [records((metric, name, gain)).assign(model=str(place)) for place, gain in enumerate(gains)]
    )


def overtaken() -> pd.DataFrame:
    """Harder over training, though not at the end."""
    names = ("subject_verb_agreement", "subject_verb_agreement_attractor")
    values = {500: (0.9, 0.4), 1000: (0.98, 0.99)}
    rows = {step: zip(["accuracy"] * 2, names, at, strict=True) for step, at in values.items()}
    return pd.concat([records(*found, step=step) for step, found in rows.items()])


CASES = [
    ("counting-does-not-answer", records(("accuracy_of_ngrams", "a", 0.53)), True),
    ("counting-does-not-answer", records(("accuracy_of_ngrams", "a", 0.9)), False),
    ("counting-is-not-attracted", records(("attraction_of_ngrams", "a", 0.01)), True),
    ("counting-is-not-attracted", records(("attraction_of_ngrams", "a", 0.4)), False),
    ("grammar-is-above-counting", records(("accuracy_above_ngrams", "all", 0.2)), True),
    ("grammar-is-above-counting", records(("accuracy_above_ngrams", "all", 0.01)), False),
    ("some-are-learnt-first", curves(argument_structure=0.9, npi_licensing=1, b=0.6), True),
    ("some-are-learnt-first", curves(argument_structure=0.6, npi_licensing=1, b=0.9), False),
    ("attractors-are-harder", curves(subject_verb_agreement=0.9, subject_verb_agreement_attractor=0.6), True),
    ("attractors-are-harder", curves(subject_verb_agreement=0.6, subject_verb_agreement_attractor=0.7), False),
    ("attractors-are-harder", overtaken(), True),
    ("networks-are-attracted", attracted(0.2, -0.1), True),
    ("networks-are-attracted", attracted(0.1, -0.2), False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "found", "expected"), CASES)
def test_a_claim_follows_its_records(name, found, expected):
    assert bool(HOLDS[name](found)) is expected


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_without_its_records_is_untold(claim):
    assert claim.holds(records(("margin", "a", 1.0))) is None
    assert claim.experiment == "grammar"
    assert {name for name, *_ in CASES} == set(HOLDS)


MORPHOLOGY = [name for name, field in set(blimp_paradigms().values()) if field == "morphology"]
REST = [name for name, field in set(blimp_paradigms().values()) if field != "morphology"]


def of_blimp(*sizes: tuple[float, float, float]) -> pd.DataFrame:
    """A model a size: accuracies of morphology, of all else, and of island effects."""
    parts = []
    for place, (morphology, rest, islands) in enumerate(sizes):
        values = dict.fromkeys(MORPHOLOGY, morphology) | dict.fromkeys(REST, rest)
        values["island_effects"] = islands
        rows = (("accuracy", name, value) for name, value in values.items())
        parts.append(records(*rows).assign(model=str(place), n_params=place))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("sizes", "answers"),
    [
        ([(0.9, 0.7, 0.6), (0.95, 0.8, 0.7)], [True, True, True]),
        ([(0.9, 0.7, 0.6), (0.6, 0.7, 0.9)], [False, False, False]),
        ([(0.9, 0.7, 0.6)], [True, True, None]),
    ],
)
def test_claims_of_blimp_follow_the_records(sizes, answers):
    assert [claim.holds(of_blimp(*sizes)) for claim in OF_BLIMP] == answers


def test_claims_of_blimp_say_nothing_of_nanos_pairs():
    told = [claim.holds(curves(argument_structure=0.9, filler_gap=0.7)) for claim in OF_BLIMP]
    assert told == [None] * len(OF_BLIMP)
