"""Printing text that comes from data: its very bytes into a pipe or a file, no orders to a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Sequence
from typing import TextIO

# Control characters, but for tabs and line ends, and those that turn the direction of reading.
_ORDERS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with every order to a terminal spelled out: a colour begins with `\\x1b`."""
    return _ORDERS.sub(lambda order: repr(order[0])[1:-1], text)


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> str:
    """Lines of columns that stand below one another; the columns numbered in `right` end together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.rjust if at in right else str.ljust for at in range(len(widths))]
    lines = []
    for row in rows:
        cells = (side(text, width) for side, text, width in zip(sides, row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def show(text: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Print a text now, by default to stdout: in UTF-8, or on a terminal with its orders spelled out."""
    stream = stream or sys.stdout
    if stream.isatty() or not hasattr(stream, "buffer"):
        coded = (visible(text) + end).encode(stream.encoding or "utf-8", "backslashreplace")
        stream.write(coded.decode(stream.encoding or "utf-8"))
    else:
        stream.flush()
        stream.buffer.write((text + end).encode("utf-8", "backslashreplace"))
    stream.flush()
