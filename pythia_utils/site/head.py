"""What a page's head says of it to those who link to it: a description and a picture, as link previews show.

The picture is the first figure of the page, or the book's own; pictures of a gallery are other pages' figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes

from pythia_utils.base.markup import html, plain

OWN_PICTURE = "_static/grammar-trajectories.png"
_IMAGES = "_images/"
_ENOUGH, _LONGEST = 110, 200  # characters of a description
_OPENING = re.compile(r"\AQuestion\.\s+")  # how each chapter begins
_PICTURES = (".png", ".jpg", ".jpeg")  # what previews can show


def description(doctree: nodes.document) -> str:
    """A page's first sentences in one line of 200 characters at most; empty if it has no paragraph."""
    told = ""
    for text in _paragraphs(doctree):
        told = f"{told} {text}".strip()
        if len(told) >= _ENOUGH:
            break
    told = _OPENING.sub("", told)
    if len(told) <= _LONGEST:
        return told
    return told[: _LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def _paragraphs(doctree: nodes.document) -> Iterator[str]:
    """The texts of paragraphs, without those that are links for the most part."""
    for node in doctree.findall(nodes.paragraph):
        text = plain(node.astext())
        linked = sum(len(link.astext()) for link in node.findall(nodes.reference))
        if text and linked < len(text) / 2:
            yield text


def picture(doctree: nodes.document) -> str:
    """The place of a page's first figure on the site; the page is written, and its images have addresses."""
    for node in doctree.findall(nodes.image):
        if isinstance(node.parent, nodes.list_item):  # of the gallery
            continue
        _, found, name = node["uri"].partition(_IMAGES)
        if found and name.endswith(_PICTURES):
            return f"{_IMAGES}{name}"
    return OWN_PICTURE


def tags(title: str, text: str, address: str, image: str, book: str) -> str:
    """The elements of a page's head.

    Args:
        title: of the page, as text.
        text: its description.
        address: its canonical address.
        image: the address of its picture.
        book: the title of the book.
    """
    found = {
        "og:type": "website" if title == book else "article",
        "og:site_name": book,
        "og:title": title,
        "og:description": text,
        "og:url": address,
        "og:image": image,
    }
    named = {"description": text, "twitter:card": "summary_large_image"}
    lines = [f'<meta property="{key}" content="{html(value)}" />' for key, value in found.items()]
    lines += [f'<meta name="{key}" content="{html(value)}" />' for key, value in named.items()]
    return "".join(f"\n    {line}" for line in lines)
