"""The exercises of the book's notebooks, as their sources have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.commands import ROOT

TOOLS = ("explorer", "try")  # pages to play with: their questions are in the chapters
NOTEBOOKS = sorted(p for p in ROOT.glob("book/[a-z]*/*.ipynb") if p.stem not in TOOLS)
EXERCISE = re.compile(
    r"^::::\{exercise\} (?P<title>\S[^\n]*)\n:label: (?P<label>ex-[\w-]+)\n\n"
    r"\*(?P<level>Easy|Medium|Hard) · (?P<minutes>\d+) minutes · (?P<how>[a-z ]+)\*\n\n"
    r"(?P<question>\S.*?)\n\n:::\{admonition\} Hint\n:class: dropdown\n\n(?P<hint>\S.*?)\n:::\n::::\n\n"
    r":::\{solution\} (?P<solved>ex-[\w-]+)\n:class: dropdown\n\n(?P<solution>\S.*?)\n:::$",
    re.DOTALL | re.MULTILINE,
)
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """An exercise as it is written, with its hint and solution.

    Attributes:
        notebook: where it stands.
        tags: of its cell.
        parts: the groups of `EXERCISE`.
    """

    notebook: Path
    tags: tuple[str, ...]
    parts: dict[str, str]

    @property
    def label(self) -> str:
        return self.parts["label"]

    @property
    def code(self) -> str:
        """Of the solution, all blocks in their order; empty if it is prose alone."""
        return "\n".join(CODE.findall(self.parts["solution"]))


def cells(path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Tags and text of the cells of a notebook that hold exercises."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and ("{exercise}" in text or "## Exercises" in text):
            yield tuple(cell["metadata"].get("tags", ())), text


def exercises(path: Path) -> list[Exercise]:
    """All of a notebook, in their order, for whichever suite."""
    return [
        Exercise(path, tags, match.groupdict())
        for tags, text in cells(path)
        for match in EXERCISE.finditer(text)
    ]
