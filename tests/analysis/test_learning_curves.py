"""Milestones of curves with a known truth, against known answers and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.made_curves import grid

from pythia_utils.analysis import learning_curves
from pythia_utils.base.errors import UsageError

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 96, 128])


def sigmoid(start: float = 0.5, end: float = 1.0, middle: float = 3) -> np.ndarray:
    return start + (end - start) / (1 + np.exp(-2 * (np.log2(1 + STEPS) - middle)))


# ---- Onset and plateau


def test_onset_is_interpolated_between_the_steps_around_it():
    # log2(1 + step) is 0, 1, 2, 3; accuracy crosses .75 halfway between the last two.
    found = learning_curves.onset([0, 1, 3, 7], [500, 500, 600, 900], [1000] * 4)
    assert found.step == pytest.approx(2**2.5 - 1)
    assert found.low < found.step < found.high


def test_onset_counts_from_the_last_time_below():
    found = learning_curves.onset([0, 1, 3, 7, 15], [900, 900, 100, 900, 990], [1000] * 5)
    assert 3 < found.step < 7


def test_onset_of_a_curve_that_never_or_always_stays_above():
    never = learning_curves.onset([0, 1, 3], [50, 60, 50], [100] * 3)
    assert np.isnan(never.step)
    assert (never.low, never.high) == (np.inf, np.inf)
    assert learning_curves.onset([0, 1, 3], [100, 100, 100], [100] * 3).step == 0


@pytest.mark.parametrize("middle", [2, 4.5])
def test_onset_interval_covers_the_crossing_of_the_true_curve(middle):
    rng, truth = np.random.default_rng(4), sigmoid(middle=middle)
    exact = learning_curves.onset(STEPS, truth * 1e9, [10**9] * len(STEPS)).step
    hits = 0
    for _ in range(300):
        counts = rng.binomial(200, truth)
        found = learning_curves.onset(STEPS, counts, [200] * 10)
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


def test_mean_over_training_is_the_mean_height_on_the_axis_of_the_figures():
    assert learning_curves.mean_over_training([0, 1, 3], [0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert learning_curves.mean_over_training([0, 1, 3, 7], [0, 0, 1, 1]) == pytest.approx(0.5)
    early = learning_curves.mean_over_training(STEPS, sigmoid(middle=2))
    assert early > learning_curves.mean_over_training(STEPS, sigmoid(middle=5))


def test_onsets_alone_are_those_of_all_milestones():
    curves = grid(easy=[50, 90, 95, 96, 95, 95], hard=[50, 50, 50, 50, 50, 50])
    alone, whole = learning_curves.milestones(curves, None), learning_curves.milestones(curves)
    names = ["model", "subset", "first", "last", "onset", "low", "high"]
    pd.testing.assert_frame_equal(alone[names], whole[names])
    assert alone["plateau"].isna().all()


def test_a_model_without_early_checkpoints_takes_no_steps_from_the_others():
    """One that lacks a step in four does: what all share is compared."""
    steps = {"a": range(12), "b": range(12), "most": range(3, 12), "late": range(8, 12)}
    frame = pd.DataFrame([(m, step) for m, own in steps.items() for step in own])
    frame.columns = ["model", "step"]
    kept = learning_curves.at_shared_steps(frame)
    found = kept.groupby("model")["step"].apply(tuple).to_dict()
    assert found == dict.fromkeys(["a", "b", "most"], tuple(range(3, 12)))
