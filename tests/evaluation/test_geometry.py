"""Norms, spectra, ranks and angles of matrices and vectors of which they are known."""

from __future__ import annotations

import math

import pytest
import torch

from pythia_utils.evaluation import geometry


def with_spectrum(values: list[float], rows: int = 12, columns: int = 20) -> torch.Tensor:
    """A matrix of these singular values, the rest 0, in directions drawn at random."""
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.linalg.qr(torch.randn(side, side, generator=generator, dtype=torch.float64)).Q
        for side in (rows, columns)
    )
    middle = torch.zeros(rows, columns, dtype=torch.float64)
    middle[range(len(values)), range(len(values))] = torch.tensor(values, dtype=torch.float64)
    return left @ middle @ right


@pytest.mark.parametrize("turned", [False, True])
def test_the_spectrum_of_a_constructed_matrix(turned):
    values = [5.0, 3.0, 2.0, 0.5]
    matrix = with_spectrum(values)
    found = geometry.singular_values(matrix.T if turned else matrix)
    assert found.shape == (12,)
    assert found[:4].tolist() == pytest.approx(values)
    assert float(found[4:].max()) < 1e-6  # 1e-8 of the greatest is noise
    assert float(found.norm()) == pytest.approx(float(matrix.norm()))


def test_the_spectrum_is_that_of_a_singular_value_decomposition():
    matrix = torch.randn(40, 17, generator=torch.Generator().manual_seed(0))
    expected = torch.linalg.svdvals(matrix.double())
    assert torch.allclose(geometry.singular_values(matrix), expected, rtol=1e-10)
    half = geometry.singular_values(matrix.half())  # computed in float64, whatever it is stored in
    assert torch.allclose(half, torch.linalg.svdvals(matrix.half().double()), rtol=1e-10)


@pytest.mark.parametrize("k", [1, 3, 12])
def test_k_equal_singular_values_have_a_rank_of_k(k):
    singular = geometry.singular_values(with_spectrum([2.0] * k))
    assert geometry.effective_rank(singular) == pytest.approx(k, rel=1e-4)
    assert geometry.stable_rank(singular) == pytest.approx(k)


def test_ranks_do_not_depend_on_scale_and_differ_where_one_direction_is_long():
    singular = torch.tensor([10.0, 1, 1, 1], dtype=torch.float64)
    shares = [10 / 13, 1 / 13, 1 / 13, 1 / 13]
    entropy = -sum(share * math.log(share) for share in shares)
    assert geometry.effective_rank(singular) == pytest.approx(math.exp(entropy))
    assert geometry.effective_rank(7 * singular) == pytest.approx(math.exp(entropy))
    assert geometry.stable_rank(7 * singular) == pytest.approx(1.03)


def test_zeros_have_no_rank_and_no_direction():
    singular = geometry.singular_values(torch.zeros(3, 4))
    assert math.isnan(geometry.effective_rank(singular))
    assert math.isnan(geometry.stable_rank(singular))
    assert math.isnan(geometry.cosine(torch.zeros(2, 2), torch.ones(2, 2)))
    assert math.isnan(geometry.mean_cosine(torch.tensor([[0.0, 0], [1, 0]])))


def test_the_mean_cosine_is_that_of_all_pairs():
    vectors = torch.randn(15, 4, generator=torch.Generator().manual_seed(0)) + 0.5
    units = torch.nn.functional.normalize(vectors.double(), dim=1)
    pairs = (units @ units.T)[torch.triu_indices(15, 15, 1).unbind()]
    assert geometry.mean_cosine(vectors) == pytest.approx(float(pairs.mean()))
    assert geometry.mean_cosine(torch.ones(6, 3)) == pytest.approx(1)
    assert geometry.mean_cosine(torch.eye(5)) == pytest.approx(0)
    assert geometry.mean_cosine(geometry.centred(torch.eye(5))) == pytest.approx(-1 / 4)


def test_a_common_shift_makes_anisotropy_and_centring_takes_it_away():
    vectors = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert abs(geometry.mean_cosine(vectors)) < 0.01
    shifted = vectors + 10
    assert geometry.mean_cosine(shifted) > 0.95
    assert geometry.mean_cosine(geometry.centred(shifted)) == pytest.approx(
        geometry.mean_cosine(geometry.centred(vectors))
    )


def test_entropy_of_tokens_that_point_one_way_and_of_tokens_at_right_angles():
    states = torch.stack(
        [torch.ones(4, 6), torch.eye(4, 6), torch.eye(4, 6).repeat_interleave(2, 0)[:4]]
    )
    expected = [0, math.log(4), math.log(2)]
    assert geometry.matrix_entropy(states).tolist() == pytest.approx(expected, abs=1e-6)


def test_angles_and_lengths():
    matrix = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert geometry.cosine(matrix, matrix) == pytest.approx(1)
    assert geometry.cosine(matrix, -3 * matrix) == pytest.approx(-1)
    assert geometry.inner_products(torch.ones(2, 3), 2 * torch.ones(2, 3)) == (12, 6, 24)
