"""Activation patching: which parts of a network carry what makes two runs differ.

Two texts of as many tokens differ in one thing, such as the number of a noun. The network reads the one; while
it does, the output of some of its parts is replaced by what these parts gave in its run on the other (Vig et
al. 2020, causal mediation; Meng et al. 2022, causal tracing; Wang et al. 2022, for heads). If the answer then
moves towards that of the other run, these parts carry the difference.

The answer is the margin: the logit of the right token less that of the wrong one at the position after the
text, which is the difference of their log-probabilities. Zhang and Nanda (2024) prefer it to probabilities.
Texts are cut where the two answers part.

Many replacements share a forward pass, and what cannot differ is not computed again. The batch holds a row for
each of them and each text, and a row joins it at the layer where its replacement begins, as a copy of the
unchanged run, which is the same below that layer. What the two versions begin with in common is read once: its
keys and values are the same in all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import additive
from pythia_utils.evaluation.hooks import hooked, n_heads, n_layers, require_neox
from pythia_utils.evaluation.inference import (
    device_of,
    hidden_states,
    measuring,
    require_context,
    require_finite,
    run_in_batches,
    target_logits,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.evaluation.prefix_tree import require_mask

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

# Where a replacement takes place: everywhere, where the texts differ, between that and the last token, there.
PLACES = ("everywhere", "changed", "between", "last")
_AT_ONCE = 64  # replacements in a forward pass at most


@dataclass(frozen=True)
class Texts:
    """Beginnings of sentences in two versions of as many tokens, and the two tokens that may follow.

    Attributes:
        own: token ids of the one version of each text.
        other: of the other version; position by position as long.
        good, bad: the tokens whose logits are compared after the text, (texts,) int.
    """

    own: Sequence[Sequence[int]]
    other: Sequence[Sequence[int]]
    good: Sequence[int]
    bad: Sequence[int]

    def exchanged(self) -> Texts:
        """The same texts with the roles of the two versions exchanged."""
        return Texts(self.other, self.own, self.good, self.bad)


@dataclass(frozen=True)
class Patch:
    """What is replaced by what it was in the other run.

    Attributes:
        heads: outputs of attention heads before the output matrix, each (layer, head).
        mlps: layers whose MLP's output is replaced.
        residual: layers before which the stream itself is replaced; as many as there are layers: what the
            final norm reads.
        embedding: replace the tokens' own embeddings in what the final norm reads, and nowhere else: the way
            from a token to the answer that leads through no part.
        place: one of `PLACES`.
    """

    heads: frozenset[tuple[int, int]] = frozenset()
    mlps: frozenset[int] = frozenset()
    residual: frozenset[int] = frozenset()
    embedding: bool = False
    place: str = "everywhere"

    def begins(self, layers: int) -> int:
        """The layer from which on a run with it differs, of a network with so many layers."""
        own = [*(layer for layer, _ in self.heads), *self.mlps, *self.residual]
        return min(own, default=layers)


def head_patches(model: PreTrainedModel) -> dict[tuple[int, int], Patch]:
    """Each head alone, by layer and head."""
    places = [(layer, h) for layer in range(n_layers(model)) for h in range(n_heads(model))]
    return {place: Patch(heads=frozenset([place])) for place in places}


def mlp_patches(model: PreTrainedModel) -> dict[int, Patch]:
    """Each MLP alone, by layer."""
    return {layer: Patch(mlps=frozenset([layer])) for layer in range(n_layers(model))}


def joint(patches: Sequence[Patch]) -> Patch:
    """All that any of them replaces, at once, everywhere."""
    return Patch(
        heads=frozenset().union(*(patch.heads for patch in patches)),
        mlps=frozenset().union(*(patch.mlps for patch in patches)),
        residual=frozenset().union(*(patch.residual for patch in patches)),
        embedding=any(patch.embedding for patch in patches),
    )


@torch.inference_mode()
def patched_margins(
    model: PreTrainedModel,
    texts: Texts,
    patches: Sequence[Patch],
    batch_tokens: int | None = None,
) -> np.ndarray:
    """The margins of a network that reads `own`, with parts as they are when it reads `other`.

    Args:
        model: a GPT-NeoX network.
        texts: the two versions.
        patches: what is replaced; `Patch()` replaces nothing.
        batch_tokens: tokens in one forward pass; from the memory if None. Changes speed, not results.

    Returns:
        logit(good) - logit(bad) after the text, float64 (patches, texts), in nats.

    Raises:
        UsageError: another architecture, an attention that takes no mask, versions of unequal length, a text
            longer than the context, what is no token id, or a place that is none.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    require_mask(require_neox(model))
    if not len(texts.own):
        return np.empty((len(patches), 0))
    prepared = _prepared(model, texts, patches)
    margins = np.empty((len(patches), len(prepared.lengths)))
    # In the order in which they begin, so that rows join a batch at its end.
    order = sorted(range(len(patches)), key=lambda i: patches[i].begins(n_layers(model)))

    def fill(rows: list[int]) -> None:
        part = prepared.part(rows)
        begun = _Beginning(model, part)
        other = _Run(model, part, begun)
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            swap = _Swap(model, part, other, [patches[i] for i in some])
            margins[np.ix_(some, rows)] = swap.margins(begun)

    at_once = min(len(patches), _AT_ONCE) + 1
    ends = zip(prepared.common(), prepared.lengths, strict=True)
    with measuring("patching", model):
        budget = batch_tokens or tokens_that_fit(model)
        run_in_batches([at_once * (end - start) for start, end in ends], budget, fill)
    return margins


