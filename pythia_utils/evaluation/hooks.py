"""Read, or change, what passes between the parts of a GPT-NeoX network while it runs.

Hooks on transformers' own modules: no second network, one forward pass for all heads of all layers. Each
function that is given sees a layer's tensor as it passes; what it returns, if anything, takes its place.

    with hooked(network, heads=lambda layer, z: z * keep[layer][:, None]):     # heads switched off
        logits = network(ids).logits

The parts of a layer (attention and MLP side by side, as in Pythia, or one after the other):

    residual[l] ─┬─ norm ─ attention: patterns (batch, heads, to, from) ─ heads ─ dense ─ attention ─┐
                 ├─ norm ─ mlp ──────────────────────────────────────────────────────────── mlps ────┤
                 └──────────────────────────────────────────────────────────────────────────────── + ─ [l + 1]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from pythia_utils.base.errors import UsageError

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM, PreTrainedModel

Look = Callable[[int, torch.Tensor], torch.Tensor | None]
_EAGER = "eager"  # the only one of transformers' attentions that makes its weights


def require_neox(model: PreTrainedModel) -> GPTNeoXForCausalLM:
    """The network itself, whose parts have the names that are hooked here.

    Raises:
        UsageError: it is of another architecture.
    """
    if getattr(model.config, "model_type", None) != "gpt_neox":
        name = model.name_or_path or "the model"
        raise UsageError(
            f"{name} is a {type(model).__name__}; looking inside needs GPT-NeoX's (GPTNeoXForCausalLM)"
        )
    return model


def n_layers(model: PreTrainedModel) -> int:
    """How many layers a network has."""
    return model.config.num_hidden_layers


def n_heads(model: PreTrainedModel) -> int:
    """How many heads a layer has."""
    return model.config.num_attention_heads


def d_head(model: PreTrainedModel) -> int:
    """How wide a head is."""
    return model.config.hidden_size // model.config.num_attention_heads


@contextmanager
def hooked(
    model: PreTrainedModel,
    *,
    residual: Look | None = None,
    patterns: Look | None = None,
    values: Look | None = None,
    heads: Look | None = None,
    attention: Look | None = None,
    mlps: Look | None = None,
) -> Iterator[None]:
    """Within the block, show a network's inner tensors to these functions, each called `look(layer, tensor)`.

    Args:
        model: a GPT-NeoX network. Its weights, and after the block its settings, are as before.
        residual: the stream that layer 0, 1, ... reads: (batch, length, d_model); last, with the number of
            layers as `layer`, what the final norm reads.
        patterns: attention weights (batch, heads, to, from), which sum to 1 over `from`. They are only read.
            Attention is then transformers' `eager` one: the same up to rounding, in more memory.
        values: what a head that attends to a position reads there: (batch, length, heads, d_head). They are
            only read.
        heads: what each head read through its pattern, before the output matrix: (batch, length, heads,
            d_head).
        attention: what a layer's attention adds to the stream: (batch, length, d_model).
        mlps: what a layer's MLP adds to it: (batch, length, d_model).

    Raises:
        UsageError: another architecture.
    """
    base = require_neox(model).base_model
    with ExitStack() as undo:
        if patterns is not None:
            _set_eager(model, undo)
        for layer, block in enumerate(base.layers):
            for handle in _hooks(layer, block, residual, patterns, values, heads, attention, mlps):
                undo.callback(handle.remove)
        if residual is not None:
            last = base.final_layer_norm.register_forward_pre_hook(
                _before(residual, len(base.layers))
            )
            undo.callback(last.remove)
        yield


def _hooks(layer: int, block, residual, patterns, values, heads, attention, mlps) -> Iterator:
    """Set one layer's hooks and hand out what removes them."""
    if residual is not None:
        yield block.register_forward_pre_hook(_before(residual, layer))
    if patterns is not None:
        yield block.attention.register_forward_hook(_weights(patterns, layer))
    if values is not None:
        yield block.attention.query_key_value.register_forward_hook(
            _values(values, layer, block.attention.head_size)
        )
    if heads is not None:
        yield block.attention.dense.register_forward_pre_hook(
            _by_head(heads, layer, block.attention.head_size)
        )
    if attention is not None:
        yield block.attention.dense.register_forward_hook(_after(attention, layer))
    if mlps is not None:
        yield block.mlp.register_forward_hook(_after(mlps, layer))


def _set_eager(model: PreTrainedModel, undo: ExitStack) -> None:
    before = model.config._attn_implementation
    if before != _EAGER:
        model.set_attn_implementation(_EAGER)
        undo.callback(model.set_attn_implementation, before)


def _before(look: Look, layer: int) -> Callable:
    def hook(module, inputs):
        changed = look(layer, inputs[0])
        return None if changed is None else (changed, *inputs[1:])

    return hook


def _after(look: Look, layer: int) -> Callable:
    return lambda module, inputs, output: look(layer, output)


def _by_head(look: Look, layer: int, width: int) -> Callable:
    def hook(module, inputs):
        changed = look(layer, inputs[0].unflatten(-1, (-1, width)))
        return None if changed is None else (changed.flatten(-2), *inputs[1:])

    return hook


def _weights(look: Look, layer: int) -> Callable:
    def hook(module, inputs, output):
        look(layer, output[1])

    return hook


def _values(look: Look, layer: int, width: int) -> Callable:
    """Of the layer that makes queries, keys and values, head by head, the values."""

    def hook(module, inputs, output):
        look(layer, output.unflatten(-1, (-1, 3 * width))[..., 2 * width :])

    return hook
