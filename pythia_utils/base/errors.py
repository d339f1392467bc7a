"""A user's mistake, told in one line: the value, what was expected, the nearest valid choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Wrong use: the message is the whole story. The command line prints it and exits with 2."""


class TrainingError(RuntimeError):
    """A training process ended before its models were trained. The command exits with 1."""


def first_line(error: object) -> str:
    """An error in one line, shortened: the first of its message that is not empty, else its class's name."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next(filter(None, lines), type(error).__name__)
    return line if len(line) <= 300 else line[:299] + "…"


def in_short(value: object, most: int = 60) -> str:
    """A value for a message: one line without control characters, of at most `most` characters."""
    text = str(value)[: most + 1]
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def nearest(value: object, valid: Iterable[object], n: int = 3) -> list[str]:
    """Up to `n` members of `valid` most like `value`: numbers by distance, names by spelling."""
    choices = list(valid)
    if isinstance(value, int) and all(isinstance(choice, int) for choice in choices):
        return [str(c) for c in sorted(sorted(choices, key=lambda c: (abs(c - value), c))[:n])]
    names = {str(choice).lower(): str(choice) for choice in choices}
    matches = difflib.get_close_matches(str(value).lower(), names, n=n, cutoff=0.4)
    return [names[match] for match in matches]


def unknown(kind: str, value: object, valid: Iterable[object], where: str = "") -> UsageError:
    """The error for a name or number that is not among `valid`.

    >>> str(unknown("suite", "nanno", ["nano", "pico"]))
    "unknown suite 'nanno'; nearest: nano"
    """
    choices = list(valid)
    place = f" {where}" if where else ""
    if similar := nearest(value, choices):
        hint = f"nearest: {', '.join(similar)}"
    elif choices:
        hint = f"choose from: {', '.join(str(choice) for choice in choices[:8])}"
    else:
        hint = "there is none"
    shown = repr(value if isinstance(value, int) else in_short(value))
    return UsageError(f"unknown {kind} {shown}{place}; {hint}")
