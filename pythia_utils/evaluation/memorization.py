"""Which sequences a model can recite: k-extractible memorization, decided in stages.

A sequence is memorized if greedy decoding after its first `prompt` tokens gives exactly its next
`continuation` tokens (Carlini et al. 2021, 2023; Biderman et al. 2023, "Emergent and predictable
memorization", section 2.1: 32 and 32).

Greedy decoding recites a sequence if and only if, with the true tokens as input, each next one is the
likeliest. So nothing has to be generated: one pass over the prompt settles the first token, and only the
sequences that pass it go on, with their keys and values, over 1, 2, 4, 8, ... true tokens at a time.
Most are out after the first pass.

A pass over several tokens and the steps of a decoder differ in the last bits. A logit margin smaller than
that counts as undecided, and the few sequences whose verdict rests on one are decoded step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import require_cache, require_causal
from pythia_utils.evaluation.inference import (
    device_of,
    hidden_states,
    likeliest,
    logit_margins,
    measuring,
    require_context,
    run_in_batches,
    token_ids,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel

# Logit margins below which the order of the additions could decide.
CLOSE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}


@torch.inference_mode()
def memorized(
    model: PreTrainedModel,
    sequences: Sequence[Sequence[int]],
    prompt: int = 32,
    continuation: int = 32,
    matched: bool = False,
    batch_tokens: int | None = None,
    suppressed: Sequence[int] = (),
) -> pd.DataFrame:
    """Tell whether greedy decoding after each sequence's first tokens gives its next ones.

    The measure of Biderman et al. 2023 ("Emergent and predictable memorization", section 2.1).
    End-of-text is a token like any other: decoding does not end there. The suite's own evaluations never
    let it be generated (`min_length` in EleutherAI/pythia, predictable-memorization/eval_memorization.py):
    for numbers to set beside theirs give its id in `suppressed`.

    Args:
        model: a causal network.
        sequences: token ids, each `prompt + continuation` or more; what is over is not looked at.
        prompt: tokens that the model is given.
        continuation: tokens that it must then give.
        matched: also the share of them that it gives. All sequences are then decoded, which is slower.
        batch_tokens: tokens in one forward pass; from the memory if None. Changes no verdict.
        suppressed: ids of tokens that are never generated, as `suppress_tokens` of transformers. A sequence
            with one in its continuation is then not memorized, whatever the model has learnt.

    Returns:
        A row a sequence, in order: memorized (bool), and if asked for matched (float64, 0 to 1: the share
        of the continuation's tokens that greedy decoding gives at the same place).

    Raises:
        UsageError: a prompt or continuation below one, a sequence that is too short, or longer than the
            model's context; what is no token id; another class of model.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    model = require_causal(model)
    require_cache(model)
    rows = _rows(model, sequences, prompt, continuation)
    require_context(model, [prompt + continuation - 1] * len(rows))
    token_ids(model, [suppressed], "suppressed")
    budget = batch_tokens or tokens_that_fit(model)
    with measuring("memorization", model):
        if not matched:
            return pd.DataFrame({"memorized": _recited(model, rows, prompt, budget, suppressed)})
        share = _matched(model, rows, prompt, budget, suppressed)
    return pd.DataFrame({"memorized": share == 1, "matched": share})


def _recited(
    model: PreTrainedModel,
    rows: torch.Tensor,
    prompt: int,
    budget: int,
    suppressed: Sequence[int],
) -> np.ndarray:
    """Whether greedy decoding gives all of each row's tokens after the prompt: bool (n,)."""
    passed = np.zeros(len(rows), dtype=bool)
    undecided = np.zeros(len(rows), dtype=bool)

    def decide(batch: list[int]) -> None:
        passed[batch], undecided[batch] = _decide(model, rows[batch], prompt, suppressed)

    longest = max(prompt, rows.shape[1] - prompt)  # tokens of a row in one pass
    run_in_batches([longest] * len(rows), budget, decide)
    passed[undecided] = _matched(model, rows[undecided], prompt, budget, suppressed) == 1
    return passed


def _rows(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]], prompt: int, continuation: int
) -> torch.Tensor:
    """The tokens that matter, int64 (n, prompt + continuation)."""
    for name, value in {"prompt": prompt, "continuation": continuation}.items():
        if value < 1:
            raise UsageError(f"{name} of {value} tokens; expected 1 or more")
    width = prompt + continuation
    rows = token_ids(model, (sequence[:width] for sequence in sequences))
    for index, row in enumerate(rows):
        if len(row) < width:
            raise UsageError(
                f"sequence {index} has {len(row)} tokens; {width} needed "
                f"for a prompt of {prompt} and a continuation of {continuation}"
            )
    return torch.stack(rows) if rows else torch.empty((0, width), dtype=torch.int64)


