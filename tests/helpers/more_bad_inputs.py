"""More bad inputs than `bad_inputs` draws: other files, other encodings, foreign kinds of the right names.

    for name, (path, content, call) in files(world).items(): ...

`files` gives contents for a path and the call that reads it; each must end as `bad_inputs.judge` says.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from helpers.bad_inputs import World, judge, judge_call

PAIR = b'{"good": "The cat sleeps.", "bad": "The cat sleep."}\n'
CSV = b"good,bad\nThe cat sleeps.,The cat sleep.\n"
SUITE = (Path(__file__).parents[2] / "data" / "suites" / "pico.yml").read_text(encoding="utf-8")


# --- pairs of sentences ---------------------------------------------------------------------------


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def tarred(*members: tuple[str, bytes | str], mode: str = "w") -> bytes:
    """An archive; a member whose content is a text is a link to there."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members:
            about = tarfile.TarInfo(name)
            if isinstance(content, str):
                about.type, about.linkname = tarfile.SYMTYPE, content
                archive.addfile(about)
            else:
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
    return file.getvalue()


def locked(content: bytes) -> bytes:
    """A zip archive that says that its members are encrypted."""
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        at = content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        content = content[:at] + b"\x01" + content[at + 1 :]
    return content


PAIRS: dict[str, bytes] = {
    "empty.csv": b"",
    "header.csv": b"good,bad\n",
    "blank.csv": b"\n\n\n",
    "bom-only.csv": b"\xef\xbb\xbf",
    "utf-16.csv": CSV.decode().encode("utf-16"),
    "utf-16-le.csv": CSV.decode().encode("utf-16-le"),
    "latin-1.csv": b"good,bad\ncaf\xe9,cafe\n",
    "utf-32.jsonl": PAIR.decode().encode("utf-32"),
    "nul.csv": b"good,bad\na\0b,c\n",
    "field.csv": b"good,bad\n" + b"x" * 200_000 + b",c\n",
    "semicolon.csv": b"good;bad\na;b\n",
    "tabs.csv": b"good\tbad\na\tb\n",
    "commas.tsv": CSV,
    "wide.csv": b"good,bad\na,b,c\n",
    "narrow.csv": b"good,bad\na\n",
    "quote.csv": b'good,bad\n"a,b\n',
    "quote-in.csv": b'good,bad\n"a"b,c\n',
    "twice.csv": b"good,good,bad\na,b,c\n",
    "both-names.csv": b"good,sentence_good,bad\na,b,c\n",
    "case.csv": b"Good,Bad\na,b\n",
    "blanks.csv": b"good,bad\n  ,b\n",
    "no-header.csv": b"The cat sleeps.,The cat sleep.\n",
    "excel.csv": b"sep=,\ngood,bad\na,b\n",
    "html.csv": b"<html><body>404</body></html>",
    "list.jsonl": b"[1, 2]\n",
    "number.jsonl": b"3\n",
    "nan.jsonl": b'{"good": NaN, "bad": "x"}\n',
    "number-in.jsonl": b'{"good": 3, "bad": "x"}\n',
    "null.jsonl": b'{"good": null, "bad": "x"}\n',
    "nested.jsonl": b'{"good": ["x"], "bad": "x"}\n',
    "twice.jsonl": b'{"good": "a", "good": "b", "bad": "c"}\n',
    "one-document.jsonl": b'[{"good": "a",\n "bad": "b"}]',
    "pretty.jsonl": b'{\n "good": "a",\n "bad": "b"\n}\n',
    "half.jsonl": b'{"good": "\\ud800", "bad": "x"}\n',
    "half-name.jsonl": b'{"good": "a", "bad": "b", "field": "\\udfff"}\n',
    "deep.jsonl": b'{"good": ' + b"[" * 5_000 + b"\n",
    "digits.jsonl": b'{"good": ' + b"9" * 6_000 + b', "bad": "x"}\n',
    "paradigm-number.jsonl": b'{"good": "a", "bad": "b", "UID": 3}\n',
    "no.jsonl.gz": PAIR,
    "twice.csv.gz": gzip.compress(gzip.compress(CSV)),
    "cut.csv.gz": gzip.compress(CSV)[:-6],
    "flipped.csv.gz": gzip.compress(CSV)[:-5] + b"\x55" + gzip.compress(CSV)[-4:],
    "trailing.csv.gz": gzip.compress(CSV) + b"garbage",
    "bz2.csv.gz": bz2.compress(CSV),
    "bz2.csv": bz2.compress(CSV),
    "empty.zip": zipped(),
    "nothing.zip": zipped(("readme.txt", b"hello")),
    "locked.zip": locked(zipped(("a.csv", CSV))),
    "cut.zip": zipped(("a.csv", CSV))[:-30],
    "flipped.zip": zipped(("a.csv", CSV), method=zipfile.ZIP_STORED).replace(
        b"sleeps", b"sleepz", 1
    ),
    "zip-in.zip": zipped(("a.zip", zipped(("a.csv", CSV)))),
    "bad-in.zip": zipped(("a.csv", CSV), ("b.csv", b"good,bad\n\xff,x\n")),
    "folder.zip": zipped(("a.csv/", b"")),
    "no.zip": CSV,
    "tar.zip": tarred(("a.csv", CSV)),
    "zip.tar": zipped(("a.csv", CSV)),
    "empty.tar": tarred(),
    "none.tar": b"",
    "zeros.tar": b"\0" * 10_240,
    "cut.tar": tarred(("a.csv", CSV), ("b.csv", CSV))[:1_600],
    "damaged.tar": tarred(("a.csv", CSV), ("b.csv", CSV)).replace(b"b.csv", b"b.cs\xff"),
    "link.tar": tarred(("a.csv", "/etc/passwd")),
    "out.tar": tarred(("../../../tmp/a.csv", b"good,bad\n")),
    "cut.tar.gz": tarred(("a.csv", CSV), mode="w:gz")[:-9],
    "cut.tar.xz": tarred(("a.csv", CSV), mode="w:xz")[:-20],
    "pairs.txt": CSV,
    "pairs.json": PAIR,
    "pairs.parquet": b"PAR1",
    "pairs.xlsx": zipped(("xl/workbook.xml", b"<x/>")),
    "noext": CSV,
    ".csv": b"",
}


