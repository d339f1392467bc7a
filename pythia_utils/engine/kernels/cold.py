"""A kernel's process that starts from nothing."""

from __future__ import annotations

import os
import sys

from pythia_utils.engine.kernels.fork_server import run_kernel


def main() -> None:
    """What `python -m ipykernel_launcher` does."""
    os.environ.pop("JPY_PARENT_PID", None)  # else it would end by itself, before its children
    run_kernel(sys.argv[1:])
