"""Controls of minimal pairs: identities, known answers, coverage; ground truth of nano's corpus."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis import stats as statistics
from pythia_utils.analysis.grammar import controls, pair_words
from pythia_utils.evaluation import sets
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.training_data.corpus import open_corpus


class Letters:
    """A tokenizer of the alphabet: a token a letter, blanks and points apart."""

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[ord(c) - 97 for c in t.lower() if c.isalpha()] for t in texts]}


def scored(correct: np.ndarray, phenomenon="p", paradigm=None) -> pd.DataFrame:
    correct = np.asarray(correct)
    return pd.DataFrame(
        {
            "phenomenon": phenomenon,
            "paradigm": phenomenon if paradigm is None else paradigm,
            "margin": np.where(correct, 1.0, -1.0),
            "correct": correct.astype(bool),
        }
    )


def of_many_words(scores: pd.DataFrame) -> pd.DataFrame:
    """Each pair a unit of its own, about words that no other holds."""
    names = [f"word {i}" for i in range(len(scores))]
    columns = ("exchanged", "good_word", "bad_word", "first_word", "second_word", "twin")
    return scores.assign(**dict.fromkeys(columns, names))


# ---- Accuracy


def test_accuracy_of_a_paradigm_has_wilsons_interval():
    (row,) = controls.accuracy(scored([1] * 30 + [0] * 10)).itertuples()
    assert (row.low, row.high) == pytest.approx(statistics.wilson_interval(30, 40))
    assert (row.value, row.n, row.paradigms) == (0.75, 40, 1)
    assert np.isnan(row.wide_low)


def test_a_mean_margin_has_the_error_of_a_mean_over_pairs():
    scores = scored([1] * 30 + [0] * 10)
    (row,) = controls.margins(scores).itertuples()
    assert (row.phenomenon, row.value, row.n) == ("p", 0.5, 40)
    assert row.stderr == pytest.approx(scores["margin"].std() / 40**0.5)


def test_phenomenon_is_the_mean_of_its_paradigms_whatever_their_sizes():
    scores = scored([1] * 10 + [0] * 10 + [1] * 100, paradigm=["a"] * 20 + ["b"] * 100)
    (row,) = controls.accuracy(scores).itertuples()
    assert (row.value, row.n, row.paradigms) == (0.75, 120, 2)
    # The mean of two has half the error of both, which are those of Wilson's intervals.
    errors = [statistics.proportion_stderr(k, n) for k, n in ((10, 20), (100, 100))]
    assert row.stderr == pytest.approx(np.hypot(*errors) / 2)
    assert (row.wide_low, row.wide_high) == (0, 1)  # two constructions say little of others
    by_paradigm = controls.accuracy(scores, "paradigm")
    assert list(by_paradigm["value"]) == [0.5, 1]


def test_interval_over_paradigms_covers_the_mean_of_all_paradigms():
    rng, narrow, wide = np.random.default_rng(3), 0, 0
    for _ in range(200):
        levels = rng.uniform(0.5, 0.9, 6)
        answers = rng.random((6, 100)) < levels[:, None]
        paradigms = np.repeat(list("abcdef"), 100)
        (row,) = controls.accuracy(scored(answers.ravel(), paradigm=paradigms)).itertuples()
        wide += row.wide_low <= 0.7 <= row.wide_high
        narrow += row.low <= levels.mean() <= row.high
    assert 0.91 <= wide / 200 <= 0.985
    assert 0.91 <= narrow / 200 <= 0.985


# ---- Differences of length and frequency

PAIRS = [
    MinimalPair("p", "The cat aa.", "The cat b.", paradigm="x"),
    MinimalPair("p", "The cats b.", "The cats aa.", paradigm="x"),
    MinimalPair("p", "The dog c.", "The dog d.", paradigm="x"),
]


def controlled(counts: np.ndarray | None) -> pd.DataFrame:
    return controls.with_controls(scored([1, 0, 1]), PAIRS, Letters(), counts)


def test_critical_words_are_where_the_sentences_differ():
    assert [pair_words.critical_words(pair) for pair in PAIRS[:2]] == [("aa", "b"), ("b", "aa")]
    moved = MinimalPair("p", "Who did Ann see go?", "Who did see Ann go?")
    assert pair_words.critical_words(moved) == ("Ann see", "see Ann")


def test_differences_are_good_minus_bad_and_twins_share_a_number():
    counts = np.zeros(26)
    counts[[0, 2, 3]] = 9, 1, 3
    scores = controlled(counts)
    assert list(scores["length_difference"]) == [1, -1, 0]
    assert list(scores["twin"]) == [0, 0, 2]
    total = 13 + 26  # add-one smoothed
    logs = np.log(np.array([10, 1, 2, 4]) / total)
    expected = [2 * logs[0] - logs[1], logs[1] - 2 * logs[0], logs[2] - logs[3]]
    assert list(scores["frequency_difference"]) == pytest.approx(expected)


def test_words_of_a_pair_are_those_of_its_combination_else_those_that_change_places():
    about = MinimalPair("p", "The cat aa.", "The cat b.", combination=("cat", "aa"))
    found = pair_words.words_of([*PAIRS[:2], about])
    assert found["exchanged"] == ["aa / b"] * 3
    assert (found["good_word"][1], found["bad_word"][1]) == ("b", "aa")
    assert found["first_word"] == ["aa", "aa", "cat"]
    assert found["second_word"] == ["b", "b", "aa"]


def test_a_liking_for_words_is_as_many_accidents_as_there_are_words():
    """An untrained model: it likes one of each two words at random, in all of their pairs alike."""
    rng, ratios = np.random.default_rng(9), []
    kinds = rng.permutation(np.repeat(np.arange(20), 20))  # pairs of words, each in 20 pairs
    names = {"exchanged": kinds, "good_word": kinds, "bad_word": -1 - kinds}
    for _ in range(60):
        side = rng.choice([-1, 1], 400)  # which of the two is the good word
        likes, commoner = rng.choice([-1, 1], 20)[kinds], rng.normal(size=20)[kinds]
        own = of_many_words(scored(likes * side > 0)).assign(**names, length_difference=0)
        table = controls.controls(own.assign(frequency_difference=commoner * side))
        found = metric(table, "frequency_correlation").iloc[-1]
        ratios.append(found["value"] / found["stderr"])
    assert np.mean(np.abs(ratios) > 2) < 0.15  # over pairs it was most of them
    assert np.std(ratios) == pytest.approx(1, abs=0.35)


def test_frequency_is_unknown_without_counts():
    table = controls.controls(controlled(None))
    assert list(table["phenomenon"].unique()) == ["p", "all"]
    unknown = table[table["metric"].isin(["accuracy_of_frequencies", "frequency_correlation"])]
    assert unknown["value"].isna().all()
    assert not unknown["n"].any()
    equal = metric(table, "accuracy_equal_length")
    assert (list(equal["value"]), list(equal["n"])) == ([1, 1], [1, 1])


def metric(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["metric"] == name]


def test_a_model_of_frequencies_alone_is_found_out():
    """Right exactly where the unigram model is right: accuracies agree, correlation is high."""
    rng = np.random.default_rng(4)
    scores = of_many_words(scored(rng.random(400) < 0.5)).assign(length_difference=0)
    difference = np.where(scores["correct"], 1, -1) * rng.random(400)
    table = controls.controls(scores.assign(frequency_difference=difference))
    assert (metric(table, "accuracy_of_frequencies")["value"] == scores["correct"].mean()).all()
    assert (metric(table, "frequency_correlation")["value"] > 0.8).all()
    assert metric(table, "length_correlation")["value"].isna().all()


def test_a_model_of_grammar_alone_is_cleared():
    rng = np.random.default_rng(5)
    scores = of_many_words(scored(rng.random(400) < 0.8)).assign(length_difference=0)
    table = controls.controls(scores.assign(frequency_difference=rng.normal(size=400)))
    found = metric(table, "frequency_correlation")
    assert (found["low"] < 0).all()
    assert (found["high"] > 0).all()


def test_a_unigram_tie_counts_half():
    scores = of_many_words(scored([1, 1])).assign(length_difference=0, frequency_difference=[0, 2])
    table = controls.controls(scores)
    assert list(metric(table, "accuracy_of_frequencies")["value"]) == [0.75, 0.75]


def test_records_leave_out_what_is_unknown():
    rows = controls.as_records(controls.controls(controlled(None)))
    expected = [("accuracy_equal_length", name, 1, 1) for name in ("p", "all")]
    assert [(r["metric"], r["subset"], r["value"], r["n"]) for r in rows] == expected
    (own,) = controls.as_records(controls.accuracy(scored([1, 0])), "accuracy")
    assert (own["metric"], own["subset"], own["value"], own["n"]) == ("accuracy", "p", 0.5, 2)
    assert own["stderr"] == pytest.approx(statistics.proportion_stderr(1, 2))


def test_the_hardest_pairs_are_wrong_ones():
    margins = [-1, -3, -2, 0.5, 2, 0.1, -0.2, 0]
    scores = pd.DataFrame({"phenomenon": list("bbbbaacc"), "good": list("01234567")})
    scores = scores.assign(bad="x", margin=margins)
    assert controls.hardest(scores, 2)["good"].tolist() == ["1", "2", "6"]
    assert controls.hardest(scores[scores["phenomenon"] == "a"], 2).empty


# ---- Nano's ground truth


def test_counts_are_those_of_the_corpus(home):
    data = open_corpus("pico").training_data("standard")
    all_of_it = controls.token_counts("pico-7k", 10**9)
    training = open_corpus("pico").suite.training
    assert all_of_it.sum() == training["total_steps"] * training["batch_size"] * 128
    first = np.bincount(np.concatenate([data[i][:-1] for i in range(16)]), minlength=1024)
    assert (controls.token_counts("pico-7k", 2 * 8 * 128 - 1) == first).all()
    assert controls.token_counts("pico-7k", 0) is None


def test_word_frequencies_score_half_on_nano(home):
    """Twins exchange their words, so what helps in one pair harms in the other."""
    from pythia_utils.suites import checkpoints

    _, tokenizer = checkpoints.load("pico-7k", 16)
    pairs = sets.load_pairs("nano", 20)
    scores = scored([1] * len(pairs), phenomenon=[p.phenomenon for p in pairs])
    scores = controls.with_controls(
        scores, pairs, tokenizer, controls.token_counts("pico-7k", 50_000)
    )
    found = metric(controls.controls(scores), "accuracy_of_frequencies")
    assert (found["value"] == 0.5).all()
    assert (scores.groupby("twin").size() == 2).all()
