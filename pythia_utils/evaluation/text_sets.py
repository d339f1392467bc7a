"""Texts to measure the loss on, by name or path, document by document: sets of the Hub and files of one's own.

WikiText is read as lm-evaluation-harness' task `wikitext` reads it: a page a document, blanks around
punctuation taken back; words and bytes are counted in the text as it was before that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pythia_utils.base.http import FetchError
from pythia_utils.evaluation.text_files import Document, read_texts
from pythia_utils.evaluation.text_names import HUB_TEXTS, WIKITEXT, path_of
from pythia_utils.suites.hub.files import HubFiles


def documents(texts: str) -> Iterator[Document]:
    """The documents of a set, one after another.

    Args:
        texts: a name of `HUB_TEXTS`, or the path of a file or a folder (`text_files.read_texts`).

    Raises:
        UsageError: unknown name, or a file that cannot be read as it should.
        FetchError: the Hub's file is neither in its cache nor to be had.
    """
    if texts not in HUB_TEXTS:
        return read_texts(path_of(texts))
    rows = read_texts(_hub_file(texts))
    return wikitext_pages(rows) if texts == WIKITEXT else rows


def hub_files(texts: str) -> HubFiles | None:
    """What a set needs of the Hub, for whoever fetches ahead; None of files of one's own."""
    if texts not in HUB_TEXTS:
        return None
    place = HUB_TEXTS[texts]
    return HubFiles(place.repository, place.commit, (place.file,))


def _hub_file(name: str) -> Path:
    try:
        return hub_files(name).bring() / HUB_TEXTS[name].file
    except FetchError as error:
        raise FetchError(
            f"{name} could not be had from the Hub: {error}; without it, name a file or a folder of texts "
            f"instead of {name!r}"
        ) from None


# --- WikiText -------------------------------------------------------------------------------------


def wikitext_pages(lines: Iterable[Document]) -> Iterator[Document]:
    """The pages of WikiText, whose rows on the Hub are lines; a page begins with a heading of the first level.

    A blank line is an empty row there; in WikiText's own file it is a blank and a line's end. With these put
    back the pages are those of the Hub's `EleutherAI/wikitext_document_level`, which the harness reads.
    """
    page, place = [], ""
    for line in lines:
        if _is_title(line.text):
            if "".join(page).strip():
                yield _page(page, place)
            page, place = [], line.place
        page.append(line.text or " \n")
    # The harness cuts the file at line ends: of the last page it keeps the last of them.
    yield _page([*page, "\n"], place)


def _is_title(line: str) -> bool:
    """Whether it is ` = Title = `, and not ` = = Section = = `."""
    text = line.replace("= = =", "===").replace("= =", "==").strip()
    return text.startswith("= ") and text.endswith(" =")


def _page(lines: list[str], place: str) -> Document:
    original = "".join(lines).removesuffix("\n")
    return Document(detokenized(original), place, original=original)


# In this order. Punctuation that WikiText sets apart is put back to its words.
_JOINED = ((" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."))
_JOINED += tuple((f" {mark} ", f"{mark} ") for mark in ":;.!?,")
_PAIRED = ((r"\(\s*([^\)]*?)\s*\)", r"(\1)"), (r"\[\s*([^\]]*?)\s*\]", r"[\1]"))
_PAIRED += ((r"{\s*([^}]*?)\s*}", r"{\1}"), (r"\"\s*([^\"]*?)\s*\"", r'"\1"'))
_PAIRED += ((r"'\s*([^']*?)\s*'", r"'\1'"),)
_LAST = (("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"))
_LAST += ((" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s"))


def detokenized(page: str) -> str:
    """A page of WikiText as it reads in Wikipedia, by the rules of lm-evaluation-harness' task `wikitext`.

    They are those of Shoeybi et al. (2019, Megatron-LM), odd ones too: `/' 7/` becomes `/'[0-9]/`.
    """
    text = re.sub(r"/' [0-9]/", r"/'[0-9]/", page.replace("s '", "s'"))
    for apart, joined in _JOINED:
        text = text.replace(apart, joined)
    for apart, joined in _PAIRED:
        text = re.sub(apart, joined, text)
    for apart, joined in _LAST:
        text = text.replace(apart, joined)
    return text
