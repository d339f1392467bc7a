"""The residual stream of a network on rows of tokens: what each layer reads, and what the last one leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.cka import LEAST, centred_grams
from pythia_utils.evaluation.hooks import hooked, n_layers
from pythia_utils.evaluation.inference import (
    NotFiniteError,
    device_of,
    hidden_states,
    measuring,
    require_context,
    run_in_batches,
    token_ids,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH = 2  # rows of text whose tokens are one batch of a CKA


def residual_states(model: PreTrainedModel, rows: np.ndarray) -> torch.Tensor:
    """The residual stream before each layer and after the last one, before the final norm.

    The first token of each row is left out. It sees nothing before it, and in trained models its state is often
    many times as long as all others (Sun et al. 2024): in sums of squares nothing else would count.

    Args:
        model: a GPT-NeoX network.
        rows: token ids (rows, length).

    Returns:
        Of the model's dtype, on its GPU or the CPU: (layers + 1, rows, length - 1, d_model).

    Raises:
        UsageError: another architecture, rows longer than the context, or ids that the model does not know.
        NotFiniteError: a state is NaN or infinite.
    """
    ids = torch.stack(token_ids(model, rows, "row"))
    require_context(model, [ids.shape[1]] * len(ids), "row")
    shape = (n_layers(model) + 1, len(ids), ids.shape[1] - 1, model.config.hidden_size)
    device = device_of(model)
    # What follows is in float64, which Apple's GPUs lack.
    states = torch.empty(
        shape, dtype=model.dtype, device=device if device.type == "cuda" else "cpu"
    )

    def run(batch: list[int]) -> None:
        def keep(layer: int, stream: torch.Tensor) -> None:
            states[layer, batch] = stream[:, 1:].to(states)

        with hooked(model, residual=keep):
            hidden_states(model, ids[batch])

    with torch.inference_mode(), measuring("hidden states", model):
        run_in_batches([ids.shape[1]] * len(ids), tokens_that_fit(model), run)
        if not bool(torch.isfinite(states).all()):
            raise NotFiniteError("a hidden state is not finite (NaN or infinity)")
    return states


def layer_grams(states: torch.Tensor) -> torch.Tensor:
    """U-centred Gram matrices of each layer, over batches of the tokens of `BATCH` rows, for `cka.cka`.

    Args:
        states: (layers, rows, length, width), of `residual_states`; the rows a multiple of `BATCH`.

    Returns:
        float64 (batches, layers, n, n), of the n tokens of a batch.

    Raises:
        UsageError: another number of rows, or too few tokens.
    """
    layers, rows, length, width = states.shape
    if rows % BATCH or not rows:
        raise UsageError(
            f"{rows} rows of text; expected a multiple of {BATCH}, such as {8 * BATCH}"
        )
    if BATCH * length < LEAST:
        raise UsageError(f"rows of {length + 1} tokens are too short; expected 2 or more")
    tokens = states.reshape(layers, rows // BATCH, BATCH * length, width)
    return torch.stack([centred_grams(layer) for layer in tokens], dim=1)
