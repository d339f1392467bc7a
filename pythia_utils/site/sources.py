"""The book's sources in `book/`: which are staged as they are, and what staging adds to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

STAGED = Path("_build", "source")
_OTHERS = {"experiments", "pages"}  # notebooks: of these the executed ones are staged
_GENERATED = {"cells", "models", "parts", "runs.md", "status.md"}
_KINDS = {".md", ".bib"}


def hand_written(book: Path) -> Iterator[Path]:
    """The files that are staged as they are, below `book/`: pages, references and what is in `_static/`."""
    for folder, _, names in os.walk(book, followlinks=True):  # the scripts may lie elsewhere
        for name in sorted(names):
            path = Path(folder, name).relative_to(book)
            if _is_hand_written(path):
                yield path


def _is_hand_written(path: Path) -> bool:
    if path.parts[0] in _OTHERS or path.name.startswith("."):
        return False
    return path.parts[0] == "_static" or path.suffix in _KINDS


def is_staged(path: Path, book: Path) -> bool:
    """Whether a path below `book/` is a page of the site, hand-written or generated."""
    if path.parts[:1] and path.parts[0] in _GENERATED:
        return True
    return (book / path).is_file() and _is_hand_written(path)


def as_written(line: str, root: Path) -> str:
    """A line about a staged file, with the file that a person wrote in its place if it is a copy."""
    staged = f"{root / STAGED}{os.sep}"
    before, found, rest = line.partition(staged)
    name = Path(rest.partition(":")[0])
    if found and is_staged(name, root / "book") and (root / "book" / name).is_file():
        return f"{before}{root / 'book'}{os.sep}{rest}"
    return line