@dataclass(frozen=True)
class _Prepared:
    """Texts as tensors: own, other int64 (texts, length), padded on the right; lengths; answers (texts, 2)."""

    own: torch.Tensor
    other: torch.Tensor
    lengths: list[int]
    answers: torch.Tensor

    def part(self, rows: list[int]) -> _Prepared:
        lengths = [self.lengths[row] for row in rows]
        own, other = self.own[rows, : max(lengths)], self.other[rows, : max(lengths)]
        return _Prepared(own, other, lengths, self.answers[rows])

    def common(self) -> list[int]:
        """With how many tokens both versions of each text begin, its last one not among them."""
        same = (self.own == self.other).int().cumprod(1).sum(1).tolist()
        return [min(one, length - 1) for one, length in zip(same, self.lengths, strict=True)]

    def places(self) -> Mapping[str, torch.Tensor]:
        """For each of `PLACES` the positions that it means: bool (texts, length)."""
        at, end = torch.arange(self.own.shape[1]), torch.tensor(self.lengths)[:, None]
        last, differs = at == end - 1, self.own != self.other
        between = (differs.cumsum(1) > 0) & ~differs & (at < end - 1)
        found = (torch.ones_like(last), differs & ~last, between, last)
        return dict(zip(PLACES, found, strict=True))


def _prepared(model: PreTrainedModel, texts: Texts, patches: Sequence[Patch]) -> _Prepared:
    own, other = (token_ids(model, part, "text") for part in (texts.own, texts.other))
    lengths = [len(row) for row in own]
    for index, (one, two) in enumerate(zip(own, other, strict=True)):
        if len(one) != len(two) or not len(one):
            raise UsageError(
                f"text {index}: {len(one)} and {len(two)} tokens; patching needs as many, one at least"
            )
    require_context(model, lengths, "text")
    if wrong := [patch.place for patch in patches if patch.place not in PLACES]:
        raise UsageError(f"place {wrong[0]!r}; expected one of {', '.join(PLACES)}")
    answers = token_ids(model, list(zip(texts.good, texts.bad, strict=True)), "answer")
    padded = (torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) for rows in (own, other))
    return _Prepared(*padded, lengths, torch.stack(answers))


class _Beginning:
    """What the versions of some texts begin with in common, read once: keys and values of each layer."""

    def __init__(self, model: PreTrainedModel, texts: _Prepared):
        self.model, self.length, self.read = model, min(texts.common()), None
        if self.length:
            self.read = self._cache([])
            hidden_states(model, texts.own[:, : self.length], self.read)

    def _cache(self, copies: Sequence[int]) -> DynamicCache:
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        for layer, count in enumerate(copies if self.length else ()):
            known = self.read.layers[layer]
            parts = (part.repeat(count, 1, 1, 1) for part in (known.keys, known.values))
            cache.update(*parts, layer)
        return cache

    def go_on(self, ids: torch.Tensor, copies: Sequence[int]) -> torch.Tensor:
        """Hidden states of the tokens after it, (rows, length, d_model).

        Args:
            ids: whole texts.
            copies: how often a batch holds the texts in each layer; hooks let it grow.
        """
        length = ids.shape[1]
        sees = torch.ones(1, length, length, dtype=torch.bool, device=device_of(self.model)).tril()
        # A mask of one row fits a batch that grows on the way.
        mask = additive(sees[:, self.length :], self.model)
        cache = self._cache(copies)
        return hidden_states(self.model, ids[:, self.length :], cache, attention_mask=mask)


