"""A kernel's process that starts from nothing, and ends with the one that started it."""

from __future__ import annotations

import os
import sys

from pythia_utils.base import children


def command(*arguments: str) -> list[str]:
    """What starts one, which ends with this process.

    Args:
        arguments: of ipykernel.
    """
    return children.command(__name__, "main", str(os.getpid()), *arguments)


def main() -> None:
    """What `python -m ipykernel_launcher` does."""
    children.end_with_parent(int(sys.argv.pop(1)))
    os.environ.pop("JPY_PARENT_PID", None)  # else it would end by itself, before its children
    import ipykernel_launcher
    from ipykernel import kernelapp

    sys.argv[0] = ipykernel_launcher.__file__
    kernelapp.launch_new_instance()
