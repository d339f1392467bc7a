"""Run a causal network over many sequences: hidden states, logits where needed, batches that fit.

Any of transformers' classes will do whose logits are an unembedding of its last hidden state (`causal`).

The vocabulary is by far the widest layer of a small model (five sixths of the arithmetic of Pythia-14m),
so hidden states and logits are asked for apart, and logits only at the positions that a measure needs.

A network that accelerate has spread over devices is run through its modules' own forward, which brings
weights and inputs together; where its unembedding lies elsewhere, it is not taken apart into blocks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pythia_utils.base import batching
from pythia_utils.base.errors import UsageError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

CPU_TOKENS = 2048  # a batch on the CPU: larger ones leave its caches, and are slower
GPU_TOKENS = 65_536  # a batch on a GPU at most: larger ones gain nothing
CPU_BLOCK = (256, 1024)  # positions by words projected at once: 1 MB, a core's cache
GPU_LOGITS = 1 << 28  # logits at once on a GPU, with all words: 1 GB
_SHARE_OF_FREE = 0.5  # of a GPU's free memory, for a batch


class NotFiniteError(ArithmeticError):
    """A network gave NaN or infinity, which no measure may take for an answer."""


@contextmanager
def measuring(measure: str, model: PreTrainedModel) -> Iterator[None]:
    """Let a `NotFiniteError` of the block name what was measured, and of which checkpoint.

    The name is the network's own, `name_or_path`: `load` and `sweep` write model and step there.
    """
    try:
        yield
    except NotFiniteError as found:
        raise NotFiniteError(f"{measure} of {_name(model)}: {found}") from None


def _name(model: PreTrainedModel) -> str:
    return model.name_or_path or "the model"


def require_finite(logits: torch.Tensor) -> torch.Tensor:
    """The logits themselves, all of which are numbers.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    # Either makes the sum NaN or infinite, and a sum takes no memory.
    if not torch.isfinite(logits.sum(dtype=torch.float32)):
        raise NotFiniteError("a logit is not finite (NaN or infinity)")
    return logits


def device_of(model: PreTrainedModel) -> torch.device:
    """Where a network takes token ids: its own device, or of one that accelerate spread, its embedding's.

    The weights may be elsewhere: in memory or on disk, until accelerate's hook fetches them.
    """
    hook = getattr(model.get_input_embeddings(), "_hf_hook", None)
    places = [getattr(one, "execution_device", None) for one in getattr(hook, "hooks", [hook])]
    return next((torch.device(place) for place in places if place is not None), model.device)


def token_ids(
    model: PreTrainedModel, sequences: Iterable[Sequence[int]], what: str = "sequence"
) -> list[torch.Tensor]:
    """Sequences of token ids, each as an int64 tensor.

    Raises:
        UsageError: something that is no id of the model's vocabulary. A negative one, too: it does not count
            from the end.
    """
    return [_ids(model, row, f"{what} {index}") for index, row in enumerate(sequences)]


def _ids(model: PreTrainedModel, row: Sequence[int], name: str) -> torch.Tensor:
    ids = np.asarray(row)
    last = model.get_input_embeddings().num_embeddings - 1
    if ids.size and ids.dtype.kind not in "iu":
        raise UsageError(f"{name} holds {ids.dtype} values; expected token ids, 0 to {last}")
    wrong = ids[(ids < 0) | (ids > last)] if ids.size else ids
    if wrong.size:
        raise UsageError(f"{name} holds token {wrong[0]}; {_name(model)} knows 0 to {last}")
    return torch.from_numpy(ids.astype(np.int64))


def context_of(model: PreTrainedModel) -> int:
    """Tokens that a network can read at once; a very large number where its positions have no end."""
    config = model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or sys.maxsize


def require_context(model: PreTrainedModel, lengths: Sequence[int], what: str = "sequence") -> None:
    """Refuse what is longer than the model's context, at whose end its training ended too.

    Args:
        model: the network.
        lengths: tokens that it would read of each input; the last one that is only scored is none of them.
        what: an input is called.

    Raises:
        UsageError: an input is too long; the message names the first.
    """
    context = context_of(model)
    for index, length in enumerate(lengths):
        if length > context:
            raise UsageError(
                f"{what} {index}: {length} tokens to read; the context of {_name(model)} is {context}"
            )


def hidden_states(
    model: PreTrainedModel, ids: torch.Tensor, cache: Any = None, **inputs: Any
) -> torch.Tensor:
    """The last layer's output after its norm: (batch, length, d_model), of the model's dtype.

    Args:
        model: the network.
        ids: token ids (batch, length), on any device.
            The result is on that of `device_of`, wherever the last layer is.
        cache: keys and values of what came before, which grows by these tokens; None for none.
        inputs: `attention_mask`, `position_ids`: as transformers takes them.
    """
    device = device_of(model)
    caching = {"past_key_values": cache, "use_cache": cache is not None}
    output = model.base_model(input_ids=ids.to(device), **caching, **inputs)
    return output.last_hidden_state.to(device)


