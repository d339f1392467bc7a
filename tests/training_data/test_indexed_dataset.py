"""Files: round trips, the documented bytes, and every damage named with its file and byte."""

from __future__ import annotations

import os
import pickle
import re
import struct
import tracemalloc

import numpy as np
import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.indexed_dataset import (
    DTYPES,
    FileFormatError,
    IndexedDataset,
    _write_index,
    write_indexed_dataset,
)
from pythia_utils.training_data.order import build_order
from pythia_utils.training_data.source import open_source


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


def test_sizes_are_verified_before_memory_is_taken_for_them(tmp_path):
    """An index of 862 bytes whose sizes say 88 billion tokens, over a file of four bytes."""
    sizes = np.full(41, 2**31 - 1, np.int32)
    sizes[-1] = 1
    header = struct.pack("<9sQBQQ", b"MMIDIDX\0\0", 1, 4, 41, 42)
    body = sizes.tobytes() + bytes(8 * 41) + np.arange(42, dtype="<i8").tobytes()
    (tmp_path / "docs.idx").write_bytes(header + body)
    (tmp_path / "docs.bin").write_bytes(bytes(4))
    assert len(header + body) == 862
    run = {"seq_length": 64, "batch_size": 8, "steps": 10, "seed": 1}
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=r"docs\.idx, byte 206: expected offset 8589934588"):
        open_source(tmp_path / "docs", **run)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**7


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("<i4", -1), ("<i8", -(2**40)), ("i1", -128), ("<f4", np.nan), ("<f8", np.inf), ("<f8", 1.5)],
)
def test_what_is_no_token_is_told_where_it_is_read_and_never_written(tmp_path, dtype, value):
    documents = [np.arange(40), np.arange(3, 43), np.arange(40)]
    write_indexed_dataset(tmp_path / "docs", documents, dtype)
    width = np.dtype(dtype).itemsize
    tokens = np.memmap(tmp_path / "docs.bin", dtype, mode="r+")
    tokens[45] = value
    tokens.flush()
    indexed = IndexedDataset(tmp_path / "docs")
    assert indexed[0].tolist() == indexed[2].tolist() == list(range(40))
    assert indexed.get(1, 6).tolist() == list(range(9, 43))
    message = f"docs.bin, byte {45 * width}: expected a token, 0 or more, found"
    for call in (lambda: indexed[1], lambda: indexed.get(1, 5, 1), lambda: list(indexed)):
        with pytest.raises(FileFormatError, match=re.escape(message)):
            call()
    data = open_source(tmp_path / "docs", seq_length=16, batch_size=1, steps=7, seed=1)
    with pytest.raises(UsageError, match=r"docs\.bin, sequence \d: .* is no token; expected 0"):
        data.sequences(0, 7)
    with pytest.raises(UsageError, match=r"document 1: .* is no token; expected 0 or more"):
        write_indexed_dataset(tmp_path / "other", [[1, 2], np.array([1, value], dtype)], dtype)
    assert not list(tmp_path.glob("other*"))


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
