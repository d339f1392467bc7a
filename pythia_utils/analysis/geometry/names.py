"""What records call matrices and layers, and the parts of these names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Of GPT-NeoX. A matrix of another architecture has the name that its file gives it.
KINDS = {
    "gpt_neox.embed_in": "embedding",
    "gpt_neox.layers.attention.query_key_value": "attention in",
    "gpt_neox.layers.attention.dense": "attention out",
    "gpt_neox.layers.mlp.dense_h_to_4h": "MLP in",
    "gpt_neox.layers.mlp.dense_4h_to_h": "MLP out",
    "embed_out": "unembedding",
}
EMBEDDINGS = ("embedding", "unembedding")
STREAM = "stream"  # the residual one
_NUMBER = re.compile(r"\.(\d+)(?=\.)")


@dataclass(frozen=True)
class Matrix:
    """A matrix of a checkpoint.

    Attributes:
        name: of the tensor in its file.
        kind: what it does, such as `MLP in`: of all layers the same.
        layer: from 0; None of a matrix that belongs to no layer.
    """

    name: str
    kind: str
    layer: int | None

    @property
    def subset(self) -> str:
        """What records call it: `MLP in, layer 3`."""
        return self.kind if self.layer is None else of_layer(self.kind, self.layer)


def of_layer(kind: str, layer: int) -> str:
    """What records call a thing of a layer."""
    return f"{kind}, layer {layer}"


def kind_and_layer(subset: str) -> tuple[str, int]:
    """Kind and layer, -1 without one, of what records call a matrix."""
    kind, _, layer = subset.partition(", layer ")
    return kind, int(layer) if layer else -1


def named(name: str) -> Matrix:
    """The matrix of a tensor's name, of which the first number is that of its layer."""
    number = _NUMBER.search(name)
    kind = _NUMBER.sub("", name, count=1).removesuffix(".weight")
    return Matrix(name, KINDS.get(kind, kind), int(number.group(1)) if number else None)


def some(numbers: Iterable[int], most: int) -> set[int]:
    """So many of some numbers, evenly over their order, the least and the greatest among them; of 0 all."""
    numbers = sorted(numbers)
    if not most or len(numbers) <= most:
        return set(numbers)
    places = np.linspace(0, len(numbers) - 1, most).round().astype(int)
    return {numbers[place] for place in places}
