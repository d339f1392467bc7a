"""Order and packing: GPT-NeoX's own outputs, a plain loop of the definition, identities."""

from __future__ import annotations

import json
import tracemalloc
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import ROOT
from helpers.spans import Span, spans_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.indexed_dataset import IndexedDataset, write_indexed_dataset
from pythia_utils.training_data.order import (
    Order,
    PackedDataset,
    build_order,
    document_occurrences,
    neox_num_samples,
)

NEOX = ROOT / "tests" / "data" / "neox_order"  # its README tells where they are from

corpora = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.integers(0, 12), min_size=1, max_size=20).filter(any),
        "seq_length": st.integers(1, 9),
        "num_samples": st.integers(1, 40),
        "seed": st.integers(0, 2**32 - 1),
    }
)


def documents_of(sizes: list[int]) -> list[np.ndarray]:
    """Documents whose every token differs from every other."""
    return np.split(np.arange(sum(sizes), dtype=np.uint16), np.cumsum(sizes)[:-1])


def packed(folder: Path, sizes, seq_length=4, num_samples=6, seed=1) -> PackedDataset:
    indexed = write_indexed_dataset(folder / "docs", documents_of(sizes), np.uint16)
    return PackedDataset(indexed, build_order(indexed.sizes, seq_length, num_samples, seed))


def plain_order(sizes, seq_length, num_samples, seed) -> tuple[list, list, list, int]:
    """The definition, step by step, over Python lists."""
    epochs = 0
    while (epochs * sum(sizes) - 1) // seq_length < num_samples:
        epochs += 1
    rng = np.random.RandomState(seed)
    doc_idx = [document for _ in range(epochs) for document in range(len(sizes))]
    rng.shuffle(doc_idx)
    samples = (epochs * sum(sizes) - 1) // seq_length
    entry, offset = 0, 0
    sample_idx = [[entry, offset]]
    for _ in range(samples):
        wanted = seq_length + 1
        while sizes[doc_idx[entry]] - offset < wanted:
            wanted -= sizes[doc_idx[entry]] - offset
            entry, offset = entry + 1, 0
        offset += wanted - 1
        sample_idx.append([entry, offset])
    shuffle_idx = list(range(samples))
    rng.shuffle(shuffle_idx)
    return doc_idx, sample_idx, shuffle_idx, epochs


# --- order ---------------------------------------------------------------------------------------


@pytest.fixture(params=["multi_epoch", "int32"])
def reference(request):
    folder = NEOX / request.param
    return folder, json.loads((folder / "meta.json").read_text())


def reference_order(folder: Path, meta: dict) -> Order:
    sizes = IndexedDataset(folder / "docs").sizes
    samples = neox_num_samples(meta["train_iters"], meta["batch_size"])
    return build_order(sizes, meta["seq_length"], samples, meta["seed"])


def test_order_equals_gpt_neox(reference):
    folder, meta = reference
    order = reference_order(folder, meta)
    assert order.epochs == meta["num_epochs"]
    for name, expected in np.load(folder / "order.npz").items():
        built = getattr(order, name)
        assert built.dtype == expected.dtype
        np.testing.assert_array_equal(built, expected)


def test_batches_equal_gpt_neox(reference):
    folder, meta = reference
    data = PackedDataset(IndexedDataset(folder / "docs"), reference_order(folder, meta))
    batches = np.load(folder / "batches.npz")
    for step in meta["steps"]:
        expected = batches[f"step{step}"]
        np.testing.assert_array_equal(data.batch(step, meta["batch_size"]), expected)
        np.testing.assert_array_equal(data[step * meta["batch_size"]], expected[0])


def test_rewriting_gpt_neox_files_gives_their_bytes(reference, tmp_path):
    folder, _ = reference
    original = IndexedDataset(folder / "docs")
    write_indexed_dataset(tmp_path / "docs", original, original.dtype)
    for name in ("docs.idx", "docs.bin"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@given(corpora)
@settings(max_examples=200, deadline=None)
def test_order_equals_the_plain_loop(corpus):
    order = build_order(**corpus | {"sizes": np.array(corpus["sizes"], np.int32)})
    doc_idx, sample_idx, shuffle_idx, epochs = plain_order(**corpus)
    assert order.epochs == epochs
    assert order.doc_idx.tolist() == doc_idx
    assert order.sample_idx.tolist() == sample_idx
    assert order.shuffle_idx.tolist() == shuffle_idx
    assert len(order) >= corpus["num_samples"]


@pytest.mark.parametrize("block", [1, 2, 8, 100])
@pytest.mark.parametrize("longest", [2, 9, 300])
def test_cuts_do_not_depend_on_the_block(monkeypatch, block, longest):
    sizes = np.random.default_rng(0).integers(0, longest, 200)
    sizes[:12] = sizes[-12:] = 0
    whole = build_order(sizes, 7, 100, seed=3)
    monkeypatch.setattr("pythia_utils.training_data.order._BLOCK", block)
    np.testing.assert_array_equal(build_order(sizes, 7, 100, seed=3).sample_idx, whole.sample_idx)


def test_num_samples_is_exact_at_the_boundary():
    # 21 tokens are five sequences of 4 and the label of the last; a sixth needs a second epoch.
    assert build_order(np.array([21]), 4, 5, seed=0).epochs == 1
    assert build_order(np.array([21]), 4, 6, seed=0).epochs == 2
    assert build_order(np.array([20]), 4, 5, seed=0).epochs == 2


def test_positions_invert_the_shuffle():
    order = build_order(np.array([50, 7]), 3, 18, seed=5)
    assert order.training_positions()[order.shuffle_idx].tolist() == list(range(len(order)))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([5], 0, 3, 1), "seq_length is 0"),
        (([5], 2, 0, 1), "num_samples is 0"),
        (([0, 0], 2, 3, 1), "2 documents without a token"),
        (([], 2, 3, 1), "0 documents without a token"),
    ],
)
def test_impossible_orders(arguments, says):
    sizes, *others = arguments
    with pytest.raises(UsageError, match=says):
        build_order(np.array(sizes, np.int32), *others)


