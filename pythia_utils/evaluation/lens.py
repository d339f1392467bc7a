"""What a network would answer if it stopped at some depth: its stream read by the network's own last steps.

The **logit lens** (nostalgebraist 2020, *interpreting GPT: the logit lens*) puts the stream of any depth
through the final norm and the output embedding. The **tuned lens** (Belrose et al. 2023, *Eliciting Latent
Predictions from Transformers with the Tuned Lens*, section 3) puts an affine map in front of them, one for
each depth, trained to bring the answer near to the final one (`tuned_lens`). Depth 0 is the embedding, before
any layer; the last depth is behind all layers, where a lens is the network itself.

All of it is in float32 whatever the network's dtype. Streams are never held for more than one batch, and
logits for one block of positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import layer_norm, linear, log_softmax

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.hooks import hooked, n_layers, require_neox
from pythia_utils.evaluation.inference import (
    device_of,
    hidden_states,
    measuring,
    require_context,
    require_finite,
    run_in_batches,
    token_ids,
    tokens_that_fit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pythia_utils.evaluation.minimal_pairs import PreparedPairs

# Logits that are held at once: of a core's cache; of a GPU 256 MB.
_CPU_LOGITS, _GPU_LOGITS = 1 << 19, 1 << 26


@dataclass(frozen=True)
class Readout:
    """A network's last steps, from its stream to logits: final norm and output embedding.

    Attributes:
        scale, shift: of the norm, float32 (d_model,).
        eps: of the norm.
        weight: of the output embedding, float32 (vocabulary, d_model).
    """

    scale: torch.Tensor
    shift: torch.Tensor
    eps: float
    weight: torch.Tensor

    def normed(self, stream: torch.Tensor) -> torch.Tensor:
        """The stream (..., d_model) behind the final norm: float32."""
        return layer_norm(stream.float(), self.scale.shape, self.scale, self.shift, self.eps)

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        """Of a stream (n, d_model): float32 (n, vocabulary)."""
        return linear(self.normed(stream), self.weight)

    def blocks(self, positions: int) -> Iterator[slice]:
        """Cut positions into parts whose logits fit in memory."""
        most = _CPU_LOGITS if self.weight.device.type == "cpu" else _GPU_LOGITS
        rows = max(1, most // len(self.weight))
        return (slice(start, start + rows) for start in range(0, positions, rows))


def readout(model: PreTrainedModel) -> Readout:
    """A GPT-NeoX network's last steps, in float32 on the device where it takes tokens.

    Raises:
        UsageError: another architecture, or weights that accelerate keeps elsewhere than in memory.
    """
    norm, head = require_neox(model).base_model.final_layer_norm, model.get_output_embeddings()
    if norm.weight.is_meta or head.weight.is_meta:
        name = model.name_or_path or "the model"
        raise UsageError(
            f"{name}: its output embedding is not in memory; a lens needs a device that holds it"
        )
    place = {"device": device_of(model), "dtype": torch.float32}
    scale, shift, weight = (w.detach().to(**place) for w in (norm.weight, norm.bias, head.weight))
    return Readout(scale, shift, norm.eps, weight)


@dataclass(frozen=True)
class Lens:
    """An affine map for each of the first depths; at all others the stream itself.

    Attributes:
        matrices: what is added to the identity, float32 (depths, d_model, d_model): at depth l the stream h,
            a row, becomes h + h @ matrices[l] + biases[l].
        biases: float32 (depths, d_model).
    """

    matrices: torch.Tensor
    biases: torch.Tensor

    def at(self, depth: int, stream: torch.Tensor) -> torch.Tensor:
        """The stream (n, d_model) of a depth as the readout is to have it: float32."""
        stream = stream.float()
        if depth >= len(self.biases):
            return stream
        return torch.addmm(stream + self.biases[depth], stream, self.matrices[depth])


LOGIT_LENS = Lens(torch.empty(0, 0, 0), torch.empty(0, 0))


def streams(model: PreTrainedModel, run: Callable[[], object]) -> list[torch.Tensor]:
    """The stream at every depth while a network runs: layers + 1 tensors (batch, length, d_model).

    Args:
        model: a GPT-NeoX network.
        run: runs it once.

    Raises:
        UsageError: another architecture.
    """
    found: dict[int, torch.Tensor] = {}
    with hooked(model, residual=found.__setitem__):
        run()
    return [found[depth].to(device_of(model)) for depth in range(n_layers(model) + 1)]


def token_streams(model: PreTrainedModel, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    """The stream at every depth, of all tokens but each sequence's last, one after another: (tokens, d_model).

    Padding is on the right: nothing before it can see it.
    """
    ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)[:, :-1]
    lengths = torch.tensor([len(row) - 1 for row in sequences])
    real = (torch.arange(ids.shape[1]) < lengths[:, None]).to(device_of(model))
    return [part[real] for part in streams(model, lambda: hidden_states(model, ids))]


def checked(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]]
) -> tuple[list[torch.Tensor], list[int]]:
    """Sequences as tensors, and how many tokens of each are read.

    Raises:
        UsageError: another architecture, no sequence, one of fewer than two tokens or longer than the model's
            context and the token behind it, or what is no token.
    """
    rows = token_ids(require_neox(model), sequences)
    lengths = [len(row) - 1 for row in rows]
    if min(lengths, default=0) < 1:
        raise UsageError("a lens needs sequences of two tokens or more, and at least one")
    require_context(model, lengths)
    return rows, lengths


# --- what lenses say of text ----------------------------------------------------------------------

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
        UsageError: see `checked`.
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
