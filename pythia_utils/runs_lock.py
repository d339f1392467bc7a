"""One run at a time in a folder of runs.

Two runs would execute the same cells twice and replace each other's files. The lock is the
operating system's own, so it ends with the process that holds it, however that dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

FILE = ".lock"


class RunsInUse(OSError):
    """Another process runs cells in this folder. The command line exits with 1."""


@contextmanager
def locked(runs: Path) -> Iterator[None]:
    """Hold the lock of a folder of runs, which is made if need be.

    Raises:
        RunsInUse: another process holds it; the message names it.
        OSError: the folder may not be written, or its file system has no locks.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with open(runs / FILE, "a+", encoding="utf-8") as file:
        # POSIX locks are not inherited: a notebook that outlives its run does not keep the lock.
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise RunsInUse(_in_use(runs, file)) from None
        file.seek(0)
        file.truncate()
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": platform.node(), "since": since}, file)
        file.flush()
        yield


def _in_use(runs: Path, file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "a process that has just started"
    return f"another run works in {runs} ({who}); wait for it to end, or stop it"
