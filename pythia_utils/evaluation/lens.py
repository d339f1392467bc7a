"""What a network would answer if it stopped at some depth: its stream read by the network's own last steps.

The **logit lens** (nostalgebraist 2020, *interpreting GPT: the logit lens*) puts the stream of any depth
through the final norm and the unembedding. The **tuned lens** (Belrose et al. 2023, *Eliciting Latent
Predictions from Transformers with the Tuned Lens*, section 3) puts an affine map in front of them, one for
each depth, trained to bring the answer near to the final one (`tuned_lens`). What they say of text and of
pairs: `lens_answers`. Depth 0 is the embedding, before any layer; the last depth is after all layers, where
a lens is the network itself.

All of it is in float32 whatever the network's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import layer_norm, linear

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.hooks import hooked, n_layers, require_neox
from pythia_utils.evaluation.inference import (
    device_of,
    hidden_states,
    require_context,
    token_ids,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Logits that are held at once: of a core's cache; of a GPU 256 MB.
_CPU_LOGITS, _GPU_LOGITS = 1 << 19, 1 << 26


@dataclass(frozen=True)
class Readout:
    """A network's last steps, from its stream to logits: final norm and unembedding.

    Attributes:
        scale, shift: of the norm, float32 (d_model,).
        eps: of the norm.
        weight: of the unembedding, float32 (vocabulary, d_model).
    """

    scale: torch.Tensor
    shift: torch.Tensor
    eps: float
    weight: torch.Tensor

    def normed(self, stream: torch.Tensor) -> torch.Tensor:
        """The stream (..., d_model) after the final norm: float32."""
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
            f"{name}: its unembedding is not in memory; a lens needs a device that holds it"
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
            context and the token after it, or what is no token.
    """
    rows = token_ids(require_neox(model), sequences)
    lengths = [len(row) - 1 for row in rows]
    if min(lengths, default=0) < 1:
        raise UsageError("a lens needs sequences of two tokens or more, and at least one")
    require_context(model, lengths)
    return rows, lengths
