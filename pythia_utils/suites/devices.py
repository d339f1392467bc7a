"""On which device checkpoints are opened, and how precisely: what is asked for.

`PYTHIA_DEVICE` and `PYTHIA_DTYPE` say what `auto` means: `pythia run --device --dtype` set them for the
kernels, so that every notebook's `load` heeds them.
"""

from __future__ import annotations

import os
import re

from pythia_utils.base.errors import UsageError, quoted, unknown

AUTO = "auto"
DEVICE, DTYPE = "PYTHIA_DEVICE", "PYTHIA_DTYPE"
DTYPES = ("float32", "bfloat16", "float16")
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}  # of a number
_DEVICES = r"auto|cpu|mps|cuda(:(0|[1-9][0-9]{0,2}))?"


def asked_device(device: str | None = None) -> str:
    """The device that was asked for, here or by PYTHIA_DEVICE: `auto`, `cpu`, `mps`, `cuda`, `cuda:1`.

    Raises:
        UsageError: it is none of these.
    """
    text = _asked(device, DEVICE)
    if not re.fullmatch(_DEVICES, text):
        raise UsageError(f"device {quoted(text)}: expected auto, cpu, cuda, cuda:1 or mps")
    return text


def asked_dtype(dtype: str | None = None) -> str:
    """The precision that was asked for, here or by PYTHIA_DTYPE: `auto`, `float32`, `bfloat16`, `float16`.

    Raises:
        UsageError: it is none of these.
    """
    text = _asked(dtype, DTYPE)
    if text not in (AUTO, *DTYPES):
        raise unknown("dtype", text, (AUTO, *DTYPES))
    return text


def _asked(text: str | None, variable: str) -> str:
    return os.environ.get(variable) or AUTO if text in (None, AUTO) else text


def usual_dtype(on_gpu: bool, trained_in: str) -> str:
    """What `auto` is: float32 on the CPU; on a GPU bfloat16 for models trained so, else float16."""
    return trained_in if on_gpu and trained_in in DTYPES else "float32"


def refuse_too_large(name: str, params: int, dtype: str, there: int, where: str) -> None:
    """Raise UsageError where a model's weights need more than the bytes that are `there`."""
    needed = params * BYTES[dtype]
    if needed > there:
        raise UsageError(
            f"{name} does not fit: its weights in {dtype} are {needed:,} bytes; {there:,} are {where}"
        )
