"""Sequences of tokens that no text holds: a first part, a gap, and a second part that repeats the first or not.

    begin  a b c d e   x y z   a b c d e        in order: what came after `b` comes after it again
    begin  a b c d e   x y z   c d e a b        rotated: so it does, but for the turn from `e` to `a`
    begin  a b c d e   x y z   d a e c b        shuffled: the same tokens, another order
    begin  a b c d e   x y z   p q r s t        fresh: tokens that were not there

All tokens of the first part and of the gap differ, so nothing but the repetition can be predicted. The four
differ in their second parts alone, and so

- shuffled less in order, the **in-order gain**, is what a model gains by the order of the first part. A model
  that copies from a distance, or expects the token that was seen longest ago, has it too.
- shuffled less rotated, the **content gain**, is induction: a rotation begins at a random place, which takes
  all sense from distance and age. Only who finds what came after the *same token* knows what comes next.
- fresh less shuffled, the **cache gain**, is what a model gains by remembering which tokens there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.evaluation.causal import require_causal
from pythia_utils.evaluation.inference import (
    hidden_states,
    log_normalizers,
    measuring,
    require_context,
    run_in_batches,
    target_logits,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.nano.documents import SUCCESSOR_SYMBOLS, SYMBOLS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS = ("in_order", "rotated", "shuffled", "fresh")
ALPHABETS = ("successors", "symbols", "words", "vocabulary")
_WORD = 3  # letters of what counts as a word, at least


@dataclass(frozen=True, eq=False)
class Repeats:
    """Sequences of one period and one gap.

    Attributes:
        period: tokens of the part that is repeated.
        gap: tokens between its end and the second part.
        in_order, rotated, shuffled, fresh: token ids, int64 (sequences, 1 + period + gap + period).
        turns: where in the second part of `rotated` the first token of the first part stands: int64
            (sequences,), 1 to period - 1. Nothing tells that it comes there.
        alphabet: the tokens that first and second parts are drawn from, int64.
    """

    period: int
    gap: int
    in_order: np.ndarray
    rotated: np.ndarray
    shuffled: np.ndarray
    fresh: np.ndarray
    turns: np.ndarray
    alphabet: np.ndarray

    @property
    def distance(self) -> int:
        """Tokens from one occurrence to the next, in order."""
        return self.period + self.gap

    def part(self, chosen: slice) -> Repeats:
        """Some of the sequences."""
        own = {name: getattr(self, name)[chosen] for name in (*KINDS, "turns")}
        return replace(self, **own)


@dataclass(frozen=True, eq=False)
class Losses:
    """What a model pays for the second parts.

    The first token of a second part counts nowhere: nothing says that the second part begins.

    Attributes:
        nats: by kind, of each token of the second part: float64 (sequences, period).
        turns: of the `Repeats`.
    """

    nats: Mapping[str, np.ndarray]
    turns: np.ndarray

    def of(self, kind: str) -> np.ndarray:
        """Mean loss of a kind of second part: float64 (sequences,), nats a token."""
        return self.nats[kind][:, 1:].mean(axis=1)

    @property
    def in_order_gain(self) -> np.ndarray:
        """Shuffled less in order: float64 (sequences,), nats a token."""
        return self.of("shuffled") - self.of("in_order")

    @property
    def cache_gain(self) -> np.ndarray:
        """Fresh less shuffled: float64 (sequences,), nats a token."""
        return self.of("fresh") - self.of("shuffled")

    @property
    def content_gain(self) -> np.ndarray:
        """Shuffled less rotated, at the places that are no turn: float64 (sequences,), nats a token."""
        saved = self.nats["shuffled"] - self.nats["rotated"]
        counted = np.arange(saved.shape[1]) != self.turns[:, None]
        return (saved * counted)[:, 1:].sum(axis=1) / (saved.shape[1] - 2)


def alphabet(tokenizer: PreTrainedTokenizerBase, name: str) -> np.ndarray:
    """The tokens that sequences are made of, ascending: int64.

    Args:
        tokenizer: the model's.
        name: `successors`, the 20 symbols of that domain of our corpus, each after a blank; `symbols`, all 56
            of it; `words`, tokens that are a blank and letters; `vocabulary`, all but special tokens.

    Raises:
        UsageError: another name, or a symbol that the tokenizer has no token for.
    """
    if name not in ALPHABETS:
        raise unknown("alphabet", name, ALPHABETS)
    if name in ("successors", "symbols"):
        return _symbols(tokenizer, SUCCESSOR_SYMBOLS if name == "successors" else SYMBOLS)
    ids = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    if name == "vocabulary":
        return ids
    texts = tokenizer.batch_decode(ids[:, None].tolist())
    is_word = [text[:1] == " " and len(text) > _WORD and text[1:].isalpha() for text in texts]
    return ids[is_word]


def _symbols(tokenizer: PreTrainedTokenizerBase, symbols: Sequence[str]) -> np.ndarray:
    ids = tokenizer([f" {symbol}" for symbol in symbols], add_special_tokens=False)["input_ids"]
    for symbol, own in zip(symbols, ids, strict=True):
        if len(own) != 1:
            raise UsageError(f"the tokenizer has no token for the symbol {symbol!r} after a blank")
    return np.unique(ids)


def draw(ids: np.ndarray, period: int, gap: int, n: int, begin: int, seed: int = 0) -> Repeats:
    """Draw sequences. The same arguments draw the same ones.

    Args:
        ids: of the `alphabet`.
        period: tokens of the part that is repeated, 3 at least.
        gap: tokens between the parts, of the alphabet too.
        n: sequences.
        begin: the token that stands before each (`likelihood.first_token`).
        seed: of the draw.

    Raises:
        UsageError: numbers that are too small, or more tokens than the alphabet has.
    """
    _require_room(len(ids), period, gap, n)
    rng = np.random.default_rng([seed, period, gap])
    turns = rng.integers(1, period, n)
    rows: dict[str, list] = {kind: [] for kind in KINDS}
    for turn in turns:
        first, other, rest = np.split(rng.permutation(ids), [period, 2 * period])
        seconds = (first, np.roll(first, turn), rng.permutation(first), other)
        for kind, second in zip(KINDS, seconds, strict=True):
            rows[kind].append(np.concatenate([[begin], first, rest[:gap], second]))
    made = {kind: np.array(rows[kind]) for kind in KINDS}
    return Repeats(period, gap, **made, turns=turns, alphabet=np.asarray(ids))


def _require_room(size: int, period: int, gap: int, n: int) -> None:
    if period < 3 or gap < 0 or n < 2:
        raise UsageError(
            f"{n} sequences of period {period} and gap {gap}; expected 2 sequences or more, a period of 3 or "
            "more, and a gap of 0 or more"
        )
    if 2 * period + gap > size:
        raise UsageError(
            f"period {period} with gap {gap} needs {2 * period + gap} different tokens, of two parts and the "
            f"gap; the alphabet has {size}: expected a smaller period or gap, or another alphabet"
        )


def losses(
    model: PreTrainedModel,
    repeats: Repeats,
    kinds: Sequence[str] = KINDS,
    batch_tokens: int | None = None,
) -> Losses:
    """Score the second parts.

    Args:
        model: a causal network.
        repeats: the sequences.
        kinds: of second parts; a gain needs both that it is between.
        batch_tokens: tokens a forward pass; from the memory if None. Changes speed, not results.

    Raises:
        UsageError: another class of model, sequences longer than its context, or what is no token of its.
        NotFiniteError: the network gives NaN or infinity.
    """
    rows = np.concatenate([getattr(repeats, kind) for kind in kinds])
    parts = np.split(last_nats(model, rows, repeats.period, batch_tokens), len(kinds))
    return Losses(dict(zip(kinds, parts, strict=True)), repeats.turns)


@torch.inference_mode()
def last_nats(
    model: PreTrainedModel, rows: np.ndarray, scored: int, batch_tokens: int | None = None
) -> np.ndarray:
    """What the last tokens of some sequences cost, each given all before it: float64 (rows, scored), nats.

    As `likelihood.token_logprobs`, but logits are made for these tokens alone.

    Args:
        model: a causal network.
        rows: token ids (rows, length).
        scored: how many tokens at the end, fewer than the length.
        batch_tokens: as of `losses`.

    Raises:
        UsageError, NotFiniteError: as `losses`.
    """
    model = require_causal(model)
    ids = token_ids(model, rows)
    require_context(model, [len(row) - 1 for row in ids])
    found = np.empty((len(ids), scored))

    def fill(batch: list[int]) -> None:
        own = torch.stack([ids[i] for i in batch])
        hidden = hidden_states(model, own[:, :-1])[:, -scored:].flatten(0, 1)
        targets = own[:, -scored:].flatten().to(hidden.device)
        values = log_normalizers(model, hidden) - target_logits(model, hidden, targets)
        found[batch] = values.view(len(batch), scored).cpu()

    with measuring("loss", model):
        run_in_batches([len(row) for row in ids], batch_tokens or tokens_that_fit(model), fill)
    return found


def content_gain(
    model: PreTrainedModel, repeats: Repeats, batch_tokens: int | None = None
) -> np.ndarray:
    """The content gain alone (`Losses.content_gain`), in half the time."""
    return losses(model, repeats, ("rotated", "shuffled"), batch_tokens).content_gain
