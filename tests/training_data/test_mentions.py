"""Counts of token sequences: against a plain loop, and against the corpus' own truth."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.nano.documents import FACT_PROMPTS
from pythia_utils.training_data import mentions
from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.source import TrainingData, open_source


class Rows:
    """Training sequences in memory, in order."""

    def __init__(self, tokens):
        self.tokens = tokens

    def sequences(self, start, stop):
        return self.tokens[start:stop]


def plain_count(rows, wanted):
    width = len(wanted)
    return sum(list(row[at : at + width]) == list(wanted) for row in rows for at in range(len(row)))


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).integers(0, 3, size=(40, 17))


# Alike at the start, one inside another, one that never stands, one wider than a row, one twice.
WANTED = [(0,), (0, 1), (0, 1, 2), (0, 1, 0), (1, 2), (7, 1), (0,) * 18, (2, 2, 2, 1), (0, 1)]


def test_counts_equal_a_plain_loop(rows):
    found = mentions.count_in_rows(rows, WANTED)
    assert found.tolist() == [plain_count(rows.tolist(), each) for each in WANTED]
    assert found[6] == 0 < found[2]


def test_a_sequence_cut_by_the_end_of_a_row_does_not_count():
    rows = np.array([[5, 5, 1, 2], [3, 5, 5, 5]])
    assert mentions.count_in_rows(rows, [(1, 2, 3), (1, 2), (2, 3)]).tolist() == [0, 1, 0]


def test_rows_with_both_hold_them_in_any_order_and_count_once():
    rows = np.array([[1, 2, 9, 3], [3, 9, 1, 2], [1, 2, 1, 2], [3, 3, 2, 1]])
    assert mentions.rows_with_both(rows, [([1, 2], [3]), ([3], [3]), ([7], [3])]).tolist() == [
        2,
        3,
        0,
    ]


@pytest.mark.parametrize("chunk", [17, 40, 1 << 20])
def test_only_the_steps_before_the_checkpoint_count_however_they_are_read(rows, chunk, monkeypatch):
    monkeypatch.setattr(mentions, "CHUNK", chunk)
    data = TrainingData("run", Rows(rows), 4, 16, 10)
    for steps in (0, 1, 7, 10):
        found = mentions.times_read(data, WANTED, steps)
        assert found.tolist() == mentions.count_in_rows(rows[: 4 * steps], WANTED).tolist()


@pytest.fixture
def told(home):
    """The corpus' facts, and the tokens of the sentences that tell each: one of each wording."""
    from pythia_utils.suites import checkpoints

    facts = open_corpus("pico").facts()
    texts = [
        f"{prompt.format(fact.person)} {fact.answer}"
        for fact in facts.itertuples()
        for prompt in FACT_PROMPTS[fact.relation]
    ]
    _, tokenizer = checkpoints.load("pico-7k", 0, "pico")
    return facts, tokenizer(texts, add_special_tokens=False)["input_ids"]


def test_documents_tell_each_fact_as_often_as_their_truth_says(told):
    facts, sentences = told
    indexed = open_corpus("pico").indexed("standard")
    text = np.concatenate([indexed[document] for document in range(len(indexed))]).astype(int)
    found = mentions.count_in_rows(text[None], sentences).reshape(-1, 2).sum(axis=1)
    assert found.tolist() == facts["mentions"].tolist()


def test_training_reads_nearly_all_of_them_and_cuts_the_rest(told):
    facts, sentences = told
    data = open_source("pico-7k")
    found = mentions.times_read(data, sentences, data.total_steps).reshape(-1, 2).sum(axis=1)
    assert (found <= facts["mentions"]).all()
    assert found.sum() > 0.9 * facts["mentions"].sum()
