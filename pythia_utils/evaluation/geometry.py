"""Matrices and clouds of vectors as geometry: norms, spectra, ranks, angles. Pure functions of tensors.

Spectra are the square roots of the eigenvalues of the smaller Gram matrix, in float64: for a matrix of
5,120 x 20,480 that is 0.2 GB and a fraction of the time of a singular value decomposition. An eigenvalue is
right to about 1e-16 of the greatest one; so a singular value s is right to a share of 1e-16 (greatest / s)²,
and those below 1e-8 of the greatest are noise. No measure here depends on them.
"""

from __future__ import annotations

import torch


def singular_values(matrix: torch.Tensor) -> torch.Tensor:
    """Singular values, descending: float64 (the smaller side,), on the matrix's device.

    Args:
        matrix: (rows, columns), of any float dtype.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    wide = wide.double()
    return torch.linalg.eigvalsh(wide @ wide.mT).clamp(min=0).sqrt().flip(0)


def effective_rank(singular: torch.Tensor) -> float:
    """How many directions a spectrum is spread over: exp of the entropy of s / sum(s) (Roy and Vetterli 2007).

    k equal singular values have an effective rank of k; it lies between 1 and their number. nan of zeros.
    """
    shares = singular / singular.sum()
    return float(torch.special.entr(shares).sum().exp())


def stable_rank(singular: torch.Tensor) -> float:
    """Squared Frobenius norm over the squared spectral one (Rudelson and Vershynin 2007); nan of zeros.

    It is at most the rank. Unlike the effective rank it looks at the greatest direction alone.
    """
    return float(singular.square().sum() / singular[0].square())


def matrix_entropy(states: torch.Tensor) -> torch.Tensor:
    """Entropy of the eigenvalues of each sequence's Gram matrix over its trace, nats: float64 (...).

    The matrix-based entropy of a sentence's tokens (Skean et al. 2024, of order 1): 0
    where all tokens point one way, log n where they are at right angles and equally long.

    Args:
        states: (..., n, width), not centred.
    """
    grams = states.double() @ states.double().mT
    eigenvalues = torch.linalg.eigvalsh(grams).clamp(min=0)
    return torch.special.entr(eigenvalues / eigenvalues.sum(dim=-1, keepdim=True)).sum(dim=-1)


def mean_cosine(vectors: torch.Tensor) -> float:
    """Mean cosine of all pairs of different vectors: anisotropy (Ethayarajh 2019).

    All pairs, not a sample: the squared length of the sum of unit vectors is their number and twice the sum of
    the cosines. Vectors of length 0 have no direction and are left out; nan of fewer than two others.

    Args:
        vectors: (n, width).
    """
    vectors = vectors.double()
    lengths = vectors.norm(dim=1, keepdim=True)
    units = vectors[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    if (n := len(units)) < 2:
        return float("nan")
    return float((units.sum(0).square().sum() - n) / (n * (n - 1)))


def centred(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors less their mean: float64 (n, width)."""
    return vectors.double() - vectors.double().mean(0)


def cosine(matrix: torch.Tensor, other: torch.Tensor) -> float:
    """Cosine of the angle between two tensors of one shape, each as one long vector; nan where one is 0."""
    product, own, their = inner_products(matrix, other)
    return product / (own * their) ** 0.5 if own * their > 0 else float("nan")


def inner_products(matrix: torch.Tensor, other: torch.Tensor) -> tuple[float, float, float]:
    """Inner product of two tensors as long vectors, and their squared lengths; they add up over matrices."""
    one, two = matrix.double().flatten(), other.to(matrix.device).double().flatten()
    return float(one @ two), float(one @ one), float(two @ two)
