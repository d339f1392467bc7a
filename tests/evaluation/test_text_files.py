"""Files of texts: what is read of each format, and what is said of a file that is wrong."""

from __future__ import annotations

import gzip
import json

import pytest
from helpers.texts import parquet

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import text_files
from pythia_utils.evaluation.text_files import read_texts

TEXTS = ["A first text.\nOf two lines.", "é, and a second.", ""]
JSONL = "".join(json.dumps({"text": text, "id": i}) + "\n\n" for i, text in enumerate(TEXTS))


def packed(content: bytes, kind: str) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, kind) as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


FILES = {
    "a.jsonl": JSONL.encode(),
    "bom.jsonl": JSONL.encode("utf-8-sig"),
    "a.jsonl.gz": gzip.compress(JSONL.encode()),
    "a.jsonl.zst": packed(JSONL.encode(), "zstd"),
    "a.parquet": parquet([{"id": i, "text": text} for i, text in enumerate(TEXTS)]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_line_or_a_row_is_a_document(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    found = list(read_texts(path))
    assert [document.text for document in found] == TEXTS
    assert {document.part for document in found} == {""}
    assert found[1].place == f"{path}, {'row 2' if name.endswith('parquet') else 'line 3'}"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst"])
def test_a_text_file_is_one_document(tmp_path, name):
    content = "One.\r\n\r\nTwo é.\n".encode()
    kind = {".gz": "gzip", ".zst": "zstd"}.get(name[5:])
    (tmp_path / name).write_bytes(packed(content, kind) if kind else content)
    (found,) = read_texts(tmp_path / name)
    assert (found.text, found.place) == ("One.\r\n\r\nTwo é.\n", str(tmp_path / name))


def test_a_folder_is_all_texts_below_it_in_the_order_of_their_names(tmp_path):
    for name in (
        "b.txt",
        "a/z.txt",
        "a/b.jsonl",
        ".hidden.txt",
        ".git/x.txt",
        "c.md",
        "d.parquet.gz",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"text": name}) if name.endswith("jsonl") else name)
    assert [document.text for document in read_texts(tmp_path)] == ["a/b.jsonl", "a/z.txt", "b.txt"]


def test_the_piles_rows_tell_their_part(tmp_path):
    rows = [{"text": "x", "meta": {"pile_set_name": "Github"}}, {"text": "y", "meta": None}]
    (tmp_path / "pile.parquet").write_bytes(parquet(rows))
    (tmp_path / "pile.jsonl").write_text(
        "\n".join(map(json.dumps, [*rows, {"text": "z", "meta": 3}]))
    )
    assert [d.part for d in read_texts(tmp_path / "pile.parquet")] == ["Github", ""]
    assert [d.part for d in read_texts(tmp_path / "pile.jsonl")] == ["Github", "", ""]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"txt": "y"}', "line 2: no field 'text'; nearest: txt"),
        ("a.jsonl", b'{"page": "x"}', "line 1: no field 'text'; it has: page"),
        ("a.jsonl", b'{"text": null}', "line 1: 'text' is 'None'; expected text"),
        ("a.jsonl", b'{"text": ["x"]}', "line 1: 'text' is"),
        ("a.jsonl", b'{"text": "x"', "line 1: not JSON"),
        ("a.jsonl", b'["x"]', "line 1: expected a JSON object"),
        ("a.jsonl", b'{"text": "\\ud800"}', "line 1: 'text' holds '\\ud800', half of a character"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "\xe9"}\n', "line 2: not UTF-8"),
        ("a.jsonl.gz", b'{"text": "x"}', "is not a whole file"),
        ("a.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)[:-9], "is not a whole file"),
        ("a.jsonl.zst", packed(JSONL.encode(), "zstd")[:-3], "is not a whole file"),
        ("a.txt", "caf\u00e9\nM\u00e4dchen".encode("latin-1"), "line 1: not UTF-8"),
        ("a.txt", "x".encode("utf-16"), "line 1: not UTF-8"),
        ("a.txt", b"x\n\0", "holds the character 0x0"),
        ("a.parquet", parquet([{"page": "x"}]), "no field 'text'; it has: page"),
        ("a.parquet", parquet([{"text": 3}]), "row 1: 'text' is '3'; expected text"),
        ("a.parquet", FILES["a.parquet"][:-40], "is not a whole Parquet file"),
        ("a.parquet", b"nothing of the kind", "is not a whole Parquet file"),
        ("a.parquet.gz", b"", "is no file of texts; expected .txt, .jsonl, .parquet files"),
        ("a.csv", b"text\nx\n", "is no file of texts"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        list(read_texts(path))
    message = str(caught.value)
    assert expected in message
    assert str(path) in message
    assert "\n" not in message


def test_a_folder_without_texts_and_a_mistyped_path_are_told(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "essays.jsonl").mkdir()
    with pytest.raises(UsageError, match="holds no text; expected"):
        list(read_texts(tmp_path))
    with pytest.raises(UsageError, match=r"nearest: essays\.jsonl"):
        list(read_texts(tmp_path / "esays.jsonl"))


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_a_document_that_is_too_long_is_refused_and_the_way_out_told(tmp_path, monkeypatch, name):
    monkeypatch.setattr(text_files, "LONGEST", 20)
    content = json.dumps({"text": "x" * 21}) if name == "a.jsonl" else "x" * 21
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(
        UsageError, match=r"more than 20 bytes; cut it into documents, as a \.jsonl"
    ):
        list(read_texts(tmp_path / name))


def test_files_are_read_as_they_are_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    assert next(read_texts(tmp_path)).text == "x"
