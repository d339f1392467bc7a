"""CKA by what is known of it: invariances, the value under noise, and no alignment of what is independent."""

from __future__ import annotations

import itertools

import pytest
import torch

from pythia_utils.evaluation.cka import centred_grams, cka, hsic


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one(states: torch.Tensor, others: torch.Tensor, unbiased: bool = True) -> float:
    """CKA of two sets of states (n, width), one batch."""
    own, their = (centred_grams(each[None, None], unbiased) for each in (states, others))
    return float(cka(own, their)[0])


@pytest.mark.parametrize("unbiased", [True, False])
def test_it_is_one_with_itself_turned_shifted_and_scaled(unbiased):
    states = drawn(50, 8) * torch.linspace(1, 4, 8)
    turn = torch.linalg.qr(drawn(8, 8, seed=1)).Q
    for other in (states, states @ turn, 3.7 * states, states + 100, -2 * (states @ turn) + 5):
        assert one(states, other, unbiased) == pytest.approx(1, abs=1e-9)
    stretched = states * torch.tensor([9.0] + [1] * 7)  # one factor an axis is no such change
    assert one(states, stretched, unbiased) < 0.9


def test_the_unbiased_estimate_is_that_of_its_formula():
    """Song et al. (2012), term by term; `hsic` writes it as an inner product."""
    x, y, n = drawn(9, 3), drawn(9, 5, seed=1), 9
    k, m = ((each @ each.T).fill_diagonal_(0) for each in (x, y))
    ones = torch.ones(n, dtype=torch.float64)
    first = torch.trace(k @ m)
    second = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (ones @ k @ m @ ones)
    expected = (first + second - third) / (n * (n - 3))
    assert float(hsic(centred_grams(x), centred_grams(y))) == pytest.approx(float(expected))


def test_the_biased_estimate_is_the_squared_norm_of_the_covariance():
    x, y = drawn(30, 4), drawn(30, 6, seed=1)
    covariance = (x - x.mean(0)).T @ (y - y.mean(0)) / 29
    found = hsic(centred_grams(x, False), centred_grams(y, False), unbiased=False)
    assert float(found) == pytest.approx(float(covariance.square().sum()))


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_with_noise_it_is_the_analytic_value(noise):
    """States of covariance S, and the same with noise of variance s² an axis: |S| / |S + s² I|.

    The covariance of the two is S, so HSIC is |S|² of both and |S|², |S + s² I|² of each with itself.
    """
    spread = torch.tensor([2.0, 1.0, 1.0, 0.5], dtype=torch.float64)
    truth = spread.square().norm() / (spread.square() + noise**2).norm()
    states = drawn(20, 1, 200, 4) * spread
    noisy = states + noise * drawn(20, 1, 200, 4, seed=1)
    value, stderr = cka(centred_grams(states), centred_grams(noisy))
    assert float(stderr) < 0.01
    assert float(value) == pytest.approx(float(truth), abs=4 * float(stderr))


def test_independent_states_are_unlike_and_only_the_biased_estimate_says_otherwise():
    """Of n Gaussian states in p dimensions each the biased estimate is p / (n + p), in expectation."""
    n, width = 100, 50
    values = {True: [], False: []}
    for seed in range(0, 40, 2):
        pair = drawn(n, width, seed=seed), drawn(n, width, seed=seed + 1)
        for unbiased, found in values.items():
            found.append(one(*pair, unbiased))
    unbiased, biased = (torch.tensor(values[key]) for key in (True, False))
    assert abs(float(unbiased.mean())) < 4 * float(unbiased.std()) / 20**0.5
    assert float(biased.mean()) == pytest.approx(width / (n + width), abs=0.01)


def test_one_batch_is_the_whole_and_has_no_error():
    states, others = drawn(1, 3, 20, 5), drawn(1, 2, 20, 7, seed=1)
    value, stderr = cka(centred_grams(states), centred_grams(others))
    assert value.shape == stderr.shape == (3, 2)
    assert torch.isnan(stderr).all()
    for i, j in itertools.product(range(3), range(2)):
        assert float(value[i, j]) == pytest.approx(one(states[0, i], others[0, j]))


def test_batches_agree_with_the_whole_in_expectation():
    """The unbiased estimate is a U-statistic: its mean over all batches of five of seven is the whole's."""
    x, y = drawn(7, 3), drawn(7, 4, seed=1)
    whole = float(hsic(centred_grams(x), centred_grams(y)))
    chosen = [list(batch) for batch in itertools.combinations(range(7), 5)]
    parts = [float(hsic(centred_grams(x[b]), centred_grams(y[b]))) for b in chosen]
    assert sum(parts) / len(parts) == pytest.approx(whole)
    biased = [
        float(hsic(centred_grams(x[b], False), centred_grams(y[b], False), False)) for b in chosen
    ]
    whole = float(hsic(centred_grams(x, False), centred_grams(y, False), False))
    assert abs(sum(biased) / len(biased) - whole) > 1e-3


def test_the_error_over_batches_is_the_spread_of_such_estimates():
    truth, values, errors = 0.5, [], []
    for seed in range(0, 60, 2):
        states = drawn(8, 1, 32, 6, seed=seed)
        others = states + drawn(8, 1, 32, 6, seed=seed + 1)  # noise as large: 1 / (1 + 1)
        value, stderr = cka(centred_grams(states), centred_grams(others))
        values.append(float(value))
        errors.append(float(stderr))
    values = torch.tensor(values)
    assert float(values.mean()) == pytest.approx(truth, abs=0.02)
    assert 0.7 < float(values.std()) / (sum(errors) / len(errors)) < 1.4


def test_states_that_do_not_vary_and_too_few_of_them():
    value, _ = cka(centred_grams(torch.ones(1, 1, 10, 3)), centred_grams(drawn(1, 1, 10, 3)))
    assert torch.isnan(value).all()
    with pytest.raises(ValueError, match="needs 4 tokens or more in a batch; got 3"):
        centred_grams(drawn(3, 2))


def test_large_means_and_half_precision_do_no_harm():
    states = drawn(64, 16)
    far = states + 1000
    assert one(states, far.float()) == pytest.approx(1, abs=1e-6)
    assert one(states, states.half()) == pytest.approx(1, abs=1e-5)
