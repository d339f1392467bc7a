"""N-gram models of a training run: which tokens are counted, and that counts are kept and renewed."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.analysis import training_ngrams
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.training_data.source import TrainingData

STEPS, BATCH, LENGTH = 20, 2, 6


class Rows:
    """Training sequences in memory, in order."""

    def __init__(self, tokens):
        self.tokens = tokens

    def sequences(self, start, stop):
        return self.tokens[start:stop]

    def batch(self, step, size):
        return self.tokens[step * size : (step + 1) * size]


@pytest.fixture
def data(monkeypatch, tmp_path):
    """A run of 20 steps, which stands for that of any model."""
    tokens = np.random.default_rng(3).integers(1024, size=(STEPS * BATCH, LENGTH + 1))
    run = TrainingData("run", Rows(tokens), BATCH, LENGTH, STEPS)
    monkeypatch.setattr(training_ngrams, "open_source", lambda model: run)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    training_ngrams.fitted.cache_clear()
    yield run
    training_ngrams.fitted.cache_clear()


def test_batches_are_spread_evenly_and_each_is_taken_once():
    assert training_ngrams.spread(1000, 4) == [125, 375, 625, 875]
    assert training_ngrams.spread(1000, 4, shift=0) == [0, 250, 500, 750]
    assert training_ngrams.spread(3, 10) == [0, 1, 2]
    assert training_ngrams.spread(0, 10) == [0]


def test_rows_are_what_training_read_before_the_step(data):
    tokens = data.rows.tokens
    assert (training_ngrams.training_rows(data) == tokens).all()
    assert (training_ngrams.training_rows(data, 5) == tokens[:10]).all()
    assert (training_ngrams.training_rows(data, 4, 2) == tokens[[2, 3, 6, 7]]).all()
    for step, batches in ((21, None), (-1, None), (5, 0)):
        with pytest.raises(UsageError, match="steps up to 20"):
            training_ngrams.training_rows(data, step, batches)


def test_the_model_is_that_of_targets_alone(data):
    model = training_ngrams.fitted("pico-7k", order=2)
    targets = np.bincount(data.rows.tokens[:, 1:].ravel(), minlength=1024)
    unigrams = (targets + (targets > 0).sum() / 1024) / (targets.sum() + (targets > 0).sum())
    np.testing.assert_allclose(model.lower(1).distribution(np.empty((1, 0), int))[0], unigrams)


def test_nothing_read_is_told(data):
    with pytest.raises(UsageError, match="no tokens to count"):
        training_ngrams.fitted("pico-7k", step=0)


def test_of_pythia_ten_batches_are_counted(data, monkeypatch):
    counted = []
    monkeypatch.setattr(
        training_ngrams,
        "training_rows",
        lambda data, step, batches: counted.append((step, batches)) or data.rows.tokens,
    )
    training_ngrams.fitted("pythia-70m", order=2)
    training_ngrams.fitted("pythia-70m", order=2, batches=3)
    training_ngrams.fitted("pico-7k", order=2, step=16)
    assert counted == [(None, 10), (None, 3), (16, None)]


def test_counts_are_kept_opened_and_renewed(data, tmp_path, monkeypatch):
    fits = []
    fit = NgramModel.fit
    monkeypatch.setattr(NgramModel, "fit", lambda *a, **k: fits.append(a) or fit(*a, **k))
    first = logprobs_of_a_new_process(data)
    assert (logprobs_of_a_new_process(data) == first).all()
    assert len(fits) == 1
    (kept,) = (tmp_path / "ngrams").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])  # damaged: counted again
    assert (logprobs_of_a_new_process(data) == first).all()
    assert len(fits) == 2
    data.rows.tokens[:, 3] = 0  # another corpus
    assert (logprobs_of_a_new_process(data) != first).any()
    assert len(fits) == 3
    assert len(list((tmp_path / "ngrams").iterdir())) == 1


def logprobs_of_a_new_process(data):
    training_ngrams.fitted.cache_clear()
    return training_ngrams.fitted("pico-7k", order=3).token_logprobs(np.arange(30))


def test_a_full_disk_is_no_error(data, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NgramModel, "save", full)
    assert training_ngrams.fitted("pico-7k", order=2).order == 2
