"""Controls of minimal pairs: identities, known answers, coverage; ground truth of nano's corpus."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import stats as statistics
from pythia_utils.analysis.grammar import controls
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


# ---- Rank correlation


def test_rank_correlation_is_scipys_spearman():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 60), rng.random(60)
    r, low, high = statistics.rank_correlation(x, y)
    assert r == pytest.approx(stats.spearmanr(x, y).statistic)
    assert low < r < high


def test_rank_correlation_leaves_differences_between_groups_out():
    x = np.concatenate([np.arange(50), 1000 + np.arange(50)])
    y = np.concatenate([np.tile([0, 1], 25), 1000 + np.tile([0, 1], 25)])
    assert statistics.rank_correlation(x, y)[0] > 0.7
    within = statistics.rank_correlation(x, y, groups=x >= 1000)[0]
    assert within == pytest.approx(statistics.rank_correlation(x[:50], y[:50])[0])


def test_rank_correlation_counts_clusters_not_items():
    """Every item said twice is no new evidence: the interval is that of the single items."""
    rng = np.random.default_rng(1)
    x = rng.random(40)
    y = x + rng.random(40)
    single = statistics.rank_correlation(x, y)
    double = statistics.rank_correlation(
        np.tile(x, 2), np.tile(y, 2), clusters=np.tile(range(40), 2)
    )
    assert double == pytest.approx(single)


def test_rank_correlation_of_nothing_that_varies_is_unknown():
    assert np.isnan(statistics.rank_correlation(np.ones(20), np.arange(20))).all()
    assert np.isnan(statistics.rank_correlation(np.arange(8), np.arange(8))).all()
    assert statistics.rank_correlation(np.arange(20), np.arange(20))[0] == pytest.approx(1)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_rank_correlation_interval_covers_under_clustering(correlation):
    """Pairs of twins that exchange their words: both values change sign together."""
    rng, truth, hits = np.random.default_rng(2), 6 / np.pi * np.arcsin(correlation / 2), 0
    clusters = np.repeat(np.arange(60), 2)
    for _ in range(300):
        x = rng.normal(size=60)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=60)
        both = (np.stack([v, -v], axis=1).ravel() for v in (x, y))
        _, low, high = statistics.rank_correlation(*both, clusters=clusters)
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.985


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
    assert [controls.critical_words(pair) for pair in PAIRS[:2]] == [("aa", "b"), ("b", "aa")]
    moved = MinimalPair("p", "Who did Ann see go?", "Who did see Ann go?")
    assert controls.critical_words(moved) == ("Ann see", "see Ann")


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
    scores = scored(rng.random(400) < 0.5).assign(twin=range(400), length_difference=0)
    difference = np.where(scores["correct"], 1, -1) * rng.random(400)
    table = controls.controls(scores.assign(frequency_difference=difference))
    assert (metric(table, "accuracy_of_frequencies")["value"] == scores["correct"].mean()).all()
    assert (metric(table, "frequency_correlation")["value"] > 0.8).all()
    assert metric(table, "length_correlation")["value"].isna().all()


def test_a_model_of_grammar_alone_is_cleared():
    rng = np.random.default_rng(5)
    scores = scored(rng.random(400) < 0.8).assign(twin=range(400), length_difference=0)
    table = controls.controls(scores.assign(frequency_difference=rng.normal(size=400)))
    found = metric(table, "frequency_correlation")
    assert (found["low"] < 0).all()
    assert (found["high"] > 0).all()


def test_a_unigram_tie_counts_half():
    scores = scored([1, 1]).assign(twin=[0, 1], length_difference=0, frequency_difference=[0, 2])
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
    assert all_of_it.sum() == len(data) * 128
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
