"""What a cell records: a network that is the bigrams is closest to them; what text is held out."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.bigram_networks import bigram_network, random_chain, sampled

from pythia_utils.analysis.ngrams import measures
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import validation
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.suites.catalog import find_model

WORDS = 12


class Letters:
    """A tokenizer of characters; 0 ends a text."""

    eos_token_id = 0

    def __call__(self, text):
        return {"input_ids": [ord(letter) for letter in text]}


@pytest.fixture(scope="module")
def of_bigrams():
    """The records of a network that is a table of bigrams, whose text the n-grams were counted on."""
    chain = random_chain(WORDS)
    text = sampled(chain, 60_000, np.random.default_rng(8))
    ngrams = NgramModel.fit(text[:50_000], 4, WORDS)
    frame = measures.measures(bigram_network(chain), text[-1040:].reshape(16, 65), ngrams)
    assert not frame.duplicated(["metric", "subset"]).any()
    return frame.set_index(["metric", "subset"])


def test_a_network_that_is_the_bigrams_is_closest_to_them(of_bigrams):
    value = of_bigrams["value"]
    assert value["closest", "all"] == 2
    assert value["kl", "2-gram"] < 0.005 < 0.3 < value["kl", "1-gram"]
    assert value["kl_reverse", "2-gram"] < 0.005 < 0.3 < value["kl_reverse", "1-gram"]
    assert value["loss", "model"] == pytest.approx(value["loss", "2-gram"], abs=0.01)
    assert value["loss", "1-gram"] > value["loss", "model"] + 0.3
    assert value["pearson_r", "2-gram"] > 0.99 > value["pearson_r", "1-gram"]
    assert value["known", "1-gram"] == 1
    assert set(of_bigrams["n"]) == {16}


def test_all_but_the_closest_n_has_an_error(of_bigrams):
    assert of_bigrams["stderr"].isna().sum() == 1
    assert np.isnan(of_bigrams.loc[("closest", "all"), "stderr"])


def test_correlation_is_pearsons_and_its_error_is_that_of_other_rows():
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(300):
        level = rng.normal(size=(30, 1))  # what values of a row have in common
        x = level + rng.normal(size=(30, 8))
        y = 0.7 * level + rng.normal(size=(30, 8))
        r, error = measures.correlation(x, y)
        assert r == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1])
        drawn.append((r, error))
    r, error = np.array(drawn).T
    assert error.mean() == pytest.approx(r.std(), rel=0.12)


@pytest.mark.filterwarnings("error")
def test_correlation_of_what_does_not_vary_is_not_known():
    x = np.arange(12.0).reshape(4, 3)
    assert np.isnan(measures.correlation(x, np.full((4, 3), -6.93))[0])
    assert np.isnan(measures.correlation(x[:2], x[:2])[1])


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        ("pico-57k", "pico-7k"),
        ("pico-57k-seed1", "pico-7k"),
        ("pico-57k-data-seed77", "pico-7k"),
        ("pico-57k-deduped", "pico-7k-deduped"),
        ("pythia-160m-seed3", "pythia-14m"),
        ("pythia-1b-deduped", "pythia-14m-deduped"),
    ],
)
def test_the_corpus_is_that_of_the_variant_and_the_usual_seed(model, counted):
    assert measures.reference(find_model(model)).name == counted


def test_held_out_text_is_packed_with_domains_by_their_share():
    model, letters = find_model("pico-7k"), Letters()
    text = measures.held_out(model, letters, 150, 100)
    assert text.shape == (150, 101)
    assert (text[1:, 0] == text[:-1, -1]).all()  # the last of a row is the first of the next
    stream = "".join(chr(t) for t in [*text[:, :-1].ravel(), 0])
    counts = dict.fromkeys(validation.domain_shares(), 0)
    whole = stream.split("\0")[:-1]
    for domain in counts:
        known = set(validation.validation_documents(domain, 256))
        counts[domain] = sum(len(document) + 1 for document in whole if document in known)
    for domain, share in validation.domain_shares().items():
        assert counts[domain] / sum(counts.values()) == pytest.approx(share, abs=0.05)


def test_fewer_rows_are_the_beginning_of_more():
    model = find_model("pico-7k")
    more, few = (measures.held_out(model, Letters(), rows, 20) for rows in (9, 4))
    assert (more[:4] == few).all()


def test_of_pythia_the_last_batch_is_held_out(monkeypatch):
    class Data:
        total_steps = 143_000

        def batch(self, step):
            assert step == 142_999
            return np.arange(1024 * 2049).reshape(1024, 2049)

    monkeypatch.setattr(measures, "open_source", lambda name: Data())
    text = measures.held_out(find_model("pythia-160m-seed3"), None, 2, 3)
    assert text.tolist() == [[0, 1, 2, 3], [2049, 2050, 2051, 2052]]


@pytest.mark.parametrize(("rows", "length"), [(0, 8), (1, 0), (1, 129)])
def test_text_that_training_would_not_have_is_told(rows, length):
    with pytest.raises(UsageError, match="of 1 to 128 tokens"):
        measures.held_out(find_model("pico-7k"), Letters(), rows, length)


def test_too_much_text_is_told():
    with pytest.raises(UsageError, match="before the documents of domain"):
        measures.held_out(find_model("pico-7k"), Letters(), 10_000, 128)
