"""A GPU that a machine has and that lies idle, for PyTorch cannot use it: that is told, not passed over."""

from __future__ import annotations

import functools
import os
import warnings

from pythia_utils.base import gpus
from pythia_utils.suites.devices import DEVICE


def why_idle() -> str | None:
    """Why PyTorch does not use the GPU that this machine has; None where it does, or where there is none.

    None, too, where CUDA_VISIBLE_DEVICES hides it, for that is meant.
    """
    if not gpus.is_there():
        return None
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        why = f"PyTorch {torch.__version__} is built without CUDA"
        return f"{why}; https://pytorch.org/get-started/locally has a build with it"
    version = f"PyTorch {torch.__version__}, for CUDA {torch.version.cuda},"
    return f"{version} finds none that works; is the driver too old, or out of order?"


@functools.cache
def warn() -> None:
    """Warn, once in a process, of a GPU that lies idle because PyTorch cannot use it.

    Not in the kernel of a run, which tells it itself: it would be on every page.
    """
    if DEVICE not in os.environ and (reason := why_idle()):
        warnings.warn(f"the GPU of this machine is not used: {reason}", stacklevel=4)


def print_why() -> None:
    """The same to stdout: for a process that must not import PyTorch itself, and asks a child."""
    print(why_idle() or "")
