"""What a cell records of the geometry of one checkpoint: weights, hidden states, and both against others.

Rows are dicts for `grid.records.record`. A matrix is named as in `names.Matrix.subset`, the residual stream as
`stream, layer 0` (what the first layer reads: the embedding) to `stream, layer N` (what the last of N leaves).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.analysis import stats
from pythia_utils.analysis.geometry.matrices import matrices
from pythia_utils.analysis.geometry.names import EMBEDDINGS, STREAM, Matrix, of_layer
from pythia_utils.evaluation import cka, geometry
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.residual_states import layer_grams, residual_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pythia_utils.suites.catalog import Checkpoint
    from pythia_utils.suites.tensors import Tensors

Rows = list[dict]


# --- weights --------------------------------------------------------------------------------------


def weights(
    source: Tensors, earlier: Mapping[str, Tensors], layers: int = 0, device: str = "cpu"
) -> tuple[Rows, dict[str, np.ndarray]]:
    """Norms, spectra, and distances from earlier checkpoints, of each matrix and of all together.

    One matrix is in memory at a time, with its copies of the earlier checkpoints, in float64.

    Args:
        source: the checkpoint.
        earlier: others of the same model, by name.
        layers: of `matrices.matrices`.
        device: where to compute.

    Returns:
        The rows: of each matrix `frobenius` and `spectral` (norms), `stable_rank`, and `effective_rank` with n,
        the number of its singular values; of each NAME of `earlier` `cosine_to_NAME`, and `distance_from_NAME`,
        the length of the difference over that of the earlier one. `all`: of the matrices as one long vector;
        `mean_frobenius` is the mean norm of those that are not the unembedding. Of embeddings `anisotropy` and
        `anisotropy_centred`. And the singular values of each matrix, descending.

    Raises:
        NotFiniteError: a matrix has NaN or infinity.
        UsageError, FetchError, CorruptFileError: as reading tensors.
    """
    rows, spectra, sums = [], {}, {name: np.zeros(3) for name in earlier}
    for matrix in matrices(source, layers):
        tensor = _finite(source.read(matrix.name), matrix).to(device)
        singular = geometry.singular_values(tensor)
        spectra[matrix.subset] = singular.cpu().numpy()
        rows += _spectrum(matrix.subset, singular)
        rows += _anisotropy(matrix.subset, tensor) if matrix.kind in EMBEDDINGS else []
        for name, other in earlier.items():
            products = np.array(geometry.inner_products(tensor, other.read(matrix.name)))
            rows += _against(name, matrix.subset, products)
            sums[name] += products
    rows += _together({name: float(np.linalg.norm(own)) for name, own in spectra.items()})
    return rows + [row for name, own in sums.items() for row in _against(name, "all", own)], spectra


def steps_of(earlier: Mapping[str, Checkpoint]) -> Rows:
    """`step_of_NAME`: which step each earlier checkpoint is of."""
    return [_row(f"step_of_{name}", "all", one.step) for name, one in earlier.items()]


def _together(norms: dict[str, float]) -> Rows:
    some = [norm for name, norm in norms.items() if name != "unembedding"]
    return [
        _row("frobenius", "all", float(np.linalg.norm(list(norms.values()))), len(norms)),
        _row("mean_frobenius", "all", float(np.mean(some)), len(some)),
    ]


def _row(metric: str, subset: str, value: float, n: int | None = None, stderr=None) -> dict:
    return {"metric": metric, "subset": subset, "value": value, "n": n, "stderr": stderr}


def _finite(tensor: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    if not torch.isfinite(tensor).all():
        raise NotFiniteError(f"{matrix.name} has a weight that is not finite (NaN or infinity)")
    return tensor


def _spectrum(subset: str, singular: torch.Tensor) -> Rows:
    values = {
        "frobenius": float(singular.norm()),
        "spectral": float(singular[0]),
        "stable_rank": geometry.stable_rank(singular),
        "effective_rank": geometry.effective_rank(singular),
    }
    return [_row(name, subset, value, len(singular)) for name, value in values.items()]


def _against(name: str, subset: str, products: np.ndarray) -> Rows:
    """Cosine and relative distance from an inner product and two squared lengths, the other's last."""
    product, own, other = products
    cosine = product / (own * other) ** 0.5 if own * other > 0 else np.nan
    away = (max(own + other - 2 * product, 0) / other) ** 0.5 if other > 0 else np.nan
    return [_row(f"cosine_to_{name}", subset, cosine), _row(f"distance_from_{name}", subset, away)]


