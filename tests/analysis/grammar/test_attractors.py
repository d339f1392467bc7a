"""Attractors: the same pair with another number on one noun, and what that gains."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.grammar import attractors, pair_words, recorded
from pythia_utils.evaluation import sets
from pythia_utils.nano.lexicon import COMMON
from pythia_utils.nano.minimal_pair import MinimalPair


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
    (found,) = attractors.without_temptation(
        [
            MinimalPair(phenomenon, sentence % "right", sentence % "wrong"),
            MinimalPair("filler_gap", "", ""),
        ]
    )
    assert (found.good, found.bad) == (changed % "right", changed % "wrong")


def test_every_attractor_of_nano_can_be_changed_there_and_back():
    pairs = [p for p in sets.load_pairs("nano", 200) if p.phenomenon in recorded.WRONG_RULES]
    changed = attractors.without_temptation(pairs)
    assert len(changed) == 3 * 200
    assert attractors.without_temptation(changed) == pairs
    for before, after in zip(pairs, changed, strict=True):
        assert pair_words.critical_words(before) == pair_words.critical_words(after)
    plural = {noun.forms[1] for noun in COMMON}
    for pair in changed[:400]:
        words = pair.good.split()
        assert (words[1] in plural) == (words[4].rstrip(".") in plural), pair


ATTRACTOR = "subject_verb_agreement_attractor"


def scored(pairs, correct) -> pd.DataFrame:
    names = [pair.phenomenon for pair in pairs]
    frame = pd.DataFrame({"phenomenon": names, "correct": np.asarray(correct, bool)})
    return frame.assign(twin=np.arange(len(pairs)) // 2, first_word="a", second_word="b")


@pytest.fixture
def network(monkeypatch):
    """A network that is right in three of four changed pairs; and what it was asked."""
    asked = []

    def answer(model, tokenizer, pairs):
        asked.extend(pairs)
        return scored(pairs, [1, 1, 1, 0] * (len(pairs) // 4))

    monkeypatch.setattr(attractors, "score_minimal_pairs", answer)
    return asked


def test_attraction_is_the_difference_that_the_attractor_makes(network):
    pairs = [p for p in sets.load_pairs("nano", 40) if p.phenomenon in (ATTRACTOR, "filler_gap")]
    scores = scored(pairs, [1, 0, 0, 0] * 20)
    (row,) = attractors.attraction(None, None, scores, pairs).itertuples()
    assert network == attractors.without_temptation(pairs)
    assert (row.phenomenon, row.metric, row.value, row.n) == (ATTRACTOR, "attraction", 0.5, 40)
    # In each pair of twins just one changed: no spread between twins.
    assert row.stderr == pytest.approx(0)
    assert attractors.attraction(None, None, scores, []).empty


def test_what_counting_gains_is_subtracted(network, monkeypatch):
    """Counting is right in no tempted pair and in half of the others, at order 2 alone."""
    pairs = [p for p in sets.load_pairs("nano", 40) if p.phenomenon == ATTRACTOR]
    plain = attractors.without_temptation(pairs)

    def answer(ngrams, tokenizer, asked):
        right = np.zeros((len(asked), 2))
        right[::2, 1] = asked == plain
        return right

    monkeypatch.setattr(attractors.baselines, "answers", answer)
    table = attractors.attraction(None, None, scored(pairs, [1, 0, 0, 0] * 10), pairs, "counted")
    found = table.set_index("metric")["value"]
    assert dict(found) == {
        "attraction": 0.5,
        "attraction_of_ngrams": 0.5,
        "attraction_above_ngrams": 0,
    }
