"""Interpreters that we start: they end with us, and run no file of the folder they work in.

`command` gives the command of one that calls a function of this package. It looks for modules in the
standard library, then where this very package is, then among what is installed; never in its working
folder, in which a `random.py` may lie. One that is given a parent is killed when that ends, however
it dies, with all that it has started.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

from pythia_utils.base.sources import PACKAGE

_EVERY = 0.2  # seconds between two looks whether the parent lives
# Before what is installed, which may have another version of this package.
_START = """\
import sys
installed = (i for i, path in enumerate(sys.path) if path.endswith("-packages"))
sys.path.insert(next(installed, len(sys.path)), {folder!r})
"""
_WATCH = """\
from pythia_utils.base import children
children.end_with_parent({parent})
"""
_CALL = """\
from {module} import {function}
{function}()
"""


def command(module: str, function: str, *arguments: str, parent: int | None = None) -> list[str]:
    """What to give to `subprocess.Popen`.

    Args:
        module: by its whole name.
        function: of it, to be called without arguments.
        arguments: that `sys.argv[1:]` has.
        parent: the process with which it is to end; by default none.
    """
    code = _START.format(folder=str(PACKAGE.parent))
    code += _WATCH.format(parent=parent) if parent else ""
    code += _CALL.format(module=module, function=function)
    return [sys.executable, "-P", "-c", code, *arguments]


def end_with_parent(parent: int) -> None:
    """From now on, end this process and all that it has started when its parent has ended.

    Args:
        parent: the process that started this one; it may have ended by now.
    """
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    kill_all()
    if os.getpgrp() == os.getpid():  # our own group, in which a child of a child may be
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_all() -> None:
    """Kill all descendants of this process. Again and again: they may be starting others."""
    import psutil

    for _ in range(20):
        children = psutil.Process().children(recursive=True)
        living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        for child in living:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        if not living:
            return
