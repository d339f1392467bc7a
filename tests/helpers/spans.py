"""Which pieces of documents a training sequence holds, by the definition of GPT-NeoX's three arrays."""

from __future__ import annotations

from typing import NamedTuple

from pythia_utils.training_data.order import PackedDataset


class Span(NamedTuple):
    """A piece of a document in a sequence: tokens `[offset, offset + length)` of that copy."""

    document: int
    entry: int
    offset: int
    length: int


def spans_of(data: PackedDataset, index: int) -> list[Span]:
    """The document copies that a sequence holds, in order, empty ones left out."""
    order, sample = data.order, int(data.order.shuffle_idx[index])
    (head, begin), (tail, last) = order.sample_idx[sample : sample + 2].tolist()
    documents = order.doc_idx[head : tail + 1].tolist()
    stops = data.indexed.sizes[documents].tolist()
    stops[-1] = last + 1  # the next sample's first token is this one's last
    offsets = [begin] + [0] * (tail - head)
    spans = zip(documents, range(head, tail + 1), offsets, stops, strict=True)
    return [Span(d, entry, at, stop - at) for d, entry, at, stop in spans if stop > at]
