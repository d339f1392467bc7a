"""What a model says of text: log-likelihoods of tokens, sentences and documents.

Pure functions over a model and tokens. Sequences are batched by length, and the vocabulary is projected
onto where it is needed only; log-softmax is in float32 whatever the model's dtype; results come back in
the order of the input and do not depend on the batch size. Minimal pairs and memorization, which need
less than all log-likelihoods, have modules of their own (`minimal_pairs`, `memorization`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.inference import (
    NotFiniteError,
    hidden_states,
    log_normalizers,
    measuring,
    require_gpt_neox,
    run_in_batches,
    target_logits,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM, PreTrainedTokenizerBase

LN2 = math.log(2)  # nats in a bit


@torch.inference_mode()
def token_logprobs(
    model: GPTNeoXForCausalLM, ids: Iterable[Sequence[int]], batch_tokens: int | None = None
) -> list[np.ndarray]:
    """Log-probability of each token given those before it.

    Args:
        model: a GPT-NeoX network.
        ids: sequences of token ids, each of at least two; a 2-d array is a sequence of its rows.
        batch_tokens: padded tokens a forward pass; from the memory if None. Changes speed, not results.

    Returns:
        For a sequence of length T a float32 array (T - 1,), in nats: entry t is
        log p(ids[t + 1] | ids[: t + 1]).

    Raises:
        UsageError: a sequence shorter than two tokens, a model of another class.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    model = require_gpt_neox(model)
    sequences = [torch.as_tensor(np.asarray(row, dtype=np.int64)) for row in ids]
    lengths = [len(row) for row in sequences]
    if lengths and min(lengths) < 2:
        raise UsageError(
            f"sequence {lengths.index(min(lengths))} has {min(lengths)} tokens; 2 needed"
        )
    results: list[np.ndarray] = [np.empty(0, np.float32)] * len(sequences)

    def fill(batch: list[int]) -> None:
        found = _logprobs(model, [sequences[i] for i in batch])
        for index, values in zip(batch, found, strict=True):
            results[index] = values.numpy()

    with measuring("log-likelihood", model):
        run_in_batches(lengths, batch_tokens or tokens_that_fit(model), fill)
    return results


def _logprobs(model: GPTNeoXForCausalLM, sequences: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Of each sequence, on the CPU. Padding is on the right: nothing before it can see it."""
    scored = torch.tensor([len(row) - 1 for row in sequences])
    rows = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    real = torch.arange(rows.shape[1] - 1) < scored[:, None]
    hidden = hidden_states(model, rows[:, :-1])[real.to(model.device)]
    targets = rows[:, 1:][real].to(model.device)
    values = target_logits(model, hidden, targets) - log_normalizers(model, hidden)
    return values.cpu().split(scored.tolist())


def perplexity(logprobs: Iterable[np.ndarray]) -> float:
    """exp of the mean negative log-likelihood per token (a uniform model's is its vocabulary size).

    Raises:
        NotFiniteError: one of them is NaN or infinite.
    """
    values = np.concatenate(list(logprobs))
    if not np.isfinite(values).all():
        raise NotFiniteError("perplexity: a log-likelihood is not finite (NaN or infinity)")
    return float(np.exp(-values.mean(dtype=np.float64)))


def sentence_logprobs(
    model: GPTNeoXForCausalLM, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> np.ndarray:
    """Log-likelihood of each whole sentence after the end-of-text token, in nats: float64 (n,).

    The end-of-text token stands before the first word, as in lm-evaluation-harness, so that the
    first word is scored too.
    """
    return _sums(model, tokenizer, _token_ids(tokenizer, sentences))


def _token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"] if len(texts) else []


def _sums(
    model: GPTNeoXForCausalLM, tokenizer: PreTrainedTokenizerBase, ids: list[list[int]]
) -> np.ndarray:
    prefixed = [[tokenizer.eos_token_id, *row] for row in ids]
    return np.array([lp.sum(dtype=np.float64) for lp in token_logprobs(model, prefixed)])


def document_losses(
    model: GPTNeoXForCausalLM, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> pd.DataFrame:
    """How well a model predicts each document after the end-of-text token.

    Returns:
        A row a document, in order: nats (its negative log-likelihood), tokens, bytes (of its UTF-8
        text). nats / tokens is the loss; nats / bytes / ln 2, bits per byte, can be compared between
        models of different tokenizers (Gao et al. 2020, section 3.1).
    """
    ids = _token_ids(tokenizer, texts)
    return pd.DataFrame(
        {
            "nats": -_sums(model, tokenizer, ids),
            "tokens": [len(row) for row in ids],
            "bytes": [len(text.encode()) for text in texts],
        }
    )
