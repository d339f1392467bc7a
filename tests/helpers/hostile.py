"""Text that would act if anything took it for markup: for tests that put it where data stand."""

from __future__ import annotations

SCRIPT = "<script>window.acted=1</script>"
TEXTS = (
    SCRIPT,
    "<img src=x onerror=window.acted=1>",
    "</script><script>window.acted=1</script>",
    "<!--<script>",
    "$$",
    "cost $$ and $$",
    "$x_i$ and \\(y\\)",
    "[a](javascript:window.acted=1)",
    "`tick` ``two",
    "a|b",
    "{{ name }}",
    "{doc}`/index` {math}`x^2`",
    "back\\slash \\$x\\$ \\",
    "# heading",
    "- item",
    "1. item",
    "(target)=",
    "::: {note}",
    "two\nlines",
    "&lt; &amp; <b>bold</b> **bold** _x_",
    "_under",
    "terminal \x1b[31mred",
    "long " * 400,
)
# All of them in a line, as a title is.
LINE = " ".join(text for text in TEXTS[:12] if "\n" not in text)


def as_shown(text: str) -> str:
    """What a reader sees of it: white space is a blank, and a control shows as its picture."""
    return " ".join(text.split()).replace("\x1b", "\u241b")
