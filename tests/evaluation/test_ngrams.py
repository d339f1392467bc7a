"""Interpolated Witten-Bell models: a hand-worked example, a slow reference, and texts of known entropy."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from helpers.bigram_networks import sampled
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.ngrams import NOTHING, NgramModel

# a b a c a b, of a vocabulary of four: d is never read.
A, B, C, D = range(4)
TEXT = np.array([A, B, A, C, A, B])


class Slow:
    """Witten and Bell's rule word by word, from dictionaries."""

    def __init__(self, rows, order, vocab_size, context_only=0):
        self.order, self.vocab_size = order, vocab_size
        self.after: dict[tuple, Counter] = defaultdict(Counter)
        for row in rows:
            for place in range(context_only, len(row)):
                for length in range(min(order - 1, place) + 1):
                    self.after[tuple(row[place - length : place])][row[place]] += 1

    def probability(self, word, context):
        lower = self.probability(word, context[1:]) if context else 1 / self.vocab_size
        counts = self.after.get(tuple(context))
        if not counts:
            return lower
        types, total = len(counts), sum(counts.values())
        return (counts[word] + types * lower) / (total + types)

    def logprobs(self, row):
        before = [row[max(0, place + 1 - self.order) : place] for place in range(len(row))]
        return [math.log(self.probability(w, c)) for w, c in zip(row, before, strict=True)]


def test_a_text_of_six_words_worked_by_hand():
    """Unigrams: a 3, b 2, c 1, so c() = 6 and T() = 3. Behind a: b twice, c once, so c(a) = 3 and T(a) = 2."""
    model = NgramModel.fit(TEXT, 2, 4)
    unigrams = (np.array([3, 2, 1, 0]) + 3 / 4) / 9
    np.testing.assert_allclose(model.lower(1).distribution(np.empty((1, 0), int)), [unigrams])
    behind_a = (np.array([0, 2, 1, 0]) + 2 * unigrams) / 5
    np.testing.assert_allclose(model.distribution([[A]]), [behind_a])
    expected = np.log([unigrams[A], behind_a[B], (1 + unigrams[A]) / 2])
    np.testing.assert_allclose(model.token_logprobs([A, B, A]), expected)


def test_an_unread_context_leaves_the_word_to_the_shorter_one():
    model = NgramModel.fit(TEXT, 3, 4)
    assert (model.distribution([[D, A]]) == model.lower(2).distribution([[A]])).all()
    assert (model.distribution([[A, D]]) == model.lower(1).distribution([[D]])).all()
    assert (model.distribution([[NOTHING, A]]) == model.lower(2).distribution([[A]])).all()


def test_which_contexts_were_read():
    """The last b ends the text: nothing followed it, but something followed the first."""
    model = NgramModel.fit(TEXT, 3, 4)
    contexts = [[A, B], [B, A], [D, A], [A, D], [NOTHING, C]]
    expected = [[True] * 5, [True, True, True, False, True], [True, True, False, False, False]]
    assert model.known(np.array(contexts)).tolist() == expected


