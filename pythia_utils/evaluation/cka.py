"""Centred kernel alignment: how alike two networks represent the same tokens, from 0 to 1.

    own, other = centred_grams(states), centred_grams(states_of_another)    # (batches, layers, n, n)
    value, stderr = cka(own, other)                                         # (layers, layers of the other)

Linear CKA (Kornblith et al. 2019, section 3) compares the Gram matrices K = X Xᵀ and L = Y Yᵀ of the n tokens:

    CKA(X, Y) = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

It is 1 for states that differ by a rotation, a shift and one factor for all axes, and the widths need not
agree. The usual estimate of HSIC is biased upwards: independent states in as many dimensions as there are
tokens get 1/2. The unbiased one (Song et al. 2012) has an expectation of 0 there. It is a U-statistic, so it
may be averaged over batches of tokens, numerator and denominators apart (Nguyen et al. 2021).

Here the estimate is written as an inner product of U-centred matrices (Székely and Rizzo 2014): of all pairs of
layers at once it is then one product of matrices.
"""

from __future__ import annotations

import torch

LEAST = 4  # tokens of a batch: the unbiased estimate divides by n - 3


def centred_grams(states: torch.Tensor, unbiased: bool = True) -> torch.Tensor:
    """Gram matrices of states, centred: their inner products are estimates of HSIC.

    Args:
        states: (..., n, width), of any float dtype; n at least 4.
        unbiased: U-centre, the diagonals left out; else centre as H K H with H = I - 1/n, the biased estimate.

    Returns:
        float64 (..., n, n).

    Raises:
        ValueError: fewer than four tokens.
    """
    if (n := states.shape[-2]) < LEAST:
        raise ValueError(f"CKA needs {LEAST} tokens or more in a batch; got {n}")
    # What all tokens have in common falls out: without it less is lost to rounding.
    states = states.double() - states.double().mean(dim=-2, keepdim=True)
    grams = states @ states.mT
    return _u_centred(grams) if unbiased else _centred(grams)


def _centred(grams: torch.Tensor) -> torch.Tensor:
    rows = grams.mean(dim=-1, keepdim=True)
    return grams - rows - rows.mT + rows.mean(dim=-2, keepdim=True)


def _u_centred(grams: torch.Tensor) -> torch.Tensor:
    n = grams.shape[-1]
    grams = grams - torch.diag_embed(grams.diagonal(dim1=-2, dim2=-1))
    rows = grams.sum(dim=-1, keepdim=True) / (n - 2)
    centred = grams - rows - rows.mT + rows.sum(dim=-2, keepdim=True) / (n - 1)
    return centred - torch.diag_embed(centred.diagonal(dim1=-2, dim2=-1))


def hsic(grams: torch.Tensor, others: torch.Tensor, unbiased: bool = True) -> torch.Tensor:
    """HSIC of states of the same tokens, from their centred Gram matrices: float64 (...).

    The unbiased estimate may be negative. Arguments as `centred_grams` gives them, of the same `unbiased`.
    """
    n = grams.shape[-1]
    inner = (grams * others).sum(dim=(-2, -1))
    return inner / (n * (n - 3)) if unbiased else inner / (n - 1) ** 2


def cka(grams: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """CKA of each layer with each layer of another network, over batches of the same tokens.

    Args:
        grams: of one network, from `centred_grams`: (batches, layers, n, n).
        others: of another, or the same one: (batches, layers of the other, n, n).

    Returns:
        The values, float64 (layers, layers of the other), and their standard errors: the jackknife over
        batches (Efron and Tibshirani 1993, chapter 11), nan of one batch. A value is nan where the states of
        a layer do not vary. Of unbiased matrices it may lie a little outside of 0 to 1.
    """
    cross = torch.einsum("bimn,bjmn->bij", grams, others)
    own, their = grams.square().sum(dim=(-2, -1)), others.square().sum(dim=(-2, -1))
    whole = _ratio(cross.sum(0), own.sum(0), their.sum(0))
    if (batches := len(cross)) == 1:
        return whole, torch.full_like(whole, torch.nan)
    without = _ratio(*(each.sum(0) - each for each in (cross, own, their)))
    spread = (without - without.mean(0)).square().sum(0)
    return whole, (spread * (batches - 1) / batches).sqrt()


def _ratio(cross: torch.Tensor, own: torch.Tensor, their: torch.Tensor) -> torch.Tensor:
    scale = (own[..., :, None] * their[..., None, :]).sqrt()
    return torch.where(scale > 0, cross / scale, torch.nan)
