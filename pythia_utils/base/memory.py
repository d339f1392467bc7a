"""How much memory this process may have: of the machine, and of the control group that it runs in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def free_memory() -> int:
    """Bytes that a process can still take without swapping, by the machine and by its control group."""
    import psutil

    return min([psutil.virtual_memory().available, *cgroup_limits()])


def all_memory() -> int:
    """Bytes that a process could ever take, if no other took any."""
    import psutil

    return min([psutil.virtual_memory().total, *cgroup_limits()])


def cgroup_limits() -> list[int]:
    """Of the memory controller, in both of its versions: our own group's and those above it."""
    limits = []
    with suppress(OSError, ValueError):
        for line in (
            Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
        ):
            _, controllers, name = line.split(":", 2)
            if controllers in ("", "memory"):
                mount = Path("/sys/fs/cgroup", controllers)
                group = mount / name.lstrip("/")
                for folder in (group, *group.parents):
                    for file in ("memory.max", "memory.limit_in_bytes"):
                        with suppress(OSError, ValueError):
                            limits.append(int((folder / file).read_text(encoding="utf-8")))
    return limits
