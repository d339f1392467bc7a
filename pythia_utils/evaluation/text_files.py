"""Texts of one's own, document by document: .txt, .jsonl and .parquet files, and folders of these.

A .txt file is one document; a line of a .jsonl file and a row of a .parquet file is one, in the field
`text`. Files are read as they are asked for, not held: a set may be larger than the memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pythia_utils.base.errors import UsageError, first_line, nearest
from pythia_utils.base.files import is_partial
from pythia_utils.base.units import show_size
from pythia_utils.evaluation.pair_files import json_row, missing, whole_text

FORMATS = (".txt", ".jsonl", ".parquet")
FIELD = "text"
LONGEST = (
    32_000_000  # bytes of a document: its tokens are made at once, in a hundred times the memory
)
_PACKED = {".gz": "gzip", ".zst": "zstd"}  # after .txt and .jsonl


@dataclass(frozen=True)
class Document:
    """A text that a model reads from its beginning.

    Attributes:
        text: what it reads.
        place: where it comes from, for messages: `essays.jsonl, line 3`.
        part: of the set that it belongs to, such as `Github` of the Pile; empty where there are none.
        original: the text whose words and bytes are counted, where this is not the one that is read.
    """

    text: str
    place: str
    part: str = ""
    original: str | None = None


def read_texts(path: str | Path) -> Iterator[Document]:
    """The documents of a file, or of all files below a folder, in the order of names and lines.

    Args:
        path: a .txt, .jsonl or .parquet file, of which the first two may be packed (.gz, .zst), or a
            folder. In folders hidden files and files of other formats are left out.

    Raises:
        UsageError: no such file, none of these formats, a file that is damaged, a row without a text, text that
            is not UTF-8, or a document that is longer than `LONGEST`: the message names file and line.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise missing(path)
    files = _files_below(path) if path.is_dir() else [path]
    if not files or not is_text(files[0].name):
        kind = "holds no text" if path.is_dir() else "is no file of texts"
        raise UsageError(f"{path} {kind}; expected {expected()}")
    for file in files:
        yield from _READERS[_ending(file.name)](file)


def is_text(name: str) -> bool:
    """Whether a file's name says that it is one of the formats."""
    return _ending(name) in _READERS and not name.endswith(tuple(f".parquet{p}" for p in _PACKED))


def expected() -> str:
    """The formats, in words."""
    return f"{', '.join(FORMATS)} files (the first two also with .gz or .zst), or a folder of them"


def _ending(name: str) -> str:
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def _files_below(folder: Path) -> list[Path]:
    def is_wanted(file: Path) -> bool:
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        return is_text(file.name) and not hidden and not is_partial(file) and file.is_file()

    found = [file for file in folder.rglob("*") if is_wanted(file)]
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


# --- formats --------------------------------------------------------------------------------------


def _of_txt(path: Path) -> Iterator[Document]:
    with _opened(path) as file:
        content = file.read(LONGEST + 1)
    _require_short(len(content), str(path))
    yield Document(whole_text(_decoded(content, path), FIELD, str(path)), str(path))


def _of_jsonl(path: Path) -> Iterator[Document]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            text = _decoded(line, path, number)
            if text.strip():
                place = f"{path}, line {number}"
                yield _document(json_row(text, place), place)


def _of_parquet(path: Path) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = [name for name in (FIELD, "meta") if name in names]
            if FIELD not in names:
                raise _no_field(names, str(path))
            batches = file.iter_batches(256, columns=wanted)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield _document(row, f"{path}, row {number}")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise UsageError(f"{path} is not a whole Parquet file: {first_line(error)}") from None


_READERS = {".txt": _of_txt, ".jsonl": _of_jsonl, ".parquet": _of_parquet}


def _document(row: Mapping[str, Any], place: str) -> Document:
    text = row.get(FIELD)
    if FIELD not in row:
        raise _no_field(row, place)
    if not isinstance(text, str):
        raise UsageError(f"{place}: {FIELD!r} is {str(text)[:40]!r}; expected text")
    text = whole_text(text, FIELD, place)
    _require_short(len(text), place)
    return Document(text, place, _part(row))


def _part(row: Mapping[str, Any]) -> str:
    """The Pile's files say of each document which of its parts it is from."""
    meta = row.get("meta")
    part = meta.get("pile_set_name") if isinstance(meta, Mapping) else None
    return part if isinstance(part, str) else ""


def _no_field(names: Mapping | list[str], place: str) -> UsageError:
    similar = nearest(FIELD, names)
    hint = f"nearest: {', '.join(similar)}" if similar else f"it has: {', '.join([*names][:8])}"
    return UsageError(f"{place}: no field {FIELD!r}; {hint}")


def _require_short(size: int, place: str) -> None:
    if size > LONGEST:
        raise UsageError(
            f"{place}: a document of more than {show_size(LONGEST)}; cut it into documents, "
            "as a .jsonl file with one a line"
        )


# --- bytes ----------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked as its name says.

    Raises:
        UsageError: what is packed is not whole.
    """
    if path.suffix not in _PACKED:
        with path.open("rb") as file:
            yield file
        return
    import pyarrow as pa

    try:
        packed = pa.input_stream(str(path), compression=_PACKED[path.suffix])
        with io.BufferedReader(packed) as file:
            yield file
    except OSError as error:
        if error.errno is not None:
            raise
        raise UsageError(f"{path} is not a whole file: {first_line(error)}") from None


def _decoded(content: bytes, path: Path, line: int = 1) -> str:
    """The text, without the byte order mark that some editors write at a file's beginning."""
    try:
        return content.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise UsageError(f"{path}, line {line}: not UTF-8 text") from None
