"""safetensors headers: the library's own files are understood, and every fault is told."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.hub.safetensors_header import (
    DTYPES,
    HEADER_LIMIT,
    PREFIX,
    CorruptFileError,
    Entry,
    header_length,
    parse_header,
    parse_index,
)


def read_all(file: bytes) -> dict[str, torch.Tensor]:
    length = header_length(file[:PREFIX], len(file), "a file")
    entries = parse_header(file[PREFIX : PREFIX + length], len(file), "a file")
    return {name: e.tensor(file[e.start : e.stop]) for name, e in entries.items()}


@pytest.mark.parametrize(("dtype", "size"), DTYPES.values())
def test_every_dtype_reads_as_the_library_reads_it(dtype, size):
    numbers = torch.arange(-6, 6).reshape(3, 4).to(getattr(torch, dtype))
    tensors = {"b": numbers, "scalar": numbers[1, 1].clone(), "a": numbers[:, :1].clone()}
    file = save(tensors | {"empty": numbers[:0].clone()}, {"format": "pt"})
    ours, theirs = read_all(file), load(file)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        assert torch.equal(ours[name], theirs[name])
    assert ours["b"].element_size() == size


@given(st.integers(0, 7), st.integers(1, 4), st.data())
def test_rows_are_those_of_a_slice(height, width, data):
    matrix = torch.arange(height * width, dtype=torch.int16).reshape(height, width)
    bytes_ = matrix.numpy().tobytes()
    ends = st.none() | st.integers(-9, 9)
    rows = slice(data.draw(ends), data.draw(ends))
    part = Entry("I16", (height, width), 0, len(bytes_)).part(rows)
    assert torch.equal(part.tensor(bytes_[part.start : part.stop]), matrix[rows])


def test_rows_of_no_matrix_and_rows_apart():
    with pytest.raises(UsageError, match=r"rows are of a matrix; this tensor's shape is \[3\]"):
        Entry("U8", (3,), 0, 3).part(slice(0, 1))
    with pytest.raises(UsageError, match="expected a step of 1, not 2"):
        Entry("U8", (3, 1), 0, 3).part(slice(0, 3, 2))


@pytest.mark.parametrize(
    ("prefix", "size"),
    [
        (b"", 100),  # nothing came
        ((93).to_bytes(8, "little"), 100),  # a byte more than there is
        ((HEADER_LIMIT + 1).to_bytes(8, "little"), 10**12),
        ((1).to_bytes(8, "little"), 100),
        (b"<!DOCTYP", 5000),  # a web page instead
        (b"version ", 130),  # git's pointer instead of the file
    ],
)
def test_impossible_lengths(prefix, size):
    with pytest.raises(CorruptFileError, match="no safetensors file, or is cut short"):
        header_length(prefix, size, "a file")


def entry(dtype="U8", shape=(4,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


BAD_HEADERS = {
    "cannot be read: a name is twice": b'{"a": 1, "a": 2}',
    "cannot be read: ": b'{"a": ',
    "cannot be read: 'utf-8'": b'{"\xff": 1}',
    "is no JSON object": b"[1, 2]",
    "a lacks a dtype, a shape or offsets": {"a": {"dtype": "U8", "shape": [4]}},
    "a has dtype 'F4'; expected one of F64": {"a": entry("F4")},
    "no whole numbers": {"a": entry(shape=(-4,))},
    "a has a shape or offsets that are no": {"a": entry(shape=(2.0, 2))},
    "offsets that are no whole": {"a": entry(offsets=(True, 5))},
    "a has 3 bytes; U8 of shape .4. has 4": {"a": entry(offsets=(0, 3))},
    "a has 4 bytes; BF16 of shape .4. has 8": {"a": entry("BF16")},
    "a has -4 bytes": {"a": entry(offsets=(4, 0))},
    "b overlaps another tensor": {"a": entry(), "b": entry(offsets=(2, 6))},
    "a follows a gap": {"a": entry(offsets=(1, 5))},
    "b follows a gap": {"a": entry(), "b": entry(offsets=(5, 9))},
    "its header tells of": {"a": entry(shape=(9,), offsets=(0, 9))},  # beyond the end of the file
}


@pytest.mark.parametrize(("says", "header"), BAD_HEADERS.items(), ids=BAD_HEADERS)
def test_bad_headers(says, header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with pytest.raises(CorruptFileError, match=says) as error:
        parse_header(text, PREFIX + len(text) + 8, "a file")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("a file")


def test_a_header_nested_without_end():
    text = b'{"a":' + b"[" * 100_000
    with pytest.raises(CorruptFileError, match="cannot be read"):
        parse_header(text, PREFIX + len(text), "a file")


def test_a_file_cut_short_and_one_with_more_at_its_end():
    file = save({"a": torch.zeros(4)})
    length = header_length(file[:PREFIX], len(file), "a file")
    for size in (len(file) - 1, len(file) + 1):
        with pytest.raises(CorruptFileError, match=f"a file has {size} bytes, and its header tell"):
            parse_header(file[PREFIX : PREFIX + length], size, "a file")


@pytest.mark.parametrize(
    "places",
    [
        None,
        {},
        [],
        {"a": 3},
        {"a": "../other.safetensors"},
        {"a": "/etc/x.safetensors"},
        {"a": "x.bin"},
        {"a": "..safetensors"},
        {"a": "x.safetensors?y"},
    ],
)
def test_an_index_that_leads_elsewhere(places):
    with pytest.raises(CorruptFileError):
        parse_index(json.dumps({"weight_map": places}).encode(), "an index")


def test_an_index():
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": places}).encode()
    assert parse_index(text, "an index") == places
