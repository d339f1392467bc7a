"""Files, order and packing: GPT-NeoX's own outputs, a plain loop of the definition, identities."""

from __future__ import annotations

import json
import os
import pickle
import struct
import tracemalloc
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_utils.data_order import (
    DTYPES,
    FileFormatError,
    IndexedDataset,
    Order,
    PackedDataset,
    Span,
    build_order,
    document_readings,
    document_samples,
    neox_num_samples,
    write_indexed_dataset,
)
from pythia_utils.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[1]
REFERENCE = Path(os.environ.get("PYTHIA_REFERENCE", CHECKOUT / "../shared/reference"))

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


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_round_trip_of_every_dtype(tmp_path, dtype):
    documents = [[1, 2, 3], [], [100], [], []]
    indexed = write_indexed_dataset(tmp_path / "a.b", documents, dtype)
    assert indexed.dtype == dtype
    assert indexed.sizes.tolist() == [3, 0, 1, 0, 0]
    assert [document.tolist() for document in indexed] == documents
    indexed.verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.bin", "a.b.idx"]


def test_files_have_the_documented_bytes(tmp_path):
    write_indexed_dataset(tmp_path / "docs", [[7, 8], [], [65535]], "uint16")
    header = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 3, 4)
    body = (
        struct.pack("<3i", 2, 0, 1) + struct.pack("<3q", 0, 4, 4) + struct.pack("<4q", 0, 1, 2, 3)
    )
    assert (tmp_path / "docs.idx").read_bytes() == header + body
    assert (tmp_path / "docs.bin").read_bytes() == struct.pack("<3H", 7, 8, 65535)


def test_no_documents(tmp_path):
    indexed = write_indexed_dataset(tmp_path / "none", [], np.int32)
    assert len(indexed) == 0
    assert list(indexed) == []
    indexed.verify()


def test_documents_are_read_only_views(tmp_path):
    indexed = write_indexed_dataset(tmp_path / "docs", [[1, 2], [3, 4, 5]], np.int32)
    assert np.shares_memory(indexed[1], indexed.tokens)
    assert np.shares_memory(indexed.get(1, 1, 2), indexed.tokens)
    assert not indexed[1].flags.writeable


def test_part_of_a_document(tmp_path):
    indexed = write_indexed_dataset(tmp_path / "docs", [[1, 2], [3, 4, 5]], np.int32)
    assert indexed.get(1, 1).tolist() == [4, 5]
    assert indexed.get(1, 1, 1).tolist() == [4]
    assert indexed.get(1, 3).tolist() == []
    # Each of these would run into the neighbour's tokens.
    for offset, length in [(1, 3), (-1, 1), (4, None), (0, -1)]:
        with pytest.raises(UsageError, match=r"of document 1 of .*docs.idx: it has 3"):
            indexed.get(1, offset, length)


@pytest.mark.parametrize("index", [-1, 2])
def test_document_out_of_range(tmp_path, index):
    indexed = write_indexed_dataset(tmp_path / "docs", [[1, 2], [3]], np.int32)
    with pytest.raises(UsageError, match=f"{index} is out of range; expected 0 to 1"):
        indexed[index]


def test_a_copy_for_another_process_maps_the_same_file(tmp_path):
    indexed = write_indexed_dataset(tmp_path / "docs", [np.arange(50_000)], np.uint16)
    sent = pickle.dumps(indexed)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent)[0], indexed[0])


def test_offsets_beyond_32_bits(tmp_path):
    sizes = [2**29, 2**29, 3]  # of 4 bytes: the last document begins at byte 2^32
    offsets = [0, 2**31, 2**32]
    with open(tmp_path / "big.bin", "wb") as file:  # sparse: takes no space
        file.seek(2**31)
        file.write(struct.pack("<i", 11))
        file.seek(2**32)
        file.write(struct.pack("<3i", 21, 22, 23))
    body = (
        struct.pack("<3i", *sizes) + struct.pack("<3q", *offsets) + struct.pack("<4q", 0, 1, 2, 3)
    )
    index = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 4, 3, 4) + body
    (tmp_path / "big.idx").write_bytes(index)
    indexed = IndexedDataset(tmp_path / "big")
    indexed.verify()
    assert indexed[2].tolist() == [21, 22, 23]
    assert indexed.get(1, 0, 2).tolist() == [11, 0]
    order = build_order(indexed.sizes, 2**28, 4, seed=0)
    assert order.epochs == 1
    written = tmp_path / "written.idx"
    with open(written, "wb") as file:
        from pythia_utils.data_order import _write_index

        _write_index(file, np.array(sizes, np.int32), 4)
    assert written.read_bytes() == index


def damaged(data: bytes, at: int, by: bytes) -> bytes:
    return data[:at] + by + data[at + len(by) :]


