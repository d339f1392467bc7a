"""How far a model's predictions are from those of n-grams: the divergence of whole distributions.

The distance of a model M from the n-grams P_n is the Kullback-Leibler divergence

    D(P_n || M) = sum over words w of P_n(w | h) ln (P_n(w | h) / M(w | whole context)),

in nats: what M loses on words that the n-grams draw, beyond what cannot be foreseen of them. It is 0 where M
predicts as the n-grams do. P_n sees the last n - 1 tokens, M all of the row before. This is the direction
of Belrose et al. 2024 (their repository's `ngram_steps.py`). The other one, D(M || P_n), is given beside
it: it asks where M puts words that the n-grams do not expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import require_causal
from pythia_utils.evaluation.inference import (
    hidden_states,
    measuring,
    require_context,
    require_finite,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.evaluation.ngrams import NOTHING, NgramModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROBABILITIES = 1 << 22  # of one order held at once: 32 MB in float64


@dataclass(frozen=True, eq=False)
class Distances:
    """A model beside n-grams, at every position of some rows but the first of each.

    Attributes:
        divergence: float64 (order, rows, length - 1), nats: D(P_n || M) for n = 1, 2, ...
        reverse: the same shape, nats: D(M || P_n).
        model: float64 (rows, length - 1), nats: the model's log-probability of the token that comes.
        ngrams: float64 (order, rows, length - 1), nats: that of the n-grams.
        known: bool, the same shape: whether the n-grams' training had the context of n - 1 tokens. If not,
            P_n is P_(n-1) there.
    """

    divergence: np.ndarray
    reverse: np.ndarray
    model: np.ndarray
    ngrams: np.ndarray
    known: np.ndarray


@torch.inference_mode()
def distances(model: PreTrainedModel, rows: np.ndarray, ngrams: NgramModel) -> Distances:
    """Compare what a model and n-grams predict at each position of some rows of text.

    Args:
        model: a causal network.
        rows: token ids, int (rows, length), all of one length of two or more.
        ngrams: with all lower orders. Its vocabulary may be smaller than the network's output, which
            Pythia pads: the network then chooses among the words of the n-grams alone.

    Raises:
        UsageError: rows shorter than two tokens or longer than the context and one; tokens or words that
            one of the two does not know; another class of model.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    model, rows = require_causal(model), np.asarray(rows)
    _require_rows(model, rows, ngrams)
    shape = (len(rows), rows.shape[1] - 1)
    contexts, targets = _contexts(rows, ngrams.order - 1), rows[:, 1:].ravel()
    own = np.empty(len(targets))
    divergence, reverse, others = np.empty((3, ngrams.order, len(targets)))
    with measuring("distance from n-grams", model):
        for part, log_m in _log_probabilities(model, rows[:, :-1], ngrams.vocab_size):
            drawn = (np.arange(len(log_m)), targets[part])
            own[part] = log_m[drawn]
            for n, p in enumerate(ngrams.distributions(contexts[part])):
                divergence[n, part], reverse[n, part] = _divergences(p, log_m)
                others[n, part] = np.log(p[drawn])
    by_order = (ngrams.order, *shape)
    return Distances(
        divergence.reshape(by_order),
        reverse.reshape(by_order),
        own.reshape(shape),
        others.reshape(by_order),
        ngrams.known(contexts).reshape(by_order),
    )


def _require_rows(model: PreTrainedModel, rows: np.ndarray, ngrams: NgramModel) -> None:
    if rows.ndim != 2 or not len(rows) or rows.shape[1] < 2:
        raise UsageError(f"rows of shape {rows.shape}; expected rows of two tokens or more")
    words = model.get_output_embeddings().out_features
    if ngrams.vocab_size > words:
        raise UsageError(f"n-grams of {ngrams.vocab_size} words; the network knows {words}")
    token_ids(model, rows, "row")
    require_context(model, [rows.shape[1] - 1] * len(rows), "row")


def _contexts(rows: np.ndarray, length: int) -> np.ndarray:
    """The tokens before each token but the first of each row, int64 (positions, length)."""
    padded = np.pad(rows[:, :-1].astype(np.int64), ((0, 0), (length, 0)), constant_values=NOTHING)
    windows = np.lib.stride_tricks.sliding_window_view(padded, max(length, 1), axis=1)
    windows = windows[:, -(rows.shape[1] - 1) :]
    return windows.reshape(-1, windows.shape[-1])[:, :length]


def _log_probabilities(
    model: PreTrainedModel, inputs: np.ndarray, vocab_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Positions, row by row, and the model's log-probabilities there, float64 (positions, vocab_size)."""
    count = max(1, tokens_that_fit(model) // inputs.shape[1])  # rows a forward pass
    place = 0
    for first in range(0, len(inputs), count):
        ids = torch.from_numpy(inputs[first : first + count].astype(np.int64))
        hidden = hidden_states(model, ids).flatten(0, 1)
        for part in hidden.split(max(1, _PROBABILITIES // vocab_size)):
            logits = require_finite(model.get_output_embeddings()(part).float())[:, :vocab_size]
            yield slice(place, place + len(part)), logits.double().log_softmax(dim=1).cpu().numpy()
            place += len(part)


def _divergences(p: np.ndarray, log_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D(P || M) and D(M || P) of each row, from probabilities above zero and log-probabilities."""
    ratio = np.log(p) - log_m
    return (p * ratio).sum(axis=1), -(np.exp(log_m) * ratio).sum(axis=1)
