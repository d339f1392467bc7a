"""Errors over linked items: identities, known answers, coverage with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pythia_utils.analysis import clusters
from pythia_utils.analysis import stats as statistics

# ---- Shares and means


def test_equal_clusters_are_as_many_as_they_are_and_one_large_one_counts_alone():
    assert clusters.effective_clusters(np.repeat(range(12), 5)) == pytest.approx(12)
    assert clusters.effective_clusters(np.repeat(range(12), 5), alike=False) == pytest.approx(12)
    assert clusters.effective_clusters([0] * 1000 + [1, 2, 3]) == pytest.approx(1, abs=1e-4)
    half = [0] * 50 + list(range(1, 51))  # one of 50 items, and 50 of one
    assert clusters.effective_clusters(half, alike=False) == pytest.approx(100**2 / (50**2 + 50))


def test_linked_squares_are_the_sum_over_pairs_that_share_a_label():
    rng = np.random.default_rng(0)
    e, units = rng.normal(size=60), np.arange(60) // 2
    labels = [rng.integers(0, 12, 60).astype(str), rng.integers(6, 18, 60).astype(str)]
    own = [set() for _ in range(30)]
    for unit, *words in zip(units, *labels, strict=True):
        own[unit] |= set(words)
    sums = np.bincount(units, e)
    brute = sum(sums[a] * sums[b] for a in range(30) for b in range(30) if own[a] & own[b])
    found = clusters.linked_squares(e, units, labels)
    assert found == pytest.approx(max(brute, sums @ sums))
    assert clusters.linked_squares(e, units, []) == pytest.approx(sums @ sums)


def test_linked_squares_do_not_depend_on_how_they_are_cut(monkeypatch):
    rng = np.random.default_rng(1)
    e, labels = np.abs(rng.normal(size=50)), [rng.integers(0, 12, 50)]
    whole = clusters.linked_squares(e, np.arange(50), labels)
    monkeypatch.setattr(clusters, "_CHUNK", 7)
    assert clusters.linked_squares(e, np.arange(50), labels) == pytest.approx(whole)


@pytest.mark.parametrize("right", [0, 7, 40])
def test_answers_that_stand_for_themselves_have_wilsons_interval(right):
    answers = np.arange(40) < right
    share, error, low, high = clusters.linked_proportion(answers, range(40))
    assert (low, high) == pytest.approx(statistics.wilson_interval(right, 40))
    assert (share, error) == pytest.approx((right / 40, statistics.proportion_stderr(right, 40)))


def test_an_answer_given_twice_counts_once():
    answers = np.random.default_rng(2).random(60) < 0.7
    worth = clusters.effective_n(np.repeat(answers, 2), np.repeat(range(60), 2))
    assert worth == pytest.approx(60, rel=0.03)


def test_twins_that_cancel_are_worth_more_than_they_are():
    """One of two right, always: a liking for one form says nothing against one half."""
    assert clusters.effective_n([1, 0] * 100, np.repeat(range(100), 2)) > 2000
    assert clusters.effective_n([1] * 200, np.repeat(range(100), 2)) == pytest.approx(100, rel=0.05)


def test_words_of_a_construction_are_no_clusters():
    answers, units = np.random.default_rng(3).random(100) < 0.5, np.arange(100)
    assert clusters.effective_n(answers, units, [np.tile(["this", "that"], 50)]) == pytest.approx(
        clusters.effective_n(answers, units)
    )


def test_a_word_of_half_of_the_pairs_links_nothing_and_the_others_do():
    rng = np.random.default_rng(6)
    words = np.where(np.arange(200) < 100, "is", np.arange(200) // 4)
    answers = np.repeat(rng.random(50) < 0.6, 4)  # those of a word agree
    worth = clusters.effective_n(answers, range(200), [words])
    alone = np.where(np.arange(200) < 100, np.arange(200), np.arange(200) // 4)
    assert worth == pytest.approx(clusters.effective_n(answers, range(200), [alone]))
    assert worth < 150


def test_a_mean_of_independent_values_is_the_usual_one():
    values = np.random.default_rng(4).normal(size=30)
    mean, error, dof = clusters.linked_mean(values, range(30))
    assert (mean, error) == pytest.approx(statistics.mean_and_stderr(values))
    assert dof == pytest.approx(29)
    assert np.isnan(clusters.linked_mean([1.0], [0])[1])


def test_a_paired_difference_is_scipys_paired_test():
    rng = np.random.default_rng(5)
    hard = rng.normal(size=40)
    one, other = hard + 0.3 * rng.normal(size=40), hard + 0.3 * rng.normal(size=40)
    mean, error, dof = clusters.linked_mean(other - one, range(40))
    interval = stats.ttest_rel(other, one).confidence_interval()
    half = stats.t.ppf(0.975, dof) * error
    assert (mean - half, mean + half) == pytest.approx(tuple(interval))


# ---- Rank correlation


def test_rank_correlation_is_scipys_spearman():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 60), rng.random(60)
    r, low, high = clusters.rank_correlation(x, y)
    assert r == pytest.approx(stats.spearmanr(x, y).statistic)
    assert low < r < high


def test_rank_correlation_leaves_differences_between_groups_out():
    x = np.concatenate([np.arange(50), 1000 + np.arange(50)])
    y = np.concatenate([np.tile([0, 1], 25), 1000 + np.tile([0, 1], 25)])
    assert clusters.rank_correlation(x, y)[0] > 0.7
    within = clusters.rank_correlation(x, y, groups=x >= 1000)[0]
    assert within == pytest.approx(clusters.rank_correlation(x[:50], y[:50])[0])


def test_rank_correlation_counts_clusters_not_items():
    """Every item said twice is no new evidence: the interval is that of the single items."""
    rng = np.random.default_rng(1)
    x = rng.random(40)
    y = x + rng.random(40)
    single = clusters.rank_correlation(x, y)
    double = clusters.rank_correlation(np.tile(x, 2), np.tile(y, 2), units=np.tile(range(40), 2))
    assert double == pytest.approx(single)


def test_rank_correlation_of_nothing_that_varies_is_unknown():
    assert np.isnan(clusters.rank_correlation(np.ones(20), np.arange(20))).all()
    assert np.isnan(clusters.rank_correlation(np.arange(8), np.arange(8))).all()
    assert clusters.rank_correlation(np.arange(20), np.arange(20))[0] == pytest.approx(1)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_rank_correlation_interval_covers_under_clustering(correlation):
    """Pairs of twins that exchange their words: both values change sign together."""
    rng, truth, hits = np.random.default_rng(2), 6 / np.pi * np.arcsin(correlation / 2), 0
    twins = np.repeat(np.arange(60), 2)
    for _ in range(300):
        x = rng.normal(size=60)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=60)
        both = (np.stack([v, -v], axis=1).ravel() for v in (x, y))
        _, low, high = clusters.rank_correlation(*both, units=twins)
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.985


@pytest.mark.parametrize("labels", [[], [np.arange(60) % 7, np.arange(60) % 11]])
def test_several_models_at_once_are_what_each_is_alone(labels):
    rng, units = np.random.default_rng(0), np.arange(60) // 2
    values = rng.normal(size=(2, 3, 60)) + 0.3
    means, errors, dof = clusters.linked_mean(values, units, labels)
    shares = clusters.linked_proportion(values > 0, units, labels)
    for where in np.ndindex(2, 3):
        alone = clusters.linked_mean(values[where], units, labels)
        assert (means[where], errors[where], dof) == pytest.approx(alone)
        alone = clusters.linked_proportion(values[where] > 0, units, labels)
        assert [each[where] for each in shares] == pytest.approx(alone)
