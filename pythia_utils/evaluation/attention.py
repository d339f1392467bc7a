"""What each attention head does on repeated sequences: where it attends, and what it copies from there.

Scores of all heads come from one forward pass a batch. Attention weights are reduced inside the hook that
sees them: one layer's are in memory at a time, and only of one batch.

On a sequence `begin a b c d e x y a b c d e` (`repeats`), averaged over the positions that are named:

- **prefix matching** (Olsson et al. 2022, "In-context Learning and Induction Heads", definition and appendix
  on head activation evaluators): attention from a token of the copy to the token *after* its first
  occurrence, the one that induction expects next.
- **copying** (after the same paper, where a head copies if its output raises the logit of the token that it
  attends to): the head's write if it attended wholly to such a token t, through the output matrix, the final
  norm and the unembedding: the logit of t less the mean logit of the sequences' alphabet. In logits, with the
  scale of the final norm at the attending position held fixed. It does not depend on where the head attends.
- **previous token**: attention to the token just before, from the third token on (the second's is the first).
- **first token**: attention to the token that begins the sequence, from the second token on: an attention
  sink (Xiao et al. 2024).

A head that attends evenly gives each of the n tokens that it can see 1/n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.hooks import d_head, hooked, n_heads, n_layers, require_neox
from pythia_utils.evaluation.inference import (
    NotFiniteError,
    hidden_states,
    measuring,
    require_context,
    run_in_batches,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.evaluation.repeats import Repeats

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM, PreTrainedModel

SCORES = ("prefix_matching", "copying", "previous_token", "first_token")


@dataclass(frozen=True, eq=False)
class HeadScores:
    """Scores of every head on every sequence.

    Attributes:
        prefix_matching, previous_token, first_token: attention, 0 to 1: float32 (sequences, layers, heads).
        copying: logits, float32 of the same shape.
    """

    prefix_matching: np.ndarray
    copying: np.ndarray
    previous_token: np.ndarray
    first_token: np.ndarray


@torch.inference_mode()
def head_scores(
    model: PreTrainedModel, repeats: Repeats, batch_tokens: int | None = None
) -> HeadScores:
    """Score all heads of all layers on the sequences in order.

    Args:
        model: a GPT-NeoX network.
        repeats: whose `in_order` rows are read.
        batch_tokens: tokens a forward pass; from the memory if None. Changes speed, not results.

    Raises:
        UsageError: another architecture, sequences that are longer than its context, or weights that are
            not in memory (a network of which accelerate has put parts on disk).
        NotFiniteError: the network gives NaN or infinity.
    """
    model = require_neox(model)
    rows = token_ids(model, repeats.in_order)
    require_context(model, [len(row) for row in rows])
    shape = (len(rows), n_layers(model), n_heads(model))
    found = {name: torch.empty(shape) for name in SCORES}
    where = _Positions.of(repeats)

    def fill(batch: list[int]) -> None:
        for name, values in _of_batch(model, torch.stack([rows[i] for i in batch]), where).items():
            found[name][batch] = values

    budget = batch_tokens or tokens_that_fit(model) // _attention_share(model, rows[0])
    with measuring("head scores", model):
        run_in_batches([len(row) for row in rows], max(1, budget), fill)
        for values in found.values():
            if not torch.isfinite(values).all():
                raise NotFiniteError("a score is not finite (NaN or infinity)")
    return HeadScores(**{name: values.numpy() for name, values in found.items()})


def _attention_share(model: GPTNeoXForCausalLM, row: torch.Tensor) -> int:
    """How many times as much memory as usual a token takes here, whose attention weights are held.

    The budget of `tokens_that_fit` counts 16 widths a token for a layer's activations.
    """
    weights = 3 * n_heads(model) * len(row)  # before and after the softmax, and in float32
    return 1 + weights // (16 * model.config.hidden_size)


@dataclass(frozen=True)
class _Positions:
    """Where to look in a row: from each of `queries` to its own of `keys`; both int64 (period - 1,)."""

    queries: torch.Tensor
    keys: torch.Tensor
    alphabet: torch.Tensor

    @classmethod
    def of(cls, repeats: Repeats) -> _Positions:
        """Every token of the copy but its last, and the token after its first occurrence."""
        keys = torch.arange(2, repeats.period + 1)
        return cls(keys - 1 + repeats.distance, keys, torch.from_numpy(repeats.alphabet))


def _of_batch(
    model: GPTNeoXForCausalLM, ids: torch.Tensor, where: _Positions
) -> dict[str, torch.Tensor]:
    """Each score on the CPU, float32 (batch, layers, heads)."""
    layers: dict[str, list[torch.Tensor]] = {name: [] for name in SCORES}
    direction = _logit_directions(model, ids, where)
    scale: list[torch.Tensor] = []

    def look_at_patterns(layer: int, pattern: torch.Tensor) -> None:
        for name, value in _attention(pattern, where).items():
            layers[name].append(value.cpu())

    def look_at_values(layer: int, values: torch.Tensor) -> None:
        layers["copying"].append(_raised(model, layer, values[:, where.keys], direction).cpu())

    def look_at_stream(layer: int, stream: torch.Tensor) -> None:
        if layer == n_layers(model):
            scale.append(_norm_scale(model, stream[:, where.queries]).cpu())

    looks = {"patterns": look_at_patterns, "values": look_at_values, "residual": look_at_stream}
    with hooked(model, **looks):
        hidden_states(model, ids)
    layers["copying"] = [(raised / scale[0][..., None]).mean(1) for raised in layers["copying"]]
    return {name: torch.stack(values, dim=1).float() for name, values in layers.items()}


def _attention(pattern: torch.Tensor, where: _Positions) -> dict[str, torch.Tensor]:
    """The three scores of one layer's weights (batch, heads, to, from): float32 (batch, heads)."""
    return {
        "prefix_matching": pattern[:, :, where.queries, where.keys].float().mean(-1),
        "previous_token": pattern.diagonal(-1, dim1=2, dim2=3)[..., 1:].float().mean(-1),
        "first_token": pattern[:, :, 1:, 0].float().mean(-1),
    }


