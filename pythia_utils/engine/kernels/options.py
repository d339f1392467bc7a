"""What a notebook's kernel may take: how it starts, how long a cell may last, how much memory."""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import dataclass, field

from pythia_utils.base.errors import UsageError

TIMEOUT = 3600.0  # seconds a cell of a notebook
COLD = "PYTHIA_COLD_KERNELS"  # set to 1: cold kernels, as with --cold
_UNITS = {"": 1, "b": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_UNITS |= {f"{unit}b": size for unit, size in _UNITS.items() if unit not in ("", "b")}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


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
        seconds = TIMEOUT if timeout is None else _quantity("--timeout", timeout, _SECONDS)
        held = None if memory_limit is None else _quantity("--memory-limit", memory_limit, _UNITS)
        return cls(
            warm=_warm_by_default() and not cold,
            timeout=None if seconds == math.inf else seconds,
            memory_limit=sys.maxsize if held == math.inf else held and int(held),
        )


def _quantity(option: str, text: str, units: dict[str, float]) -> float:
    """A number and a unit; `none` is infinite."""
    if text.strip().lower() == "none":
        return math.inf
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in units or float(match[1]) == 0:
        example = "90, 15m, 2h" if units is _SECONDS else "800MB, 4GB, 4GiB"
        raise UsageError(f"{option} {text!r}: expected a number and a unit, as {example}, or none")
    return float(match[1]) * units[match[2]]