# --- tokens ---------------------------------------------------------------------------------------


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


TOKENS: dict[str, bytes] = {
    "floats.npy": npy(np.ones((8, 129))),
    "empty.npy": b"",
    "text.npy": b"1 2 3",
    "tokens.npz": zipped(("a.npy", npy(np.ones((8, 129), int)))),
    "odd.bin": b"\x01\x02\x03",
    "empty.bin": b"",
    "few.bin": b"\x01\x00" * 100,
    "ids.bin": b"\xff\xff" * 8 * 129,
    "only.idx": b"MMIDIDX\x00\x00" + b"\0" * 25,
    "magic.idx": b"TNTIDX\x00\x00" + b"\0" * 60,
    "document-00000-of-00020.bin": b"\x01\x00" * 129,
    "tokens.txt": b"1 2 3",
    "tokens.csv": b"1,2,3",
}


# --- texts to measure the loss on -----------------------------------------------------------------


TEXT = b'{"text": "The cat sleeps."}\n'
TEXTS: dict[str, bytes] = {
    "latin-1.txt": b"caf\xe9",
    "utf-16.txt": "The cat".encode("utf-16"),
    "utf-16-le.txt": "The cat".encode("utf-16-le"),
    "nul.txt": b"The\0cat",
    "plain.txt.gz": b"The cat sleeps.",
    "plain.txt.zst": b"The cat sleeps.",
    "other.txt.zst": gzip.compress(b"The cat sleeps."),
    "cut.txt.gz": gzip.compress(b"The cat sleeps.")[:-9],
    "flipped.txt.gz": gzip.compress(TEXT)[:12] + b"\xff\xff" + gzip.compress(TEXT)[14:],
    "empty.parquet": b"",
    "text.parquet": TEXT,
    "magic.parquet": b"PAR1" + b"\0" * 40 + b"PAR1",
    "cut.parquet": b"PAR1" + b"\x15\x04" * 40,
    "field.jsonl": b'{"page": "The cat"}\n',
    "case.jsonl": b'{"Text": "The cat"}\n',
    "number.jsonl": b'{"text": 3}\n',
    "null.jsonl": b'{"text": null}\n',
    "nested.jsonl": b'{"text": ["The cat"]}\n',
    "list.jsonl": b'["The cat"]\n',
    "string.jsonl": b'"The cat"\n',
    "twice.jsonl": b'{"text": "a", "text": "b"}\n',
    "half.jsonl": b'{"text": "\\ud800"}\n',
    "nul.jsonl": b'{"text": "a\\u0000b"}\n',
    "pretty.jsonl": b'{\n "text": "a"\n}\n',
    "deep.jsonl": b'{"text": ' + b"[" * 5_000 + b"\n",
    "digits.jsonl": b'{"text": ' + b"9" * 6_000 + b"}\n",
    "late.jsonl": TEXT * 3 + b"{",
    "latin-1.jsonl": TEXT + b'{"text": "caf\xe9"}\n',
    "texts.csv": b"text\nThe cat\n",
    "texts.json": TEXT,
    "texts.parquet.gz": gzip.compress(b"PAR1"),
    "texts": TEXT,
}


