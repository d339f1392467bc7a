"""Telling how far long work has come, on stderr."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print a line to stderr, now."""
    print(line, file=sys.stderr, flush=True)