def _logit_directions(
    model: GPTNeoXForCausalLM, ids: torch.Tensor, where: _Positions
) -> torch.Tensor:
    """What in the stream raises each attended token's logit above the alphabet's mean.

    Float32 (batch, period - 1, d_model): the token's unembedding less the mean, times the final norm's
    weights, without its mean, which the norm takes from any stream.
    """
    unembedding = model.get_output_embeddings().weight
    mean = unembedding[where.alphabet].float().mean(0)
    weight = _in_memory(model.base_model.final_layer_norm.weight).to(mean.device).float()
    own = (unembedding[ids[:, where.keys]].float() - mean) * weight
    return own - own.mean(-1, keepdim=True)


def _raised(
    model: GPTNeoXForCausalLM, layer: int, values: torch.Tensor, direction: torch.Tensor
) -> torch.Tensor:
    """How far each head's output matrix carries these values along the directions.

    Args:
        values: (batch, period - 1, heads, d_head).
        direction: (batch, period - 1, d_model).

    Returns:
        Float32 (batch, period - 1, heads).
    """
    dense = _in_memory(model.base_model.layers[layer].attention.dense.weight).float()
    by_head = dense.unflatten(1, (n_heads(model), d_head(model)))
    # The direction is carried back to each head: the stream's width is not held once a head.
    read = torch.einsum("bkd,dhe->bkhe", direction.to(dense.device), by_head)
    return torch.einsum("bkhe,bkhe->bkh", read, values.to(dense.device).float())


def _norm_scale(model: GPTNeoXForCausalLM, stream: torch.Tensor) -> torch.Tensor:
    """What the final norm divides by at each position: float32 (batch, period - 1)."""
    variance = stream.float().var(-1, unbiased=False)
    return (variance + model.base_model.final_layer_norm.eps).sqrt()


def _in_memory(weight: torch.Tensor) -> torch.Tensor:
    if weight.device.type == "meta":
        raise UsageError("the copying score needs all weights in memory; here some are on disk")
    return weight
