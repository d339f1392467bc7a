"""What a model reads, in order: GPT-NeoX's three arrays over the documents of a data set.

Documents are shuffled (`doc_idx`) and laid end to end; the stream is cut every `seq_length` tokens
(`sample_idx`); the samples are shuffled (`shuffle_idx`). Training step s reads the sequences
`[s * batch_size, (s + 1) * batch_size)` of that last order. A sequence has `seq_length + 1` tokens:
inputs are `[:-1]`, labels `[1:]`, and its last token is the first of the next sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.indexed_dataset import (
    IndexedDataset,
    OutOfRangeError,
    checked_index,
    wrong_token,
)

_BLOCK = 1 << 16  # entries or samples cut at once: their arrays stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Order:
    """GPT-NeoX's order of reading, as it stores it.

    An *entry* is a position in `doc_idx`: one copy of a document. A *sample* is a row of
    `sample_idx`. A *training position* is an index into `shuffle_idx`: step * batch_size and on.

    Attributes:
        doc_idx: int32 (epochs * documents,), document ids in the order of the stream.
        sample_idx: int32 (samples + 1, 2), entry and offset in it of each sample's first token.
        shuffle_idx: uint32 (samples,), the sample that is read at each training position.
        epochs: copies of each document in the stream.
        seq_length: tokens from one cut to the next.
    """

    doc_idx: np.ndarray
    sample_idx: np.ndarray
    shuffle_idx: np.ndarray
    epochs: int
    seq_length: int

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.shuffle_idx)

    def training_positions(self) -> np.ndarray:
        """int64 (samples,): where in training each sample is read, `shuffle_idx` inverted."""
        positions = np.empty(len(self), np.int64)
        positions[self.shuffle_idx] = np.arange(len(self))
        return positions


def neox_num_samples(steps: int, batch_size: int) -> int:
    """The number of samples that GPT-NeoX asks for: half a per cent more than it reads."""
    return math.ceil(steps * batch_size * 1.005)


def build_order(sizes: np.ndarray, seq_length: int, num_samples: int, seed: int) -> Order:
    """Build the order of GPT-NeoX v1.0 for documents of these sizes, array for array.

    Every document is taken `epochs` times, as often as it takes to have `num_samples`; all copies
    are shuffled together, so a repeat may come at once. The order covers the whole stream, usually
    some samples more than asked for.

    Memory: with D = epochs * documents and S samples, the arrays returned take 4 D + 12 S bytes.
    The peak is that or 8 D bytes, whichever is more, and a few MB, besides `sizes`.

    Args:
        sizes: int32 (documents,), tokens of each.
        seq_length: tokens of a sequence, without the one that is only a label.
        num_samples: at least so many: steps * batch_size, or `neox_num_samples` for GPT-NeoX's own.
        seed: of both shuffles.

    Returns:
        The order, its three arrays equal to those that GPT-NeoX builds.

    Raises:
        UsageError: a number below 1, or no tokens at all.
    """
    for name, value in (("seq_length", seq_length), ("num_samples", num_samples)):
        if value < 1:
            raise UsageError(f"{name} is {value}; expected at least 1")
    sizes = np.require(sizes, requirements="A")  # a mapped index is not aligned
    tokens_per_epoch = int(sizes.sum(dtype=np.int64))
    if tokens_per_epoch == 0:
        raise UsageError(f"cannot order {len(sizes)} documents without a token")
    epochs = -(-(num_samples * seq_length + 1) // tokens_per_epoch)
    rng = np.random.RandomState(seed)  # the generator that GPT-NeoX draws from
    doc_idx = np.tile(np.arange(len(sizes), dtype=np.int32), epochs)
    rng.shuffle(doc_idx)
    samples = (epochs * tokens_per_epoch - 1) // seq_length
    sample_idx = np.empty((samples + 1, 2), _row_dtype(len(doc_idx)))
    for first, rows in _cuts(doc_idx, sizes, seq_length):
        sample_idx[first : first + len(rows)] = rows
    shuffle_idx = np.arange(samples, dtype=np.uint32 if samples < 2**32 - 2 else np.int64)
    rng.shuffle(shuffle_idx)
    return Order(doc_idx, sample_idx, shuffle_idx, epochs, seq_length)


def _row_dtype(entries: int) -> type:
    """Of `sample_idx`. Offsets always fit 32 bits, as documents' sizes do."""
    return np.int32 if entries + 1 < 2**31 else np.int64


