"""Every interval that the book draws holds the truth as often as it says, at the numbers that the book has.

Simulated data of which the truth is known: 95% intervals must hold it in about 95 of 100 trials. Those of a
profile likelihood, of a dispersion, of agreement between orders and of a power law stand with the tests of
their own modules.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtri

from pythia_utils.analysis import clusters, learning_curves, order_tests, stats
from pythia_utils.analysis.published.comparisons import size_effect

TRIALS = 200
STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 750, 1000])  # pico's
PAIRS = 200  # of a phenomenon


def share_that_hold(intervals: list[tuple[float, float]], truth: float | list[float]) -> float:
    low, high = np.array(intervals).T
    return float(np.mean((low <= truth) & (truth <= high)))


# ---- Pairs that share twins and words


def use(count: int) -> np.ndarray:
    """How often words are used: the commoner half three times as often as the others."""
    weights = np.where(np.arange(count) < count / 2, 3.0, 1.0)
    return weights / weights.sum()


def answers(
    rng: np.random.Generator, level: float, words: float, liking: float, names: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Answers to twins about two words each, drawn from many such words.

    Args:
        level: on the scale of a probit, of a word like the others.
        words: how far words differ in how hard they are, on that scale.
        liking: how far a twin's one sentence is liked better than the other.
        names: how many first and second words there are.

    Returns:
        Right or not, twins, and the two columns of words.
    """
    twins = np.repeat(np.arange(PAIRS // 2), 2)
    labels = [rng.choice(count, PAIRS // 2, p=use(count))[twins] for count in names]
    hard = sum(
        rng.normal(0, words, count)[column] for count, column in zip(names, labels, strict=True)
    )
    side = np.tile([1, -1], PAIRS // 2) * rng.normal(0, liking, PAIRS // 2)[twins]
    right = level + hard + side + rng.normal(size=PAIRS) > 0
    return right, twins, [labels[0].astype(str), np.char.add("second ", labels[1].astype(str))]


def true_share(level: float, words: float, liking: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf(level / np.sqrt(1 + 2 * words**2 + liking**2)))


@pytest.mark.parametrize(
    ("level", "words", "liking", "names"),
    [
        (0.0, 0.0, 3.0, (50, 50)),  # an untrained model: twins cancel
        (0.7, 0.0, 0.5, (50, 50)),
        (0.7, 0.4, 0.5, (50, 60)),  # subject and verb
        (0.7, 0.4, 0.5, (30, 20)),  # as possessives have
        (0.7, 0.5, 0.5, (20, 12)),  # as reflexives have
        (2.0, 0.4, 0.5, (50, 60)),  # learnt
        (0.7, 0.4, 0.5, (2, 40)),  # this and that: part of the construction
    ],
)
def test_an_accuracy_over_pairs_and_words(level, words, liking, names):
    rng, found = np.random.default_rng(0), []
    for _ in range(TRIALS):
        right, twins, labels = answers(rng, level, words * (min(names) > 2), liking, names)
        found.append(clusters.linked_proportion(right, twins, labels)[2:])
    # Few words say little of others: an interval of few is a little short, one without links is too long.
    assert share_that_hold(found, true_share(level, words * (min(names) > 2), liking)) >= 0.92


def test_an_interval_of_pairs_alone_is_too_narrow_or_too_wide():
    """What the links are for: the same data, as if each pair stood for itself."""
    rng, held = np.random.default_rng(1), {}
    for name, case in {"words": (0.7, 0.8, 0.2), "twins": (0.0, 0.0, 3.0)}.items():
        right = [answers(rng, *case, (30, 20))[0] for _ in range(TRIALS)]
        ends = [tuple(stats.wilson_interval(float(r.sum()), PAIRS)) for r in right]
        held[name] = share_that_hold(ends, true_share(*case))
    assert held["words"] < 0.8
    assert held["twins"] > 0.995


@pytest.mark.parametrize("words", [0.0, 0.4])
def test_a_paired_difference_over_pairs_and_words(words):
    """Two models that find the same pairs hard, and one of them some words harder."""
    rng, found = np.random.default_rng(2), []
    for _ in range(TRIALS):
        twins = np.repeat(np.arange(PAIRS // 2), 2)
        noun = rng.integers(0, 40, PAIRS // 2)[twins]
        shared = rng.normal(size=PAIRS)
        one = 0.3 + shared + 0.5 * rng.normal(size=PAIRS) > 0
        gain = rng.normal(0, words, 40)[noun]
        other = 0.9 + gain + shared + 0.5 * rng.normal(size=PAIRS) > 0
        mean, error, dof = clusters.linked_mean(
            other.astype(float) - one, twins, [noun.astype(str)]
        )
        half = clusters.as_of_a_normal(error, dof) * ndtri(0.975)
        found.append((mean - half, mean + half))
    from scipy.stats import norm

    truth = norm.cdf(0.9 / np.sqrt(1.25 + words**2)) - norm.cdf(0.3 / np.sqrt(1.25))
    assert 0.92 <= share_that_hold(found, truth) <= 0.98


def test_a_correlation_with_frequency_of_an_untrained_model():
    """It likes one of two words by accident; words are of very unequal use, and the truth is zero."""
    rng, found = np.random.default_rng(3), []
    sizes = np.r_[np.full(5, 60), np.full(10, 20), np.full(100, 2)]
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    for _ in range(TRIALS):
        side = rng.choice([-1, 1], len(kinds))
        right = rng.choice([-1, 1], len(sizes))[kinds] * side > 0
        difference = rng.normal(size=len(sizes))[kinds] * side
        links = (np.zeros(len(kinds)), kinds, [kinds.astype(str)])
        found.append(clusters.rank_correlation(difference, right, *links)[1:])
    assert 0.92 <= share_that_hold(found, 0.0) <= 0.985


# ---- Curves


def curve(start: float, end: float, middle: float, slope: float = 2.0) -> np.ndarray:
    return start + (end - start) * expit(slope * (np.log2(1 + STEPS) - middle))


CURVES = {
    "steep": curve(0.5, 0.97, 5),
    "slow": curve(0.5, 0.95, 7, 0.8),
    "level near the threshold": curve(0.5, 0.77, 5),
    "level a little above": curve(0.5, 0.79, 6, 3),
    "below chance first": np.interp(
        np.log2(1 + STEPS), [0, 2, 5, 8, 10], [0.5, 0.5, 0.25, 0.9, 0.9]
    ),
    "never": curve(0.5, 0.72, 5),
}


def counts(rng: np.random.Generator, truth: np.ndarray, alike: float, n: int = PAIRS) -> np.ndarray:
    """Right answers to the same pairs at all steps, alike as a correlation says: (TRIALS, steps)."""
    pairs = rng.normal(size=(TRIALS, n, 1)) * np.sqrt(alike)
    noise = rng.normal(size=(TRIALS, n, len(truth))) * np.sqrt(1 - alike)
    return (pairs + noise < ndtri(truth)).sum(axis=1)


@pytest.mark.parametrize("alike", [0.0, 0.8])
@pytest.mark.parametrize("name", list(CURVES))
def test_an_onset(name, alike):
    rng, truth, n = np.random.default_rng(4), CURVES[name], np.full(len(STEPS), PAIRS)
    exact = learning_curves.onset(STEPS, truth * 1e9, n * 0 + 1e9)
    true_step = np.inf if np.isnan(exact.step) else exact.step
    found = [learning_curves.onset(STEPS, k, n) for k in counts(rng, truth, alike)]
    assert share_that_hold([(m.low, m.high) for m in found], true_step) >= 0.93
    points = np.array([m.step for m in found])
    if np.isfinite(true_step):  # and half of the points are no more than a factor of 1.5 late
        assert np.median(np.where(np.isnan(points), np.inf, points)) < 1.5 * true_step
    assert all(m.low <= m.step <= m.high for m in found if np.isfinite(m.step))


@pytest.mark.parametrize("alike", [0.0, 0.8])
@pytest.mark.parametrize("name", ["steep", "level near the threshold", "below chance first"])
def test_a_plateau(name, alike):
    rng, truth, n = np.random.default_rng(5), CURVES[name], np.full(len(STEPS), PAIRS)
    exact = learning_curves.plateau(STEPS, truth * 1e9, n * 0 + 1e9, resamples=2).step
    found = [
        learning_curves.plateau(STEPS, k, n, resamples=200, seed=trial)
        for trial, k in enumerate(counts(rng, truth, alike))
    ]
    assert share_that_hold([(m.low, m.high) for m in found], exact) >= 0.92


# ---- Means, differences and slopes


@pytest.mark.parametrize("n", [3, 8, 15])  # seeds, pairs of published runs, phenomena
def test_a_mean_of_few(n):
    rng = np.random.default_rng(6)
    drawn = rng.normal(0.02, 0.05, (TRIALS * 5, n))
    frame = pd.DataFrame({"value": drawn.mean(1), "stderr": drawn.std(1, ddof=1) / np.sqrt(n)})
    frame = stats.with_student_interval(frame.assign(n=n))
    ends = list(zip(frame["low"], frame["high"], strict=True))
    assert share_that_hold(ends, 0.02) == pytest.approx(0.95, abs=0.015)


def test_a_loss_over_documents():
    """A ratio of sums over 64 documents of unequal length, whose tokens are alike."""
    rng, found = np.random.default_rng(8), []
    for _ in range(TRIALS):
        sizes = rng.integers(20, 120, 64)
        nats = sizes * (3 + rng.normal(0, 0.5, 64)) + rng.normal(0, np.sqrt(sizes))
        value, error = stats.ratio_and_stderr(nats, sizes)
        found.append((value - 1.96 * error, value + 1.96 * error))
    assert share_that_hold(found, 3.0) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("n", [8, 40])  # sizes of Pythia; documents of ten deciles
def test_a_slope(n):
    rng, x, found = np.random.default_rng(9), np.linspace(0, 1, n), []
    for _ in range(TRIALS):
        trend = order_tests.linear_trend(0.3 + 0.1 * x + rng.normal(0, 0.03, n), x)
        found.append((trend.low, trend.high))
    assert 0.93 <= share_that_hold(found, 0.1) <= 0.985


def test_an_effect_of_size_over_eight_runs():
    rng, found = np.random.default_rng(10), []
    sizes = np.array([18.9, 85.1, 302, 805, 1208, 2517, 6444, 11327]) * 1e6  # Pythia's
    for _ in range(TRIALS):
        values = 0.1 * np.log10(sizes) + rng.normal(0, 0.02, 8)
        frame = pd.DataFrame({"task": "a", "n_params": sizes, "value": values})
        found.append(tuple(size_effect(frame)[["low", "high"]].iloc[0]))
    assert 0.93 <= share_that_hold(found, 0.1) <= 0.985


def test_an_equivalence_test_shows_what_is_not_so_rarely_and_its_power_is_what_is_said():
    rng, margin, error = np.random.default_rng(11), 0.5, 0.2
    shown = {
        effect: np.mean(
            [
                order_tests.equivalence(order_tests.trend_of(e, error, np.inf), margin).equivalent
                for e in rng.normal(effect, error, 2000)
            ]
        )
        for effect in (0.0, margin)
    }
    assert shown[margin] == pytest.approx(0.05, abs=0.015)
    assert shown[0.0] == pytest.approx(stats.equivalence_power(error, margin), abs=0.03)
