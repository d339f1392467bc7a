"""The profile over deciles: known curves, and how often its tests and intervals err."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import order_tests
from pythia_utils.analysis.memorization import deciles

X = (np.arange(10) + 0.5) / 10


def test_a_parabola_is_found_again():
    found = deciles.fit(1 + 4 * X - 3 * X**2, X)
    assert found.beta == pytest.approx([1, 4, -3])
    assert found.peak()[0] == pytest.approx(2 / 3)
    curve = found.at([0, 2 / 3])
    assert curve["value"].tolist() == pytest.approx([1, 1 + 4 / 3])
    assert found.p_flat < 1e-9


def test_it_is_least_squares_as_polyfit_does_it():
    y = np.random.default_rng(0).normal(size=10)
    beta, cov = np.polyfit(X, y, 2, cov=True)
    found = deciles.fit(y, X)
    assert found.beta[::-1] == pytest.approx(beta)
    assert found.cov[::-1, ::-1] == pytest.approx(cov)


def simulated(beta, sd, count=600, seed=1):
    rng = np.random.default_rng(seed)
    truth = beta[0] + beta[1] * X + beta[2] * X**2
    return [deciles.fit(truth + rng.normal(0, sd, 10), X) for _ in range(count)]


def test_without_an_effect_the_p_values_are_uniform():
    fits = simulated((2, 0, 0), 0.5)
    assert stats.kstest([f.p_flat for f in fits], "uniform").pvalue > 0.01
    assert stats.kstest([f.p_straight for f in fits], "uniform").pvalue > 0.01


def test_the_interval_of_the_top_holds_it_95_times_in_100():
    """Of a top at .7; where the curve is not shown to bend the interval is unbounded, and holds it."""
    peaks = np.array([f.peak() for f in simulated((0, 5.6, -4), 0.3)])
    held = (peaks[:, 1] <= 0.7) & (peaks[:, 2] >= 0.7)
    assert held.mean() == pytest.approx(0.95, abs=0.03)


def test_no_top_where_it_bends_upwards_and_no_fit_of_five_points():
    assert np.isnan(deciles.fit((X - 0.5) ** 2 + 0.01 * np.cos(40 * X), X).peak()).all()
    assert deciles.fit(X[:5], X[:5]) is None


def gains(model, values, kind="standard", step=1000):
    frame = pd.DataFrame({"model": model, "variant": kind, "number": range(10), "value": values})
    return frame.assign(step=step)


def test_the_table_has_a_row_a_model():
    rng = np.random.default_rng(0)
    rises, flat = 4 * X - 2.5 * X**2 + rng.normal(0, 0.05, 10), rng.normal(0, 0.05, 10)
    found = deciles.table(pd.concat([gains("pico-7k", rises), gains("pico-14k", flat)])).set_index(
        "model"
    )
    assert found.loc["pico-7k", "p_flat"] < 0.001 < found.loc["pico-14k", "p_flat"]
    assert found.loc["pico-7k", "late"] - found.loc["pico-7k", "early"] == pytest.approx(
        1.05, abs=0.1
    )
    assert found.loc["pico-7k", "low"] < 0.8 < found.loc["pico-7k", "high"]


def test_deciles_that_are_not_read_whole_are_no_part_of_the_profile():
    """What a checkpoint has not read has no gain, which must not look like a fall."""
    rises = np.where(X < 0.7, X, 0.0) + np.resize([0.01, -0.01], 10)
    (row,) = deciles.table(gains("pico-7k", rises, step=750)).to_dict("records")
    assert row["late"] - row["early"] == pytest.approx(0.4, abs=0.03)
    assert row["p_straight"] > 0.05
    assert deciles.table(gains("pico-7k", rises, step=512)).empty


@pytest.mark.parametrize(
    ("slope", "stderr", "says"),
    [
        (0.0, 0.05, "equal within the bound"),
        (2.0, 0.1, "different"),
        (0.1, 0.6, "cannot tell"),
        (0.3, 0.2, "cannot tell"),
        (0.32, 0.165, "not shown to be equal"),
    ],
)
def test_what_a_failed_test_says_depends_on_its_power(slope, stderr, says):
    trend = order_tests.trend_of(slope, stderr, 40)
    found = deciles.equivalence(trend, 0.5)
    assert found["says"] == says
    assert (found["power"] >= 0.8) == (stderr < 0.17)


def test_placebos_tell_slope_and_power():
    noise = np.random.default_rng(0).normal(0, 0.02, 10)
    (row,) = deciles.placebos(gains("a", noise, "deduped"), 0.5).to_dict("records")
    assert row["says"] == "equal within the bound"
    assert row["power"] > 0.99
    assert deciles.placebos(gains("a", noise)[:5], 0.5).empty
