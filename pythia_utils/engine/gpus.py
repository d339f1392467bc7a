"""Which GPUs a notebook gets: a part of one, one, or several, by the size of its model.

Each kernel is a process of its own, so it is given its GPUs by `CUDA_VISIBLE_DEVICES`, and a
notebook needs to know nothing of it. This process itself never opens a GPU: NVIDIA's own tool tells
which there are. Where there is none, nothing here has any effect.
"""

from __future__ import annotations

import functools
import math
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pythia_utils.grid.cells import Cell

RESOURCE = "GPU"  # the name by which dask's workers say how many they have
_PARTS = 4  # notebooks that may share a GPU, if their models are small
_BYTES_PER_PARAMETER = 2  # 16-bit weights
_ROOM = 1.25  # for activations, as a multiple of the weights
_FIXED = 2 * 2**30  # bytes that CUDA and the libraries take, whatever the model


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
    return _allowed(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _allowed(listing: str, chosen: str | None) -> dict[str, int]:
    """Of the GPUs in nvidia-smi's lines those that `CUDA_VISIBLE_DEVICES` lets through, in its order."""
    memory = {}
    for line in listing.strip().splitlines():
        index, uuid, mebibytes = (part.strip() for part in line.split(","))
        if mebibytes.isdigit():
            memory[index] = memory[uuid] = int(mebibytes) * 2**20
    names = [name for name in memory if name.isdigit()] if chosen is None else chosen.split(",")
    return {name.strip(): memory[name.strip()] for name in names if name.strip() in memory}


def demand(cell: Cell, memory: int) -> float:
    """How many GPUs of `memory` bytes a cell needs: 1/4, 1/2, 3/4, 1, or several whole ones."""
    if cell.checkpoint is None:
        return 1 / _PARTS
    weights = cell.checkpoint.model.total_params * _BYTES_PER_PARAMETER
    gpus = (weights * _ROOM + _FIXED) / memory
    return math.ceil(gpus * _PARTS) / _PARTS if gpus <= 1 else float(math.ceil(gpus))


class Gpus:
    """The GPUs of one process, lent to the cells that it runs at the same time.

    Args:
        memory: bytes of each GPU by name, as from `visible`.
    """

    def __init__(self, memory: dict[str, int]) -> None:
        self.memory = memory
        self._free = dict.fromkeys(memory, 1.0)
        self._changed = threading.Condition()

    @contextmanager
    def lent(self, cell: Cell) -> Iterator[dict[str, str]]:
        """Wait until there is room for a cell; yield the environment that gives its kernel the GPUs."""
        if not self.memory:
            yield {}
            return
        wanted = min(demand(cell, min(self.memory.values())), float(len(self.memory)))
        with self._changed:
            self._changed.wait_for(lambda: self._choose(wanted))
            names, part = self._choose(wanted), min(wanted, 1.0)
            for name in names:
                self._free[name] -= part
        try:
            yield {"CUDA_VISIBLE_DEVICES": ",".join(names)}
        finally:
            with self._changed:
                for name in names:
                    self._free[name] += part
                self._changed.notify_all()

    def _choose(self, wanted: float) -> list[str]:
        """The GPUs with most room, as many as wanted; none if there is not enough room now."""
        by_room = sorted(self._free, key=lambda name: -self._free[name])
        chosen = by_room[: max(1, int(wanted))]
        enough = all(self._free[name] >= min(wanted, 1.0) for name in chosen)
        return chosen if enough else []


@functools.cache
def own() -> Gpus:
    """This process's GPUs."""
    return Gpus(visible())
