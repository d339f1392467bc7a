"""Mean ablation: nothing ablated changes nothing, and the heads that do it are those that were made to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.induction_network import MATCHING, PREVIOUS, WORDS, induction_network

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.ablation import ablated, all_heads, mean_outputs
from pythia_utils.evaluation.repeats import content_gain, draw

IDS = np.arange(1, WORDS)
REPEATS = draw(IDS, 7, 3, 8, begin=0)
OTHERS = draw(IDS, 7, 3, 40, begin=0, seed=1)  # a mean over these very sequences would tell of them


@pytest.fixture(scope="module")
def network():
    return induction_network()


@torch.no_grad()
def logits(network, rows: np.ndarray) -> torch.Tensor:
    return network(torch.from_numpy(rows)).logits


def test_no_head_ablated_changes_nothing(network):
    before = logits(network, REPEATS.in_order)
    with ablated(network, [], mean_outputs(network, REPEATS.fresh)):
        assert torch.equal(logits(network, REPEATS.in_order), before)


def test_what_a_head_says_on_average_of_one_sequence_is_what_it_says(network):
    """Ablated by its mean over the sequence itself, and no other, a network is as it was."""
    row = REPEATS.in_order[:1]
    before = logits(network, row)
    with ablated(network, all_heads(network), mean_outputs(network, row)):
        torch.testing.assert_close(logits(network, row), before)
    assert torch.equal(logits(network, row), before)


def test_means_are_means_whatever_the_batch(network):
    seen = {}
    dense = network.gpt_neox.layers[1].attention.dense
    handle = dense.register_forward_pre_hook(lambda module, inputs: seen.update(z=inputs[0]))
    logits(network, REPEATS.fresh)
    handle.remove()
    expected = seen["z"].mean(0)
    for tokens in (1, 40, None):
        found = mean_outputs(network, REPEATS.fresh, tokens)[1]
        torch.testing.assert_close(found.flatten(1), expected)


def test_the_heads_that_do_induction_are_found_by_ablation(network):
    means = mean_outputs(network, OTHERS.fresh)
    whole = content_gain(network, REPEATS).mean()
    for head in all_heads(network):
        with ablated(network, [head], means):
            left = content_gain(network, REPEATS).mean() / whole
        if head in (MATCHING, PREVIOUS):
            assert abs(left) < 0.1
        else:
            assert left == pytest.approx(1, abs=1e-5)


def test_a_head_that_is_not_there_is_refused(network):
    with (
        pytest.raises(
            UsageError, match="no head 3 in layer 0; the network has 2 layers of 3 heads"
        ),
        ablated(network, [(0, 3)], mean_outputs(network, REPEATS.fresh)),
    ):
        pass
    with pytest.raises(UsageError, match="at least one sequence"):
        mean_outputs(network, REPEATS.fresh[:0])
