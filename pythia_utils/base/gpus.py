"""Which NVIDIA GPUs a machine has, as its driver tells: no library of a GPU is loaded, and none is opened."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

_DEVICES = Path("/dev")


@functools.cache
def visible() -> dict[str, int]:
    """The memory, in bytes, of each GPU that this process may use, by its index or UUID."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return allowed(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def allowed(listing: str, chosen: str | None) -> dict[str, int]:
    """Of the GPUs in nvidia-smi's lines those that `CUDA_VISIBLE_DEVICES` lets through, in its order."""
    memory = {}
    for line in listing.strip().splitlines():
        index, uuid, mebibytes = (part.strip() for part in line.split(","))
        if mebibytes.isdigit():
            memory[index] = memory[uuid] = int(mebibytes) * 2**20
    names = [name for name in memory if name.isdigit()] if chosen is None else chosen.split(",")
    return {name.strip(): memory[name.strip()] for name in names if name.strip() in memory}


def is_there() -> bool:
    """Whether there is a GPU that this process may use: nvidia-smi lists it, or it is among the devices.

    A container without NVIDIA's tool may still have the device.
    """
    if visible():
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hidden is None and any(_DEVICES.glob("nvidia[0-9]*"))