def test_memory_is_as_stated():
    sizes = np.full(400_000, 5, np.int32)
    tracemalloc.start()
    order = build_order(sizes, 4, 1_500_000, seed=0)  # three and more epochs
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    entries, samples = len(order.doc_idx), len(order)
    kept = order.doc_idx.nbytes + order.sample_idx.nbytes + order.shuffle_idx.nbytes
    assert kept == 4 * entries + 12 * samples + 8
    assert peak <= max(8 * entries, 4 * entries + 12 * samples) + 8 * 2**20


# --- packing -------------------------------------------------------------------------------------


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_sequences_are_pieces_of_the_shuffled_stream(tmp_path_factory, corpus):
    data = packed(tmp_path_factory.mktemp("packed"), **corpus)
    length, order = corpus["seq_length"], data.order
    documents = documents_of(corpus["sizes"])
    stream = np.concatenate([documents[document] for document in order.doc_idx])
    expected = [stream[s * length : (s + 1) * length + 1].tolist() for s in order.shuffle_idx]
    assert [data[i].tolist() for i in range(len(data))] == expected
    assert data.sequences(0, len(data)).tolist() == expected


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_spans_and_readings_tell_where_every_token_is_from(tmp_path_factory, corpus):
    data = packed(tmp_path_factory.mktemp("packed"), **corpus)
    documents = documents_of(corpus["sizes"])
    seen = defaultdict(list)
    for position in range(len(data)):
        spans, at = spans_of(data, position), 0
        pieces = [documents[s.document][s.offset : s.offset + s.length] for s in spans]
        assert np.array_equal(np.concatenate(pieces), data[position])
        for span in spans:
            assert data.order.doc_idx[span.entry] == span.document
            seen[span.entry].append((position, at, span))
            at += span.length

    readings = document_occurrences(data.order, data.indexed.sizes)
    rows = list(zip(*(column.tolist() for column in readings), strict=True))
    told = [(e, (p, at, Span(d, e, offset, n))) for d, e, _, p, offset, n, at in rows]
    assert told == sorted(told, key=lambda row: row[1][:2])  # in the order of training
    assert sorted(told) == sorted((e, row) for e in seen for row in seen[e])

    assert (readings.sample == data.order.shuffle_idx[readings.position]).all()


def test_readings_of_chosen_documents(tmp_path):
    data = packed(tmp_path, [9, 0, 5, 30], num_samples=30)
    everything = document_occurrences(data.order, data.indexed.sizes)
    chosen = document_occurrences(data.order, data.indexed.sizes, [2, 3])
    wanted = np.isin(everything.document, [2, 3])
    assert wanted.any()
    assert not wanted.all()
    for column, whole in zip(chosen, everything, strict=True):
        assert column.tolist() == whole[wanted].tolist()
    assert document_occurrences(data.order, data.indexed.sizes, [1]).document.size == 0


def test_batch_is_the_sequences_of_its_step(tmp_path):
    data = packed(tmp_path, [9, 3, 0, 30], num_samples=11)
    batch = data.batch(2, batch_size=3)
    assert batch.shape == (3, 5)
    assert batch.dtype == np.int64
    assert batch.tolist() == [data[i].tolist() for i in (6, 7, 8)]


def test_sequences_of_one_document_are_safe_to_change(tmp_path):
    data = packed(tmp_path, [40])
    data[0][:] = 0
    assert data[0].any()


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: data[-1],
        lambda data: data[len(data)],
        lambda data: data.batch(-1, 2),
        lambda data: data.batch(len(data) // 2, 2),
        lambda data: data.sequences(-1, 2),
        lambda data: data.sequences(0, len(data) + 1),
    ],
)
def test_out_of_range_is_one_line(tmp_path, ask):
    with pytest.raises(UsageError, match=r"^.* out of range; .*$"):
        ask(packed(tmp_path, [9, 3, 0, 30]))


def test_order_of_other_data(tmp_path):
    data = packed(tmp_path / "one", [9, 3, 0, 30])
    fewer = packed(tmp_path / "fewer", [9, 3, 30])
    longer = packed(tmp_path / "longer", [9, 3, 0, 31])
    with pytest.raises(UsageError, match=r"order is of 4 documents, .*docs.idx holds 3"):
        PackedDataset(fewer.indexed, data.order)
    with pytest.raises(UsageError, match=r"docs.idx has 43 tokens in 4, of other sizes"):
        PackedDataset(longer.indexed, data.order)
    # As many documents and tokens, but in other places: no sequence may be wrong in silence.
    moved = packed(tmp_path / "moved", [3, 9, 30, 0])
    with pytest.raises(UsageError, match="not of these documents"):
        PackedDataset(moved.indexed, data.order)
    # Ids that the data set does not have must not be taken for others.
    ids = replace(data.order, doc_idx=data.order.doc_idx + 1)
    with pytest.raises(UsageError, match="not of these documents"):
        PackedDataset(data.indexed, ids)
