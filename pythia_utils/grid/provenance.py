"""The watermark that ends every executed page: versions, commit, device, seconds."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata

from pythia_utils.base.markup import code, markdown
from pythia_utils.base.sources import git_commit
from pythia_utils.suites.devices import AUTO, asked_dtype

_started = time.monotonic()
_WATERMARKED = ("torch", "transformers", "tokenizers", "numpy", "pandas", "papermill")


def _start_again() -> None:
    """A kernel that is a fork began with the fork, not when its server imported this."""
    global _started
    _started = time.monotonic()


os.register_at_fork(after_in_child=_start_again)


def watermark(**extra: object) -> None:
    """Show the line that ends every executed page: versions, commit, device, seconds, and `extra`."""
    from IPython.display import Markdown, display

    facts = {"python": platform.python_version()}
    facts |= {name: found for name in _WATERMARKED if (found := _version(name))}
    facts |= {"commit": git_commit(), "seconds": f"{time.monotonic() - _started:.1f}", **extra}
    if (
        dtype := asked_dtype()
    ) != AUTO:  # what was asked for; the usual one follows from the device
        facts["dtype"] = dtype
    told = (f"{markdown(name)} {code(value)}" for name, value in facts.items())
    display(Markdown("**Watermark:** " + " · ".join(told)))


def _version(library: str) -> str:
    """Empty of one that is not there: by hand a notebook runs without papermill."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
