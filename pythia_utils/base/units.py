"""Sizes and durations, as people write them and read them: one parser and one printer of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pythia_utils.base.errors import UsageError, quoted

_PREFIXES = {"k": 1, "m": 2, "g": 3, "t": 4}
_BYTES = {"": 1, "b": 1}
_BYTES |= {f"{letter}{b}": 1000**power for letter, power in _PREFIXES.items() for b in ("", "b")}
_BYTES |= {f"{letter}ib": 1024**power for letter, power in _PREFIXES.items()}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400}


def parse_size(text: str | int, what: str = "size") -> int | None:
    """Bytes: a number and a unit, such as `20GB` (20 x 1000^3), `4GiB` (4 x 1024^3), `1.5 TB` or `700`.

    Args:
        text: as a user wrote it; `none` for no limit.
        what: names it in the error.

    Raises:
        UsageError: it is no size.
    """
    if _is_none(text):
        return None
    size = _quantity(text, _BYTES)
    if not 1 <= size < 10**18:
        raise _mistake(what, text, "800MB, 4GB, 4GiB")
    return int(size)


def parse_duration(text: str | float, what: str = "duration") -> float | None:
    """Seconds: a number and a unit, such as `90`, `15m`, `1.5h`, `2 days`. Otherwise as `parse_size`."""
    if _is_none(text):
        return None
    seconds = _quantity(text, _SECONDS)
    if not seconds:
        raise _mistake(what, text, "90, 15m, 2h")
    return seconds


def _is_none(text: str | float) -> bool:
    return str(text).strip().lower() == "none"


def _quantity(text: str | float, units: Mapping[str, int]) -> float:
    """The number times its unit; 0 for what is no such text."""
    match = re.fullmatch(r"([0-9]{0,18}\.?[0-9]{1,18})\s*([a-z]*)", str(text).strip().lower())
    return float(match[1]) * units.get(match[2], 0) if match else 0.0


def _mistake(what: str, text: object, examples: str) -> UsageError:
    return UsageError(
        f"{what} {quoted(text)}: expected a number and a unit, as {examples}, or none"
    )


def show_size(size: float) -> str:
    """`1.4 GB`: three digits and a unit of 1000s.

    >>> [show_size(n) for n in (12, 999_499, 999_500, 4 * 2**30)]
    ['12 bytes', '999 kB', '1 MB', '4.29 GB']
    """
    for unit, power in (("TB", 4), ("GB", 3), ("MB", 2), ("kB", 1)):
        if size >= 0.9995 * 1000**power:  # what is rounded up to a unit is shown in it
            return f"{size / 1000**power:.3g} {unit}"
    return "1 byte" if size == 1 else f"{size:.0f} bytes"


def duration(seconds: float) -> str:
    """`42 s`, `2.1 min`, `3.5 h`, `2.1 days`: two digits.

    >>> [duration(s) for s in (4.2, 127, 2520, 12600, 181440)]
    ['4 s', '2.1 min', '42 min', '3.5 h', '2.1 days']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100_000 else f"{seconds / 86400:.1f} days"
