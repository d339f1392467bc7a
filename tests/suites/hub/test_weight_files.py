"""Indices and safetensors headers: the library's own files are understood, and every fault is told."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.range_server import serve
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import RangeReader
from pythia_utils.suites.hub.remote_tensors import DTYPES, PREFIX, Entry, RangedFile, parse_header
from pythia_utils.suites.hub.weight_files import CorruptFileError, choose_weights, parse_index


def read_all(file: bytes) -> dict[str, torch.Tensor]:
    length = int.from_bytes(file[:PREFIX], "little")
    entries = parse_header(file[PREFIX : PREFIX + length], len(file), "a file")
    return {name: e.tensor(file[e.start : e.stop]) for name, e in entries.items()}


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_every_dtype_reads_as_the_library_reads_it(dtype):
    numbers = torch.arange(-6, 6).reshape(3, 4).to(getattr(torch, dtype))
    tensors = {"b": numbers, "scalar": numbers[1, 1].clone(), "a": numbers[:, :1].clone()}
    file = save(tensors | {"empty": numbers[:0].clone()}, {"format": "pt"})
    ours, theirs = read_all(file), load(file)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        assert torch.equal(ours[name], theirs[name])


@given(st.integers(0, 7), st.integers(1, 4), st.data())
def test_rows_are_those_of_a_slice(height, width, data):
    matrix = torch.arange(height * width, dtype=torch.int16).reshape(height, width)
    bytes_ = matrix.numpy().tobytes()
    ends = st.none() | st.integers(-9, 9)
    rows = slice(data.draw(ends), data.draw(ends))
    part = Entry(torch.int16, (height, width), 0, len(bytes_)).part(rows)
    assert torch.equal(part.tensor(bytes_[part.start : part.stop]), matrix[rows])


def test_rows_of_no_matrix_and_rows_apart():
    with pytest.raises(UsageError, match=r"rows are of a matrix; this tensor's shape is \[3\]"):
        Entry(torch.uint8, (3,), 0, 3).part(slice(0, 1))
    with pytest.raises(UsageError, match="expected a step of 1, not 2"):
        Entry(torch.uint8, (3, 1), 0, 3).part(slice(0, 3, 2))


@pytest.mark.parametrize(
    "file",
    [
        b"short",
        (93).to_bytes(8, "little") + bytes(92),  # a byte more than there is
        (10**9).to_bytes(8, "little") + bytes(92),
        (1).to_bytes(8, "little") + bytes(92),
        b"<!DOCTYPE html>" + bytes(5000),  # a web page instead
        b"version https://git-lfs" + bytes(107),  # git's pointer instead of the file
    ],
)
def test_impossible_lengths(file):
    with serve({"/x.safetensors": file}) as server:
        remote = RangedFile(f"{server.url}/x.safetensors", RangeReader(), len(file))
        with pytest.raises(CorruptFileError, match="no safetensors file, or is cut short"):
            remote.entries  # noqa: B018
        assert server.sent <= PREFIX


def entry(dtype="U8", shape=(4,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


BAD_HEADERS = {
    "a is not the next 2 bytes": b'{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},'
    b'"a": {"dtype": "U8", "shape": [2], "data_offsets": [4, 8]}}',  # a name twice
    "cannot be read .JSONDecodeError": b'{"a": ',
    "cannot be read .UnicodeDecodeError": b'{"\xff": 1}',
    "cannot be read .TypeError": b"[1, 2]",
    "cannot be read .KeyError: 'data_offsets'": {"a": {"dtype": "U8", "shape": [4]}},
    "cannot be read .KeyError: 'F4'": {"a": entry("F4")},
    "a is not the next -4 bytes": {"a": entry(shape=(-4,))},
    "a is not the next 4 bytes after byte": {"a": entry(shape=(-2, -2))},
    "cannot be read .TypeError: 'float'": {"a": entry(shape=(2.0, 2))},
    "cannot be read .TypeError: 'str'": {"a": entry(offsets=("0", 4))},
    "cannot be read .ValueError": {"a": entry(offsets=(0, 4, 8))},
    "a is not the next 4 bytes": {"a": entry(offsets=(0, 3))},
    "a is not the next 8 bytes": {"a": entry("BF16")},
    "a is not the next 4": {"a": entry(offsets=(4, 0))},
    "b is not the next 4 bytes": {"a": entry(), "b": entry(offsets=(2, 6))},  # overlaps
    "a is not the next": {"a": entry(offsets=(1, 5))},  # a gap
    "b is not the next": {"a": entry(), "b": entry(offsets=(5, 9))},
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
    length = int.from_bytes(file[:PREFIX], "little")
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
        [["a", "../x.safetensors"]],
    ],
)
def test_an_index_that_leads_elsewhere(places):
    with pytest.raises(CorruptFileError):
        parse_index(json.dumps({"weight_map": places}).encode(), "x.safetensors.index.json")


def test_an_index():
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": places}).encode()
    assert parse_index(text, "model.safetensors.index.json") == places


def choose(*names: str, places: dict[str, str]):
    return choose_weights(names, lambda _: json.dumps({"weight_map": places}).encode())


def test_the_index_decides_and_not_the_names():
    old = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    new = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    odd = ["encoder.safetensors", "rest_of_it.safetensors"]
    index = "model.safetensors.index.json"
    for files in (old, new, odd):
        places = {f"tensor {n}": file for n, file in enumerate(files)}
        found = choose(*old, *new, *odd, index, "pytorch_model.bin", places=places)
        assert (found.files, found.index, found.places) == (tuple(sorted(files)), index, places)


def test_a_set_that_is_not_whole_gives_way_to_bin():
    places = {"a": "one.safetensors", "b": "two.safetensors"}
    names = ("model.safetensors.index.json", "one.safetensors")
    assert choose(*names, places=places) is None
    assert choose(*names, "pytorch_model.bin", places=places).files == ("pytorch_model.bin",)
    assert choose(*names, "model.safetensors", places=places).files == ("model.safetensors",)
