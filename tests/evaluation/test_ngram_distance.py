"""Distances of networks from n-grams: 0 for a network that is the n-grams, definitions elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.bigram_networks import bigram_network, random_chain, sampled
from helpers.word_models import random_network

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import inference, ngram_distance
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.ngram_distance import distances
from pythia_utils.evaluation.ngrams import NgramModel

WORDS = 12


@pytest.fixture(scope="module")
def chain():
    return random_chain(WORDS)


@pytest.fixture(scope="module")
def text(chain):
    return sampled(chain, 60_000, np.random.default_rng(8))


def test_a_network_that_is_the_bigrams_is_next_to_them_and_to_nothing_below(chain, text):
    network = bigram_network(chain)
    rows = text[-640:].reshape(10, 64)
    far = distances(network, rows, NgramModel.fit(text[:50_000], 3, WORDS))
    unigrams, bigrams, trigrams = far.divergence.mean(axis=(1, 2))
    assert bigrams < 0.005
    assert unigrams > 0.3
    assert bigrams < trigrams < 0.05  # what trigrams learn of 50,000 words beyond bigrams is noise


def test_the_distance_falls_to_0_as_the_text_grows(chain, text):
    network, rows = bigram_network(chain), text[-640:].reshape(10, 64)
    sizes = (500, 5_000, 50_000)
    far = [
        distances(network, rows, NgramModel.fit(text[:size], 2, WORDS)).divergence[1].mean()
        for size in sizes
    ]
    assert far[0] > 3 * far[1] > 9 * far[2] > 0


def plainly(network, rows, ngrams):
    """The definitions, position by position, in dense float64."""
    found = []
    for row in rows:
        logits = network(input_ids=torch.tensor(row[None, :-1])).logits[0].double()
        m = logits[:, : ngrams.vocab_size].softmax(-1).detach().numpy()
        for t in range(len(row) - 1):
            for n in range(1, ngrams.order + 1):
                context = row[max(0, t + 2 - n) : t + 1][None, :]
                p = ngrams.lower(n).distribution(context)[0]
                forward, back = (p * np.log(p / m[t])).sum(), (m[t] * np.log(m[t] / p)).sum()
                found.append(
                    (n - 1, forward, back, np.log(p[row[t + 1]]), np.log(m[t, row[t + 1]]))
                )
    return np.array(found)


@pytest.mark.parametrize("vocabulary", [50, 40])
def test_the_definitions(vocabulary, monkeypatch):
    monkeypatch.setattr(ngram_distance, "_PROBABILITIES", 7 * vocabulary)  # several blocks
    monkeypatch.setattr(inference, "CPU_TOKENS", 11)  # and passes
    network, rng = random_network(), np.random.default_rng(1)
    ngrams = NgramModel.fit(rng.integers(vocabulary, size=400), 3, vocabulary)
    rows = rng.integers(vocabulary, size=(3, 6))
    far, expected = distances(network, rows, ngrams), plainly(network, rows, ngrams)
    assert far.divergence.shape == far.reverse.shape == far.ngrams.shape == (3, 3, 5)
    same = (far.divergence[1:] == far.divergence[:-1]).reshape(2, -1)
    assert (same == ~far.known[1:].reshape(2, -1)).all()
    assert far.known[0].all()
    for n in range(3):
        of_n = expected[expected[:, 0] == n]
        for place, values in enumerate(
            (far.divergence[n], far.reverse[n], far.ngrams[n], far.model)
        ):
            np.testing.assert_allclose(values.ravel(), of_n[:, place + 1], rtol=1e-4, atol=1e-6)
    assert (far.divergence > 0).all()
    assert (far.reverse > 0).all()


def test_unigrams_alone_will_do():
    rows = np.array([[1, 2, 3]])
    far = distances(random_network(), rows, NgramModel.fit(np.arange(50), 1, 50))
    assert far.divergence.shape == (1, 1, 2)


def test_what_cannot_be_compared_is_told():
    network, ngrams = random_network(), NgramModel.fit(np.arange(50), 2, 50)
    with pytest.raises(UsageError, match="expected rows of two tokens or more"):
        distances(network, np.array([[1]]), ngrams)
    with pytest.raises(UsageError, match="row 0 holds token 50"):
        distances(network, np.array([[1, 50]]), ngrams)
    with pytest.raises(UsageError, match="n-grams of 60 words; the network knows 50"):
        distances(network, np.array([[1, 2]]), NgramModel.fit(np.arange(50), 2, 60))
    with torch.no_grad():
        network.get_output_embeddings().weight[3, 0] = torch.nan
    with pytest.raises(NotFiniteError, match="distance from n-grams of"):
        distances(network, np.array([[1, 2]]), ngrams)
