"""Sizes and durations, as people write them and read them."""

from __future__ import annotations

from pythia_utils.base.errors import UsageError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(text: str | int) -> int:
    """Bytes: a whole number, or a text such as `20GB`, `500 MB`, `1.5TB` (powers of 1000).

    Raises:
        UsageError: it is no size.
    """
    plain = str(text).upper().replace(" ", "").replace("IB", "B")
    number = plain.rstrip("KMGTB")
    try:
        size = float(number) * _UNITS[plain[len(number) :]]
    except (ValueError, KeyError):
        size = 0.0
    if not 1 <= size < 10**18:
        raise UsageError(f"size {text!r} is not understood; expected such as 20GB or 500MB")
    return int(size)


def show_size(size: int) -> str:
    """`1.4 GB`: three digits and a unit."""
    for unit in ("TB", "GB", "MB", "kB"):
        if size >= _UNITS[unit.upper()]:
            return f"{size / _UNITS[unit.upper()]:.3g} {unit}"
    return f"{size} bytes"


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3.5 h`, `2.1 days`.

    >>> [duration(s) for s in (4.2, 420, 12600, 181440)]
    ['4 s', '7 min', '3.5 h', '2.1 days']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100_000 else f"{seconds / 86400:.1f} days"


# --- in words -------------------------------------------------------------------------------------


def memory_text(size: int) -> str:
    """`512 MB`, `3.4 GB`."""
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
