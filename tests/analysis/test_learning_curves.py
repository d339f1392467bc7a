"""Milestones of curves with a known truth; agreement of orders against scipy and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import learning_curves
from pythia_utils.base.errors import UsageError

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 96, 128])


def sigmoid(start: float = 0.5, end: float = 1.0, middle: float = 3) -> np.ndarray:
    return start + (end - start) / (1 + np.exp(-2 * (np.log2(1 + STEPS) - middle)))


def grid(**curves: list[int]) -> pd.DataFrame:
    """Curves of 100 answers at the steps 0, 1, 3, 7 ..., a subset each."""
    rows = [
        {"model": "m", "subset": subset, "step": 2**i - 1, "correct": correct, "n": 100}
        for subset, counts in curves.items()
        for i, correct in enumerate(counts)
    ]
    return pd.DataFrame(rows)


# ---- Onset and plateau


def test_onset_is_interpolated_between_the_steps_around_it():
    # log2(1 + step) is 0, 1, 2, 3; accuracy crosses .75 halfway between the last two.
    found = learning_curves.onset([0, 1, 3, 7], [500, 500, 600, 900], [1000] * 4)
    assert found.step == pytest.approx(2**2.5 - 1)
    assert found.low < found.step < found.high
    assert found.reached == 1


def test_onset_counts_from_the_last_time_below():
    found = learning_curves.onset([0, 1, 3, 7, 15], [900, 900, 100, 900, 990], [1000] * 5)
    assert 3 < found.step < 7


def test_onset_of_a_curve_that_never_or_always_stays_above():
    never = learning_curves.onset([0, 1, 3], [50, 60, 50], [100] * 3)
    assert np.isnan(never.step)
    assert (never.high, never.reached) == (np.inf, 0)
    assert learning_curves.onset([0, 1, 3], [100, 100, 100], [100] * 3).step == 0


@pytest.mark.parametrize("middle", [2, 4.5])
def test_onset_interval_covers_the_crossing_of_the_true_curve(middle):
    rng, truth = np.random.default_rng(4), sigmoid(middle=middle)
    exact = learning_curves.onset(STEPS, truth * 1e9, [10**9] * len(STEPS), resamples=2).step
    hits = 0
    for trial in range(300):
        counts = rng.binomial(200, truth)
        found = learning_curves.onset(STEPS, counts, [200] * 10, resamples=300, seed=trial)
        hits += found.low <= exact <= found.high
    assert hits / 300 >= 0.9


def test_plateau_is_where_the_curve_enters_its_final_band():
    # Level .9 (steps 16 and 31), band from .8: halfway between .7 at step 3 and .9 at step 7.
    found = learning_curves.plateau(
        [0, 1, 3, 7, 16, 31], [500, 600, 700, 900, 900, 900], [1000] * 6, tolerance=0.1
    )
    assert (found.step, found.level) == (pytest.approx(2**2.5 - 1), pytest.approx(0.9))
    assert 3 < found.low < found.step < found.high < 7.5


def test_plateau_is_also_reached_from_above():
    # From .9 down to .5: the band of ± .1 is entered at .6, three quarters of the way.
    found = learning_curves.plateau([0, 1, 3, 4], [900, 900, 500, 500], [1000] * 4)
    assert found.step == pytest.approx(2**1.75 - 1)


def test_no_plateau_while_the_curve_still_moves_or_is_measured_once():
    moving = learning_curves.plateau([0, 50, 75, 100], [500, 500, 700, 900], [1000] * 4)
    assert np.isnan(moving.step)
    assert moving.high == np.inf
    assert np.isnan(learning_curves.plateau([0, 16], [500, 900], [1000] * 2).step)


@pytest.mark.parametrize("middle", [2, 4.5])
def test_plateau_interval_covers_the_plateau_of_the_true_curve(middle):
    rng, truth = np.random.default_rng(5), sigmoid(middle=middle, end=0.95)
    exact = learning_curves.plateau(STEPS, truth * 1e9, [10**9] * len(STEPS), resamples=2).step
    hits = 0
    for trial in range(300):
        counts = rng.binomial(200, truth)
        found = learning_curves.plateau(STEPS, counts, [200] * 10, resamples=300, seed=trial)
        hits += found.low <= exact <= found.high
    assert hits / 300 >= 0.9


@pytest.mark.parametrize("steps", [[0, 2, 1], [0, 1, 1], [5]])
def test_steps_out_of_order_or_alone_are_refused(steps):
    counts = [1] * len(steps)
    for measure in (learning_curves.onset, learning_curves.plateau):
        with pytest.raises(UsageError, match="increasing"):
            measure(steps, counts, [2] * len(steps))
    with pytest.raises(UsageError, match="increasing"):
        learning_curves.mean_over_training(steps, counts)


def test_milestones_of_a_grid_are_those_of_its_curves():
    curves = grid(easy=[50, 90, 95, 96, 95, 95], hard=[50, 50, 50, 50, 50, 50])
    table = learning_curves.milestones(curves.sample(frac=1, random_state=0)).set_index("subset")
    own = curves[curves["subset"] == "easy"]
    alone = learning_curves.onset(own["step"], own["correct"], own["n"])
    assert tuple(table.loc["easy", ["onset", "low", "high"]]) == (
        alone.step,
        alone.low,
        alone.high,
    )
    assert np.isnan(table.loc["hard", "onset"])
    # One step only, 31, lies in the second half of training.
    assert table["plateau"].isna().all()


# ---- Below chance


def test_a_phase_below_chance_is_found_with_its_ends_and_depth():
    found = learning_curves.below_chance_phases(
        grid(dip=[20, 50, 30, 45, 20, 60, 99], chance=[50, 48, 52, 47, 53, 50, 50])
    )
    (phase,) = found.itertuples()
    # Step 0 is not tested; 45 of 100 is not significant, yet does not end the phase.
    assert (phase.subset, phase.first, phase.last) == ("dip", 3, 15)
    assert (phase.deepest, phase.value, phase.end) == (15, 0.2, 63)
    # Between 20 right at step 15 and 60 at 31 the line passes 50 three quarters of the way.
    assert phase.overcome == pytest.approx(2 ** (4 + 0.75) - 1)
    assert 15 < phase.overcome_low < phase.overcome < phase.overcome_high <= 31
    assert phase.low < 0.2 < phase.high


def test_phases_are_parted_by_chance_and_may_last():
    found = learning_curves.below_chance_phases(grid(twice=[50, 20, 20, 60, 50, 10, 5]))
    assert list(zip(found["first"], found["last"], strict=True)) == [(31, 63), (1, 3)]
    assert found["overcome"].isna().all()  # both are of one curve, which ends below chance
    assert np.isinf(found["overcome_high"]).all()
    assert learning_curves.below_chance_phases(grid(never=[50, 60, 70])).empty


def test_phases_of_several_models_are_the_deepest_first():
    both = pd.concat([grid(dip=[50, 30, 90]), grid(dip=[50, 10, 90]).assign(model="other")])
    found = learning_curves.below_chance_phases(both)
    assert list(found["model"]) == ["other", "m"]


def test_phases_are_rarely_found_where_there_are_none():
    """Size of the tests together: 2,100 accuracies of guessing."""
    guesses = np.random.default_rng(6).binomial(100, 0.5, (300, 8))
    curves = grid(**{f"curve {i}": counts for i, counts in enumerate(guesses)})
    assert len(learning_curves.below_chance_phases(curves)) <= 1


# ---- Order


def test_mean_over_training_is_the_mean_height_on_the_axis_of_the_figures():
    assert learning_curves.mean_over_training([0, 1, 3], [0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert learning_curves.mean_over_training([0, 1, 3, 7], [0, 0, 1, 1]) == pytest.approx(0.5)
    early = learning_curves.mean_over_training(STEPS, sigmoid(middle=2))
    assert early > learning_curves.mean_over_training(STEPS, sigmoid(middle=5))


def test_two_orders_agree_as_scipys_spearman():
    rng = np.random.default_rng(7)
    x = rng.integers(0, 8, (2, 15)).astype(float)  # with ties
    found = learning_curves.order_agreement(x, permutations=99)
    assert found.rho == pytest.approx(stats.spearmanr(*x).statistic)


@pytest.mark.parametrize("ties", [False, True])
def test_concordance_is_friedmans_statistic(ties):
    # Kendall's W = chi² / (m (k - 1)), with the same correction for ties as scipy's.
    rng = np.random.default_rng(8)
    x = rng.integers(0, 5, (4, 9)).astype(float) if ties else rng.random((4, 9))
    chi2 = stats.friedmanchisquare(*x.T).statistic
    assert learning_curves.order_agreement(x, permutations=9).w == pytest.approx(chi2 / (4 * 8))


def test_equal_and_opposite_orders():
    order = np.arange(10.0)
    same = learning_curves.order_agreement([order, 2 * order, order**3])
    assert (same.rho, same.w, same.p_value) == (pytest.approx(1), pytest.approx(1), 1e-4)
    assert same.low == pytest.approx(same.high, abs=1e-3)
    assert learning_curves.order_agreement([order, -order]).rho == pytest.approx(-1)


def test_never_comes_last_and_an_order_without_differences_says_nothing():
    learnt, one_never = [1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, np.inf]
    assert learning_curves.order_agreement([learnt, one_never]).rho == pytest.approx(1)
    assert np.isnan(learning_curves.order_agreement([learnt, [np.inf] * 5]).rho)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2, 3, 4]], "2 orders"),
        ([[1, 2, 3], [1, 2, 3]], "4 items"),
        ([[1, 2, 3, np.nan], [1, 2, 3, 4]], "use inf"),
    ],
)
def test_orders_that_cannot_be_compared_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        learning_curves.order_agreement(np.array(values))


def test_permutation_test_has_its_size_and_power():
    rng = np.random.default_rng(9)
    unrelated = [
        learning_curves.order_agreement(rng.random((3, 12)), permutations=199).p_value <= 0.05
        for _ in range(400)
    ]
    assert np.mean(unrelated) == pytest.approx(0.05, abs=0.03)
    related = [
        learning_curves.order_agreement(
            rng.normal(size=12) + 0.5 * rng.normal(size=(3, 12)), permutations=199
        ).p_value
        <= 0.05
        for _ in range(50)
    ]
    assert np.mean(related) > 0.95


@pytest.mark.parametrize(
    ("items", "orders", "correlation"), [(15, 4, 0.8), (15, 2, 0.5), (12, 8, 0.9)]
)
def test_agreement_interval_covers_the_correlation_of_the_population(items, orders, correlation):
    """Normal ratings of correlation r have Spearman's correlation 6/pi asin(r/2)."""
    rng, hits = np.random.default_rng(10), 0
    for _ in range(250):
        shared = np.sqrt(correlation) * rng.normal(size=items)
        x = shared + np.sqrt(1 - correlation) * rng.normal(size=(orders, items))
        found = learning_curves.order_agreement(x, permutations=1)
        hits += found.low <= 6 / np.pi * np.arcsin(correlation / 2) <= found.high
    assert 0.9 <= hits / 250 <= 0.99


def test_agreement_reads_as_a_clause():
    found = learning_curves.Agreement(0.812, 0.6, 0.9, 0.85, 0.0312, 3, 15)
    assert str(found) == "0.81 [0.60, 0.90], p = 0.031"
    assert "p < 0.001" in str(learning_curves.Agreement(0.8, 0.6, 0.9, 0.85, 1e-4, 3, 15))
