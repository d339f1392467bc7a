"""Planted documents against the tokens that training reads."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pythia_utils.analysis.memorization.planted import CONTROLS, copies_at, planted
from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.source import open_source


@pytest.fixture
def data(home):
    return open_source("pico-7k")


def texts(data) -> Counter:
    """How often the corpus holds each document, without its end-of-text token."""
    indexed = data.packed.indexed
    return Counter(indexed[i][:-1].tobytes() for i in range(len(indexed)))


def test_copies_are_what_the_corpus_holds_and_controls_are_in_none(data):
    found, held = planted(data), texts(data)
    counted = [held[row.astype(np.uint16).tobytes()] for row in found.tokens]
    assert counted == found.table["copies"].tolist()
    never = found.table["placement"] == "never"
    assert never.sum() == CONTROLS
    assert set(found.tokens[never].ravel()) <= set(found.tokens[~never].ravel())
    assert len(np.unique(found.tokens, axis=0)) == len(found.tokens)


def test_each_tenth_has_as_many_documents_of_sixteen_copies(data):
    table = planted(data).table
    deciles = table[table["placement"].str.startswith("decile")]
    assert set(deciles["copies"]) == {16}
    assert deciles["placement"].value_counts().tolist() == [4] * 10


def test_deduplicated_and_standard_plant_the_same_documents(data, home):
    deduped = open_source("pico-7k-deduped")
    ours, others = planted(data), planted(deduped)
    key = [(row.tobytes(), n) for row, n in zip(ours.tokens, ours.table["copies"], strict=True)]
    same = [
        (row.tobytes(), n) for row, n in zip(others.tokens, others.table["copies"], strict=True)
    ]
    assert sorted(key) == sorted(same)
    assert max(texts(deduped).values()) == 1


def test_copies_at_counts_the_text_that_fills_most_of_the_span(data):
    """Where a span lies within one planted document, its copies are known."""
    found = planted(data)
    copies = {}
    for row, n in zip(found.tokens, found.table["copies"], strict=True):
        for offset in range(len(row) - 15):
            copies[row[offset : offset + 16].tobytes()] = n
    positions = np.arange(0, 8000)
    spans = data.sequences(0, 8000)[:, 16:32]
    truth = np.array([copies.get(span.tobytes(), 0) for span in spans])
    counted = copies_at(data, positions, 16, 32)
    known = truth > 0
    assert known.sum() > 100
    # Training does not come to the last sequences of the order, so a copy may be missing.
    assert ((truth - counted)[known] >= 0).all()
    assert (truth == counted)[known].mean() > 0.9
    assert (counted >= 1).all()


def test_other_data_have_no_planted_documents(tmp_path):
    (tmp_path / "document-00000-of-00000.bin").write_bytes(bytes(2049 * 2 * 1024))
    pile = open_source(tmp_path, model="pythia-70m")
    with pytest.raises(UsageError, match="no planted documents"):
        planted(pile)
