"""The in-context learning score: how much better a token is predicted late in the context than early.

Olsson et al. (2022, "Defining In-Context Learning Score") take the loss of the 500th token less that of the
50th, over texts cut at 512. So do we where a network can read as much; a shorter context is divided in the same
proportion. The more negative, the more a model makes of what it has read before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import text_sets, validation
from pythia_utils.evaluation.inference import context_of
from pythia_utils.evaluation.likelihood import first_token, token_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LENGTH, EARLY, LATE = 512, 50, 500  # tokens, of Olsson et al.
_AROUND = 16  # of the length: the loss at a place is the mean over so much of the row on each of its sides


def places(context: int) -> tuple[int, int, int]:
    """Length of the rows, the early and the late place, for a context of so many tokens.

    >>> places(2048), places(128)
    ((512, 50, 500), (128, 12, 125))
    """
    length = min(LENGTH, context)
    return length, EARLY * length // LENGTH, LATE * length // LENGTH


def rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, suite: str, texts: str, n: int
) -> np.ndarray:
    """Text that no training holds, laid end to end and cut as training text is: int64 (rows, length).

    Args:
        model: whose context decides the length.
        tokenizer: its.
        suite: the model's: of ours, the domains of validation text in their shares.
        texts: of `validation.chosen`.
        n: rows; of texts by name at most: as many as they have.

    Raises:
        UsageError: unknown texts, fewer than two rows asked for, or too little text for two.
        FetchError: texts of the Hub are not to be had.
    """
    if n < 2:
        raise UsageError(f"{n} rows of validation text; expected 2 or more")
    length, _, _ = places(context_of(model))
    if (named := validation.chosen(suite, texts)) == validation.OWN_TEXTS:
        own = validation.stream(tokenizer, n * length, validation.NANO if texts else suite)
        return own.reshape(n, length)
    documents = (document.text for document in text_sets.documents(named))
    stream = _stream(documents, tokenizer, n * length)
    found = len(stream) // length
    if found < 2:
        raise UsageError(f"{len(stream):,} tokens of text; expected {2 * length:,} or more")
    return np.array(stream[: min(n, found) * length]).reshape(-1, length)


def _stream(
    documents: Iterator[str], tokenizer: PreTrainedTokenizerBase, tokens: int
) -> Sequence[int]:
    stream: list[int] = []
    for text in documents:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        stream += [first_token(tokenizer), *ids]
        if len(stream) >= tokens:
            break
    return stream


def early_and_late(model: PreTrainedModel, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss around the early and around the late place of each row: float64 (rows,), nats a token.

    Args:
        model: a causal network.
        ids: of `rows`.
    """
    length, early, late = places(ids.shape[1])
    nats = -np.stack(token_logprobs(model, ids)).astype(np.float64)
    around = max(1, length // _AROUND)
    # The loss of the token at place p (from 0) is at p - 1: the first token is predicted from nothing.
    parts = [nats[:, p - 1 - around : p + around] for p in (early, late)]
    return parts[0].mean(axis=1), parts[1].mean(axis=1)
