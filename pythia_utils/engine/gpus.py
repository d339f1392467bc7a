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

from pythia_utils.base import children
from pythia_utils.base.errors import UsageError
from pythia_utils.base.gpus import is_there, visible
from pythia_utils.base.memory import all_memory
from pythia_utils.grid.cells import Cell
from pythia_utils.suites import devices, idle_gpu
from pythia_utils.suites.catalog import Model

RESOURCE = "GPU"  # the name by which dask's workers say how many they have
_PARTS = 4  # notebooks that may share a GPU, if their models are small
_USUAL_BYTES = 2  # of a parameter: 16-bit weights
_ROOM = 1.25  # for activations, as a multiple of the weights
_FIXED = 2 * 2**30  # bytes that CUDA and the libraries take, whatever the model
_HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}


def demand(cell: Cell, memory: int) -> float:
    """How many GPUs of `memory` bytes a cell needs: 0, 1/4, 1/2, 3/4, 1, or several whole ones.

    None where it is to run on the CPU; one at most where it is to run on `cuda` or one with a number.
    """
    if cell.device in ("cpu", "mps"):
        return 0.0
    if cell.checkpoint is None:
        return 1 / _PARTS
    each = devices.BYTES.get(cell.dtype, _USUAL_BYTES)
    gpus = (cell.checkpoint.model.total_params * each * _ROOM + _FIXED) / memory
    if gpus <= 1:
        return math.ceil(gpus * _PARTS) / _PARTS
    return float(math.ceil(gpus)) if cell.device == devices.AUTO else 1.0


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
        """Wait until there is room for a cell; yield the environment that gives its kernel the GPUs.

        Raises:
            UsageError: the cell asks for a GPU by a number that there is not.
        """
        asked = self._asked(cell.device)
        if not asked:
            yield _HIDDEN if self.memory else {}
            return
        wanted = min(demand(cell, min(self.memory[name] for name in asked)), float(len(asked)))
        with self._changed:
            self._changed.wait_for(lambda: self._choose(wanted, asked))
            names, part = self._choose(wanted, asked), min(wanted, 1.0)
            for name in names:
                self._free[name] -= part
        try:
            yield {"CUDA_VISIBLE_DEVICES": ",".join(names)}
        finally:
            with self._changed:
                for name in names:
                    self._free[name] += part
                self._changed.notify_all()

    def _asked(self, device: str) -> list[str]:
        """The GPUs that a device may mean: the one of a number, in our order, all, or none."""
        if device in ("cpu", "mps") or not self.memory:
            return []
        if ":" not in device:
            return list(self.memory)
        number = int(device.partition(":")[2])
        if number >= len(self.memory):
            raise UsageError(f"device {device!r}: expected a number below {len(self.memory)}")
        return [list(self.memory)[number]]

    def _choose(self, wanted: float, among: list[str]) -> list[str]:
        """The GPUs with most room, as many as wanted; none if there is not enough room now."""
        by_room = sorted(among, key=lambda name: -self._free[name])
        chosen = by_room[: max(1, int(wanted))]
        enough = all(self._free[name] >= min(wanted, 1.0) for name in chosen)
        return chosen if enough else []


@functools.cache
def own() -> Gpus:
    """This process's GPUs."""
    return Gpus(visible())


def usable(device: str) -> tuple[str, str | None]:
    """The device for notebooks on this machine, and what there is to tell of a GPU that lies idle.

    PyTorch is asked in a child, for this process opens no GPU; and only where there is one.

    Raises:
        UsageError: a GPU is asked for, and there is none, or none that PyTorch can use.
    """
    if device in ("cpu", "mps"):
        return device, None
    if not is_there():
        if device.startswith("cuda"):
            raise UsageError(
                f"--device {device}: this machine has no GPU that NVIDIA's driver tells of"
            )
        return device, None
    command = children.command(idle_gpu.__name__, idle_gpu.print_why.__name__, parent=os.getpid())
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if not (reason := done.stdout.strip()):
        return device, None
    if device.startswith("cuda"):
        raise UsageError(f"--device {device}: {reason}")
    return "cpu", f"the GPU of this machine is not used: {reason}"


def check_memory(model: Model, device: str, dtype: str) -> None:
    """Refuse a model that this machine could not open, without a look at PyTorch: before it is fetched.

    What a kernel finds to be free when it opens it, its own `load` checks.

    Args:
        device, dtype: as of a cell.

    Raises:
        UsageError: the weights need more bytes than all GPUs that may be used have, and with `auto`, or
            without GPUs, than are free in memory.
    """
    memory = {} if device in ("cpu", "mps") else visible()
    if device.startswith("cuda") and memory:
        there, where = max(memory.values()), "there on a GPU"
    else:
        there = sum(memory.values()) + all_memory()
        where = "there on GPUs and in memory" if memory else "there in memory"
    if dtype == devices.AUTO:
        dtype = devices.usual_dtype(bool(memory), model.dtype)
    devices.refuse_too_large(model.name, model.total_params, dtype, there, where)
