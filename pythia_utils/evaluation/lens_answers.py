"""What lenses say at every depth of a network, of text and of minimal pairs.

All of it is in float32 whatever the network's dtype. Streams are never held for more than one batch, and
logits for one block of positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import log_softmax

from pythia_utils.evaluation.hooks import n_layers
from pythia_utils.evaluation.inference import (
    measuring,
    require_finite,
    run_in_batches,
    tokens_that_fit,
)
from pythia_utils.evaluation.lens import Lens, Readout, checked, readout, streams, token_streams

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pythia_utils.evaluation.minimal_pairs import PreparedPairs

MEASURES = ("kl", "entropy", "loss", "agreement")


@dataclass(frozen=True)
class Answers:
    """What lenses say of text at every depth, summed over each sequence's positions.

    Attributes:
        sums: float64 (lenses, measures, depths, sequences); `MEASURES`: the divergence of the lens' answer q
            from the final one p, KL(p || q) = sum p ln(p / q), nats; q's entropy, nats; the negative
            log-likelihood of the token that follows, nats; whether both have the same likeliest token.
        constant: float64 (sequences,): KL(p || r) of the best answer that does not see the text, if given.
        positions: of each sequence, int64 (sequences,).
    """

    sums: np.ndarray
    constant: np.ndarray
    positions: np.ndarray


@torch.inference_mode()
def answers(
    model: PreTrainedModel,
    lenses: Sequence[Lens],
    sequences: Sequence[Sequence[int]],
    constant: torch.Tensor | None = None,
    batch_tokens: int | None = None,
) -> Answers:
    """Read a network through lenses at every depth, on some text.

    Args:
        model: a GPT-NeoX network.
        lenses: `LOGIT_LENS` or trained ones.
        sequences: token ids, each of at least two.
        constant: log-probabilities of an answer that is the same everywhere, (vocabulary,), such as
            `tuned_lens.mean_answer` of other text: the baseline. Without it `Answers.constant` is nan.
        batch_tokens: padded tokens a forward pass; from the memory if None. Changes no result.

    Raises:
        UsageError: see `lens.checked`.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    rows, lengths = checked(model, sequences)
    last, depths = readout(model), n_layers(model) + 1
    sums = np.empty((len(lenses), len(MEASURES), depths, len(rows)))
    known = np.full(len(rows), np.nan)

    def fill(batch: list[int]) -> None:
        own = [rows[i] for i in batch]
        targets = torch.cat([row[1:] for row in own]).to(last.weight.device)
        found = token_streams(model, own)
        values, baseline = _answers(last, lenses, found, targets, constant)
        sizes = [lengths[i] for i in batch]
        sums[..., batch] = _by_sequence(values, sizes)
        known[batch] = _by_sequence(baseline, sizes)

    with measuring("lens", model):
        run_in_batches(lengths, batch_tokens or tokens_that_fit(model), fill)
    return Answers(sums, known, np.array(lengths))


def _by_sequence(values: torch.Tensor, sizes: list[int]) -> np.ndarray:
    """Sums (..., sequences) of values (..., tokens)."""
    parts = values.double().cpu().split(sizes, dim=-1)
    return torch.stack([part.sum(dim=-1) for part in parts], dim=-1).numpy()


def _answers(
    last: Readout,
    lenses: Sequence[Lens],
    found: list[torch.Tensor],
    targets: torch.Tensor,
    constant: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The measures (lenses, measures, depths, tokens), and the baseline's divergence (tokens,)."""
    shape = (len(lenses), len(MEASURES), len(found), len(targets))
    values = torch.empty(shape, device=targets.device)
    baseline = torch.full(shape[-1:], torch.nan, device=targets.device)
    for part in last.blocks(len(targets)):
        final = log_softmax(require_finite(last.logits(found[-1][part])), dim=1)
        if constant is not None:
            baseline[part] = _divergence(final, constant.to(final))
        for index, lens in enumerate(lenses):
            for depth, stream in enumerate(found):
                logits = require_finite(last.logits(lens.at(depth, stream[part])))
                own = log_softmax(logits, dim=1)
                values[index, :, depth, part] = _measures(final, own, targets[part])
    return values, baseline


def _measures(final: torch.Tensor, own: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of log-probabilities (n, vocabulary): (measures, n)."""
    entropy = -(own.exp() * own).sum(dim=1)
    loss = -own.gather(1, targets[:, None])[:, 0]
    agreement = (final.argmax(dim=1) == own.argmax(dim=1)).float()
    return torch.stack([_divergence(final, own), entropy, loss, agreement])


def _divergence(final: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """KL(final || own) at each position, (n,); rounding may not make it less than nothing."""
    return (final.exp() * (final - own)).sum(dim=1).clamp_(min=0)


# --- what lenses say of minimal pairs -------------------------------------------------------------


def margins(
    model: PreTrainedModel,
    lenses: Sequence[Lens],
    prepared: PreparedPairs,
    batch_tokens: int | None = None,
) -> np.ndarray:
    """Which sentence of each minimal pair is the likelier one if the network stopped at a depth.

    A lens gives at every position a distribution over the next token, and so, by the chain rule, a likelihood
    of whole sentences. The margin is the one of `minimal_pairs.score_minimal_pairs`, log p(good) - log p(bad),
    under these; at the last depth it is the network's own. No words need be chosen as the critical ones: what
    the sentences begin with in common cancels, and what follows their difference counts as it does there.

    Args:
        model: a GPT-NeoX network.
        lenses: `LOGIT_LENS` or trained ones.
        prepared: pairs, as tokens of the model's tokenizer.
        batch_tokens: tokens in one forward pass; from the memory if None. Changes no result.

    Returns:
        float64 (lenses, depths, pairs), nats.

    Raises:
        UsageError, NotFiniteError: as `PreparedPairs.score`; and another architecture.
    """
    last, depths = readout(model), n_layers(model) + 1

    def states(rows: list[int]) -> Iterator[torch.Tensor]:
        found = streams(model, lambda: prepared.tree.states(model, rows))
        for lens in lenses:
            for depth, stream in enumerate(found):
                yield last.normed(lens.at(depth, stream.flatten(0, 1))).to(model.dtype)

    found = prepared.margins(model, states, len(lenses) * depths, batch_tokens)
    return found.reshape(len(lenses), depths, -1)
