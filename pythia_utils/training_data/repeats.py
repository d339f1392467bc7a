"""How often a run reads the same document again, and when: from its order, or simulated.

GPT-NeoX shuffles all copies of all documents together. The deduplicated Pile has two copies of each
and training stops at 72% of the samples, so a document is read twice, once or never by chance, and
repeats begin at once: at a share t of the samples, a share t of what is read has been read before.
There is no second epoch that begins somewhere. That is what the code does; that Pythia's run did so is an
inference from it, which the published batches can decide (the chapter says how).

A copy counts as read when the sample in which it begins is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.order import Order, neox_num_samples

_CHUNK = 1 << 20  # documents simulated at once


@dataclass(frozen=True)
class Run:
    """The counts that decide about repeats.

    Attributes:
        documents: distinct ones.
        tokens: in all of them.
        steps: of training.
        batch_size: sequences a step.
        seq_length: tokens of a sequence but one.
    """

    documents: int
    tokens: int
    steps: int
    batch_size: int
    seq_length: int

    @property
    def epochs(self) -> int:
        """Copies of each document that GPT-NeoX shuffles together."""
        wanted = neox_num_samples(self.steps, self.batch_size)
        return -(-(wanted * self.seq_length + 1) // self.tokens)

    @property
    def samples(self) -> int:
        """Sequences that all copies make."""
        return (self.epochs * self.tokens - 1) // self.seq_length

    @property
    def fraction(self) -> float:
        """Share of those that training reads before it stops."""
        return self.steps * self.batch_size / self.samples


# The deduplicated Pile as GPT-NeoX tokenized it, and Pythia's run over it.
DEDUPED_PILE = Run(134_318_121, 207_170_414_058, steps=143_000, batch_size=1024, seq_length=2048)


@dataclass(frozen=True, eq=False)
class Repeats:
    """What was read for the first time, and what again.

    Attributes:
        times: int64 (epochs + 1,), documents read 0, 1, 2 ... times by the end of the run.
        first: int64 (steps,), documents that each step reads for the first time.
        again: int64 (steps,), those that it reads for the second time or later.
    """

    times: np.ndarray
    first: np.ndarray
    again: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """float64 (epochs + 1,): `times` as shares of all documents."""
        return self.times / self.times.sum()

    @property
    def first_repeat(self) -> int | None:
        """The first step that reads a document again; None if none does."""
        return int(np.argmax(self.again > 0)) if self.again.any() else None


def expected_shares(run: Run = DEDUPED_PILE) -> np.ndarray:
    """float64 (epochs + 1,): shares of documents read 0, 1, 2 ... times, to be expected.

    Each copy is read with probability `run.fraction`; that two copies cannot stand in one place
    matters by one in the number of samples.
    """
    k, read = run.epochs, run.fraction
    return np.array([comb(k, n) * read**n * (1 - read) ** (k - n) for n in range(k + 1)])


def expected_again(run: Run = DEDUPED_PILE) -> np.ndarray:
    """float64 (steps,): the share of the documents in each step that were read before."""
    middle = (np.arange(run.steps) + 0.5) * run.batch_size / run.samples
    return 1 - (1 - middle) ** (run.epochs - 1)


def simulate_repeats(
    run: Run = DEDUPED_PILE,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Repeats:
    """One draw of the joint shuffle for every document of `run`, in chunks: memory does not grow.

    Assumes that documents are equally long, and that the copies' places are drawn independently;
    in a shuffle no two are the same place, which changes a share by about one in `run.samples`.

    Args:
        run: the counts.
        seed: of the draw.
        progress: called with the documents done and all, about once a million.

    Raises:
        UsageError: more samples than 32 bits count.
    """
    if run.samples >= 2**32:
        raise UsageError(f"cannot simulate {run.samples} samples; expected fewer than 2^32")
    rng = np.random.default_rng(seed)
    times = np.zeros(run.epochs + 1, np.int64)
    first, every = np.zeros((2, run.steps + 1), np.int64)  # in the last place: what is not read
    for done in range(0, run.documents, _CHUNK):
        count = min(_CHUNK, run.documents - done)
        places = rng.integers(run.samples, size=(run.epochs, count), dtype=np.uint32)
        _count(places // np.uint32(run.batch_size), times, first, every)
        if progress:
            progress(done + count, run.documents)
    return Repeats(times, first[:-1], (every - first)[:-1])


def repeats_in_order(order: Order, sizes: np.ndarray, steps: int, batch_size: int) -> Repeats:
    """The repeats of a run that reads documents of these sizes in that very order.

    Args:
        order: as built from `sizes`.
        sizes: (documents,), tokens of each.
        steps: of the run.
        batch_size: sequences a step.
    """
    step_of_sample = np.empty(len(order), np.int32)
    step_of_sample[order.shuffle_idx] = np.minimum(np.arange(len(order)) // batch_size, steps)
    begun = np.diff(order.sample_idx[:, 0])  # copies that begin in each sample, and the first one
    begun[0] += 1
    step = np.repeat(step_of_sample, begun)
    document = order.doc_idx[: len(step)]
    if not np.all(sizes):
        told = np.asarray(sizes)[document] > 0  # of an empty document nothing is read
        step, document = step[told], document[told]
    first = np.full(len(sizes), steps, np.int32)
    np.minimum.at(first, document, step)
    times = np.bincount(document[step < steps], minlength=len(sizes))
    counts = [np.bincount(column, minlength=steps + 1)[:-1] for column in (first, step)]
    return Repeats(np.bincount(times, minlength=order.epochs + 1), counts[0], counts[1] - counts[0])


def _count(step: np.ndarray, times: np.ndarray, first: np.ndarray, every: np.ndarray) -> None:
    """Add documents, whose copies are read at `step`, (epochs, documents), to the counts."""
    steps = len(first) - 1
    step = np.minimum(step, steps).astype(np.int64)
    times += np.bincount((step < steps).sum(axis=0), minlength=len(times))
    first += np.bincount(step.min(axis=0), minlength=steps + 1)
    every += np.bincount(step.ravel(), minlength=steps + 1)
