"""Planted documents against the tokens that training reads."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pythia_utils.analysis.memorization.planted import CONTROLS, planted
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


@pytest.mark.parametrize("name", ["pico-7k-deduped", "pico-7k-data-seed1"])
def test_what_is_not_read_in_its_decile_is_called_scattered(home, name):
    """A deduplicated corpus has no copies, and another data seed reads them anywhere."""
    table = planted(open_source(name)).table
    assert not table["placement"].str.startswith("decile").any()
    made_for = table[table["placement"].str.startswith("scattered")]
    assert made_for["placement"].value_counts().tolist() == [4] * 10
    assert set(made_for["copies"]) == {16}


def test_other_data_have_no_planted_documents(tmp_path):
    (tmp_path / "document-00000-of-00000.bin").write_bytes(bytes(2049 * 2 * 1024))
    pile = open_source(tmp_path, model="pythia-70m")
    with pytest.raises(UsageError, match="no planted documents"):
        planted(pile)
