"""Attractors: the same pair with another number on one noun, and what that gains."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.grammar import attractors
from pythia_utils.evaluation import sets
from pythia_utils.nano.attractors import without_temptation

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
    assert network == without_temptation(pairs)
    assert (row.phenomenon, row.metric, row.value, row.n) == (ATTRACTOR, "attraction", 0.5, 40)
    # In each pair of twins just one changed: no spread between twins.
    assert row.stderr == pytest.approx(0)
    assert attractors.attraction(None, None, scores, []).empty


def test_what_counting_gains_is_subtracted(network, monkeypatch):
    """Counting is right in no tempted pair and in half of the others, at order 2 alone."""
    pairs = [p for p in sets.load_pairs("nano", 40) if p.phenomenon == ATTRACTOR]
    plain = without_temptation(pairs)

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