# --- sentences with an attractor -------------------------------------------------------------------

TEMPTING = (
    b"item,good,bad,twin,other\n"
    b"a,The key near the boxes is old.,The key near the boxes are old.,"
    b"The key near the box is old.,The key near the chairs is old.\n"
)
SENTENCES: dict[str, bytes] = {
    "empty.csv": b"",
    "names.csv": TEMPTING.split(b"\n")[0],
    "utf-16.csv": TEMPTING.decode().encode("utf-16"),
    "latin-1.csv": TEMPTING + b"b,caf\xe9,b,c,d\n",
    "nul.csv": TEMPTING.replace(b"box is", b"bo\0x is"),
    "packed.csv": gzip.compress(TEMPTING),
    "pairs.csv": CSV,
    "case.csv": TEMPTING.replace(b"twin", b"Twin"),
    "twice.csv": TEMPTING.replace(b"item,", b"good,"),
    "semicolons.csv": TEMPTING.replace(b",", b";"),
    "short.csv": TEMPTING + b"b,The key\n",
    "long.csv": TEMPTING.replace(b"chairs is old.", b"chairs is old.,more"),
    "blank.csv": TEMPTING.replace(b"The key near the box is old.", b" "),
    "open.csv": TEMPTING.replace(b"a,The", b'a,"The'),
}


# --- suites, projects, notebooks ------------------------------------------------------------------


