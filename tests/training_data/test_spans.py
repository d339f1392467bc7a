"""Counts of spans, against a naive search."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.spans import count_spans


def naive(rows, spans, stop):
    length = spans.shape[1]
    windows = [
        row[i : i + length].tolist() for row in rows[:stop] for i in range(len(row) - length + 1)
    ]
    return [windows.count(span.tolist()) for span in spans]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("alphabet", [1, 2, 3, 50_000])
def test_counts_are_those_of_a_naive_search(length, alphabet):
    rng = np.random.default_rng(length)
    rows = rng.integers(0, alphabet, (30, 11))
    own = np.array([rows[i, :length] for i in (0, 7, 7, 29)])
    spans = np.vstack([own, rng.integers(0, alphabet, (4, length))])
    found = count_spans(rows, spans, [30, 8, 0])
    assert found.tolist() == [naive(rows, spans, stop) for stop in (30, 8, 0)]
    assert (found[0, :4] >= 1).all()


def test_what_the_end_of_a_row_cuts_is_not_counted():
    rows = np.array([[9, 1, 2], [3, 4, 9], [1, 2, 3]])
    assert count_spans(rows, np.array([[2, 3], [9, 1]]), [3]).tolist() == [[1, 1]]


def test_tokens_of_sixteen_bits_do_not_run_over():
    rows = np.full((2, 20), 65_535, np.uint16)
    assert count_spans(rows, rows[:1, :9], [2]).tolist() == [[24]]


def test_spans_that_no_row_holds_are_refused():
    with pytest.raises(UsageError, match="spans of 4 tokens in rows of 3"):
        count_spans(np.zeros((2, 3), int), np.zeros((1, 4), int), [2])
