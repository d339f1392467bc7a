"""N-gram models of a training text, interpolated by Witten and Bell's rule: what counting alone predicts.

The probability of a word w after a context h is the mean of how often w followed h and of what the context
without its first word says (Witten and Bell 1991, method C; Chen and Goodman 1999, on Witten-Bell smoothing):

    P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))

c(h) is how often h was followed by anything, T(h) by how many different words, h' the context one shorter.
Below the empty context every word is equally likely. A context that was never read leaves the word to h'.
No parameter is tuned.

Counts lie in sorted arrays, one level a context's length. A context is numbered by its place there, and its key
is the number of the context one shorter with the token before it: so 20 million tokens of a vocabulary
of 50,000 take about two gigabytes for n up to 5, and one fit serves every n below.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pythia_utils.base.errors import UsageError

NOTHING = -1  # in a context: before the text began


@dataclass(frozen=True, eq=False)
class _Level:
    """What followed the contexts of one length.

    Attributes:
        vocab_size: tokens there are.
        contexts: int64 (contexts,), sorted: number of the context without its first token, times
            vocab_size, plus that token.
        pairs: int64 (pairs,), sorted: number of the context, times vocab_size, plus the token after it.
        counts: int32 (pairs,): how often.
        starts: int64 (contexts + 1,): where the pairs of each context begin, and the last end.
        totals: int64 (contexts,): how often each context was followed by anything.
    """

    vocab_size: int
    contexts: np.ndarray
    pairs: np.ndarray
    counts: np.ndarray
    starts: np.ndarray
    totals: np.ndarray

    @classmethod
    def counted(
        cls, keys: np.ndarray, targets: np.ndarray, vocab_size: int
    ) -> tuple[_Level, np.ndarray]:
        """Count the tokens after contexts, and number these: int64 of the keys' shape."""
        contexts, numbers = np.unique(keys, return_inverse=True)
        pairs, counts = np.unique(numbers * vocab_size + targets, return_counts=True)
        starts = np.searchsorted(pairs, np.arange(len(contexts) + 1) * vocab_size)
        totals = np.bincount(numbers.ravel(), minlength=len(contexts))
        level = cls(vocab_size, contexts, pairs, counts.astype(np.int32), starts, totals)
        return level, numbers

    def find(self, shorter: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Numbers of the contexts that are `shorter` with `tokens` before them; -1 if never read."""
        there = (shorter >= 0) & (tokens >= 0)
        return _places(self.contexts, np.where(there, shorter * self.vocab_size + tokens, -1))

    def weights(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each context, 1 / (c + T), and the weight of what is one shorter, T / (c + T).

        Zero and one for a context that was never read (-1).
        """
        known = numbers >= 0
        own = numbers[known]
        types = self.starts[own + 1] - self.starts[own]
        scale, weight = np.zeros(numbers.shape), np.ones(numbers.shape)
        scale[known] = 1 / (self.totals[own] + types)
        weight[known] = types * scale[known]
        return scale, weight

    def times(self, numbers: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """How often each token followed its context: int64, 0 for a context that was never read."""
        keys = np.where(numbers >= 0, numbers * self.vocab_size + tokens, -1)
        places = _places(self.pairs, keys)
        times = np.zeros(numbers.shape, np.int64)
        times[places >= 0] = self.counts[places[places >= 0]]
        return times

    def mixed(self, numbers: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """The distribution after each context, float64 (m, vocab), from that of contexts one shorter."""
        scale, weight = self.weights(numbers)
        mixed = lower * weight[:, None]
        rows, places = self._followers(numbers)
        mixed[rows, self.pairs[places] % self.vocab_size] += self.counts[places] * scale[rows]
        return mixed

    def _followers(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `numbers`, and places in `pairs`, of everything that followed: two int64 (found,)."""
        known = np.flatnonzero(numbers >= 0)
        begin = self.starts[numbers[known]]
        sizes = self.starts[numbers[known] + 1] - begin
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(known, sizes), np.repeat(begin, sizes) + offsets


_ARRAYS = tuple(field.name for field in fields(_Level) if field.name != "vocab_size")


def _places(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each number stands among sorted keys: int64 of its shape, -1 where it does not."""
    if not len(keys):
        return np.full(wanted.shape, -1)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


@dataclass(frozen=True, eq=False)
class NgramModel:
    """An n-gram model and all of lower order, from the same counts. `fit` makes one.

    Attributes:
        vocab_size: tokens there are.
        levels: what followed contexts of 0, 1, ... tokens.
    """

    vocab_size: int
    levels: tuple[_Level, ...]

    @property
    def order(self) -> int:
        """The n of the n-grams: tokens of a context, and one."""
        return len(self.levels)

    @classmethod
    def fit(
        cls, tokens: np.ndarray, order: int, vocab_size: int, context_only: int = 0
    ) -> NgramModel:
        """Count a training text.

        Args:
            tokens: token ids, int (n,), one stream; or (rows, n), texts that know nothing of each other.
                An end-of-text token is a token like any other: contexts run through it, as a model's do.
            order: the greatest n, 1 or more. Lower ones are reached by `lower`.
            vocab_size: tokens there are; the model gives each a probability.
            context_only: tokens at the start of each row that are no targets. For rows of training data 1:
                their first token is only an input, and the target of another row.

        Raises:
            UsageError: no tokens, one outside the vocabulary, or an order below one.
        """
        rows = _checked(tokens, order, vocab_size, context_only)
        levels, numbers = [], np.zeros(rows[:, context_only:].shape, np.int64)
        for length in range(order):
            first = min(max(length, context_only), rows.shape[1])  # column of the first target
            numbers = numbers[:, max(numbers.shape[1] - (rows.shape[1] - first), 0) :]
            if length:
                numbers = numbers * vocab_size + rows[:, first - length : rows.shape[1] - length]
            level, numbers = _Level.counted(numbers, rows[:, first:], vocab_size)
            levels.append(level)
        return cls(vocab_size, tuple(levels))

    def lower(self, order: int) -> NgramModel:
        """The model of a lower order, from the same counts; nothing is copied.

        Raises:
            UsageError: an order that is not 1 to this model's.
        """
        if not 1 <= order <= self.order:
            raise UsageError(f"order {order}; expected 1 to {self.order}, which was counted")
        return NgramModel(self.vocab_size, self.levels[:order])

    def token_logprobs(self, ids: np.ndarray) -> np.ndarray:
        """The log-probability of each token given those before it, up to order - 1 of them.

        Args:
            ids: token ids, int (length,) or (rows, length). A row's first token has no context.

        Returns:
            Nats, float64, of the shape of `ids`.

        Raises:
            UsageError: what is no token of the vocabulary.
        """
        *_, last = self.logprobs_of_orders(ids)
        return last

    def logprobs_of_orders(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """As `token_logprobs`, of order 1, 2, ... to this model's, in one pass."""
        ids = _token_ids(ids, self.vocab_size)
        before = np.full((*ids.shape[:-1], self.order - 1), NOTHING)
        padded = np.concatenate([before, ids], axis=-1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.order, axis=-1)
        probability = np.full(ids.shape, 1 / self.vocab_size)
        for level, numbers in self._found(windows[..., :-1]):
            scale, weight = level.weights(numbers)
            probability = level.times(numbers, ids) * scale + weight * probability
            yield np.log(probability)

    def distribution(self, contexts: np.ndarray) -> np.ndarray:
        """The distribution of the token after each context.

        Args:
            contexts: token ids, int (m, k); the last order - 1 columns count, the last of them being the
                token just before. Fewer columns, or `NOTHING` (-1) in the first ones, are a shorter context.

        Returns:
            Probabilities, float64 (m, vocab_size); rows sum to one. All are above zero.

        Raises:
            UsageError: what is no token of the vocabulary.
        """
        *_, last = self.distributions(contexts)
        return np.array(last)

    def distributions(self, contexts: np.ndarray) -> Iterator[np.ndarray]:
        """As `distribution`, of order 1, 2, ... to this model's, in one pass. Not to be written to."""
        contexts = _token_ids(contexts, self.vocab_size, least=NOTHING)
        mixed = np.full((1, self.vocab_size), 1 / self.vocab_size)
        for length, (level, numbers) in enumerate(self._found(contexts)):
            # The empty context is every row's: one row stands for all of them.
            mixed = level.mixed(numbers if length else np.zeros(1, np.int64), mixed)
            yield np.broadcast_to(mixed, (len(contexts), self.vocab_size))

    def known(self, contexts: np.ndarray) -> np.ndarray:
        """Whether training had each context of 0, 1, ... order - 1 tokens: bool (order, m).

        Where it did not, the distribution of that order is that of the next lower one. Contexts are as in
        `distribution`.

        Raises:
            UsageError: what is no token of the vocabulary.
        """
        contexts = _token_ids(contexts, self.vocab_size, least=NOTHING)
        return np.stack([numbers >= 0 for _, numbers in self._found(contexts)])

    def save(self, path: Path) -> None:
        """Write the counts to an `.npz` file, from which `load` makes the same model."""
        arrays = {
            f"{name}{length}": getattr(level, name)
            for length, level in enumerate(self.levels)
            for name in _ARRAYS
        }
        with path.open("wb") as file:
            np.savez(file, vocab_size=self.vocab_size, order=self.order, **arrays)

    @classmethod
    def load(cls, path: Path) -> NgramModel:
        """Read what `save` wrote.

        Raises:
            UsageError: the file is missing, damaged, or another's.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                vocab_size, order = int(stored["vocab_size"]), int(stored["order"])
                levels = [[stored[f"{name}{n}"] for name in _ARRAYS] for n in range(order)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as failure:
            raise UsageError(f"{path} holds no n-gram model: {failure}") from None
        return cls(vocab_size, tuple(_Level(vocab_size, *arrays) for arrays in levels))

    def _found(self, contexts: np.ndarray) -> Iterator[tuple[_Level, np.ndarray]]:
        """Every level, and the numbers that the contexts (..., k) have there."""
        numbers = np.zeros(contexts.shape[:-1], np.int64)
        for length, level in enumerate(self.levels):
            if length > contexts.shape[-1]:
                numbers = np.full_like(numbers, -1)
            elif length:
                numbers = level.find(numbers, contexts[..., -length])
            yield level, numbers


def _checked(tokens: np.ndarray, order: int, vocab_size: int, context_only: int) -> np.ndarray:
    """The training text, int64 (rows, n)."""
    if order < 1:
        raise UsageError(f"order {order} of an n-gram model; expected 1 or more")
    rows = np.atleast_2d(_token_ids(tokens, vocab_size))
    if not rows[:, context_only:].size:
        raise UsageError("no tokens to count; expected a training text")
    return rows


def _token_ids(tokens: np.ndarray, vocab_size: int, least: int = 0) -> np.ndarray:
    """Token ids as int64, refused where the vocabulary does not have them."""
    ids = np.asarray(tokens)
    if ids.size and ids.dtype.kind not in "iu":
        raise UsageError(f"tokens are {ids.dtype} values; expected ids, 0 to {vocab_size - 1}")
    wrong = ids[(ids < least) | (ids >= vocab_size)]
    if wrong.size:
        raise UsageError(f"token {wrong[0]}; expected ids, 0 to {vocab_size - 1}")
    return ids.astype(np.int64)