def _cuts(
    doc_idx: np.ndarray, sizes: np.ndarray, seq_length: int
) -> Iterator[tuple[int, np.ndarray]]:
    """`sample_idx` in pieces, each with the number of its first row: entry and offset of every cut.

    Entry e begins at token b[e] of the stream, so the cuts from ceil(b[e] / seq_length) up to that
    of its successor lie in it. None does in an empty entry.
    """
    sizes = np.require(sizes, requirements="A")  # a mapped index is not aligned
    tokens = max(int(sizes.sum(dtype=np.int64)), 1)
    block = max(1, min(_BLOCK, _BLOCK * seq_length * len(sizes) // tokens))
    end = 0
    for entry in range(0, len(doc_idx), block):
        documents = doc_idx[entry : entry + block]
        begins = np.empty(len(documents) + 1, np.int64)
        begins[0] = end
        # Clipping does nothing to ids in range, and spares a check of each.
        np.cumsum(sizes.take(documents, mode="clip"), out=begins[1:])
        begins[1:] += end
        end = int(begins[-1])
        cuts = (begins + (seq_length - 1)) // seq_length
        held = np.diff(cuts)
        first, last = int(cuts[0]), int(cuts[-1])
        rows = np.empty((last - first, 2), _row_dtype(len(doc_idx)))
        rows[:, 0] = np.repeat(np.arange(entry, entry + len(documents)), held)
        rows[:, 1] = np.arange(first, last) * seq_length - np.repeat(begins[:-1], held)
        if first == 0:
            rows[:1] = 0  # GPT-NeoX starts at the first entry even if that is empty
        yield first, rows


class PackedDataset:
    """Training sequences: a data set read in an order.

    `packed[i]` is the i-th sequence of training, `seq_length + 1` tokens of the data set's dtype.
    Opening checks every document and every cut; that takes, for a while, 4 bytes a document and a
    few MB. Reading takes no more than what it returns.

    Args:
        indexed: the documents.
        order: as built from their sizes.

    Raises:
        UsageError: the order was built for other data.
        FileFormatError: the data set's index is inconsistent.
    """

    def __init__(self, indexed: IndexedDataset, order: Order) -> None:
        indexed.verify()
        self.indexed, self.order = indexed, order
        documents = len(order.doc_idx) // order.epochs
        if documents != len(indexed):
            held = f"{indexed.index_path} holds {len(indexed)}"
            raise UsageError(f"the order is of {documents} documents, {held}")
        # With the cuts where they belong, every sequence is `seq_length + 1` tokens.
        if not self._is_cut_so():
            held = f"{indexed.index_path} has {len(indexed.tokens)} tokens in {documents}"
            raise UsageError(f"the order is not of these documents: {held}, of other sizes")

    def _is_cut_so(self) -> bool:
        """Whether the order is what these documents give."""
        doc_idx, sample_idx = self.order.doc_idx, self.order.sample_idx
        if len(doc_idx) and not 0 <= doc_idx.min() <= doc_idx.max() < len(self.indexed):
            return False
        row = 0
        for first, rows in _cuts(doc_idx, self.indexed.sizes, self.order.seq_length):
            row = first + len(rows)
            if not np.array_equal(rows, sample_idx[first:row]):
                return False
        return row == len(sample_idx)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> np.ndarray:
        # `item` asks for one number at a fraction of the price of an index, and pieces are few.
        cut, document = self.order.sample_idx.item, self.order.doc_idx.item
        starts, sizes = self.indexed.starts.item, self.indexed.sizes.item
        sample = self.order.shuffle_idx.item(checked_index(index, len(self), "sequence"))
        head, begin, tail = cut(sample, 0), cut(sample, 1), cut(sample + 1, 0)
        end = cut(sample + 1, 1) + 1  # the next sample's first token is this one's last
        tokens, width = self.indexed.tokens, self.indexed.dtype.itemsize
        if head == tail:
            start = starts(document(head)) // width
            return tokens[start + begin : start + end].copy()
        pieces = []
        for entry in range(head, tail):
            at = document(entry)
            start = starts(at) // width
            pieces.append(tokens[start + begin : start + sizes(at)])
            begin = 0
        start = starts(document(tail)) // width
        pieces.append(tokens[start : start + end])
        return np.concatenate(pieces)

    def sequences(self, start: int, stop: int) -> np.ndarray:
        """int64 (stop - start, seq_length + 1): training positions start..stop.

        Raises:
            OutOfRangeError: some of them do not exist.
            UsageError: a value in them is negative, NaN or a fraction: no token.
        """
        width = self.order.seq_length + 1
        if not 0 <= start <= stop <= len(self):
            asked = f"sequences [{start}, {stop})"
            raise OutOfRangeError(f"{asked} are out of range; there are {len(self)}")
        read = np.empty((stop - start, width), np.int64)
        rows = max(1, _BLOCK // width)
        for first in range(start, stop, rows):
            last = min(first + rows, stop)
            read[first - start : last - start] = self._block(first, last)
        return read

    def _block(self, start: int, stop: int) -> np.ndarray:
        """Sequences of the data's dtype, as `self[i]` gives each, with no loop over them."""
        samples = self.order.shuffle_idx[start:stop].astype(np.int64)
        tokens = self.indexed.tokens[self._places(samples)]
        if (at := wrong_token(tokens.ravel())) is not None:
            where = f"{self.indexed.data_path}, sequence {start + at // tokens.shape[1]}"
            raise UsageError(f"{where}: {tokens.flat[at]} is no token; expected 0 or more")
        return tokens

    def _places(self, samples: np.ndarray) -> np.ndarray:
        """Where the tokens of samples lie among all: int64 (samples, seq_length + 1)."""
        head, begin = self.order.sample_idx[samples].astype(np.int64).T
        tail, end = self.order.sample_idx[samples + 1].astype(np.int64).T
        pieces = tail - head + 1  # of documents, in each sample
        last = np.cumsum(pieces) - 1
        first = last - pieces + 1
        entries = np.repeat(head - first, pieces) + np.arange(pieces.sum())
        documents = self.order.doc_idx[entries]
        starts = self.indexed.starts[documents] // self.indexed.dtype.itemsize
        stops = starts + self.indexed.sizes[documents]
        stops[last] = starts[last] + end + 1  # the next sample's first token is this one's last
        starts[first] += begin
        lengths = stops - starts
        before = np.cumsum(lengths) - lengths
        places = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
        return places.reshape(len(samples), -1)

    def batch(self, step: int, batch_size: int) -> np.ndarray:
        """int64 (batch_size, seq_length + 1): what training step `step` reads, counted from 0.

        Checkpoint `stepN` has seen steps 0 to N - 1.

        Raises:
            OutOfRangeError: the order ends before.
        """
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; expected at least 1")
        step = checked_index(step, len(self) // batch_size, f"step (of batch size {batch_size})")
        return self.sequences(step * batch_size, (step + 1) * batch_size)


class DocumentOccurrences(NamedTuple):
    """When documents are read: int64 arrays, one element a copy and sample, in training order.

    Attributes:
        document: id.
        entry: the copy, as position in `doc_idx`.
        sample: row of `sample_idx`.
        position: training position; // batch_size is the step.
        offset: first token of the document that is in the sample.
        length: how many are.
        at: where in the sequence that first token stands.
    """

    document: np.ndarray
    entry: np.ndarray
    sample: np.ndarray
    position: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    at: np.ndarray


def document_occurrences(
    order: Order, sizes: np.ndarray, documents: Iterable[int] | None = None
) -> DocumentOccurrences:
    """Where and when training reads each copy of some documents, or of all.

    A sample's last token, which is only a label there, counts.

    Args:
        order: as built from `sizes`.
        sizes: (documents,), tokens of each.
        documents: ids; by default all.
    """
    lengths = sizes[order.doc_idx]
    ends = np.cumsum(lengths, dtype=np.int64)
    begins = ends - lengths
    # The samples that hold a token of each entry; last < first if it is empty, or lies behind all.
    first = np.maximum(begins - 1, 0) // order.seq_length
    last = np.minimum((ends - 1) // order.seq_length, len(order) - 1)
    last[begins == ends] = -1
    entries = np.arange(len(order.doc_idx))
    if documents is not None:
        entries = np.flatnonzero(np.isin(order.doc_idx, np.fromiter(documents, np.int64)))
    counts = np.maximum(last[entries] - first[entries] + 1, 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    entry = np.repeat(entries, counts)
    sample = first[entry] + nth
    document = order.doc_idx[entry].astype(np.int64)
    # Distances in tokens from the sample's beginning to the document's two ends.
    begin = begins[entry] - sample * order.seq_length
    end = begin + sizes[document]
    at = np.maximum(begin, 0)
    length = np.minimum(end, order.seq_length + 1) - at
    position = order.training_positions()[sample]
    columns = (document, entry, sample, position, at - begin, length, at)
    by_time = np.lexsort((at, position))
    return DocumentOccurrences(*(column[by_time] for column in columns))
