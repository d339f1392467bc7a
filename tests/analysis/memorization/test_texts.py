"""Which sequences are one text, and what may explain that one is recited."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.memorization import texts
from pythia_utils.training_data.source import open_source


def test_three_quarters_in_a_row_make_one_text_wherever_they_stand():
    a = np.arange(16)
    shifted = np.concatenate([[90, 91, 92, 93], a[:12]])  # twelve of sixteen, four places on
    less = np.concatenate([[80, 81, 82, 83, 84], a[:11]])  # eleven
    apart = a.copy()
    apart[8] = 70  # fifteen, but never twelve in a row
    found = texts.groups(np.array([a, shifted, less, apart, a]))
    assert found[0] == found[1] == found[4]
    assert len({found[0], found[2], found[3]}) == 3


def test_friends_of_friends_and_copies_of_a_document_are_one_text():
    a = np.arange(100)
    chain = np.array([a[0:16], a[4:20], a[8:24], a[50:66], a[70:86]])
    assert texts.groups(chain).tolist() == [0, 0, 0, 1, 2]
    assert texts.groups(chain, np.array([1, 2, 3, 4, 4])).tolist() == [0, 0, 0, 1, 1]


def test_the_lot_draws_one_of_each_text_evenly():
    labels = np.repeat(np.arange(300), 4)
    first = texts.by_lot(labels)
    assert np.bincount(labels[first]).tolist() == [1] * 300
    assert (texts.by_lot(labels) == first).all()
    drawn = np.bincount(np.flatnonzero(first) % 4)  # the first, second, ... of its text
    assert drawn.min() > 45  # 75 each are expected
    assert (texts.by_lot(labels, seed=1) != first).any()


@pytest.mark.parametrize(
    ("tokens", "copies"),
    [
        ([1, 2, 3, 4, 1, 2, 3, 4], True),  # the prompt, said again
        ([9, 9, 1, 2, 1, 2, 1, 2], True),  # a shorter period, carried on
        ([5, 5, 5, 5, 5, 5, 5, 5], True),
        ([1, 2, 3, 4, 1, 2, 3, 5], False),
        ([1, 2, 3, 4, 5, 6, 5, 6], False),  # it repeats itself, which the prompt does not tell
    ],
)
def test_a_rule_is_a_repetition_that_the_prompt_begins(tokens, copies):
    assert texts.goes_on_by_copying(np.array([tokens]), 4).tolist() == [copies]


def test_kinds_are_told_in_order():
    found = texts.kinds(np.array([5, 6, 5, 60]), np.array([False, False, True, True]))
    assert found.tolist() == ["recollect", "recite", "reconstruct", "recite"]


def test_contents_are_those_of_the_planted_documents(home):
    """Where a span lies within one planted document, its content is that document's."""
    from pythia_utils.analysis.memorization.planted import planted

    data = open_source("pico-7k")
    found = planted(data)
    real = found.table["content"] >= 0
    known = {}
    for row, content in zip(found.tokens[real], found.table["content"][real], strict=True):
        for offset in range(len(row) - 15):
            known[row[offset : offset + 16].tobytes()] = content
    spans = data.sequences(0, 8000)[:, 16:32].astype(np.int64)
    truth = pd.Series([known.get(span.tobytes(), -1) for span in spans])
    positions = np.flatnonzero(truth >= 0)
    assert len(positions) > 100
    counted = texts.contents_at(data, positions, 16, 32)
    assert counted.tolist() == truth[positions].tolist()
