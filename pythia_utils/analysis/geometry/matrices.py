"""Which matrices a checkpoint has."""

from __future__ import annotations

from pythia_utils.analysis.geometry.names import KINDS, Matrix, named, some
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.tensors import Tensors


def matrices(source: Tensors, layers: int = 0) -> list[Matrix]:
    """The matrices of a checkpoint, of which no tensor is read for that: embeddings first, then by layer.

    Biases, and the scales of norms, are none.

    Args:
        source: the checkpoint.
        layers: how many layers to look into, evenly over the depth, the first and the last among them; 0: all.

    Raises:
        UsageError: fewer than 0 layers.
        FetchError, CorruptFileError: the Hub does not deliver, or not what it should.
    """
    if layers < 0:
        raise UsageError(f"layers {layers}: expected how many to look into, or 0 for all")
    every = [named(name) for name in source.places if len(source.shape(name)) == 2]
    kept = some({matrix.layer for matrix in every} - {None}, layers)
    chosen = [matrix for matrix in every if matrix.layer is None or matrix.layer in kept]
    order = list(KINDS.values())
    return sorted(chosen, key=lambda one: _place(one, order))


def _place(matrix: Matrix, order: list[str]) -> tuple:
    kind = order.index(matrix.kind) if matrix.kind in order else len(order)
    return kind if matrix.layer is None else 1, -1 if matrix.layer is None else matrix.layer, kind
