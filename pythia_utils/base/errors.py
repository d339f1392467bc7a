"""A user's mistake, told in one line: the value, what was expected, the nearest valid choices."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_LOGIN = re.compile(r"(?<=://)[^/?#\s\"]*@")  # `user:password@` of an address


class UsageError(ValueError):
    """Wrong use: the message is the whole story. The command line prints it and exits with 2."""


class TrainingError(RuntimeError):
    """A training process ended before its models were trained. The command exits with 1."""


def one_line(message: object, longest: int = 600) -> str:
    """A message of anybody's on one line, without logins: breaks are blanks, controls escaped, the long cut."""
    text = _BREAKS.sub(" ", without_logins(str(message)).strip())
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return _cut(re.sub(r"\S{200,}", lambda word: _cut(word[0], 80), text), longest)


def _cut(text: str, longest: int) -> str:
    end = longest // 3
    return text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"


def quoted(value: object, longest: int = 80) -> str:
    """`one_line` of a value as Python writes it: a text in quotation marks."""
    try:
        return one_line(repr(value), longest)
    except ValueError:  # Python writes no numbers of more than 4,300 digits
        return "a number of thousands of digits"


def first_line(error: object) -> str:
    """An error in one line: the first of its message that is not empty, else its class's name."""
    lines = (line.strip() for line in str(error).splitlines())
    return one_line(next(filter(None, lines), type(error).__name__), 300)


def without_logins(text: str) -> str:
    """A text whose addresses name neither users nor passwords.

    >>> without_logins("https://me:secret@host/x cannot be reached")
    'https://host/x cannot be reached'
    """
    return _LOGIN.sub("", text)


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Let an OSError that names no file name this one: a full disk tells only that it is full."""
    try:
        yield
    except OSError as failure:
        if failure.errno is not None and failure.filename is None:
            failure.filename = str(path)
        raise


def nearest(value: object, valid: Iterable[object], n: int = 3) -> list[str]:
    """Up to `n` members of `valid` most like `value`: numbers by distance, names by spelling."""
    choices = list(valid)
    if isinstance(value, int) and all(isinstance(choice, int) for choice in choices):
        return [str(c) for c in sorted(sorted(choices, key=lambda c: (abs(c - value), c))[:n])]
    names = {str(choice).lower(): str(choice) for choice in choices}
    # No name is so long, and to compare takes time that grows with the square of the length.
    matches = difflib.get_close_matches(str(value)[:200].lower(), names, n=n, cutoff=0.4)
    return [names[match] for match in matches]


def unknown(kind: str, value: object, valid: Iterable[object], where: str = "") -> UsageError:
    """The error for a name or number that is not among `valid`.

    >>> str(unknown("suite", "nanno", ["nano", "pico"]))
    "unknown suite 'nanno'; nearest: nano"
    """
    choices = list(valid)
    place = f" {where}" if where else ""
    if similar := nearest(value, choices):
        hint = f"nearest: {', '.join(one_line(name, 80) for name in similar)}"
    elif choices:
        hint = f"choose from: {', '.join(one_line(choice, 80) for choice in choices[:8])}"
    else:
        hint = "there is none"
    return UsageError(f"unknown {kind} {quoted(value)}{place}; {hint}")
