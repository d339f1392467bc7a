"""What a cell records: where the answer forms on curves that are known, pairs by phenomenon, names."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import word_models

from pythia_utils.analysis.clusters import linked_proportion
from pythia_utils.analysis.lens import measures, names, sequences
from pythia_utils.evaluation import sets
from pythia_utils.evaluation.minimal_pairs import score_minimal_pairs
from pythia_utils.nano.minimal_pair import MinimalPair


@pytest.mark.parametrize(
    ("shares", "depth"),
    [
        ([1, 0.75, 0.5, 0.25, 0], 0.5),  # every layer brings as much
        ([0, 0, 0], 0),  # all of it is in the embedding
        ([1, 1, 1, 1, 0], 1 - 1 / 8),  # all of it comes with the last of four layers
        ([0.5, 0], 0.25),
    ],
)
def test_the_mean_depth_of_curves_that_are_known(shares, depth):
    sizes = np.array([10.0, 30, 20])
    constant = 3 * sizes
    value, error = measures.formation(np.outer(shares, constant), constant, sizes)
    assert value == pytest.approx(depth)
    assert error == pytest.approx(0, abs=1e-12)


def test_answers_that_are_all_the_same_form_nowhere():
    sizes = np.array([10.0, 30])
    found = measures.formation(np.zeros((3, 2)), np.full(2, 1e-9), sizes)
    assert np.isnan(found).all()


@pytest.mark.parametrize("of", ["", "all", "filler_gap", "my own phenomenon 3"])
def test_names_can_be_read_back(of):
    assert names.place(names.name("tuned", 12, of)) == (of, "tuned", 12)


@pytest.fixture(scope="module")
def recorded():
    """Of an untrained network and a tokenizer of six words: text, and pairs of two phenomena."""
    network, tokenizer = word_models.random_network(), word_models.word_tokenizer()
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 8, (12, 9))
    text = sequences.Sequences(list(rows[:6]), np.array([0, 0, 1, 1, 2, 2]), list(rows[6:]))
    both, _, constant = measures.trained(network, text, 5)
    pairs = [
        MinimalPair("number", f"the {noun} {verb}", f"the {noun} {other}", combination=(noun, verb))
        for noun, verb, other in [("dog", "sleeps", "sleep"), ("dogs", "sleep", "sleeps")] * 3
    ]
    pairs += [
        MinimalPair("order", "the cat sleeps", "cat the sleeps"),
        MinimalPair("order", "a", "b"),
    ]
    shown = measures.of_text(network, both, text, constant)
    return network, tokenizer, pairs, shown, measures.of_pairs(network, both, tokenizer, pairs)


def value(frame, metric: str, subset: str):
    (row,) = frame[(frame["metric"] == metric) & (frame["subset"] == subset)].itertuples()
    return row


def test_text_s_rows_are_by_lens_and_depth_with_errors_over_documents(recorded):
    *_, shown, _ = recorded
    assert len(shown) == 4 * 2 * 3 + 2
    assert set(shown["n"]) == {3}
    assert value(shown, "kl", "tuned 2").value == 0
    assert value(shown, "kl", "logit 0").stderr > 0
    assert 0 < value(shown, "formation_depth", "all").value < 1


def test_the_last_depth_s_accuracy_is_that_of_the_pairs(recorded):
    network, tokenizer, pairs, _, found = recorded
    own = score_minimal_pairs(network, tokenizer, pairs[:-1])
    for lens in names.LENSES:
        row = value(found, "accuracy", f"number {lens} 2")
        assert row.value == own["correct"][:6].mean()
        assert row.n == 6
        assert value(found, "margin", f"order {lens} 2").value == pytest.approx(
            own["margin"].iloc[-1]
        )
        both = [value(found, "accuracy", f"{of} {lens} 1").value for of in ("number", "order")]
        assert value(found, "accuracy", f"all {lens} 1").value == pytest.approx(np.mean(both))
        assert value(found, "accuracy", f"all {lens} 1").n == 7  # the last pair cannot be answered


def test_pairs_of_one_word_are_linked_as_in_the_chapter_on_grammar():
    pairs = sets.load_pairs("nano", 20)[:20]
    twins, words = measures._links(pairs)
    assert twins.tolist() == [i // 2 for i in range(20)]
    assert [list(pair) for pair in zip(*words, strict=True)] == [list(p.combination) for p in pairs]
    assert measures._links([*pairs, MinimalPair("own", "a", "b")])[1] == []
    margins = np.arange(20.0) - 7
    rows = measures._by_phenomenon(pairs, margins[None])
    assert rows[0][3][0] == pytest.approx(linked_proportion(margins > 0, twins, words)[1])


def test_a_tie_is_not_right():
    pairs = [MinimalPair("own", str(i), "x") for i in range(4)]
    rows = measures._by_phenomenon(pairs, np.array([[0.0, 1, -1, 0]]))
    assert rows[0][2] == [0.25]