texts = st.integers(1, 6).flatmap(
    lambda vocab: st.tuples(
        st.just(vocab),
        st.lists(
            st.lists(st.integers(0, vocab - 1), min_size=9, max_size=9), min_size=1, max_size=4
        ),
        st.lists(st.integers(0, vocab - 1), min_size=1, max_size=9),
    )
)


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(1, 5), st.integers(0, 2))
def test_a_slow_reference_agrees_and_every_distribution_sums_to_one(case, order, context_only):
    vocab, rows, ids = case
    model = NgramModel.fit(rows, order, vocab, context_only)
    slow = Slow(rows, order, vocab, context_only)
    np.testing.assert_allclose(model.token_logprobs(ids), slow.logprobs(ids), atol=1e-12)
    padded = np.array([NOTHING] * (order - 1) + ids)
    contexts = np.lib.stride_tricks.sliding_window_view(padded, order)[:, :-1]
    dense = model.distribution(contexts)
    np.testing.assert_allclose(dense.sum(axis=1), 1)
    own = np.log(dense[range(len(ids)), ids])
    np.testing.assert_allclose(own, model.token_logprobs(ids), atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(texts, st.integers(1, 4))
def test_lower_orders_are_those_that_were_fitted_alone(case, order):
    vocab, rows, ids = case
    model, alone = NgramModel.fit(rows, 5, vocab), NgramModel.fit(rows, order, vocab)
    assert (model.lower(order).token_logprobs(ids) == alone.token_logprobs(ids)).all()
    contexts = np.array(rows)[:, :4]
    every = list(model.distributions(contexts))
    assert len(every) == model.order
    assert (every[order - 1] == alone.distribution(contexts)).all()


def test_rows_know_nothing_of_each_other():
    model = NgramModel.fit([[A, B], [C, D]], 2, 4)
    assert (model.distribution([[B]]) == model.lower(1).distribution([[B]])).all()
    both = model.token_logprobs([[A, B], [C, D]])
    assert both.shape == (2, 2)
    assert (both[1] == model.token_logprobs([C, D])).all()


def test_perplexity_approaches_the_entropy_rate_of_the_text():
    """A chain of 30 words with known transitions: bigrams cost its entropy rate, and nothing costs less."""
    rng = np.random.default_rng(5)
    chain = rng.dirichlet(np.full(30, 0.2), size=30)
    text = sampled(chain, 60_000, rng)
    share = np.bincount(text, minlength=30) / len(text)
    rate = -(share[:, None] * chain * np.log(np.maximum(chain, 1e-300))).sum()
    model = NgramModel.fit(text[:50_000], 3, 30)
    cost = [-model.lower(n).token_logprobs(text[50_000:]).mean() for n in (1, 2, 3)]
    assert cost[1] == pytest.approx(rate, abs=0.03)
    assert cost[0] > rate + 0.5
    assert cost[2] >= cost[1] - 0.005


def test_a_large_vocabulary_takes_no_dense_table():
    rng = np.random.default_rng(2)
    text = (rng.pareto(1, 20_000) * 20).astype(int) % 50_000
    model = NgramModel.fit(text.astype(np.uint16), 5, 50_304)
    kept = sum(
        array.nbytes
        for level in model.levels
        for array in vars(level).values()
        if isinstance(array, np.ndarray)
    )
    assert kept < 200 * len(text)
    assert np.isfinite(model.token_logprobs(text[:100])).all()
    assert model.distribution(text[None, :4]).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("tokens", "order", "message"),
    [
        ([], 2, "no tokens to count"),
        ([0, 4], 2, "token 4; expected ids, 0 to 3"),
        ([0, -1], 2, "token -1; expected ids, 0 to 3"),
        ([0.5], 2, "float64 values"),
        ([0], 0, "order 0 of an n-gram model"),
    ],
)
def test_what_cannot_be_counted_is_told(tokens, order, message):
    with pytest.raises(UsageError, match=message):
        NgramModel.fit(tokens, order, 4)


def test_what_cannot_be_asked_is_told():
    model = NgramModel.fit(TEXT, 2, 4)
    for order in (0, 3):
        with pytest.raises(UsageError, match=f"order {order}; expected 1 to 2"):
            model.lower(order)
    with pytest.raises(UsageError, match="token -1"):
        model.token_logprobs([NOTHING])
    with pytest.raises(UsageError, match="token 4"):
        model.distribution([[4]])


def test_a_stored_model_is_the_same_and_a_damaged_file_is_told(tmp_path):
    model, path = NgramModel.fit(TEXT, 3, 4), tmp_path / "counts.npz"
    model.save(path)
    again = NgramModel.load(path)
    assert (again.order, again.vocab_size) == (3, 4)
    assert (again.token_logprobs(TEXT) == model.token_logprobs(TEXT)).all()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UsageError, match="holds no n-gram model"):
        NgramModel.load(path)
    with pytest.raises(UsageError, match="holds no n-gram model"):
        NgramModel.load(tmp_path / "missing.npz")
