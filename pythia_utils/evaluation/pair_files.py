"""Files of minimal pairs: JSONL, CSV, TSV, and folders or archives of these.

A row has the columns `good` and `bad`, and may have `paradigm`, `phenomenon` and `field`. BLiMP's
own names of these columns are understood too, so its files are read as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import UsageError, nearest
from pythia_utils.evaluation.archives import ARCHIVES, read_files
from pythia_utils.nano.minimal_pair import MinimalPair

FORMATS = (".jsonl", ".csv", ".tsv")  # each of them also with .gz after it
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
        path: a .jsonl, .csv or .tsv file, which may be packed (.gz), or a folder or a .tar.xz,
            .tar.gz, .tar or .zip archive of such files. Nothing is extracted from an archive; its files
            are read where they lie.

    Raises:
        UsageError: no such file, none of these formats, an archive that is not whole, or a row that is
            not a pair: the message names file, line and column.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise missing(path)
    if not path.is_dir() and not path.name.endswith(ARCHIVES) and not _is_pairs(path.name):
        raise UsageError(f"{path} is no file of minimal pairs; expected {_expected()}")
    files = read_files(path, _is_pairs)
    pairs = [pair for name, text in files for pair in _pairs_of_text(name, text)]
    if not pairs:
        raise UsageError(f"{path} holds no minimal pairs; expected {_expected()}")
    return pairs


def pairs_of_rows(rows: Iterable[Mapping[str, Any]], name: str) -> list[MinimalPair]:
    """The pairs of a table's rows; `name` is the file's, for messages and an unnamed paradigm."""
    return [_pair(row, name, number) for number, row in enumerate(rows, start=1)]


def missing(path: Path) -> UsageError:
    """The error for a path at which there is nothing, with what is beside it and spelt alike."""
    folder = path.absolute().parent
    beside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    similar = nearest(path.name, beside)
    hint = f"; nearest: {', '.join(similar)}" if similar else ""
    return UsageError(f"there is no file or folder {path}{hint}")


def _expected() -> str:
    return f"{' or '.join(FORMATS)} files, or a folder or a {', '.join(ARCHIVES)} archive of them"


def _is_pairs(name: str) -> bool:
    return name.removesuffix(".gz").endswith(FORMATS)


def _pairs_of_text(name: str, content: bytes) -> Iterator[MinimalPair]:
    try:
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 text") from None
    ending = Path(name.removesuffix(".gz")).suffix
    delimiter = {".csv": ",", ".tsv": "\t"}.get(ending)
    rows = table_rows(name, text, delimiter) if delimiter else _json_rows(name, text)
    for number, row in rows:
        yield _pair(row, name, number)


def _json_rows(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):  # a text may hold other line ends
        if line.strip():
            yield number, json_row(line, f"{name}, line {number}")


def json_row(line: str, where: str) -> dict[str, Any]:
    """The object that a line of JSON is; `where` it is, for messages.

    Raises:
        UsageError: it is none, or has a name twice.
    """
    try:
        row = json.loads(line, object_pairs_hook=_without_twice)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise UsageError(f"{where}: expected a JSON object, not {line[:40]!r}")
    return row


def _without_twice(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a name that it has twice the standard says nothing."""
    if twice := _twice(name for name, _ in items):
        raise ValueError(f"{twice[0]!r} is twice in the object")
    return dict(items)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def table_rows(name: str, text: str, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a table with a line of names, each with its line's number; `name` is the file's.

    Raises:
        UsageError: it is no such table: a name is there twice, or a row has more or fewer columns.
    """
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(lines, strict=True, delimiter=delimiter)
    try:
        if twice := _twice(reader.fieldnames or ()):
            raise UsageError(f"{name}, line 1: the column {twice[0]!r} is there twice")
        for row in reader:
            if None in row or None in row.values():
                count = len(reader.fieldnames)
                raise UsageError(
                    f"{name}, line {reader.line_num}: expected {count} columns as in its first line"
                )
            yield reader.line_num, row
    except csv.Error as error:
        kind = "CSV" if delimiter == "," else "TSV"
        raise UsageError(f"{name}, line {reader.line_num}: not {kind}: {error}") from None


def _pair(row: Mapping[str, Any], name: str, number: int) -> MinimalPair:
    where = f"{name}, line {number}"
    found = {column: _value(row, column, where) for column in _NAMES}
    for column in _NEEDED:
        if not found[column].strip():
            raise UsageError(f"{where}: {column!r} is empty")
    phenomenon = found["phenomenon"] or found["paradigm"] or Path(name.removesuffix(".gz")).stem
    return MinimalPair(
        phenomenon=_SPELLINGS.get(phenomenon, phenomenon),
        good=found["good"],
        bad=found["bad"],
        field=_SPELLINGS.get(found["field"], found["field"]),
        paradigm=found["paradigm"] or phenomenon,
    )


def _value(row: Mapping[str, Any], column: str, where: str) -> str:
    """A column's text under either of its names; an optional one may be missing: empty."""
    if len(both := [known for known in _NAMES[column] if known in row]) > 1:
        raise UsageError(
            f"{where}: {both[0]!r} and {both[1]!r} are both there; expected one of them"
        )
    for known in _NAMES[column]:
        value = row.get(known)
        if isinstance(value, str):
            return whole_text(value, known, where)
        if value is not None or (known in row and column in _NEEDED):
            raise UsageError(f"{where}: {known!r} is {value!r}; expected text")
    if column not in _NEEDED:
        return ""
    similar = nearest(column, row)
    hint = "nearest" if similar else "its columns"
    expected = " or ".join(map(repr, _NAMES[column]))
    raise UsageError(f"{where}: no column {expected}; {hint}: {', '.join(similar or [*row][:8])}")


def whole_text(text: str, column: str, where: str) -> str:
    """The text, unless it holds what no tokenizer reads: a NUL, half a surrogate pair, as JSON can spell.

    Raises:
        UsageError: it does.
    """
    if "\0" in text:
        raise UsageError(f"{where}: {column!r} holds the character 0x0; is the file UTF-8?")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise UsageError(f"{where}: {column!r} holds {half}, half of a character") from None
    return text
