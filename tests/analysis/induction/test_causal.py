"""Heads are found by ablation on one half and tested on the other, in a network made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.bigram_networks import bigram_network, random_chain
from helpers.induction_network import MATCHING, PREVIOUS, WORDS, induction_network

from pythia_utils.analysis.induction import causal, measures, text
from pythia_utils.evaluation.ablation import all_heads
from pythia_utils.evaluation.repeats import draw

IDS = np.arange(1, WORDS)
REPEATS, REFERENCE = (draw(IDS, 7, 2, 40, begin=0, seed=seed) for seed in (0, 1))
HALVES = REPEATS.part(slice(20)), REPEATS.part(slice(20, None))


def gains(network):
    return [causal.gain_of(network, half, REFERENCE) for half in HALVES]


def test_the_two_heads_that_do_induction_are_found_and_no_others():
    network = induction_network()
    finding, testing = gains(network)
    search = causal.search(network, finding)
    assert set(search.effects) == set(all_heads(network))
    share = {head: own.mean() / search.gain.mean() for head, own in search.effects.items()}
    assert set(search.found) == {MATCHING, PREVIOUS}
    assert min(share[MATCHING], share[PREVIOUS]) > 0.9
    assert max(own for head, own in share.items() if head not in (MATCHING, PREVIOUS)) < 1e-4
    trial = causal.trial(network, testing, search.found)
    assert trial.whole.min() > 1
    assert abs(trial.without_found.mean()) < 0.1 * trial.whole.mean()


def test_as_many_others_take_nothing():
    network = induction_network()
    trial = causal.trial(network, gains(network)[1], [MATCHING, PREVIOUS])
    assert trial.sets == 6  # pairs of the four others
    for left in (trial.without_others, trial.without_worst):
        np.testing.assert_allclose(left, trial.whole, rtol=1e-4)
    assert abs(trial.without_found.mean()) < 0.1 * trial.whole.mean()


def test_heads_are_taken_together_until_enough_is_gone():
    """Effects of .5, .2, .2, .1 and 0 of a gain of 1, of which the first three leave .1."""
    worth = {(0, 0): 0.2, (0, 1): 0.5, (1, 0): 0.21, (1, 1): 0.0, (2, 0): 0.1, (2, 1): 0.0}
    shake = np.linspace(-0.01, 0.01, 10)

    def gain(heads):
        return 1 + shake - sum(worth[head] for head in heads)

    effects = {head: gain([]) - gain([head]) + shake for head in worth}
    assert causal._enough(gain([]), effects, gain) == [(0, 1), (1, 0), (0, 0)]
    unclear = effects | {(0, 1): effects[0, 1] * np.tile([-30.0, 31.0], 5)}
    assert causal._enough(gain([]), unclear, gain) == [(1, 0), (0, 0), (2, 0)]


def test_all_heads_that_take_much_alone_are_found_though_one_would_do():
    """Two heads in a row, as in induction: without either there is nothing to take away any more."""
    shake = np.linspace(-0.01, 0.01, 10)

    def gain(heads):
        return (1 + shake) * (not {(0, 1), (1, 1)} & set(heads))

    heads = [(layer, head) for layer in range(2) for head in range(3)]
    effects = {head: gain([]) - gain([head]) for head in heads}
    assert causal._enough(gain([]), effects, gain) == [(0, 1), (1, 1)]


def test_without_a_gain_no_head_is_tried():
    network = bigram_network(random_chain(WORDS))
    search = causal.search(network, gains(network)[0])
    assert (search.effects, search.found) == ({}, [])
    heads, rows = measures.ablations(network, REPEATS, REFERENCE)
    assert (heads, rows) == ([], [])
    assert "no head is tried" in text.found(heads, pd.DataFrame(rows))


@pytest.mark.parametrize(("found", "expected"), [(1, 5), (2, 6), (3, 1), (4, 0)])
def test_other_sets_hold_none_of_the_heads_found(found, expected):
    heads = [(layer, head) for layer in range(2) for head in range(3)]
    sets = causal.other_sets(heads, heads[:found])
    assert len(sets) == expected
    assert all(len(own) == found and not set(own) & set(heads[:found]) for own in sets)


def test_of_many_other_sets_some_are_drawn_each_once():
    heads = [(layer, head) for layer in range(6) for head in range(8)]
    sets = causal.other_sets(heads, heads[:3])
    assert len({frozenset(own) for own in sets}) == len(sets) == causal.SETS
    assert all(len(set(own)) == 3 and not set(own) & set(heads[:3]) for own in sets)
    assert sets == causal.other_sets(heads, heads[:3])


def test_rows_tell_what_was_found_and_what_is_left():
    network = induction_network()
    heads, rows = measures.ablations(network, REPEATS, REFERENCE)
    frame = pd.DataFrame(rows)
    found = frame[frame["metric"] == "found"].sort_values("value")["subset"]
    assert list(found) == [measures.head_name(*head) for head in heads]
    left = frame[frame["metric"] == "gain_left"].set_index("subset")["value"]
    share = frame[frame["metric"] == "share_left"].set_index("subset")
    for name in ("heads found", "as many others", "worst others"):
        assert share["value"][name] == pytest.approx(left[name] / left["no head"])
    assert share["value"]["heads found"] < 0.1
    assert share["value"]["worst others"] == pytest.approx(1, abs=0.15)
    assert (frame[frame["metric"] == "gain_left"]["n"] == 20).all()
    told = text.found(heads, frame)
    assert all(measures.head_name(*head) in told for head in heads)