SUITES: dict[str, bytes] = {
    name: SUITE.replace(old, new, 1).encode()
    for name, old, new in (
        ("a width of nothing", "d_model: 16", "d_model: 0"),
        ("a width of a fraction", "d_model: 16", "d_model: 16.5"),
        ("a width of text", "d_model: 16", "d_model: '16'"),
        ("a width of a date", "d_model: 16", "d_model: 2024-01-01"),
        ("a width in octal", "d_model: 16", "d_model: 020"),
        ("a width with grouping", "batch_size: 8 ", "batch_size: 1_000 "),
        ("heads that do not fit", "n_heads: 2, learning_rate: 4", "n_heads: 7, learning_rate: 4"),
        ("a rate below nothing", "learning_rate: 1.2e-2", "learning_rate: -1"),
        ("an endless rate", "learning_rate: 1.2e-2", "learning_rate: .inf"),
        ("no rate", "learning_rate: 1.2e-2", "learning_rate: .nan"),
        ("a rate beyond numbers", "learning_rate: 1.2e-2", "learning_rate: 1e999"),
        ("three betas", "[0.9, 0.95]", "[0.9, 0.95, 0.99]"),
        ("betas by name", "[0.9, 0.95]", "{one: 0.9}"),
        ("another precision", "dtype: float16 ", "dtype: float8 "),
        ("no models", "  - {sizes: all}", "  - {sizes: []}"),
        ("a seed below nothing", "seeds: [1]", "seeds: [-1]"),
        ("a seed that is true", "seeds: [1]", "seeds: [true]"),
        ("a seed twice", "seeds: [1]", "seeds: [1, 1]"),
        ("seeds that are none", "seeds: [1]", "seeds: 1"),
        ("a share beyond all", "grammar: 0.31", "grammar: 34"),
        ("a share of text", "grammar: 0.31", "grammar: 34%"),
        ("a title of lines", "title: Pico", 'title: "Pi\\nco"'),
        ("a title of nothing", "title: Pico", "title:"),
        ("a name of another", "name: pico", "name: nano"),
        ("a name that leads out", "name: pico", "name: ../pico"),
        ("a kind of neither", "kind: local", "kind: remote"),
        ("steps beyond the end", "powers_of_two_to: 512", "powers_of_two_to: 1024"),
        ("steps of nothing", "then_every: 250", "then_every: 0"),
        ("warm-up beyond the end", "warmup: 0.01", "warmup: 1.5"),
        ("a key twice", "  eps: 1.0e-8", "  eps: 1.0e-8\n  eps: 2.0e-8"),
        ("a key too many", "  eps: 1.0e-8", "  eps: 1.0e-8\n  epsilon: 2"),
        ("a key too few", "  eps: 1.0e-8\n", ""),
        ("a tab", "  eps", "\teps"),
        ("a tag", "eps: 1.0e-8", "eps: !!python/name:os.system"),
        ("a merge", "sizes:\n", "sizes:\n  <<: {n: 1}\n"),
        ("a size that is a number", "  14k:", "  14:"),
        ("a size that leads out", "  14k:", "  ../14k:"),
        ("a vocabulary of nothing", "vocab_size: 1024", "vocab_size: 0"),
    )
} | {
    "nothing": b"",
    "a list": b"- 1\n",
    "utf-16": SUITE.encode("utf-16"),
    "latin-1": (SUITE + "# café\n").encode("latin-1"),
    "two documents": (SUITE + "---\n" + SUITE).encode(),
    "JSON of another": b'{"name": "pico"}',
    "cut": SUITE.encode()[:700],
}


def notebook(source: object = "labels: list[str] = ['a']", **changed: object) -> bytes:
    """A notebook whose one cell declares parameters so."""
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": []}
    cell |= {"execution_count": None, "source": source}
    usual = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(usual | changed).encode()


IDENTITY = 'suite = "pico"\nmodel = "pico-7k"\nstep = 0\n'
NOTEBOOKS: dict[str, bytes] = {
    "format 3": notebook(nbformat=3),
    "format 5": notebook(nbformat=5),
    "worksheets": json.dumps({"nbformat": 3, "worksheets": [{"cells": []}]}).encode(),
    "format of text": notebook(nbformat="4"),
    "no cells": notebook(cells=[]),
    "cells by name": notebook(cells={"a": 1}),
    "a cell that is none": notebook(cells=[None]),
    "a source of numbers": notebook([1, 2]),
    "a fault of grammar": notebook("labels = [\n"),
    "a magic": notebook("%matplotlib inline\n" + IDENTITY),
    "a shell": notebook("!rm -rf /\n" + IDENTITY),
    "no parameters": notebook("import os\n"),
    "several at once": notebook(IDENTITY + "a, b = 1, 2\n"),
    "an attribute": notebook(IDENTITY + "labels.x = 1\n"),
    "without default": notebook(IDENTITY + "labels: int\n"),
    "half a character": notebook(IDENTITY + "labels = '\ud800'\n"),
    "a nul": notebook(IDENTITY + "labels = 'a\0b'\n"),
    "two cells of parameters": notebook(cells=json.loads(notebook())["cells"] * 2),
    "tags that are none": notebook(
        cells=[json.loads(notebook())["cells"][0] | {"metadata": {"tags": "parameters"}}]
    ),
    "utf-16": notebook().decode().encode("utf-16"),
    "a mark": b"\xef\xbb\xbf" + notebook(IDENTITY),
    "a script": b"# %% [parameters]\nlabels = 1\n",
    "nan": notebook(IDENTITY).replace(b'"nbformat_minor": 5', b'"nbformat_minor": NaN'),
    "deep": b'{"cells": ' + b"[" * 3_000,
    "zipped": gzip.compress(notebook(IDENTITY)),
}