class _Run:
    """What the parts of a network give while it reads the other versions: by layer, (texts, length, ...)."""

    def __init__(self, model: PreTrainedModel, texts: _Prepared, begun: _Beginning):
        self.heads: dict[int, torch.Tensor] = {}
        self.mlps: dict[int, torch.Tensor] = {}
        self.residual: dict[int, torch.Tensor] = {}
        looks = {name: getattr(self, name).__setitem__ for name in ("heads", "mlps", "residual")}
        with hooked(model, **looks):
            begun.go_on(texts.other, [1] * n_layers(model))


class _Swap:
    """A run on `own` that grows by a copy of its rows for each patch, at the layer where that begins."""

    def __init__(
        self, model: PreTrainedModel, texts: _Prepared, other: _Run, patches: Sequence[Patch]
    ):
        self.model, self.texts, self.other, self.rows = model, texts, other, len(texts.lengths)
        layers = n_layers(model)
        self.begins = np.array([patch.begins(layers) for patch in patches])
        places = {name: place[:, min(texts.common()) :] for name, place in texts.places().items()}
        # The first copy is the run itself: nothing is replaced in it.
        nothing = torch.zeros_like(places["last"])
        self.places = torch.stack([nothing, *(places[patch.place] for patch in patches)])
        self.heads = torch.zeros(layers, len(patches) + 1, n_heads(model), dtype=torch.bool)
        self.mlps = torch.zeros(layers, len(patches) + 1, dtype=torch.bool)
        self.residual = torch.zeros(layers + 1, len(patches) + 1, dtype=torch.bool)
        self.embedding = torch.tensor([False, *(patch.embedding for patch in patches)])
        for row, patch in enumerate(patches, start=1):
            for layer, head in patch.heads:
                self.heads[layer, row, head] = True
            self.mlps[list(patch.mlps), row] = True
            self.residual[list(patch.residual), row] = True

    def margins(self, begun: _Beginning) -> np.ndarray:
        """Of each patch and text, float64 (patches, texts)."""
        copies = [1 + int((self.begins <= layer).sum()) for layer in range(len(self.mlps))]
        with hooked(self.model, residual=self._stream, heads=self._heads, mlps=self._mlps):
            hidden = begun.go_on(self.texts.own, copies)
        hidden = hidden.unflatten(0, (-1, self.rows))[1:]
        last = torch.tensor(self.texts.lengths, device=hidden.device) - 1 - begun.length
        states = hidden[:, torch.arange(self.rows), last].flatten(0, 1)
        good, bad = self.texts.answers.T.to(hidden.device).repeat(1, len(self.begins))
        found = target_logits(self.model, states, good) - target_logits(self.model, states, bad)
        return require_finite(found).double().cpu().numpy().reshape(-1, self.rows)

    def _stream(self, layer: int, stream: torch.Tensor) -> torch.Tensor:
        if layer == 0:
            self.own_embeddings = stream
        joining = int((self.begins == layer).sum())
        grown = torch.cat([stream, stream[: self.rows].repeat(joining, 1, 1)])
        if layer == len(self.residual) - 1:
            grown = self._embeddings(grown)
        return self._swapped(grown, self.residual[layer], self.other.residual[layer])

    def _embeddings(self, stream: torch.Tensor) -> torch.Tensor:
        """The stream with the other run's embeddings in place of its own, in the rows that want this."""
        difference = (self.other.residual[0] - self.own_embeddings).to(stream.device)
        where = (self.embedding[:, None, None] & self.places)[..., None].to(stream.device)
        return stream + (where * difference).flatten(0, 1)

    def _heads(self, layer: int, z: torch.Tensor) -> torch.Tensor | None:
        return self._swapped(z, self.heads[layer], self.other.heads[layer])

    def _mlps(self, layer: int, added: torch.Tensor) -> torch.Tensor | None:
        return self._swapped(added, self.mlps[layer], self.other.mlps[layer])

    def _swapped(self, x: torch.Tensor, which: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The other run's values where a row's patch is of this part (copies[, heads]) and place."""
        copies = len(x) // self.rows
        which, places = which[:copies], self.places[:copies]
        if not which.any():
            return x
        where = which[:, None, None] & (places[..., None] if which.ndim > 1 else places)
        x = x.unflatten(0, (copies, self.rows))
        return torch.where(where[..., None].to(x.device), other.to(x.device), x).flatten(0, 1)
