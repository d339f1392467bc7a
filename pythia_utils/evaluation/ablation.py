"""Mean ablation: heads that say of every sequence what they say on average.

A head's output is replaced by its mean over the sequences of a reference batch, at each position: what it
says of these very tokens is gone, what it says of the place stays. With zeros in its place the rest of the
network would read what it never read in training (Wang et al. 2023, "Interpretability in the Wild",
section 2.2, on mean ablation).

    means = mean_outputs(network, rows)
    with ablated(network, [(1, 0), (1, 3)], means):      # heads as (layer, head)
        ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.hooks import hooked, n_heads, n_layers, require_neox
from pythia_utils.evaluation.inference import (
    hidden_states,
    require_context,
    run_in_batches,
    token_ids,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Head = tuple[int, int]  # layer, and head in it, both from 0


def all_heads(model: PreTrainedModel) -> list[Head]:
    """Every head of a network, layer by layer."""
    return [(layer, head) for layer in range(n_layers(model)) for head in range(n_heads(model))]


@torch.inference_mode()
def mean_outputs(
    model: PreTrainedModel, rows: np.ndarray, batch_tokens: int | None = None
) -> list[torch.Tensor]:
    """Each head's mean output at each position of some sequences of one length.

    Args:
        model: a GPT-NeoX network.
        rows: token ids (sequences, length): the reference batch.
        batch_tokens: tokens a forward pass; from the memory if None.

    Returns:
        A tensor a layer, on that layer's device: float32 (length, heads, d_head).

    Raises:
        UsageError: another architecture, no sequences, what is no token id, or sequences that are too long.
    """
    model = require_neox(model)
    ids = token_ids(model, rows)
    if not ids:
        raise UsageError("a mean output needs at least one sequence")
    require_context(model, [len(row) for row in ids])
    sums: dict[int, torch.Tensor] = {}

    def work(batch: list[int]) -> None:
        found: dict[int, torch.Tensor] = {}

        def look(layer: int, z: torch.Tensor) -> None:
            found[layer] = z.float().sum(0)

        with hooked(model, heads=look):
            hidden_states(model, torch.stack([ids[i] for i in batch]))
        for layer, own in found.items():  # a batch that ran out of memory has added nothing
            sums[layer] = sums[layer] + own if layer in sums else own

    run_in_batches([len(row) for row in ids], batch_tokens or tokens_that_fit(model), work)
    return [sums[layer] / len(ids) for layer in range(n_layers(model))]


@contextmanager
def ablated(
    model: PreTrainedModel, heads: Iterable[Head], means: list[torch.Tensor]
) -> Iterator[None]:
    """Within the block these heads say what they say on average. No heads: the network is as it was.

    Args:
        model: a GPT-NeoX network.
        heads: to be ablated.
        means: of `mean_outputs`, for sequences at least as long as those that will be read.

    Raises:
        UsageError: another architecture, or a head that the network does not have.
    """
    chosen = _by_layer(model, heads)
    if not chosen:
        yield
        return

    def replace(layer: int, z: torch.Tensor) -> torch.Tensor | None:
        if layer not in chosen:
            return None
        changed = z.clone()
        changed[:, :, chosen[layer]] = means[layer][: z.shape[1], chosen[layer]].to(z)
        return changed

    with hooked(model, heads=replace):
        yield


def _by_layer(model: PreTrainedModel, heads: Iterable[Head]) -> dict[int, list[int]]:
    known, chosen = set(all_heads(require_neox(model))), {}
    for head in heads:
        if head not in known:
            raise UsageError(
                f"no head {head[1]} in layer {head[0]}; the network has {n_layers(model)} layers of "
                f"{n_heads(model)} heads, both counted from 0"
            )
        chosen.setdefault(head[0], []).append(head[1])
    return chosen
