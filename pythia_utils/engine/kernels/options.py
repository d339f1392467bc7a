"""What a notebook's kernel may take: how it starts, how long a cell may last, how much memory."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

from pythia_utils.base.units import parse_duration, parse_size

TIMEOUT = 3600.0  # seconds a cell of a notebook
COLD = "PYTHIA_COLD_KERNELS"  # set to 1: cold kernels, as with --cold


def _warm_by_default() -> bool:
    return os.environ.get(COLD, "0") in ("", "0")


@dataclass(frozen=True)
class KernelOptions:
    """How notebooks are run. Plain values only: they travel to other machines with the cells.

    Attributes:
        warm: start kernels as forks of a server that has the heavy imports done; the results are
            those of cold kernels. Where a fork is not safe kernels are cold anyway.
        timeout: seconds that one cell of a notebook may take; None for any.
        memory_limit: bytes that a kernel and its children may hold together; None for most of the
            memory of the machine that runs it.
    """

    warm: bool = field(default_factory=_warm_by_default)
    timeout: float | None = TIMEOUT
    memory_limit: int | None = None

    @classmethod
    def parse(
        cls, cold: bool = False, timeout: str | None = None, memory_limit: str | None = None
    ) -> KernelOptions:
        """From what users write: `90`, `15m`, `2h`, `none`; `800MB`, `4GiB`, `none`.

        Raises:
            UsageError: not such a text.
        """
        seconds = TIMEOUT if timeout is None else parse_duration(timeout, "--timeout")
        held = None
        if memory_limit is not None:
            held = parse_size(memory_limit, "--memory-limit") or sys.maxsize
        return cls(_warm_by_default() and not cold, seconds, held)
