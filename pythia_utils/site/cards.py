"""The card that opens a chapter: what staging adds to it, and the gallery of all cards for the front page.

A chapter's notebook shows a card by `analysis.in_short`: the outputs of a cell tagged `in-short`, words and a
figure. Here the card gets the minutes that the page takes to read, and links to the words to know.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pythia_utils.base.markup import markdown, plain
from pythia_utils.grid.config import Experiment

TAG = "in-short"
KIND = "application/vnd.pythia-book.card+json"
_IMAGE = "image/png"
_WORDS_A_MINUTE = 200
_SECONDS_A_FIGURE = 12
_WORD = re.compile(r"[^\W\d_]{2,}")
_TERM = re.compile(r"\{term\}`([^`<]*[^`<\s])\s*(?:<[^`]*>)?`")  # a card is one link
_QUESTION = re.compile(r"\*\*Question\.\*\*\s+(?P<asked>.*?\?)", re.DOTALL)
_THUMBNAIL = (320, 250)  # dots
_COLOURS = 64
_GLOSSARY = re.compile(r"^```\{glossary\}$(.*?)^```$", re.DOTALL | re.MULTILINE)
_MORE = "More"  # the part of chapters that name none


@dataclass(frozen=True)
class Card:
    """What a staged chapter says of itself.

    Attributes:
        question: its first one, Markdown; empty if it asks none.
        answer: the card's first sentence, Markdown; empty without a card.
        alt: the text alternative of the card's figure.
        picture: the figure, PNG; empty if there is none.
    """

    question: str = ""
    answer: str = ""
    alt: str = ""
    picture: bytes = field(default=b"", repr=False)


def card_of(notebook: Mapping) -> Card:
    """The card of an executed notebook."""
    asked = _QUESTION.search("\n".join(_texts(notebook)))
    question = _TERM.sub(r"\1", " ".join(asked["asked"].split())) if asked else ""
    sentences, alt, picture = [], "", b""
    for output in _outputs(notebook):
        data = output.get("data", {})
        sentences += data.get(KIND, {}).get("sentences", [])
        if _IMAGE in data:
            picture = base64.b64decode("".join(data[_IMAGE]))
            alt = output.get("metadata", {}).get(_IMAGE, {}).get("alt", "")
    return Card(question, next(iter(sentences), ""), alt, picture)


def completed(notebook: dict, terms: Collection[str] = ()) -> dict:
    """Let the card say how long the page takes to read, and its figure have its text alternative.

    Args:
        notebook: an executed chapter.
        terms: that the book's glossary has (`terms_of`): where the card names them, it links to it.
    """
    foot = _foot(minutes(notebook))
    for cell in _card_cells(notebook):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if KIND in data:
                data["text/markdown"] = _text(data[KIND], foot, terms)
            if alt := output.get("metadata", {}).get(_IMAGE, {}).get("alt"):
                cell["metadata"].setdefault("mystnb", {})["image"] = {"alt": alt}
    return notebook


def _text(card: Mapping[str, Sequence[str]], foot: str, terms: Collection[str]) -> str:
    first, *others = card["sentences"]
    known = _known(card["words"], terms) if card["words"] else ""
    return "\n\n".join([f"**In short.** {first}", *others, foot + known])


def _known(words: Sequence[str], terms: Collection[str]) -> str:
    """The words to know, as links to the glossary; where that lacks one, the page on reading has them."""
    if {*words} <= {term.lower() for term in terms}:
        return f" Words to know: {', '.join(f'{{term}}`{word}`' for word in words)}."
    listed = ", ".join(f"*{markdown(word)}*" for word in words)
    return f" Words to know: {listed} ({{ref}}`what they mean <words-used>`)."


def terms_of(glossary: str) -> list[str]:
    """The terms of the text of a page with a glossary: lines that are not indented."""
    listed = _GLOSSARY.search(glossary)
    lines = listed[1].splitlines() if listed else []
    return [line.strip() for line in lines if line[:1].strip(" :")]


def _foot(whole: int) -> str:
    return f"{whole} minute{'s' * (whole != 1)} to read."


def minutes(notebook: Mapping) -> int:
    """How long a page takes to read: 200 words a minute, and 12 seconds a figure; code is not read."""
    words = sum(len(_WORD.findall(text)) for text in _texts(notebook))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    figures = sum(any(k.startswith("image/") for k in o.get("data", {})) for o in outputs)
    return max(1, round(words / _WORDS_A_MINUTE + figures * _SECONDS_A_FIGURE / 60))


def _texts(notebook: Mapping) -> Iterator[str]:
    """What is there to be read: cells of Markdown, and Markdown that cells computed."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])
        for output in cell.get("outputs", ()):
            yield "".join(output.get("data", {}).get("text/markdown", ""))


def _card_cells(notebook: Mapping) -> Iterator[dict]:
    for cell in notebook["cells"]:
        if TAG in cell.get("metadata", {}).get("tags", ()):
            yield cell


def _outputs(notebook: Mapping) -> Iterator[dict]:
    for cell in _card_cells(notebook):
        yield from cell.get("outputs", ())


# --- the gallery ----------------------------------------------------------------------------------


def gallery(
    experiments: Iterable[Experiment], titles: Mapping[str, str], cards: Mapping[str, Card]
) -> str:
    """A list of cards in parts, for inclusion: picture, title, question and answer of each chapter.

    Args:
        experiments: in the order of experiments.yml.
        titles: of the chapters, Markdown, by the experiment's name.
        cards: the same of their cards, of those that have a chapter.
    """
    parts: dict[str, list[str]] = {}
    for experiment in experiments:
        if experiment.name in cards:
            item = _item(experiment.name, titles[experiment.name], cards[experiment.name])
            parts.setdefault(experiment.part or _MORE, []).append(item)
    one = len(parts) == 1
    sections = [
        ("" if one else f"**{markdown(part)}**\n\n") + "\n".join(items)
        for part, items in parts.items()
    ]
    body = "\n\n".join(sections)
    return f"::::{{container}} gallery\n{body}\n::::\n"


def _item(name: str, title: str, card: Card) -> str:
    lines = [f"[{title}](/experiments/{name}.ipynb)", card.question, card.answer]
    if card.picture:
        options = f":alt: {json.dumps(plain(card.alt), ensure_ascii=False)}\n:loading: lazy"
        lines.insert(0, f":::{{image}} /{_place(name)}\n{options}\n:::")
    first, *rest = "\n\n".join(filter(None, lines)).splitlines()
    return "\n".join([f"- {first}", *(f"  {line}" if line else "" for line in rest)]) + "\n"


def _place(name: str) -> str:
    return f"parts/thumbnails/{name}.png"


def thumbnails(cards: Mapping[str, Card]) -> Iterator[tuple[str, bytes]]:
    """The pictures of the gallery: place among the staged files, and PNG."""
    for name, card in cards.items():
        if card.picture:
            yield _place(name), thumbnail(card.picture)


def thumbnail(picture: bytes) -> bytes:
    """A picture small enough for a page that shows ten: some kilobytes."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail(_THUMBNAIL, Image.Resampling.LANCZOS)
    few = image.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    light = io.BytesIO()
    few.save(light, format="PNG", optimize=True)
    return light.getvalue()
