"""Attractors of nano's sentences: another number, or another noun, and all else the same."""

from __future__ import annotations

import pytest

from pythia_utils.nano import grammar
from pythia_utils.nano.attractors import has_attractor, with_other_nouns, without_temptation
from pythia_utils.nano.lexicon import COMMON
from pythia_utils.nano.minimal_pair import MinimalPair

PHENOMENA = (
    "subject_verb_agreement_attractor",
    "subject_verb_agreement_relative",
    "binding_domain",
)


@pytest.mark.parametrize(
    ("phenomenon", "sentence", "changed"),
    [
        (
            "subject_verb_agreement_attractor",
            "The key near the boxes today %s old.",
            "The key near the box today %s old.",
        ),
        (
            "subject_verb_agreement_relative",
            "The dogs that the cat chases %s.",
            "The dogs that the cats chase %s.",
        ),
        (
            "binding_domain",
            "The men said that the boy hurt %s.",
            "The man said that the boy hurt %s.",
        ),
        (
            "binding_domain",
            "The man says that the boys hurt %s.",
            "The men say that the boys hurt %s.",
        ),
    ],
)
def test_a_changed_attractor_tempts_no_more(phenomenon, sentence, changed):
    (found,) = without_temptation(
        [
            MinimalPair(phenomenon, sentence % "right", sentence % "wrong"),
            MinimalPair("filler_gap", "", ""),
        ]
    )
    assert (found.good, found.bad) == (changed % "right", changed % "wrong")


def pairs_of_nano(n: int) -> list[MinimalPair]:
    return [pair for name in PHENOMENA for pair in grammar.minimal_pairs(name, n, 0)]


def differing(one: str, other: str) -> list[tuple[int, str, str]]:
    words = enumerate(zip(one.split(), other.split(), strict=True))
    return [(place, a, b) for place, (a, b) in words if a != b]


def test_every_attractor_of_nano_can_be_changed_there_and_back():
    pairs = pairs_of_nano(200)
    changed = without_temptation(pairs)
    assert len(changed) == 3 * 200
    assert without_temptation(changed) == pairs
    for before, after in zip(pairs, changed, strict=True):
        assert differing(before.good, before.bad) == differing(after.good, after.bad)
    plural = {noun.forms[1] for noun in COMMON}
    for pair in changed[:400]:
        words = pair.good.split()
        assert (words[1] in plural) == (words[4].rstrip(".") in plural), pair


def test_another_noun_tempts_to_the_same_error():
    """One word differs, the attractor; its number is the same, and the sentence held it nowhere else."""
    for pair in pairs_of_nano(20):
        others = list(with_other_nouns(pair))
        assert len({other.good for other in others}) == len(others) > 1
        for other in others:
            ((place, before, after),) = differing(pair.good, other.good)
            assert [(place, before, after)] == differing(pair.bad, other.bad)
            number = [
                noun.forms.index(w) for noun in COMMON for w in (before, after) if w in noun.forms
            ]
            assert len(number) == 2
            assert len(set(number)) == 1
            assert after not in pair.good.split()
    assert has_attractor(pair)
    assert not has_attractor(MinimalPair("filler_gap", "", ""))
