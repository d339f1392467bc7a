"""Variance components: known variances are found, and what cannot be told is not."""

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.stability.components import SOURCES, Design, components

CROSSED = [(1234, 1234), (1, 1), (1, 1234), (1234, 1)]  # pico's, of each of three sizes
SEVEN = [*CROSSED, (2, 2), (2, 1234), (1234, 2)]  # nano-57k's


def runs(cells: list[tuple[int, int]], groups: int) -> pd.DataFrame:
    rows = [(f"size {g}", w, d) for g in range(groups) for w, d in cells]
    return pd.DataFrame(rows, columns=["group", "weight_seed", "data_seed"]).assign(value=0.0)


def simulated(frame: pd.DataFrame, sds: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Values of the runs, each size with a mean of its own."""
    values = sds[2] * rng.standard_normal(len(frame)) + frame.groupby("group").ngroup().to_numpy()
    for field, sd in zip(("weight_seed", "data_seed"), sds, strict=False):
        keys = frame.groupby(["group", field]).ngroup().to_numpy()
        values += sd * rng.standard_normal(keys.max() + 1)[keys]
    return values


@pytest.mark.parametrize("design", [runs(CROSSED, 3), runs(SEVEN, 1)], ids=["pico", "nano"])
@pytest.mark.parametrize("sds", [(0.06, 0.02, 0.02), (0.02, 0.06, 0.02), (0.03, 0.03, 0.03)])
def test_known_variances_are_found_and_intervals_cover_them(design, sds):
    rng, shape = np.random.default_rng(0), Design.of(design)
    found = np.array([shape.estimate(simulated(design, sds, rng)) for _ in range(60)])
    mean, low, high = np.sqrt((found[:, 0] ** 2).mean(axis=0)), found[:, 1], found[:, 2]
    assert mean == pytest.approx(sds, abs=0.012)
    assert ((low <= sds) & (sds <= high)).mean() > 0.92


def test_a_balanced_table_gives_the_estimates_of_an_analysis_of_variance():
    """Searle, Casella and McCulloch 1992, section 4.2: in balanced data, if none is below zero."""
    cells = [(w, d) for w in range(4) for d in range(4)]
    frame = runs(cells, 1)
    y = simulated(frame, (0.5, 0.7, 0.2), np.random.default_rng(3))
    table = y.reshape(4, 4)
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns + table.mean()
    error = (rest**2).sum() / 9
    expected = [rows.var(ddof=1) - error / 4, columns.var(ddof=1) - error / 4, error]
    found = components(frame.assign(value=y))
    assert [found.sd[source] for source in SOURCES] == pytest.approx(np.sqrt(expected), rel=1e-3)
    assert found.total == pytest.approx(np.sqrt(sum(expected)), rel=1e-3)


def test_means_of_sizes_and_units_do_not_matter():
    frame = runs(CROSSED, 3)
    y = simulated(frame, (0.06, 0.02, 0.02), np.random.default_rng(1))
    shift = frame["group"].map({"size 0": -7.0, "size 1": 0.0, "size 2": 300.0}).to_numpy()
    one, two = (components(frame.assign(value=v)) for v in (y, 100 * (y + shift)))
    for source in SOURCES:
        assert two.sd[source] == pytest.approx(100 * one.sd[source], rel=1e-3, abs=1e-3)
        assert two.high[source] == pytest.approx(100 * one.high[source], rel=1e-6)


@pytest.mark.parametrize("cells", [[(1234, 1234), (1, 1), (2, 2)], [(0, 0), (0, 1)], [(0, 0)] * 5])
def test_runs_that_do_not_tell_sources_apart_have_no_components(cells):
    assert components(runs(cells, 1)) is None


def test_equal_values_vary_by_nothing():
    found = components(runs(CROSSED, 3))
    assert found.total == pytest.approx(0, abs=0.1)
    assert (found.runs, found.sizes) == (12, 3)
