"""One spelling, and one name for one thing, in all that readers read; and the glossary that says which.

Read is the prose of chapters, pages, notebooks and README, what commands say of themselves, and docstrings.
Code, commands, formulas, addresses and titles of works are left out. Spelling is British; words that the field
spells with a z (memorize, tokenize) keep it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import click
import pytest
from helpers.commands import ROOT

from pythia_utils.cli import main
from pythia_utils.grid import parts

NOTEBOOKS = [*ROOT.glob("book/[a-z]*/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("book/*.md")]
MODULES = sorted(ROOT.glob("pythia_utils/**/*.py"))
# What is not written, and what is written in its place.
INSTEAD = {
    r"behavior\w*": "behaviour",
    r"colors?|colored|coloring": "colour",
    r"center(?:s|ed|ing)?": "centre",
    r"neighbor\w*": "neighbour",
    r"favorite\w*": "favourite",
    r"analyz\w*": "analyse",
    r"gray\w*": "grey",
    r"model(?:ed|ing)": "modelled, modelling",
    r"label(?:ed|ing)": "labelled, labelling",
    r"artifacts?": "artefact",
    r"judgments?": "judgement",
    r"percent": "per cent",
    r"learned": "learnt",
    r"(?:optim|initial|general|normal|summar|recogn|organ|minim|maxim|standard)iz\w*": "-ise",
    r"(?:memor|token)is\w*": "memorize, tokenize",
    r"data-?sets?": "data set",
    r"dedup(?:ed|s)?|de-duplicat\w*": "deduplicated",
    r"ngrams?": "n-gram",
    r"log probabilit\w*|logprobs?": "log-probability",
    r"heldout": "held out",
    r"warmup": "warm-up",
    r"(?:un-embedding|output embedding)s?": "unembedding",
    r"pretrain\w*": "train",
    r"acquisition|acquir\w*": "onset; learn",
    r"extractible": "extractable",
    r"minimal-pairs?": "minimal pair",
}
CELLS = (
    r"cells? of (?:a|the) (?:heatmap|grid)"  # what readers do not hear of; to the program it is one
)
FORBIDDEN = re.compile(
    rf"(?<![\w./=-])(?:{'|'.join([*INSTEAD, CELLS])})(?![\w/=(]|\.\w|-\w)", re.IGNORECASE
)
# Names, and works whose titles have such a word.
NAMES = re.compile(
    r"Dataset\b|PackedDataset|Dataset Card|`[^`]*`|https?://\S+|\{(?:cite|ref|doc)\S*?\}`[^`]*`"
)


def prose(source: str) -> str:
    """What is read as text: without code, formulas, front matter, and the targets of links."""
    text = re.sub(
        r"^(`{3,})(?!\{glossary).*?^\1`*\s*$", "\n", source, flags=re.DOTALL | re.MULTILINE
    )
    text = re.sub(r"^ {4,}.*$|^\s*>>>.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"<!--.*?-->|\$\$.*?\$\$|\$[^$]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{term\}`([^`<]*)[^`]*`", r"\1", text)
    text = re.sub(r"\]\([^)]*\)", "]", NAMES.sub(" ", text))
    return " ".join(text.split())


def found(source: str) -> list[str]:
    """Words that have another name or spelling here, each with what stands around it."""
    text = prose(source)
    return [text[max(0, m.start() - 40) : m.end() + 20] for m in FORBIDDEN.finditer(text)]


def cells(path) -> Iterator[str]:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def helps(command: click.Command, name: str = "pythia") -> Iterator[tuple[str, str]]:
    """What each command says of itself and of its options."""
    told = [command.help or ""]
    told += [getattr(option, "help", None) or "" for option in command.params]
    yield name, "\n\n".join(told)
    for below, own in getattr(command, "commands", {}).items():
        yield from helps(own, f"{name} {below}")


def docstrings(path) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kinds) and (told := ast.get_docstring(node)):
            yield told


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_have_one_spelling(path):
    assert found(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_notebooks_have_one_spelling(path):
    assert [word for text in cells(path) for word in found(text)] == []


def test_commands_have_one_spelling():
    told = dict(helps(main.cli))
    assert len(told) > 10
    assert {name: words for name, text in told.items() if (words := found(text))} == {}


def test_docstrings_have_one_spelling():
    told = {p.relative_to(ROOT): re.sub(CELLS, "run", "\n".join(docstrings(p))) for p in MODULES}
    assert {path: words for path, text in told.items() if (words := found(text))} == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The behavior of a deduped model", 2),
        ("`deduped`, pico-57k-deduped and ngrams.py are names", 0),
        ("```\ncolor = 1\n```\n\nmemorisation", 1),
        ("A cell of the grid, a cell of a notebook", 1),
        ("It has learnt to memorize n-grams; {term}`learned <x>`", 1),
    ],
)
def test_the_rule_by_examples(text, words):
    assert len(found(text)) == words


# --- the glossary ---------------------------------------------------------------------------------

GLOSSARY = ROOT / "book" / "glossary.md"
TERM = re.compile(r"^([A-Za-z][^\n]*)\n((?:  \S[^\n]*\n)+)", re.MULTILINE)
LINK = re.compile(r"\{term\}`([^`<]*?)(?:\s+<([^>`]*)>)?`")


def defined() -> dict[str, str]:
    """The terms of the glossary, in small letters, and their definitions."""
    found = TERM.findall(GLOSSARY.read_text(encoding="utf-8"))
    assert len(found) == len({term.lower() for term, _ in found}) > 60
    return {term.lower(): " ".join(text.split()) for term, text in found}


def linked(text: str) -> list[str]:
    return [" ".join((target or shown).split()).lower() for shown, target in LINK.findall(text)]


def texts(path, name: str = "") -> str:
    """The prose of a page; of a notebook those cells that a suite has."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kept = parts.of_suite(found, name) if name else found
    return "\n\n".join("".join(c["source"]) for c in kept if c["cell_type"] == "markdown")


def test_each_term_of_the_glossary_is_said_once_and_in_a_few_words():
    told = defined()
    assert all(15 < len(text) < 520 for text in told.values())


def test_each_link_has_its_term_and_each_term_is_linked():
    pages = [page for page in [*PAGES, *NOTEBOOKS] if page != GLOSSARY]
    named = {term for page in pages for term in linked(texts(page))}
    assert named == defined().keys()


@pytest.mark.parametrize("name", ["pico", "pythia"])
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.parent.parent.name == "book"], ids=lambda p: p.stem
)
def test_a_chapter_links_its_terms_and_does_not_repeat_itself(path, name):
    """Twice at most: where a term's first use is in a cell of some suites, others have it in a later one."""
    text = texts(path, name)
    named = linked(text)
    assert len(set(named)) >= min(5, len(text.split()) // 50)
    assert max(map(named.count, named)) <= 2