def _decide(
    model: PreTrainedModel, rows: torch.Tensor, prompt: int, suppressed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """For each row: whether all tokens lead, or may lead; and whether that is too close to call."""
    from transformers import DynamicCache

    rows = rows.to(device_of(model))
    width = rows.shape[1]
    alive = torch.arange(len(rows), device=rows.device)
    close = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    cache = DynamicCache(config=model.config)
    hidden = hidden_states(model, rows[:, :prompt], cache)[:, -1:]
    known = prompt  # tokens that are settled
    while True:
        ahead = known + hidden.shape[1]
        targets = rows[alive, known:ahead]
        flat = logit_margins(model, hidden.flatten(0, 1), targets.flatten(), suppressed)
        margin = flat.view(targets.shape)
        kept = (margin > -CLOSE[model.dtype]).all(dim=1)
        close[alive] |= (margin < CLOSE[model.dtype]).any(dim=1)
        alive, known = alive[kept], ahead
        if known == width or not len(alive):
            break
        _keep(cache, kept)
        ahead = min(known + (known - prompt), width)
        hidden = hidden_states(model, rows[alive, known - 1 : ahead - 1], cache)
    passed = torch.zeros_like(close)
    passed[alive] = True
    return passed.cpu().numpy(), (passed & close).cpu().numpy()


def _keep(cache: Cache, kept: torch.Tensor) -> None:
    """Drop the keys and values of the other rows."""
    if not kept.all():
        # On the CPU, from where they may index what is on any device: layers may be on several.
        cache.batch_select_indices(kept.nonzero().flatten().cpu())


def _matched(
    model: PreTrainedModel,
    rows: torch.Tensor,
    prompt: int,
    budget: int,
    suppressed: Sequence[int],
) -> np.ndarray:
    """The share of each row's tokens after the prompt that greedy decoding gives: float64 (n,)."""
    share = np.zeros(len(rows))

    def decode(batch: list[int]) -> None:
        given = _greedy(model, rows[batch][:, :prompt], rows.shape[1] - prompt, suppressed)
        share[batch] = (given == rows[batch][:, prompt:]).double().mean(dim=1).numpy()

    run_in_batches([rows.shape[1]] * len(rows), budget, decode)
    return share


@torch.inference_mode()
def greedy(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    continuation: int,
    suppressed: Sequence[int] = (),
) -> np.ndarray:
    """What the model says after each of a few prompts of one length, always the likeliest token.

    Args:
        model: a causal network.
        prompts: token ids, all of one length.
        continuation: tokens that it says.
        suppressed: ids of tokens that it never says.

    Returns:
        Token ids, int64 (n, continuation).

    Raises:
        UsageError: prompt and continuation are longer than the model's context; another class of model.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    require_cache(require_causal(model))
    rows = torch.stack(token_ids(model, prompts))
    require_context(model, [rows.shape[1] + continuation - 1] * len(rows))
    with measuring("memorization", model):
        return _greedy(model, rows, continuation, suppressed).numpy()


def _greedy(
    model: PreTrainedModel, prompts: torch.Tensor, count: int, suppressed: Sequence[int]
) -> torch.Tensor:
    """The likeliest next token, `count` times, the lowest id of equals: int64 (n, count), on the CPU."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    given = [prompts.to(device_of(model))]
    for _ in range(count):
        hidden = hidden_states(model, given[-1], cache)[:, -1]
        given.append(likeliest(model, hidden, suppressed)[:, None])
    return torch.cat(given[1:], dim=1).cpu()
