"""Prose that is read once: sentences of a bounded length, and none of a kind that readers stumbled over.

Read are the Markdown cells of chapters, pages and notebooks, the book's pages and the README, without code,
formulas, tables, and references. What is hard in other ways only a reader finds.
"""

from __future__ import annotations

import json
import re
from statistics import mean

import pytest
from helpers.commands import ROOT

NOTEBOOKS = [*ROOT.glob("book/[a-z]*/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")]
PAGES = [ROOT / "README.md", *ROOT.glob("book/*.md")]
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (*NOTEBOOKS, *PAGES))
LONGEST, MEAN = 40, 16  # words; most pages have no sentence above 32, and a mean of 12

LEFT_OUT = re.compile(
    r"```.*?```|~~~.*?~~~|\$\$.*?\$\$|^---\n.*?^---\n|^\|.*?$|^:::.*?$|^#.*?$|^\([\w-]+\)=$|\{cite(?::\w)?\}`[^`]*`",
    re.DOTALL | re.MULTILINE,
)
BLOCK = re.compile(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s+|\n: ")
END = re.compile(r"(?<=[.?!])[*_)\"”]*\s+")
# What a sentence does not begin with in English, or a word that meant both before and after.
KINDS = {
    "the verb before its subject": r"^(?:Is|Are) (?:asked|told|shown|compared|given|counted|taken)\b",
    "a participle for a subject": r"^(?:Shown|Compared|Asked|Told|Counted|Given) (?:is|are)\b",
    "'who' without a noun": r"^Who(?:ever)? [a-z]+s\b[^?]*$",
    "'behind' for after": r"\bbehind (?:the (?:warm-up|last|step|checkpoint|minim|prompt|fork)|half)",
    "'told of' for known about": r"\btold of\b|\btells? nothing of\b|\bsays? nothing of\b",
    "'dear' for expensive": r"\bis dear\b",
    "'but for' for except": r"\bbut for\b",
}


def prose(source: str) -> str:
    path = ROOT / source
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return LEFT_OUT.sub("", text)


def sentences(source: str) -> list[str]:
    blocks = (" ".join(block.split()) for block in BLOCK.split(f"\n{prose(source)}"))
    return [s.strip() for block in blocks for s in END.split(block) if len(s.split()) > 2]


@pytest.mark.parametrize("source", SOURCES)
def test_sentences_are_short_enough_to_be_read_once(source):
    lengths = {sentence: len(sentence.split()) for sentence in sentences(source)}
    assert {s: n for s, n in lengths.items() if n > LONGEST} == {}
    assert mean(lengths.values()) <= MEAN


@pytest.mark.parametrize("source", SOURCES)
def test_no_sentence_is_of_a_kind_that_needs_a_second_reading(source):
    found = [
        (kind, sentence)
        for sentence in sentences(source)
        for kind, pattern in KINDS.items()
        if re.search(pattern, sentence)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("a participle for a subject", "Shown is how much more often models are right."),
        ("'behind' for after", "The loss behind the warm-up falls."),
        ("'who' without a noun", "Who wants to keep a text out of memory needs recall."),
    ],
)
def test_the_kinds_are_found(kind, sentence):
    assert re.search(KINDS[kind], sentence)
