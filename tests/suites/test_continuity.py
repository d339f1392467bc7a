"""The rule for checkpoints off the way: silent on every honest way, loud on a mislabelled one."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.continuity import LIMIT, breaks, detours

STEPS = np.array(find_model("pythia-70m").steps)  # 154: powers of two, then every 1000
LINEAR = int(np.searchsorted(STEPS, 1000))  # the first of those at equal distances
SIZE = 400  # numbers of each point


def learning_rate(steps: np.ndarray) -> np.ndarray:
    """Warm-up over 1%, cosine to a tenth: as Pythia was trained."""
    share = steps / STEPS[-1]
    return np.minimum(share / 0.01, 0.55 + 0.45 * np.cos(np.pi * share))


def training(seed: int, drift: float, pull: float) -> np.ndarray:
    """A simulated way: a drift that turns slowly, noise, and a pull towards a fixed point.

    Between two checkpoints the noise grows as the square root of the steps, the drift as the steps.
    """
    rng = np.random.default_rng(seed)
    x, way = rng.normal(size=SIZE) * 0.5, []
    aim = rng.normal(size=SIZE)
    for gap, rate in zip(np.diff(STEPS, prepend=0), learning_rate(STEPS), strict=True):
        x = x * np.exp(-pull * gap * rate) + drift * gap * rate / 1000 * aim
        x = x + rng.normal(size=SIZE) * rate * np.sqrt(gap / 1000)
        aim = 0.95 * aim + 0.3 * rng.normal(size=SIZE)
        way.append(x)
    return np.array(way)


WAYS = {
    "random walk": (0.0, 0.0),
    "drift": (1.0, 0.0),
    "drift and pull": (0.3, 5e-5),
    "about a fixed point": (0.0, 3e-4),
}


@pytest.fixture(params=WAYS, scope="module")
def ways(request) -> list[np.ndarray]:
    return [training(seed, *WAYS[request.param]) for seed in range(10)]


def test_known_ratios():
    line = np.arange(5.0)[:, None] * np.ones(3)
    assert detours(line) == pytest.approx([1, 1, 1])
    assert detours(line, 2) == pytest.approx([2 / 3, 2 / 3])  # the part between them does not count
    corner = np.array([[0.0, 0], [3, 0], [3, 4]])
    assert detours(corner) == pytest.approx([7 / 5])
    there_and_back = np.array([[0.0], [1], [0]])
    assert detours(there_and_back) == [np.inf]
    assert detours(np.zeros((3, 1))) == [1]


def test_ratios_of_the_processes_in_the_text():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 4000))
    assert detours(noise) == pytest.approx(2, rel=0.05)
    assert detours(np.cumsum(noise, axis=0)) == pytest.approx(np.sqrt(2), rel=0.05)
    gaps = np.sqrt(np.array([1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]))
    assert (detours(np.cumsum(noise[:13] * gaps[:, None], axis=0)) < 1.5).all()
    bound, at = 0.8, [noise[0]]
    for step in noise[1:]:
        at.append(bound * at[-1] + np.sqrt(1 - bound**2) * step)
    assert detours(np.array(at)) == pytest.approx(2 / np.sqrt(1 + bound), rel=0.06)


def test_honest_training_is_never_accused(ways):
    """10 trainings of 154 checkpoints of each kind: no break in 6,080, and room below the limit."""
    assert [breaks(way) for way in ways] == [[]] * len(ways)
    assert max(detours(way).max() for way in ways) < LIMIT - 0.2


def test_weights_of_another_run_are_found_exactly(ways):
    for seed, way in enumerate(ways):
        index = 1 + seed * 15
        changed = way.copy()
        changed[index] = training(seed + 1000, 0.3, 0)[index]
        assert [found.indices for found in breaks(changed)] == [(index,)]


def test_weights_of_a_distant_step_are_found_exactly(ways):
    for seed, way in enumerate(ways):
        index, other = LINEAR + 4 + seed * 6, len(way) - 1 - seed
        if abs(index - other) < 4:
            continue
        changed = way.copy()
        changed[index] = changed[other]
        assert [found.indices for found in breaks(changed)] == [(index,)]


def test_two_neighbours_exchanged_are_one_break(ways):
    for seed, way in enumerate(ways):
        index = LINEAR + 5 + seed * 12
        changed = way.copy()
        changed[[index, index + 1]] = changed[[index + 1, index]]
        (found,) = breaks(changed)
        assert found.indices[0] in (index - 1, index, index + 1, index + 2)


def test_runs_of_wrong_checkpoints_and_several_places(ways):
    for seed, way in enumerate(ways):
        other = training(seed + 1000, 0.3, 0)
        changed = way.copy()
        changed[40:43], changed[90], changed[120:122] = other[40:43], other[90], other[120:122]
        found = {index for each in breaks(changed) for index in each.indices}
        assert found == {40, 41, 42, 90, 120, 121}


def test_too_few_points_say_nothing():
    for count in range(3):
        assert breaks(np.arange(float(count))[:, None]) == []
