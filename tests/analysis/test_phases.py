"""Phases below chance: found with their ends, and rarely where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.made_curves import grid

from pythia_utils.analysis.phases import below_chance_phases


def test_a_phase_below_chance_is_found_with_its_ends_and_depth():
    found = below_chance_phases(
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
    found = below_chance_phases(grid(twice=[50, 20, 20, 60, 50, 10, 5]))
    assert list(zip(found["first"], found["last"], strict=True)) == [(31, 63), (1, 3)]
    assert found["overcome"].isna().all()  # both are of one curve, which ends below chance
    assert np.isinf(found["overcome_high"]).all()
    assert below_chance_phases(grid(never=[50, 60, 70])).empty


def test_phases_of_several_models_are_the_deepest_first():
    both = pd.concat([grid(dip=[50, 30, 90]), grid(dip=[50, 10, 90]).assign(model="other")])
    found = below_chance_phases(both)
    assert list(found["model"]) == ["other", "m"]


def test_phases_are_rarely_found_where_there_are_none():
    """Size of the tests together: 2,100 accuracies of guessing."""
    guesses = np.random.default_rng(6).binomial(100, 0.5, (300, 8))
    curves = grid(**{f"curve {i}": counts for i, counts in enumerate(guesses)})
    assert len(below_chance_phases(curves)) <= 1
