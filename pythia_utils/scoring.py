"""What a model says of text: log-likelihoods of tokens, and choices between minimal pairs.

Pure functions over a model and tokens. Sequences are batched by length, so that little work goes
into padding; log-softmax is in float32 whatever the model's dtype; results come back in the order
of the input and do not depend on the batch size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from pythia_utils.errors import UsageError
from pythia_utils.memorization import memorized

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "document_losses",
    "memorized",
    "perplexity",
    "score_minimal_pairs",
    "sentence_logprobs",
    "token_logprobs",
]

LN2 = math.log(2)  # nats in a bit
BATCH_TOKENS = 8192  # padded tokens in one forward pass


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of sequences of like length, at most `batch_tokens` padded tokens each (or one sequence)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@torch.inference_mode()
def token_logprobs(
    model: PreTrainedModel, ids: Iterable[Sequence[int]], batch_tokens: int = BATCH_TOKENS
) -> list[np.ndarray]:
    """Log-probability of each token given those before it.

    Args:
        model: a causal language model of transformers.
        ids: sequences of token ids, each of at least two; a 2-d array is a sequence of its rows.
        batch_tokens: padded tokens a forward pass; changes memory and speed, not results.

    Returns:
        For a sequence of length T a float32 array (T - 1,), in nats: entry t is
        log p(ids[t + 1] | ids[: t + 1]).

    Raises:
        UsageError: a sequence shorter than two tokens.
    """
    sequences = [torch.as_tensor(np.asarray(row, dtype=np.int64)) for row in ids]
    lengths = [len(row) for row in sequences]
    if lengths and min(lengths) < 2:
        raise UsageError(
            f"sequence {lengths.index(min(lengths))} has {min(lengths)} tokens; 2 needed"
        )
    results: list[np.ndarray] = [np.empty(0, np.float32)] * len(sequences)
    for batch in _batches(lengths, batch_tokens):
        # Padding stands on the right: under causal attention nothing before it can see it.
        rows = torch.nn.utils.rnn.pad_sequence([sequences[i] for i in batch], batch_first=True)
        rows = rows.to(model.device)
        logits = model(input_ids=rows[:, :-1], use_cache=False).logits
        chosen = -torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), rows[:, 1:].flatten(), reduction="none"
        ).view(rows.shape[0], -1)
        for row, index in zip(chosen.cpu().numpy(), batch, strict=True):
            results[index] = row[: lengths[index] - 1].copy()
    return results


def perplexity(logprobs: Iterable[np.ndarray]) -> float:
    """exp of the mean negative log-likelihood per token (a uniform model's is its vocabulary size)."""
    return float(np.exp(-np.concatenate(list(logprobs)).mean()))


def sentence_logprobs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> np.ndarray:
    """Log-likelihood of each whole sentence after the end-of-text token, in nats: float64 (n,).

    The end-of-text token stands before the first word, as in lm-evaluation-harness, so that the
    first word is scored too.
    """
    ids = tokenizer(list(sentences), add_special_tokens=False)["input_ids"]
    prefixed = [[tokenizer.eos_token_id, *row] for row in ids]
    return np.array([lp.sum(dtype=np.float64) for lp in token_logprobs(model, prefixed)])


def score_minimal_pairs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence
) -> pd.DataFrame:
    """Whether the model finds the acceptable sentence of each pair the likelier one.

    The measure of BLiMP (Warstadt et al. 2020, section 4): full-sentence log-likelihood, no length
    normalisation. A tie is not a correct answer.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        pairs: objects with `phenomenon`, `good` and `bad`.

    Returns:
        A row a pair, in order: phenomenon, good, bad, margin (log p(good) - log p(bad), nats),
        correct (margin > 0).
    """
    sentences = [text for pair in pairs for text in (pair.good, pair.bad)]
    scores = sentence_logprobs(model, tokenizer, sentences).reshape(-1, 2)
    margin = scores[:, 0] - scores[:, 1]
    return pd.DataFrame(
        {
            "phenomenon": [pair.phenomenon for pair in pairs],
            "good": [pair.good for pair in pairs],
            "bad": [pair.bad for pair in pairs],
            "margin": margin,
            "correct": margin > 0,
        }
    )


def document_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> pd.DataFrame:
    """How well a model predicts each document after the end-of-text token.

    Returns:
        A row a document, in order: nats (its negative log-likelihood), tokens, bytes (of its UTF-8
        text). nats / tokens is the loss; nats / bytes / ln 2, bits per byte, can be compared between
        models of different tokenizers (Gao et al. 2020, section 3.1).
    """
    nats = -sentence_logprobs(model, tokenizer, texts)
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return pd.DataFrame(
        {
            "nats": nats,
            "tokens": [len(row) for row in ids],
            "bytes": [len(text.encode()) for text in texts],
        }
    )