@pytest.mark.parametrize(
    ("suffix", "damage", "byte", "says"),
    [
        (".idx", lambda b: b"", 0, "header"),
        (".idx", lambda b: b[:20], 20, "header"),
        (".idx", lambda b: b"PK\x03\x04" + b[4:], 0, "MMIDIDX"),
        (".idx", lambda b: damaged(b, 9, b"\2"), 9, "expected version 1, found 2"),
        (
            ".idx",
            lambda b: damaged(b, 17, b"\x09"),
            17,
            "expected a dtype code from 1 to 8, found 9",
        ),
        (".idx", lambda b: b[:-1], 101, "expected the end after 102 bytes"),
        (".idx", lambda b: b + b"\0", 102, "found 103 bytes"),
        (".bin", lambda b: b[:-1], 7, "too few"),
        (".bin", lambda b: b"", 0, "too few"),
        (".bin", lambda b: b + b"\0\0", 8, "2 bytes more"),
        # A code of another width: the .bin file is not the one that this index describes.
        (".idx", lambda b: damaged(b, 17, b"\x01"), None, "docs.bin, byte 6: expected the end"),
    ],
)
def test_damaged_files_are_named_with_byte_and_expectation(tmp_path, suffix, damage, byte, says):
    write_indexed_dataset(tmp_path / "docs", [[1, 2], [], [3, 4]], np.uint16)
    path = tmp_path / f"docs{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileFormatError) as error:
        IndexedDataset(tmp_path / "docs")
    message = str(error.value)
    assert says in message
    assert byte is None or f"{path}, byte {byte}:" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("at", "by", "says"),
    [
        (34, struct.pack("<i", 1), "byte 54: expected offset 2 of document 1, found 4"),
        (38, struct.pack("<i", -3), "byte 38: expected a size, found -3"),
        (54, struct.pack("<q", 2), "byte 54: expected offset 4 of document 1, found 2"),
    ],
)
def test_verify_finds_what_opening_does_not(tmp_path, at, by, says):
    write_indexed_dataset(tmp_path / "docs", [[1, 2], [], [3, 4]], np.uint16)
    path = tmp_path / "docs.idx"
    path.write_bytes(damaged(path.read_bytes(), at, by))
    with pytest.raises(FileFormatError, match=says):
        IndexedDataset(tmp_path / "docs").verify()


@pytest.mark.parametrize("suffix", [".idx", ".bin"])
def test_missing_file(tmp_path, suffix):
    write_indexed_dataset(tmp_path / "docs", [[1]], np.uint16)
    (tmp_path / f"docs{suffix}").unlink()
    with pytest.raises(UsageError, match=f"docs{suffix} is missing"):
        IndexedDataset(tmp_path / "docs")


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ([[1], [2, 70000]], "document 1: token 70000 does not fit uint16"),
        ([[-1]], "document 0: token -1 does not fit uint16"),
        ([[1.5]], "token 1.5 does not fit"),
        ([[[1, 2]]], "expected one dimension"),
    ],
)
def test_failed_write_leaves_what_was_there(tmp_path, documents, says):
    write_indexed_dataset(tmp_path / "docs", [[1, 2]], np.uint16)
    with pytest.raises(UsageError, match=says):
        write_indexed_dataset(tmp_path / "docs", documents, np.uint16)
    assert IndexedDataset(tmp_path / "docs")[0].tolist() == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_interrupted_rewrite_never_pairs_an_old_index_with_new_tokens(tmp_path, monkeypatch):
    write_indexed_dataset(tmp_path / "docs", [[1, 2], [3]], np.uint16)
    replace = os.replace

    def stop_at_the_index(source, target):
        if str(target).endswith(".idx"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr("os.replace", stop_at_the_index)
    with pytest.raises(KeyboardInterrupt):
        write_indexed_dataset(tmp_path / "docs", [[4], [5, 6]], np.uint16)
    with pytest.raises(UsageError, match=r"docs.idx is missing"):
        IndexedDataset(tmp_path / "docs")


def test_unknown_token_dtype(tmp_path):
    with pytest.raises(UsageError, match=r"unknown token dtype 'uint32'; nearest: .*uint16"):
        write_indexed_dataset(tmp_path / "docs", [], "uint32")


# --- order ---------------------------------------------------------------------------------------


@pytest.fixture(params=["multi_epoch", "int32"])
def reference(request):
    folder = REFERENCE / "neox_data_order" / request.param
    if not folder.is_dir():
        pytest.skip(f"GPT-NeoX's reference output is not at {folder}; set PYTHIA_REFERENCE")
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


def test_cuts_do_not_depend_on_the_block(monkeypatch):
    sizes = np.random.default_rng(0).integers(0, 9, 200)
    whole = build_order(sizes, 7, 100, seed=3)
    monkeypatch.setattr("pythia_utils.data_order._BLOCK", 8)
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
    assert peak <= 16 * entries + 12 * samples + 48 * 2**20


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
        spans, at = data.spans(position), 0
        pieces = [documents[s.document][s.offset : s.offset + s.length] for s in spans]
        assert np.array_equal(np.concatenate(pieces), data[position])
        for span in spans:
            assert data.order.doc_idx[span.entry] == span.document
            seen[span.entry].append((position, at, span))
            at += span.length

    readings = document_readings(data.order, data.indexed.sizes)
    rows = list(zip(*(column.tolist() for column in readings), strict=True))
    told = [(e, (p, at, Span(d, e, offset, n))) for d, e, _, p, offset, n, at in rows]
    assert told == sorted(told, key=lambda row: row[1][:2])  # in the order of training
    assert sorted(told) == sorted((e, row) for e in seen for row in seen[e])

    first, last = document_samples(data.order, data.indexed.sizes)
    for entry, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        held = sorted(int(data.order.shuffle_idx[position]) for position, _, _ in seen[entry])
        assert held == list(range(begin, end + 1))


def test_readings_of_chosen_documents(tmp_path):
    data = packed(tmp_path, [9, 0, 5, 30], num_samples=30)
    everything = document_readings(data.order, data.indexed.sizes)
    chosen = document_readings(data.order, data.indexed.sizes, [2, 3])
    wanted = np.isin(everything.document, [2, 3])
    assert wanted.any()
    assert not wanted.all()
    for column, whole in zip(chosen, everything, strict=True):
        assert column.tolist() == whole[wanted].tolist()
    assert document_readings(data.order, data.indexed.sizes, [1]).document.size == 0


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
        lambda data: data.spans(-1),
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
