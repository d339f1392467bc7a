"""Jupyter Book in a process of its own, which ends with the one that started it."""

from __future__ import annotations

import os
import sys

from pythia_utils.base import children


def command(*arguments: str) -> list[str]:
    """What starts it: the one of this interpreter, wherever its scripts are.

    Args:
        arguments: of `jupyter-book`, which has no `python -m`.
    """
    return children.command(__name__, "main", str(os.getpid()), *arguments)


def main() -> None:
    """What the script `jupyter-book` does."""
    children.end_with_parent(int(sys.argv.pop(1)))
    from jupyter_book.cli.main import main

    main(prog_name="jupyter-book")
