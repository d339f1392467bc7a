"""Repeated sequences: what they hold, and what networks of known behaviour gain by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.bigram_networks import bigram_network, random_chain
from helpers.induction_network import WORDS, induction_network

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.repeats import KINDS, content_gain, draw, losses

IDS = np.arange(1, WORDS)


@pytest.mark.parametrize(("period", "gap"), [(8, 0), (6, 9)])
def test_parts_are_what_they_are_called(period, gap):
    made = draw(IDS, period, gap, 50, begin=0)
    rows = np.stack([getattr(made, kind) for kind in KINDS])
    assert rows.shape == (4, 50, 1 + 2 * period + gap)
    second = 1 + period + gap
    assert (rows[..., 0] == 0).all()
    assert (rows[:, :, :second] == rows[0, :, :second]).all()  # the kinds differ in the second part
    for (order, rotated, shuffled, fresh), turn in zip(
        rows.swapaxes(0, 1), made.turns, strict=True
    ):
        first = order[1 : 1 + period]
        assert len(set(order[:second])) == second
        assert (order[second:] == first).all()
        assert (np.roll(rotated[second:], -turn) == first).all()
        assert rotated[second + turn] == first[0]
        assert rotated[second] != first[0]
        assert sorted(shuffled[second:]) == sorted(first)
        assert not set(fresh[second:]) & set(order)
        assert len(set(fresh[second:])) == period
    assert np.isin(rows[:, :, 1:], IDS).all()


def test_an_order_is_as_likely_as_any_other():
    """A shuffled part tells nothing of the order of the first: each place keeps its token once in `period`."""
    made = draw(IDS, 5, 0, 4000, begin=0)
    kept = (made.in_order[:, 6:] == made.shuffled[:, 6:]).mean(axis=0)
    np.testing.assert_allclose(kept, 1 / 5, atol=4 * (0.2 * 0.8 / 4000) ** 0.5)


def test_the_same_seed_draws_the_same_and_a_part_is_a_part():
    one, again, other = (draw(IDS, 6, 2, 8, begin=0, seed=seed) for seed in (3, 3, 4))
    assert (one.fresh == again.fresh).all()
    assert (one.fresh != other.fresh).any()
    part = one.part(slice(2, 5))
    assert (part.shuffled == one.shuffled[2:5]).all()
    assert (part.period, part.gap, part.distance, len(part.turns)) == (6, 2, 8, 3)


@pytest.mark.parametrize(("period", "gap"), [(4, 0), (8, 0), (6, 9)])
def test_a_network_that_does_induction_gains_by_content(period, gap):
    found = losses(induction_network(), draw(IDS, period, gap, 12, begin=0))
    assert found.content_gain.min() > 1
    assert found.in_order_gain.min() > 1


def test_who_weighs_tokens_by_their_age_gains_in_order_and_less_by_content():
    """A network whose heads attend evenly remembers tokens, and weighs them by their place: no induction.

    In order, what comes next is what was not said again for longest.
    """
    found = losses(induction_network(sharpness=0), draw(IDS, 8, 0, 400, begin=0))
    inducing = losses(induction_network(), draw(IDS, 8, 0, 100, begin=0)).content_gain.mean()
    assert found.in_order_gain.mean() > 0.03
    assert found.content_gain.mean() < 0.7 * found.in_order_gain.mean()
    assert found.content_gain.mean() < 0.005 * inducing


def test_a_table_of_bigrams_gains_nothing():
    found = losses(bigram_network(random_chain(WORDS)), draw(IDS, 8, 3, 400, begin=0))
    for gain in (found.content_gain, found.in_order_gain, found.cache_gain):
        assert gain.std() > 0.1
        assert abs(gain.mean()) < 3 * gain.std() / 400**0.5


def test_losses_are_those_of_the_second_part_without_what_nobody_could_know():
    network = induction_network()
    made = draw(IDS, 6, 2, 4, begin=0)
    found, nats = losses(network, made), {}
    for kind in KINDS:
        rows = torch.from_numpy(getattr(made, kind))
        with torch.no_grad():
            logits = network(rows).logits[:, :-1].double().log_softmax(-1)
        nats[kind] = -logits.gather(2, rows[:, 1:, None])[..., 0].numpy()[:, -6:]
        assert found.of(kind) == pytest.approx(nats[kind][:, 1:].mean(1), abs=1e-5)
    saved = [
        np.delete(row, [0, turn]).mean()
        for row, turn in zip(nats["shuffled"] - nats["rotated"], made.turns, strict=True)
    ]
    assert found.content_gain == pytest.approx(np.array(saved), abs=1e-5)
    assert content_gain(network, made, batch_tokens=1) == pytest.approx(
        found.content_gain, abs=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((12, 0, 4), "period 12 with gap 0 needs 24 different tokens"),
        ((8, 8, 4), "the alphabet has 23: expected a smaller period"),
        ((2, 0, 4), "a period of 3 or more"),
        ((8, -1, 4), "a gap of 0 or more"),
        ((8, 0, 1), "1 sequences of period 8 and gap 0; expected 2 sequences or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, words):
    with pytest.raises(UsageError, match=words):
        draw(IDS, *arguments, begin=0)
