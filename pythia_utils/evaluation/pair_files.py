"""Files of minimal pairs: JSONL, CSV, and folders or archives of these.

A row has the columns `good` and `bad`, and may have `paradigm`, `phenomenon` and `field`. BLiMP's
own names of these columns are understood too, so its files are read as they are.
"""

from __future__ import annotations

import csv
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import UsageError, first_line, nearest
from pythia_utils.nano.minimal_pair import MinimalPair

ARCHIVES = (".tar.xz", ".tar.gz", ".tgz", ".tar")
FORMATS = (".jsonl", ".csv")
_NAMES = {  # ours, and BLiMP's
    "good": ("good", "sentence_good"),
    "bad": ("bad", "sentence_bad"),
    "paradigm": ("paradigm", "UID"),
    "phenomenon": ("phenomenon", "linguistics_term"),
    "field": ("field",),
}
_NEEDED = ("good", "bad")
# BLiMP's files spell one field in two ways, and file two paradigms under `s-selection` that its paper
# counts as argument structure (Warstadt et al. 2020, table 1: nine paradigms): 13 terms, 12 phenomena.
_SPELLINGS = {
    "syntax_semantics": "syntax-semantics",
    "syntax/semantics": "syntax-semantics",
    "s-selection": "argument_structure",
}


def read_pairs(path: str | Path) -> list[MinimalPair]:
    """All pairs of a file, a folder or an archive, in the order of names and lines.

    Args:
        path: a .jsonl or .csv file, or a folder or a .tar.xz, .tar.gz or .tar archive of such
            files. Nothing is extracted from an archive; its files are read where they lie.

    Raises:
        UsageError: no such file, none of these formats, or a row that is not a pair: the message
            names file, line and column.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise _missing(path)
    pairs = [pair for name, text in _texts(path) for pair in _pairs_of_text(name, text)]
    if not pairs:
        raise UsageError(f"{path} holds no minimal pairs; expected {_expected()}")
    return pairs


def pairs_of_rows(rows: Iterable[Mapping[str, Any]], name: str) -> list[MinimalPair]:
    """The pairs of a table's rows; `name` is the file's, for messages and an unnamed paradigm."""
    return [_pair(row, name, number) for number, row in enumerate(rows, start=1)]


def _missing(path: Path) -> UsageError:
    folder = path.absolute().parent
    beside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    similar = nearest(path.name, beside)
    hint = f"; nearest: {', '.join(similar)}" if similar else ""
    return UsageError(f"there is no file or folder {path}{hint}")


def _expected() -> str:
    return f"{' or '.join(FORMATS)} files, or a folder or a {', '.join(ARCHIVES)} archive of them"


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """The name and contents of each file of pairs."""
    if path.is_dir():
        for file in sorted(each for each in path.iterdir() if each.suffix in FORMATS):
            yield str(file), file.read_bytes()
    elif path.name.endswith(ARCHIVES):
        yield from _members(path)
    elif path.suffix in FORMATS:
        yield str(path), path.read_bytes()
    else:
        raise UsageError(f"{path} is no file of minimal pairs; expected {_expected()}")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            # In the order of the archive: going back would unpack it from its start again.
            files = [
                (f"{path}/{member.name}", archive.extractfile(member).read())
                for member in archive
                if member.isfile() and Path(member.name).suffix in FORMATS
            ]
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        reason = first_line(error).rstrip(":")
        raise UsageError(f"{path} is not a whole archive: {reason}") from None
    yield from sorted(files)


def _pairs_of_text(name: str, content: bytes) -> Iterator[MinimalPair]:
    try:
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 text") from None
    rows = _csv_rows if name.endswith(".csv") else _json_rows
    for number, row in rows(name, text):
        yield _pair(row, name, number)


def _json_rows(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):  # a text may hold other line ends
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{name}, line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise UsageError(f"{name}, line {number}: expected a JSON object, not {line[:40]!r}")
        yield number, row


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                count = len(reader.fieldnames)
                raise UsageError(
                    f"{name}, line {reader.line_num}: expected {count} columns as in its first line"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: not CSV: {error}") from None


def _pair(row: Mapping[str, Any], name: str, number: int) -> MinimalPair:
    where = f"{name}, line {number}"
    found = {column: _value(row, column, where) for column in _NAMES}
    for column in _NEEDED:
        if not found[column].strip():
            raise UsageError(f"{where}: {column!r} is empty")
    phenomenon = found["phenomenon"] or found["paradigm"] or Path(name).stem
    return MinimalPair(
        phenomenon=_SPELLINGS.get(phenomenon, phenomenon),
        good=found["good"],
        bad=found["bad"],
        field=_SPELLINGS.get(found["field"], found["field"]),
        paradigm=found["paradigm"] or phenomenon,
    )


def _value(row: Mapping[str, Any], column: str, where: str) -> str:
    """A column's text under either of its names; an optional one may be missing: empty."""
    for known in _NAMES[column]:
        value = row.get(known)
        if isinstance(value, str):
            return value
        if value is not None or (known in row and column in _NEEDED):
            raise UsageError(f"{where}: {known!r} is {value!r}; expected text")
    if column not in _NEEDED:
        return ""
    similar = nearest(column, row)
    hint = "nearest" if similar else "its columns"
    expected = " or ".join(map(repr, _NAMES[column]))
    raise UsageError(f"{where}: no column {expected}; {hint}: {', '.join(similar or [*row][:8])}")
