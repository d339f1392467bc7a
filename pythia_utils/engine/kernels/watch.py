"""Watch a kernel and all that it starts: the memory they hold, its limit, and that nothing stays."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from pythia_utils.base.memory import cgroup_limits

# Seconds between two looks; an allocation can outrun the limit by what it gets in these.
EVERY = 0.1
TREE_EVERY = 5  # looks; children with sessions of their own are dearer to find
SHARE = 0.9  # of the machine's memory, that a kernel may hold where no limit is given


class Stopped(Exception):
    """No kernel may be started any more: the run was interrupted."""


class KernelWatch:
    """Looks at a kernel's processes until `close`. A kernel leads a session of its own.

    Args:
        pid: the kernel's process.
        limit: bytes that all may hold together; when they hold more all are killed.
    """

    def __init__(self, pid: int, limit: int) -> None:
        self.limit = limit
        self.peak_bytes = 0
        self.exceeded: int | None = None  # bytes held when the limit was passed
        self._pid = pid
        self._seen: set[psutil.Process] = set()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_again, name="kernel-watch", daemon=True)
        with suppress(psutil.NoSuchProcess):
            self._seen.add(psutil.Process(pid))
        self._thread.start()

    def _look_again(self) -> None:
        looks = 0
        while not self._closing.wait(EVERY):
            self.look(tree=looks % TREE_EVERY == 0)
            looks += 1

    def look(self, tree: bool = True) -> None:
        """Note who is there and what they hold, and enforce the limit."""
        with self._lock:
            held, peak = self._memory(self._members(tree))
            self.peak_bytes = max(self.peak_bytes, peak)
            if held > self.limit and self.exceeded is None:
                self.exceeded = held
                self.kill()

    def _memory(self, members: list[psutil.Process]) -> tuple[int, int]:
        """Bytes that they hold now, and the same with the most that the kernel itself ever held."""
        held = peak = 0
        for process in members:
            with suppress(psutil.Error, OSError):
                if process.pid == self._pid:
                    now = process.memory_info().rss
                    held, peak = held + now, peak + max(now, _high_water(self._pid))
                else:  # what children share with the kernel counts once
                    own = process.memory_full_info().uss
                    held, peak = held + own, peak + own
        return held, peak

    def _members(self, tree: bool) -> list[psutil.Process]:
        """The session's living processes, and descendants that have left it."""
        with suppress(psutil.Error):
            if tree:
                self._seen.update(psutil.Process(self._pid).children(recursive=True))
        known = {process.pid for process in self._seen}
        for pid in psutil.pids():
            with suppress(OSError, psutil.Error):
                if pid not in known and os.getsid(pid) == self._pid:
                    self._seen.add(psutil.Process(pid))
        self._seen = {process for process in self._seen if _lives(process)}
        return list(self._seen)

    def kill(self) -> None:
        """Kill the kernel and all that it started."""
        with self._lock:
            for _ in range(20):  # they may be starting others
                if not (members := self._members(tree=True)):
                    return
                for process in members:
                    with suppress(psutil.Error):
                        process.kill()
                time.sleep(0.01)

    def close(self) -> None:
        """Stop looking, once the kernel has ended; kill what it left."""
        self._closing.set()
        self._thread.join()
        self.kill()


class LiveKernels:
    """The watches of the kernels that run now, so that all can be stopped at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[KernelWatch] = set()
        self.stopped = False

    def check(self) -> None:
        """Raise Stopped if no kernel may be started any more."""
        if self.stopped:
            raise Stopped

    def add(self, watch: KernelWatch) -> None:
        """Note a kernel that has started."""
        with self._lock:
            self._watches.add(watch)
            late = self.stopped
        if late:  # it was being started while the others were killed
            watch.kill()

    def discard(self, watch: KernelWatch) -> None:
        """Forget a kernel that has ended."""
        with self._lock:
            self._watches.discard(watch)

    def stop(self) -> None:
        """Kill all kernels and their children, and let no other start."""
        with self._lock:
            self.stopped = True
            watches = list(self._watches)
        for watch in watches:
            watch.kill()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _high_water(pid: int) -> int:
    """The most that a process ever held, in bytes; 0 where the system does not tell."""
    with suppress(OSError):
        for line in (
            Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        ):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def memory_limit(chosen: int | None) -> int:
    """The limit in bytes: as chosen, else most of the memory of the machine or of our cgroup."""
    if chosen is not None:
        return chosen
    return int(SHARE * min([psutil.virtual_memory().total, *cgroup_limits()]))
