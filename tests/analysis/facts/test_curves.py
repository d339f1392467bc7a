"""The threshold: known curves are recovered, and the interval covers the truth over persons."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.analysis.facts import curves

GUESS = 1 / 8
PERSONS = np.repeat(np.arange(64), 3)


def zipf() -> np.ndarray:
    """Times told as in the corpus: 192 facts, a few often and most of them rarely."""
    return np.maximum(2200 // np.random.default_rng(0).permutation(np.arange(1, 193)), 5)


def simulated(rng, told, threshold, slope, spread=0.0):
    """Answers to two wordings; `spread` is how far persons' own thresholds lie apart, in logs."""
    own = threshold * np.exp(rng.normal(0, spread, 64))[PERSONS]
    p = curves.accuracy(told, own, slope, GUESS)
    return rng.binomial(2, p) / 2


def test_the_curve_rises_from_guessing_to_one_and_is_halfway_at_the_threshold():
    assert curves.accuracy(20, 20, 3, GUESS) == pytest.approx((1 + GUESS) / 2)
    assert curves.accuracy(np.array([1e-6, 1e9]), 20, 3, GUESS) == pytest.approx([GUESS, 1])


@pytest.mark.parametrize(("threshold", "slope"), [(15, 2), (40, 4), (100, 1.5)])
def test_a_noiseless_curve_is_recovered(threshold, slope):
    told = zipf()
    found = curves.fit(told, curves.accuracy(told, threshold, slope, GUESS), PERSONS, GUESS)
    assert found.value == pytest.approx(threshold, rel=0.05)  # the grid's step is 4%
    assert found.slope == pytest.approx(slope, rel=0.2)
    assert (found.least, found.most, found.n) == (told.min(), told.max(), 192)


def test_the_interval_covers_the_truth_where_persons_differ():
    """95% of 60 simulated sets of facts, but for chance: fewer than 51 would come once in a thousand."""
    rng, told, truth = np.random.default_rng(5), zipf(), 20.0
    covered = 0
    for _ in range(60):
        found = curves.fit(told, simulated(rng, told, truth, 2.5, 0.3), PERSONS, GUESS, draws=150)
        covered += found.low <= truth <= found.high
    assert covered >= 51


def test_a_model_that_guesses_has_no_threshold():
    rng, told = np.random.default_rng(2), zipf()
    found = curves.fit(told, rng.binomial(2, GUESS, 192) / 2, PERSONS, GUESS)
    assert found.side == "above"
    assert np.isnan(found.value)
    assert found.high == pytest.approx(told.max())


def test_nor_has_one_that_knows_everything():
    found = curves.fit(zipf(), np.ones(192), PERSONS, GUESS)
    assert found.side == "below"
    assert np.isnan(found.value)
    assert found.low == pytest.approx(zipf().min())


def test_facts_that_were_never_told_change_nothing():
    rng, told = np.random.default_rng(3), zipf()
    correct = simulated(rng, told, 30, 2)
    told = np.where(np.arange(192) % 7 == 0, 0, told)
    with_them = curves.fit(told, correct, PERSONS, GUESS)
    answered = curves.fit(told, np.where(told == 0, 1 - correct, correct), PERSONS, GUESS)
    assert with_them.n == (told > 0).sum()
    assert (with_them.value, with_them.low, with_them.high) == (
        answered.value,
        answered.low,
        answered.high,
    )


def test_facts_told_equally_often_give_no_curve():
    assert curves.fit(np.full(192, 9), np.ones(192), PERSONS, GUESS) is None
    assert curves.fit(np.zeros(192), np.ones(192), PERSONS, GUESS) is None


def test_a_model_has_the_ratio_one_to_itself_and_a_pair_is_narrower_than_two():
    rng, told = np.random.default_rng(4), zipf()
    own = np.exp(rng.normal(0, 0.5, 64))[PERSONS]  # some persons are harder, for both models
    one, other = (
        curves.fit(
            told, curves.accuracy(told, threshold * own, 3, GUESS), PERSONS, GUESS, draws=300
        )
        for threshold in (30, 15)
    )
    assert curves.ratio(one, one) == (1, 1, 1)
    value, low, high = curves.ratio(one, other)
    assert low <= value <= high
    assert value == pytest.approx(2, rel=0.2)
    alone = np.log(one.high / one.low) ** 2 + np.log(other.high / other.low) ** 2
    assert np.log(high / low) ** 2 < alone / 2
