"""What a model says of text: log-likelihoods of tokens, sentences and documents.

Pure functions over a model and tokens. Sequences are batched by length, and the vocabulary is projected
onto where it is needed only; log-softmax is in float32 whatever the model's dtype; results come back in
the order of the input and do not depend on the batch size. Minimal pairs and memorization, which need
less than all log-likelihoods, have modules of their own (`minimal_pairs`, `memorization`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import require_causal
from pythia_utils.evaluation.inference import (
    NotFiniteError,
    context_of,
    hidden_states,
    log_normalizers,
    measuring,
    require_context,
    run_in_batches,
    target_logits,
    token_ids,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LN2 = math.log(2)  # nats in a bit


@torch.inference_mode()
def token_logprobs(
    model: PreTrainedModel, ids: Iterable[Sequence[int]], batch_tokens: int | None = None
) -> list[np.ndarray]:
    """Compute the log-probability of each token given those before it.

    Args:
        model: a causal network.
        ids: sequences of token ids, each of at least two; a 2-d array is a sequence of its rows.
        batch_tokens: padded tokens a forward pass; from the memory if None. Changes speed, not results.

    Returns:
        For a sequence of length T a float32 array (T - 1,), in nats: entry t is
        log p(ids[t + 1] | ids[: t + 1]).

    Raises:
        UsageError: a sequence shorter than two tokens, or longer than the model's context and the token
            after it (no windows are cut: see `document_losses`); what is no token id; another class of model.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    model = require_causal(model)
    sequences = token_ids(model, ids)
    lengths = [len(row) for row in sequences]
    if lengths and min(lengths) < 2:
        raise UsageError(
            f"sequence {lengths.index(min(lengths))} has {min(lengths)} tokens; 2 needed"
        )
    require_context(model, [length - 1 for length in lengths])
    results: list[np.ndarray] = [np.empty(0, np.float32)] * len(sequences)

    def fill(batch: list[int]) -> None:
        found = _logprobs(model, [sequences[i] for i in batch])
        for index, values in zip(batch, found, strict=True):
            results[index] = values.numpy()

    with measuring("log-likelihood", model):
        run_in_batches(lengths, batch_tokens or tokens_that_fit(model), fill)
    return results


def _logprobs(model: PreTrainedModel, sequences: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Of each sequence, on the CPU. Padding is on the right: nothing before it can see it."""
    scored = torch.tensor([len(row) - 1 for row in sequences])
    rows = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    real = torch.arange(rows.shape[1] - 1) < scored[:, None]
    hidden = hidden_states(model, rows[:, :-1])
    hidden, targets = hidden[real.to(hidden.device)], rows[:, 1:][real].to(hidden.device)
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
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> np.ndarray:
    """Log-likelihood of each whole sentence after the end-of-text token, in nats: float64 (n,).

    The end-of-text token stands before the first word, as in lm-evaluation-harness, so that the
    first word is scored too.

    Raises:
        UsageError: a sentence that is empty, or longer than the model's context.
        NotFiniteError: the network gives NaN or infinity.
    """
    rows = _prefixed(tokenizer, sentences)
    return np.array([lp.sum(dtype=np.float64) for lp in token_logprobs(model, rows)])


def _prefixed(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, after the token that begins one (`beginning`)."""
    if not len(texts):
        return []
    # Not verbose: it would warn of a long text, whatever is then done with it.
    ids = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    first = first_token(tokenizer)
    return [[first, *row] for row in ids]


def first_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """What stands before a text's first token: the tokenizer's begin-of-text token, else its end-of-text token.

    Models of GPT-NeoX have one token for both. It is lm-evaluation-harness' `prefix_token_id`.
    """
    begin = tokenizer.bos_token_id
    return tokenizer.eos_token_id if begin is None else begin


def document_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> pd.DataFrame:
    """Measure how well a model predicts each document after the end-of-text token.

    Args:
        model: a causal network.
        tokenizer: its tokenizer.
        texts: the documents.

    A document longer than the model's context is read in windows as long as the context, one after the
    other; every token is scored once. The last window is filled up with tokens before it that are not
    scored again. These are the windows of lm-evaluation-harness (`loglikelihood_rolling`). At the
    beginning of a window a token is predicted from little: the loss is an upper bound.

    Returns:
        A row a document, in order: nats (its negative log-likelihood), tokens, bytes (of its UTF-8
        text). nats / tokens is the loss; nats / bytes / ln 2, bits per byte, can be compared between
        models of different tokenizers (Gao et al. 2020, section 3.1).

    Raises:
        UsageError: a document without a token, another class of model.
        NotFiniteError: the network gives NaN or infinity.
    """
    context = context_of(require_causal(model))
    rows = _prefixed(tokenizer, texts)
    parts = [(i, *part) for i, row in enumerate(rows) for part in windows(row, context)]
    logprobs = token_logprobs(model, [tokens for _, tokens, _ in parts])
    nats = np.zeros(len(rows))
    for (index, _, scored), values in zip(parts, logprobs, strict=True):
        nats[index] -= values[-scored:].sum(dtype=np.float64)
    tokens, size = [len(row) - 1 for row in rows], [len(text.encode()) for text in texts]
    if 0 in tokens:
        raise UsageError(f"document {tokens.index(0)} is empty: it has no token")
    return pd.DataFrame({"nats": nats, "tokens": tokens, "bytes": size})


def windows(
    row: Sequence[int], context: int, stride: int = 0
) -> Iterator[tuple[Sequence[int], int]]:
    """Cut a document into parts that a model can read, so that each of its tokens is scored once.

    Args:
        row: its tokens, after the one that is only read (`first_token`).
        context: tokens that the model can read.
        stride: tokens that a window is ahead of the one before it. The first window scores as many tokens as
            the model reads, each of the others the last `stride` of its own; a smaller stride shows a token
            more of what came before, for more work. 0: the context, as lm-evaluation-harness has it (with
            its `context_len` c, the stride is the context less c - 1).

    Yields:
        Tokens, of which all but the last are read, and how many at their end are scored.

    Raises:
        UsageError: see `require_stride`.
    """
    require_stride(stride, context)
    first, end = 1, context + 1
    while first < len(row):
        end = min(end, len(row))
        yield row[max(0, end - 1 - context) : end], end - first
        first, end = end, end + (stride or context)


def require_stride(stride: int, context: int) -> None:
    """Refuse a stride that `windows` cannot take: raises UsageError."""
    if not 0 <= stride <= context:
        raise UsageError(
            f"stride {stride}: expected 1 to {context}, the model's context, or 0 for it"
        )
