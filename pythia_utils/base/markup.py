"""Text that comes from data, put where markup is read: it is shown as it is, and nothing in it acts.

Whatever a record, a parameter, a file of pairs or a YAML file holds is text. Each language of a page
has one function here, to be called where text meets markup, and only there: a text that is escaped
twice shows its escapes.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any
from urllib.parse import quote

# Classes of an HTML element in which no `$` begins mathematics, of MathJax 2 and 3.
NO_MATHS = "tex2jax_ignore mathjax_ignore"
_INLINE = re.compile(r"([\\`*_{}\[\]<>$|&~^])")
_AT_THE_START = re.compile(r"^(\d*)([-+=%#:.()!])")  # of a line: a list, a heading, a fence
_BIBTEX = re.compile(r"[\\{}$&%#_^~]")
_OF_BIBTEX = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
# Each as its picture; white space is left to what shows it.
_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {127: 0x2421}
_FORMATTING = re.compile(
    "[\u200e\u200f\u202a-\u202e\u2066-\u2069\x80-\x9f\ufffe\uffff\ud800-\udfff]"
)


def plain(text: object) -> str:
    """In one line: white space is a blank, and what controls a terminal or turns the writing round shows.

    >>> plain("two\\nlines, \\x1b[1m")
    'two lines, ␛[1m'
    """
    return _visible(" ".join(str(text).split()))


def _visible(text: str) -> str:
    return _FORMATTING.sub("\ufffd", text.translate(_CONTROLS))


def html(text: object) -> str:
    """For an element or a quoted attribute of HTML; its lines stay lines.

    >>> html("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return escape(_visible(str(text)))


def markdown(text: object) -> str:
    """For a paragraph, a heading, a link's text or a table's cell of Markdown, also of MyST.

    >>> print(markdown("$x_i$ | <b>"))
    \\$x\\_i\\$ \\| \\<b\\>
    """
    return _AT_THE_START.sub(r"\1\\\2", _INLINE.sub(r"\\\1", plain(text)))


def code(text: object) -> str:
    """For Markdown, as code; not for a table's cell, where a bar would end it.

    >>> print(code("a `b`"))
    `` a `b` ``
    """
    inside = plain(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", inside)), default=0))
    edge = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{edge}{inside}{edge}{fence}" if inside else ""


def fenced(text: str, language: str = "") -> str:
    """For Markdown, as a block of code, whatever its lines are."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{_visible(text)}\n{fence}"


def bibtex(text: object) -> str:
    """For a field of a BibTeX entry, in one line.

    >>> print(bibtex("50% of $x_i$"))
    50\\% of \\$x\\_i\\$
    """
    return _BIBTEX.sub(lambda match: _OF_BIBTEX.get(match[0], "\\" + match[0]), plain(text))


def mathtext(text: object, longest: int = 60) -> str:
    """For a label, a title or a legend of matplotlib: no mathematics, in one line, of `longest` characters.

    A longer one is cut, for it would leave the figure no room.

    A name that begins with `_` would be left out of legends, so a blank goes before it.

    >>> print(mathtext("cost $$"))
    cost \\$\\$
    """
    line = plain(text)
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return (" " if line.startswith("_") else "") + line.replace("$", r"\$")


def vega(spec: Any) -> str:
    """A chart's specification as JSON for a script element: no text in it can end or nest the element.

    >>> print(vega({"title": "</script>"}))
    {"title": "\\u003c/script>"}
    """
    return json.dumps(spec).replace("<", "\\u003c")


def address(*parts: object) -> str:
    """A relative address from the names of folders and a file.

    >>> address("..", "a b", "c?.html")
    '../a%20b/c%3F.html'
    """
    return "/".join(quote(str(part), safe="=,+") for part in parts)