def _anisotropy(subset: str, vectors: torch.Tensor) -> Rows:
    values = {
        "anisotropy": geometry.mean_cosine(vectors),
        "anisotropy_centred": geometry.mean_cosine(geometry.centred(vectors)),
    }
    return [_row(metric, subset, value, len(vectors)) for metric, value in values.items()]


# --- hidden states --------------------------------------------------------------------------------


def states(stream: torch.Tensor, grams: torch.Tensor) -> Rows:
    """Of one network's residual stream: anisotropy, entropy and length by layer, and CKA between its layers.

    Args:
        stream: of `residual_states.residual_states`.
        grams: of `residual_states.layer_grams`.

    Returns:
        Of each layer `anisotropy` and `anisotropy_centred` over all tokens; `matrix_entropy` of the tokens of
        a row, nats, and `length`, the mean length of a state, both with errors over rows. `cka_layers` of each
        two layers, and as a floor `cka_shuffled`, of each layer with itself, its tokens in another order.
    """
    rows = []
    for layer, own in enumerate(stream):
        name = of_layer(STREAM, layer)
        rows += _anisotropy(name, own.flatten(0, 1))
        entropy, length = geometry.matrix_entropy(own), own.double().norm(dim=-1).mean(dim=-1)
        for metric, values in {"matrix_entropy": entropy, "length": length}.items():
            rows.append(_mean(metric, name, values.cpu().numpy()))
    return rows + _between_layers(grams) + _shuffled(grams)


def _mean(metric: str, subset: str, values: np.ndarray) -> dict:
    value, stderr = stats.mean_and_stderr(values)
    return _row(metric, subset, value, len(values), stderr)


def _between_layers(grams: torch.Tensor) -> Rows:
    value, stderr = cka.cka(grams, grams)
    pairs = [(i, j) for i in range(len(value)) for j in range(i)]
    return [
        _row("cka_layers", f"layer {i} by layer {j}", float(value[i, j]), len(grams), stderr[i, j])
        for i, j in pairs
    ]


def _shuffled(grams: torch.Tensor) -> Rows:
    order = torch.randperm(grams.shape[-1], generator=torch.Generator().manual_seed(0))
    order = order.to(grams.device)
    return _same_layer("cka_shuffled", "", grams, grams[:, :, order][..., order])


def _same_layer(metric: str, what: str, grams: torch.Tensor, others: torch.Tensor) -> Rows:
    """CKA of each layer with the same one of another network of that depth."""
    value, stderr = (each.diagonal() for each in cka.cka(grams, others))
    return [
        _row(metric, f"{what}layer {layer}", float(value[layer]), len(grams), stderr[layer])
        for layer in range(len(value))
    ]


def with_steps(
    grams: torch.Tensor, others: Iterable[tuple[int, PreTrainedModel]], text: np.ndarray
) -> Rows:
    """`cka_steps`: CKA of each layer with the same one of other steps.

    Args:
        grams: of the network that is measured.
        others: steps and networks, as `sweep` gives them.
        text: the tokens that `grams` are of.
    """
    return [
        row
        for step, network in others
        for row in _same_layer("cka_steps", f"step {step}, ", grams, _grams(network, text, grams))
    ]


def _grams(network: PreTrainedModel, text: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return layer_grams(residual_states(network, text)).to(like.device)


def with_model(
    grams: torch.Tensor,
    network: PreTrainedModel,
    name: str,
    other: PreTrainedModel,
    text: np.ndarray,
) -> Rows:
    """`cka_models`: CKA of each layer with each of another model; `cosine_to_model`, of all their matrices.

    The cosine is of models of one shape.

    Args:
        grams, network: of the model that is measured.
        name, other: the other model.
        text: the tokens that `grams` are of.
    """
    value, stderr = cka.cka(grams, _grams(other, text, grams))
    rows = [
        _row(
            "cka_models",
            f"{name}, layer {i} by layer {j}",
            float(value[i, j]),
            len(grams),
            stderr[i, j],
        )
        for i in range(value.shape[0])
        for j in range(value.shape[1])
    ]
    theirs = {key: value for key, value in other.named_parameters() if value.ndim == 2}
    own = {key: value for key, value in network.named_parameters() if value.ndim == 2}
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in theirs.items()}:
        return rows
    with torch.no_grad():
        products = np.sum([geometry.inner_products(own[k], theirs[k]) for k in own], axis=0)
    return [*rows, _against("model", name, products)[0]]
