"""What a PDF of Chromium's tells and what is mended in it: where its named places are, names in its outline.

A table of contents needs the sheets of places, and Chromium tells them in no other way. Its PDFs are plain:
objects stand one by one, and only streams are packed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pythia_utils.site.notebooks import SiteError

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_PLACE = re.compile(rb"/([A-Za-z0-9_.#-]+) \[(\d+) 0 R /XYZ")
_KIDS = re.compile(rb"/Kids \[([^\]]*)\]")
# ASCII, or UTF-16 in hexadecimal digits.
_TITLE = re.compile(rb"(/Title (?:\(|<FEFF))((?:[^()<>\\]|\\.)*)([)>])")
_REFERENCE = re.compile(rb"(\d+) 0 R")


def sheets(pdf: bytes) -> dict[str, int]:
    """The sheet of each place that a link of the document leads to, by name, counted from 1.

    Raises:
        SiteError: it is no PDF of Chromium's.
    """
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    root = next((body for body in objects.values() if _is_root(body)), None)
    if not pdf.startswith(b"%PDF") or root is None:
        raise SiteError("the browser wrote a PDF whose pages cannot be told; try another browser")
    order = {page: sheet for sheet, page in enumerate(_pages(root, objects), start=1)}
    found = (match for body in objects.values() for match in _PLACE.findall(body))
    return {name.decode(): order[int(page)] for name, page in found if int(page) in order}


def _is_root(body: bytes) -> bool:
    """Whether it is the tree of all pages, and no branch of it."""
    return b"/Type /Pages" in body and b"/Parent" not in body


def _pages(tree: bytes, objects: dict[int, bytes]) -> Iterator[int]:
    """The numbers of a tree's pages, in order."""
    for number in map(int, _REFERENCE.findall(_KIDS.search(tree)[1])):
        if b"/Type /Pages" in objects[number]:
            yield from _pages(objects[number], objects)
        else:
            yield number


def with_single_titles(pdf: bytes) -> bytes:
    """The same PDF, each name in its outline once: Chromium doubles that of a heading which begins a sheet.

    Blanks after a name take the place of the other, for the file's own index counts bytes.
    """
    return _TITLE.sub(_single, pdf)


def _single(match: re.Match) -> bytes:
    begin, name, end = match.groups()
    half = len(name) // 2
    if not name or name[:half] != name[half:]:
        return match[0]
    return begin + name[:half] + end + b" " * half