# --- all of them ----------------------------------------------------------------------------------


Case = tuple[Path, bytes, Callable[[World], str | None]]


def files(world: World) -> Iterator[tuple[str, Case]]:
    """Every case by name: where the file is to be, what it holds, and how to judge the call that reads it."""
    for name, content in PAIRS.items():
        yield f"pairs {name}", (world.files / name, content, _read_pairs(world.files / name))
    for name, content in TEXTS.items():
        yield f"texts {name}", (world.files / name, content, _read_texts(world.files / name))
    for name, content in SENTENCES.items():
        path = world.files / name
        yield f"sentences {name}", (path, content, _read_sentences(path))
    for name, content in TOKENS.items():
        path = world.files / name
        source = path.with_suffix("") if path.suffix == ".idx" else path
        yield f"tokens {name}", (path, content, _read_batch(source))
    for name, content in SUITES.items():
        path = world.files / "pico.yml"
        yield f"suite {name}", (path, content, _read_suite(path))
    for name, content in NOTEBOOKS.items():
        path = world.root / "notebooks" / "measure.ipynb"
        yield f"notebook {name}", (path, content, _status)


def with_content(
    world: World, path: Path, content: bytes, call: Callable[[World], str | None]
) -> str | None:
    """The judgement of a call while a file holds a content."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    try:
        return call(world)
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def _read_pairs(path: Path) -> Callable[[World], str | None]:
    from pythia_utils.evaluation import pair_files

    return lambda world: _refused(world, lambda: pair_files.read_pairs(path))


def _read_texts(path: Path) -> Callable[[World], str | None]:
    from pythia_utils.evaluation import text_files

    return lambda world: _refused(world, lambda: list(text_files.read_texts(path)))


def _read_sentences(path: Path) -> Callable[[World], str | None]:
    from pythia_utils.analysis.lens import patching_pairs

    return lambda world: _refused(world, lambda: patching_pairs.read(path))


def _read_suite(path: Path) -> Callable[[World], str | None]:
    from pythia_utils.suites.suite_file import read_suite

    return lambda world: _refused(world, lambda: read_suite(path))


def _refused(world: World, call: Callable[[], object]) -> str | None:
    """The judgement of a call that must not come to its end."""
    ended = []
    fault = judge_call(world, lambda: ended.append(call()))
    return fault or ("accepted" if ended else None)


def _read_batch(path: Path) -> Callable[[World], str | None]:
    call = ["batch", "--model", "pico-7k", "--steps", "0", "--source", str(path)]
    return lambda world: judge(world, call, must_fail=True)


def _status(world: World) -> str | None:
    return judge(world, ["run", "measure", "--profile", "tiny", "--dry-run"], must_fail=True)


# --- places that are no files ---------------------------------------------------------------------


PLACES = ("a folder", "a link to itself", "a link to nowhere")


@contextmanager
def placed(path: Path, kind: str) -> Iterator[None]:
    """In the place of a file something else, until the block ends; what was there is back then."""
    before = path.with_name(f"{path.name}.before")
    path.rename(before)
    try:
        if kind == "a folder":
            path.mkdir()
        else:
            path.symlink_to(path if kind == "a link to itself" else path.parent / "nowhere")
        yield
    finally:
        path.rmdir() if kind == "a folder" else path.unlink(missing_ok=True)
        before.rename(path)
