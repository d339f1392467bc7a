"""Train the tuned lens: an affine map for each depth that brings its answer near to the final one.

Belrose et al. (2023), *Eliciting Latent Predictions from Transformers with the Tuned Lens*, section 3: the maps
minimise KL(final || lens) on text, the network itself is not changed, and each begins as the identity, where
the tuned lens is the logit lens. Streams are computed once and kept; all depths are trained at once. In place
of the paper's 250 steps of 2^18 tokens there are some tens of some hundred, by Adam in place of SGD: what is
left to gain is small, and a divergence is an upper bound of what an affine map can reach.

Text of which every fifth sequence is kept aside says of each depth which step was best. None may be better than
the first: then the map is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.base.progress import Bar
from pythia_utils.evaluation.hooks import n_layers
from pythia_utils.evaluation.inference import (
    measuring,
    require_finite,
    run_in_batches,
    tokens_that_fit,
)
from pythia_utils.evaluation.lens import Lens, Readout, checked, readout, token_streams

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ASIDE = 5  # of so many sequences the last is kept aside
_LOOKS = 4  # how often the text kept aside is looked at


@dataclass(frozen=True)
class Settings:
    """How a tuned lens is trained.

    Attributes:
        steps: of Adam, whose rate falls linearly to 0; with none the lens is the logit lens.
        tokens: positions a step; all where there are fewer.
        rate: the first rate, of matrices in units of 1 / d_model, of biases in units of the stream's root mean
            square.
        seed: of the order of positions.
    """

    steps: int = 80
    tokens: int = 192
    rate: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Streams:
    """A network's stream at every depth, over some text.

    Attributes:
        values: (depths, positions, d_model), of the network's dtype, in memory.
        ends: where each sequence ends, int64 (sequences,).
    """

    values: torch.Tensor
    ends: torch.Tensor


@dataclass(frozen=True)
class Trained:
    """A tuned lens and how it went.

    Attributes:
        lens: of all depths but the last.
        first, best: KL(final || lens) on the text kept aside, of the identity and of the map that was kept:
            nats, float64 (depths - 1,).
        at: the step at which the map was kept, int64 (depths - 1,); 0: it is the identity.
    """

    lens: Lens
    first: torch.Tensor
    best: torch.Tensor
    at: torch.Tensor


@torch.inference_mode()
def read(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]], batch_tokens: int | None = None
) -> Streams:
    """Run a network over text and keep its stream at every depth, in memory of the CPU.

    Args:
        model: a GPT-NeoX network.
        sequences: token ids, each of at least two, of which all but the last are read.
        batch_tokens: padded tokens a forward pass; from the memory if None. Changes no result.

    Raises:
        UsageError: see `lens.checked`.
    """
    rows, lengths = checked(model, sequences)
    ends = torch.tensor(lengths).cumsum(0)
    shape = (n_layers(model) + 1, sum(lengths), model.config.hidden_size)
    values = torch.empty(shape, dtype=model.dtype)

    def fill(batch: list[int]) -> None:
        found = token_streams(model, [rows[i] for i in batch])
        places = [torch.arange(ends[i] - lengths[i], ends[i]) for i in batch]
        for depth, stream in enumerate(found):
            values[depth, torch.cat(places)] = stream.cpu()

    run_in_batches(lengths, batch_tokens or tokens_that_fit(model), fill)
    return Streams(values, ends)


@torch.inference_mode()
def mean_answer(model: PreTrainedModel, text: Streams) -> torch.Tensor:
    """The mean of a network's final answers over a text, as log-probabilities: float32 (vocabulary,).

    Of all answers that do not depend on the text before, it has the least mean KL(p || r) from them.

    Raises:
        UsageError: another architecture.
        NotFiniteError: the network gives NaN or infinity.
    """
    last, final = readout(model), text.values[-1]
    total = torch.zeros(len(last.weight), dtype=torch.float64, device=last.weight.device)
    with measuring("lens", model):
        for part in last.blocks(len(final)):
            own = require_finite(last.logits(final[part].to(total.device)))
            total += own.softmax(dim=1).double().sum(dim=0)
    return (total / len(final)).log().float()


def train(model: PreTrainedModel, text: Streams, settings: Settings | None = None) -> Trained:
    """Train a tuned lens.

    Args:
        model: the network that `read` was given.
        text: of `read`; two sequences at least, of which one is kept aside.
        settings: how.

    Raises:
        UsageError: fewer than two sequences, fewer than 0 steps, another architecture.
        NotFiniteError: the network gives NaN or infinity.
    """
    if len(text.ends) < 2:
        raise UsageError(
            f"a tuned lens needs 2 sequences or more, of which one is kept aside; got {len(text.ends)}"
        )
    settings = settings or Settings()
    if settings.steps < 0:
        raise UsageError(f"a tuned lens trained for {settings.steps} steps; expected 0 or more")
    with measuring("tuned lens", model):
        return _Training(readout(model), text, settings).run()


class _Training:
    """One training: the maps, what they are trained on, and the best of each depth so far."""

    def __init__(self, last: Readout, text: Streams, settings: Settings) -> None:
        self.last, self.values, self.settings = last, text.values, settings
        self.own, self.aside = _apart(text.ends)
        depths, _, width = text.values.shape
        place = {"device": last.weight.device, "dtype": torch.float32}
        self.matrices = torch.zeros(depths - 1, width, width, **place, requires_grad=True)
        self.biases = torch.zeros(depths - 1, 1, width, **place, requires_grad=True)
        means = [layer.float().square().mean().sqrt() for layer in text.values[:-1]]
        self.size = torch.stack(means).to(**place)[:, None, None]

    def run(self) -> Trained:
        generator = torch.Generator().manual_seed(self.settings.seed)
        groups = [{"params": [self.matrices]}, {"params": [self.biases]}]
        adam = torch.optim.Adam(groups, betas=(0.9, 0.98))
        rates = self.settings.rate / self.matrices.shape[-1], self.settings.rate / 16
        looks = torch.linspace(0, self.settings.steps, _LOOKS + 1).round().int().tolist()
        self._begin()
        count = min(self.settings.tokens, len(self.own))
        with Bar(self.settings.steps, "tuned lens", "step", keep=False) as bar:
            for step in range(self.settings.steps):
                for group, rate in zip(adam.param_groups, rates, strict=True):
                    group["lr"] = rate * (1 - step / self.settings.steps)
                chosen = torch.randint(len(self.own), (count,), generator=generator)
                self._gradients(self.own[chosen])
                adam.step()
                adam.zero_grad()
                if step + 1 in looks:
                    self._look(step + 1)
                bar.advance(1)
        return Trained(Lens(*self.kept), self.first, self.best, self.at)

    def _begin(self) -> None:
        self.first = self._divergences()
        self.best, self.at = self.first.clone(), torch.zeros(len(self.first), dtype=torch.int64)
        self.kept = [self.matrices.detach().clone(), self.biases.detach()[:, 0].clone()]

    def _look(self, step: int) -> None:
        """Keep the maps that are better than all before; a divergence that is no number is not."""
        found = self._divergences()
        better = found < self.best
        self.best[better], self.at[better] = found[better], step
        self.kept[0][better] = self.matrices.detach()[better]
        self.kept[1][better] = (self.biases * self.size).detach()[better, 0]

    def _streams(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """At some positions the normed streams after their maps, and the final logits."""
        stream = self.values[:, chosen].to(self.matrices.device).float()
        moved = stream[:-1] + self.biases * self.size
        moved = torch.baddbmm(moved, stream[:-1], self.matrices)
        return self.last.normed(moved), require_finite(self.last.logits(stream[-1]))

    def _gradients(self, chosen: torch.Tensor) -> None:
        """Of the mean of KL(p || q) over positions: of logits it is q - p, one depth's at a time."""
        normed, final = self._streams(chosen)
        with torch.no_grad():
            final = final.softmax(dim=1)
            slopes = torch.empty_like(normed)
            for depth, own in enumerate(normed):
                error = (own @ self.last.weight.T).softmax(dim=1).sub_(final)
                torch.mm(error, self.last.weight, out=slopes[depth])
        normed.backward(slopes / len(chosen))

    @torch.no_grad()
    def _divergences(self) -> torch.Tensor:
        """The mean KL(p || q) of every depth on the text kept aside: float64 (depths - 1,)."""
        total = torch.zeros(len(self.matrices), dtype=torch.float64)
        for part in self.last.blocks(len(self.aside)):
            normed, final = self._streams(self.aside[part])
            final = final.log_softmax(dim=1)
            for depth, own in enumerate(normed):
                other = (own @ self.last.weight.T).log_softmax(dim=1)
                total[depth] += (final.exp() * (final - other)).sum().double().cpu()
        return total / len(self.aside)


def _apart(ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions to train on, and those of the sequences kept aside."""
    aside = torch.arange(len(ends)) % _ASIDE == _ASIDE - 1
    aside[-1] |= not aside.any()
    of_position = aside.repeat_interleave(ends.diff(prepend=ends.new_zeros(1)))
    return (~of_position).nonzero().flatten(), of_position.nonzero().flatten()
