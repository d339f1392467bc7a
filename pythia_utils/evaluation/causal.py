"""Which networks can be measured: those whose logits are an unembedding of their last hidden state.

Architectures do things of their own on the way: they scale logits, cap them, shift positions by a mask. So it
is tried out, once a network, on a few tokens: what our way of running it gives must be what its own forward
gives. GPT-NeoX is known to be such a one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.evaluation.inference import device_of, hidden_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LENGTH = 6  # tokens of the trial
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 2e-1}
# Settings of architectures that change logits after the unembedding.
_AFTERWARDS = ("final_logit_softcapping", "logits_soft_cap", "logit_scale", "logits_scaling")
_AFTERWARDS += ("lm_head_multiplier", "output_multiplier_scale")
# Of each network, what was tried of it, and whether it went well.
_TRIED: WeakKeyDictionary[PreTrainedModel, dict[str, str]] = WeakKeyDictionary()


def require_causal(model: Any) -> PreTrainedModel:
    """The model itself, if its logits are its unembedding of what `hidden_states` gives.

    Raises:
        UsageError: a model of another kind.
    """
    from transformers import PreTrainedModel

    name = type(model).__name__
    if not isinstance(model, PreTrainedModel) or not _has_embedding(model):
        raise UsageError(f"a model of {name}; expected a causal language model of transformers")
    if fault := _tried(model, "logits", _logits_fault):
        what = "its logits are not an unembedding of its last hidden state"
        raise UsageError(f"a model of {name}: {what} ({fault})")
    return model


def require_cache(model: PreTrainedModel) -> None:
    """Refuse a model that does not go on from keys and values as if it had read all at once.

    Raises:
        UsageError: it does not.
    """
    if fault := _tried(model, "cache", _cache_fault):
        raise UsageError(
            f"a model of {type(model).__name__} cannot go on from keys and values ({fault})"
        )


def takes_trees(model: PreTrainedModel, width: int) -> bool:
    """Whether a model heeds a mask and positions of one's own, so that branches of a tree can share a row.

    Args:
        model: a causal network.
        width: tokens of a row. With a mask of our own a network looks further back than its own windows, if
            it has some, would let it.
    """
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    windows += [getattr(config, "window_size", None)]  # of GPT-Neo
    if any(isinstance(window, int) and window < width for window in windows):
        return False
    return not _tried(model, "tree", _tree_fault)


def _has_embedding(model: PreTrainedModel) -> bool:
    head = model.get_output_embeddings()
    return isinstance(head, torch.nn.Linear) and model.base_model is not model


def _tried(
    model: PreTrainedModel, what: str, trial: Callable[[PreTrainedModel], str | None]
) -> str:
    """What is wrong, of one that is not known; tried once for each network.

    Weights that give no numbers tell nothing: the measure itself says so, and the next weights are tried.
    """
    if model.config.model_type == "gpt_neox":
        return ""
    known = _TRIED.setdefault(model, {})
    if what not in known:
        try:
            with torch.inference_mode():
                if (fault := trial(model)) is None:
                    return ""
                known[what] = fault
        except torch.OutOfMemoryError:
            raise
        except Exception as failure:  # of a class that takes other inputs: each has its own
            known[what] = first_line(failure)[:120] or type(failure).__name__
    return known[what]


def _ids(model: PreTrainedModel) -> torch.Tensor:
    words = model.get_input_embeddings().num_embeddings
    ids = torch.arange(1, _LENGTH + 1) * 7 % max(words - 1, 1)
    return ids[None].to(device_of(model))


def _logits_fault(model: PreTrainedModel) -> str | None:
    config = model.config.get_text_config()
    for name in _AFTERWARDS:  # a small change hides in the rounding of half precision
        if getattr(config, name, None) not in (None, False, 1):
            return f"{name} is {getattr(config, name)}"
    ids = _ids(model)
    head = model.get_output_embeddings()
    return _apart(model, head(hidden_states(model, ids)), model(input_ids=ids).logits)


def _cache_fault(model: PreTrainedModel) -> str | None:
    from transformers import DynamicCache

    ids, cache = _ids(model), DynamicCache(config=model.config)
    half = _LENGTH // 2
    parts = [hidden_states(model, part, cache) for part in (ids[:, :half], ids[:, half:])]
    return _apart(model, torch.cat(parts, dim=1), hidden_states(model, ids))


def _tree_fault(model: PreTrainedModel) -> str | None:
    """Two branches after two common tokens, in one row and each by itself."""
    ids = _ids(model)
    depths = torch.tensor([[0, 1, 2, 3, 2, 3]], device=ids.device)
    sees = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool, device=ids.device).tril()
    sees[4:, 2:4] = False
    row = hidden_states(model, ids, position_ids=depths, attention_mask=additive(sees[None], model))
    second = hidden_states(model, ids[:, [0, 1, 4, 5]])
    first = hidden_states(model, ids[:, :4])
    return _apart(model, row, torch.cat([first, second[:, 2:]], dim=1))


def additive(sees: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
    """A mask as networks take it, (rows, 1, width, width), from which position sees which: bool."""
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=sees.device)
    return mask.masked_fill_(~sees, torch.finfo(model.dtype).min)[:, None]


def _apart(model: PreTrainedModel, one: torch.Tensor, other: torch.Tensor) -> str | None:
    """How far two results lie apart, in words, if it is more than rounding; as a share of what they are.

    None if they are no numbers.
    """
    one, other = one.float(), other.float().to(one.device)
    if not torch.isfinite(one.sum() + other.sum()):
        return None
    scale = max(float(other.abs().max()), 1e-6)
    error = float((one - other).abs().max()) / scale
    return "" if error <= _TOLERANCE[model.dtype] else f"they differ by {error:.2g} of their size"