def target_logits(
    model: PreTrainedModel, hidden: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The logit of one token at each position: float32 (n,), summed in float32.

    Args:
        model: the network.
        hidden: hidden states (n, d_model).
        targets: token ids (n,).
    """
    head = model.get_output_embeddings()
    if _placed(head):
        parts = [
            logits.gather(1, targets[part, None]) for part, _, logits in _blocks(model, hidden)
        ]
        return torch.cat(parts).flatten() if parts else hidden.new_zeros(0, dtype=torch.float32)
    logits = (hidden.float() * head.weight[targets].float()).sum(dim=1)
    return require_finite(logits if head.bias is None else logits + head.bias[targets].float())


def log_normalizers(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """log of the sum of exp of all logits at each position: float32 (n,).

    A token's log-probability is its logit less this (the log-softmax). Logits are made block by block
    and never held together.
    """
    top = torch.full((len(hidden),), -torch.inf, device=hidden.device)
    total = torch.zeros_like(top)
    for part, _, logits in _blocks(model, hidden):
        higher = torch.maximum(top[part], logits.amax(dim=1))
        total[part] *= (top[part] - higher).exp()
        total[part] += logits.sub_(higher[:, None]).exp_().sum(dim=1)
        top[part] = higher
    return top + total.log()


def logit_margins(
    model: PreTrainedModel,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    suppressed: Sequence[int] = (),
) -> torch.Tensor:
    """How far a token's logit is above the best of all others at each position: float32 (n,).

    Suppressed tokens are none of the others, and their own lead is minus infinity.
    """
    own = torch.empty(len(hidden), device=hidden.device)
    best = torch.full_like(own, -torch.inf)
    for part, words, logits in _blocks(model, hidden):
        place = targets[part] - words.start
        row = ((place >= 0) & (place < logits.shape[1])).nonzero().flatten()
        _suppress(logits, suppressed, words.start)
        own[part.start + row] = logits[row, place[row]]
        logits[row, place[row]] = -torch.inf
        best[part] = torch.maximum(best[part], logits.amax(dim=1))
    return own - best


def likeliest(
    model: PreTrainedModel, hidden: torch.Tensor, suppressed: Sequence[int] = ()
) -> torch.Tensor:
    """The token of the highest logit at each position, the lowest id of equals: int64 (n,).

    No suppressed token is one.
    """
    head = model.get_output_embeddings()
    parts = hidden.split(max(1, GPU_LOGITS // head.out_features))
    best = []
    for part in parts:
        logits = require_finite(head(part).float())
        best.append(_suppress(logits, suppressed).argmax(dim=1))
    return torch.cat(best).to(hidden.device)


def _suppress(logits: torch.Tensor, tokens: Sequence[int], first: int = 0) -> torch.Tensor:
    """The logits, overwritten where their words, of which the first has the id `first`, are suppressed."""
    columns = [token - first for token in tokens if 0 <= token - first < logits.shape[1]]
    logits[:, columns] = -torch.inf
    return logits


def _blocks(
    model: PreTrainedModel, hidden: torch.Tensor
) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Some positions, some words, and their logits in float32, which the caller may overwrite."""
    head = model.get_output_embeddings()
    rows, words = CPU_BLOCK
    if hidden.device.type != "cpu" or _placed(head):
        rows, words = max(1, GPU_LOGITS // head.out_features), head.out_features
    for start in range(0, len(hidden), rows):
        part = slice(start, min(start + rows, len(hidden)))
        for first in range(0, head.out_features, words):
            block = slice(first, min(first + words, head.out_features))
            yield part, block, require_finite(_project(head, hidden[part], block))


def _project(head: torch.nn.Linear, hidden: torch.Tensor, words: slice) -> torch.Tensor:
    if _placed(head):
        return head(hidden).to(hidden.device).float()[:, words]
    bias = None if head.bias is None else head.bias[words]
    return torch.nn.functional.linear(hidden, head.weight[words], bias).float()


def _placed(module: torch.nn.Module) -> bool:
    """Whether accelerate brings the module's weights and inputs together, in its forward alone."""
    return hasattr(module, "_hf_hook")


def tokens_that_fit(model: PreTrainedModel) -> int:
    """How many tokens to run at once: from a GPU's free memory; on a CPU what is fastest.

    `PYTHIA_BATCH_SHARE` scales either.
    """
    device = device_of(model)
    if device.type != "cuda":
        return batching.scaled(CPU_TOKENS)
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    room = _SHARE_OF_FREE * (free + unused)
    fit = int(room / token_bytes(model.config, model.dtype.itemsize))
    return batching.scaled(min(GPU_TOKENS, max(1, fit)))


def token_bytes(config: PretrainedConfig, itemsize: int) -> int:
    """Memory of one token in a forward pass: the keys and values of all layers, one layer's activations."""
    config = config.get_text_config()
    cache = 2 * config.num_hidden_layers * config.hidden_size
    layer = 16 * config.hidden_size + 3 * (
        getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    )
    return itemsize * (cache + layer)


def run_in_batches(lengths: Sequence[int], budget: int, work: Callable[[list[int]], None]) -> None:
    """Call `work` with indices of sequences of like length, at most `budget` padded tokens a call.

    The longest come first. Where a batch does not fit in memory the budget is halved, for it and for
    all that follow; `work` is then called again with fewer of the same indices.

    Raises:
        torch.OutOfMemoryError: one sequence alone does not fit.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    start = 0
    while start < len(order):
        count = max(1, budget // max(1, lengths[order[start]]))
        batch = order[start : start + count]
        if _fits(work, batch):
            start += len(batch)
        else:
            budget = len(batch) * lengths[batch[0]] // 2


def _fits(work: Callable[[list[int]], None], batch: list[int]) -> bool:
    try:
        work(batch)
    except RuntimeError as error:
        if len(batch) == 1 or not _out_of_memory(error):
            raise
    else:
        return True
    # Only here is the error, and with it what its frames held, gone.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False


def _out_of_memory(error: RuntimeError) -> bool:
    """A GPU's, which has a type; the CPU allocator's, which has only a message."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in ("out of memory", "can't allocate memory"))
