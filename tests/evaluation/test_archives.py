"""Files of pairs in every packing are read whole, or not at all."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.sets import load_pairs

NAMES = ("agreement", "islands", "binding")
PAIRS = 100


def jsonl(name, pairs=PAIRS):
    rows = ({"good": f"{name} {i} sleeps", "bad": f"{name} {i} sleep"} for i in range(pairs))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {f"blimp/{name}.jsonl": jsonl(name) for name in NAMES}
OTHERS = {"blimp/README.md": b"BLiMP", "__MACOSX/blimp/._islands.jsonl": b"\0\5\26\7"}


def tar(files, mode="w"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


PACKINGS = {
    ".zip": zipped,
    ".tar": tar,
    ".tar.gz": lambda files: tar(files, "w:gz"),
    ".tgz": lambda files: tar(files, "w:gz"),
    ".tar.xz": lambda files: tar(files, "w:xz"),
}


@pytest.fixture(params=PACKINGS)
def archive(request, tmp_path):
    path = tmp_path / f"pairs{request.param}"
    path.write_bytes(PACKINGS[request.param](FILES | OTHERS))
    return path


def refused(path):
    with pytest.raises(UsageError) as caught:
        load_pairs(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_every_archive_holds_all_pairs(archive):
    pairs = load_pairs(archive)
    assert {pair.paradigm for pair in pairs} == set(NAMES)
    assert len(pairs) == PAIRS * len(NAMES)


def test_an_archive_cut_anywhere_is_refused(archive):
    whole = archive.read_bytes().rstrip(b"\0")  # a tar may lack some of the zeros at its end
    for share in (0.02, 0.2, 0.34, 0.5, 0.68, 0.9):
        archive.write_bytes(whole[: int(share * len(whole))])
        assert "is not a whole archive" in refused(archive)


def test_a_tar_cut_between_two_files_is_refused(tmp_path):
    """Where tarfile itself notices nothing: the file before is whole, and there is no other."""
    path = tmp_path / "pairs.tar"
    with tarfile.open(fileobj=io.BytesIO(tar(FILES))) as archive:
        places = [member.offset for member in archive][1:]
    for place in places:
        path.write_bytes(tar(FILES)[:place])
        assert "it breaks off, or is damaged, at byte" in refused(path)
        path.write_bytes(tar(FILES)[: place + 100])  # in the midst of a header
        refused(path)


def test_a_damaged_header_in_a_tar_is_refused(tmp_path):
    """Tarfile takes a header that it cannot read for the end."""
    path, content = tmp_path / "pairs.tar", bytearray(tar(FILES))
    with tarfile.open(fileobj=io.BytesIO(bytes(content))) as archive:
        second = [member.offset for member in archive][1]
    content[second + 150] ^= 1
    path.write_bytes(content)
    assert f"it breaks off, or is damaged, at byte {second:,}" in refused(path)


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz"])
def test_a_changed_byte_in_a_packed_archive_is_refused(tmp_path, ending):
    path, content = tmp_path / f"pairs{ending}", PACKINGS[ending](FILES)
    for place in (len(content) // 3, len(content) // 2):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        refused(path)


def test_a_zip_with_a_password_is_refused(tmp_path):
    path, content = tmp_path / "pairs.zip", bytearray(zipped(FILES))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        names = len(archive.infolist())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flags of both headers of each file
        place = -1
        for _ in range(names):
            place = content.index(mark, place + 1)
            content[place + flags] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_every_format_is_read_bare_and_packed(tmp_path, ending):
    pairs = [("The dog, it sleeps.", "The dog, it sleep."), ('She said "no".', 'She say "no".')]
    if ending == "jsonl":
        lines = [json.dumps({"good": good, "bad": bad}) for good, bad in pairs]
    else:
        delimiter = "," if ending == "csv" else "\t"
        quoted = [['"' + half.replace('"', '""') + '"' for half in pair] for pair in pairs]
        lines = [delimiter.join(row) for row in (("good", "bad"), *quoted)]
    content = "\n".join(lines).encode()
    bare, packed = tmp_path / f"own.{ending}", tmp_path / f"own.{ending}.gz"
    bare.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    for path in (bare, packed):
        found = load_pairs(path)
        assert [(pair.good, pair.bad) for pair in found] == pairs
        assert {pair.paradigm for pair in found} == {"own"}
    assert len(load_pairs(tmp_path)) == 2 * len(pairs)


def test_a_tsv_with_other_columns_is_told_by_its_line(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("good\tbad\nx\ty\nx,y\n")
    assert "line 3: expected 2 columns" in refused(path)


def test_a_packed_file_that_is_cut_or_damaged_is_refused(tmp_path):
    path, content = tmp_path / "own.jsonl.gz", gzip.compress(jsonl("agreement"))
    for wrong in (content[:-1], content[: len(content) // 2], content + b"x", b"no gzip"):
        path.write_bytes(wrong)
        assert "is not a whole archive" in refused(path)
    path.write_bytes(lzma.compress(jsonl("agreement")))
    refused(path)


@pytest.mark.parametrize("half", ["\\ud83d", "\\udc00", "a \\ud800 b"])
@pytest.mark.parametrize("column", ["good", "bad", "paradigm"])
def test_half_a_character_is_told_by_its_line(tmp_path, half, column):
    path = tmp_path / "own.jsonl"
    row = {"good": "x", "bad": "y", "paradigm": "z"}
    wrong = json.dumps(row | {column: "HALF"}).replace("HALF", half)
    path.write_text(json.dumps(row) + "\n" + wrong)
    message = refused(path)
    assert f"line 2: '{column}' holds '\\u" in message
    assert message.endswith("half of a character")


def test_a_whole_pair_of_halves_is_a_character(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"good": "\\ud83d\\ude00", "bad": "y"}')
    assert load_pairs(path)[0].good == "\N{GRINNING FACE}"


def test_endless_nesting_is_no_json(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("[" * 200_000)
    assert "line 1: not JSON" in refused(path)
