"""Run one notebook in a fresh kernel of this very interpreter, and be able to stop them all.

Papermill injects the parameters and runs the cells. Through its own seam, an engine, every kernel
is started with the environment and folder that we choose, and is known by its process id: kernels
have sessions of their own, so a Ctrl-C in the terminal does not reach them and we must kill them.

This module imports papermill (0.2 s); import it late. Threads are safe: papermill's `cwd` argument,
which changes the folder of the whole process, and its file handlers are not used.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from pythia_utils.kernel_options import KernelOptions

ENGINE = "pythia"
# Names are checked beforehand and failures are in the outcome: papermill has nothing to add.
logging.getLogger("papermill").setLevel(logging.CRITICAL)


class Stopped(Exception):
    """No kernel may be started any more: the run was interrupted."""


@dataclass(frozen=True)
class Execution:
    """What became of one notebook.

    Attributes:
        notebook: as executed, up to where it came.
        error: in one line, None if all is well.
        seconds: wall time, the kernel's start and end included.
        peak_memory_bytes: the most that the kernel and its children held; None if not known.
        device: what the notebook computed on: `cpu`, `cuda` or `mps`; None if the kernel died.
        attempts: 2 if it ran out of memory and was run again with smaller batches, else 1.
    """

    notebook: nbformat.NotebookNode
    error: str | None
    seconds: float
    peak_memory_bytes: int | None = None
    device: str | None = None
    attempts: int = 1


class _LiveKernels:
    """Process ids of the running kernels. Each leads a process group of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] = set()
        self.stopped = False

    def add(self, pid: int) -> None:
        with self._lock:
            self._pids.add(pid)
            late = self.stopped
        if late:  # it was being started while the others were killed
            self._kill(pid)

    def discard(self, pid: int | None) -> None:
        with self._lock:
            self._pids.discard(pid)

    def stop(self) -> int:
        """Kill all kernels and their children, and let no other start. Returns how many."""
        with self._lock:
            self.stopped = True
            pids = list(self._pids)
        for pid in pids:
            self._kill(pid)
        return len(pids)

    def reset(self) -> None:
        """Allow kernels again, for the next run of this process."""
        self.stopped = False

    @staticmethod
    def _kill(pid: int) -> None:
        with suppress(ProcessLookupError):  # it may just have ended by itself
            os.killpg(pid, signal.SIGKILL)


live = _LiveKernels()


class _KernelManager(AsyncKernelManager):
    """Starts kernels of `sys.executable`, whatever kernel specs are installed, and notes them."""

    _pid: int | None = None

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--log-level=CRITICAL"]  # a terminal full of warnings hides the failures
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kwargs: Any) -> None:
        if live.stopped:
            raise Stopped
        await super()._async_launch_kernel(kernel_cmd, **kwargs)
        self._pid = self.provisioner.pid
        live.add(self._pid)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        live.discard(self._pid)
        await super()._async_cleanup_resources(restart)

    cleanup_resources = _async_cleanup_resources


class _Engine(NBClientEngine):
    """Papermill's engine, with our kernels. `keep` receives the notebook, finished or not."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        folder: Path,
        env: dict[str, str],
        keep: Callable,
        **_: Any,
    ) -> None:
        keep(nb_man.nb)
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=_KernelManager,
            timeout=None,
            startup_timeout=120,
            record_timing=False,
            log=logging.getLogger("papermill"),
        )
        client.execute(env=env, cwd=str(folder))


papermill_engines.register(ENGINE, _Engine)


def execute(
    notebook: Path,
    parameters: dict[str, Any],
    cwd: Path,
    env: dict[str, str],
    options: KernelOptions | None = None,
) -> Execution:
    """Execute a notebook with injected parameters.

    Args:
        notebook: path of the source; it is not changed, and nothing is written.
        parameters: replace the defaults of the cell tagged `parameters`.
        cwd: the kernel's working folder.
        env: the kernel's whole environment.
        options: how to start the kernel, and its limits.

    Returns:
        The executed notebook and what it took.

    Raises:
        Stopped: `live.stop()` was called.
    """
    if live.stopped:
        raise Stopped
    started = time.monotonic()
    kept: list[nbformat.NotebookNode] = []
    error = None
    try:
        papermill.execute_notebook(
            nbformat.read(notebook, as_version=4),
            None,
            parameters,
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            folder=cwd,  # papermill's own `cwd` would change that of the whole process
            env=env,
            keep=kept.append,
        )
    except PapermillExecutionError as failure:
        error = first_line(f"{failure.ename}: {failure.evalue}")
    except Exception as failure:  # a dead kernel, for example
        error = first_line(f"{type(failure).__name__}: {failure}")
        if not kept:
            raise
    finally:
        _close_event_loop()
    if live.stopped and error:
        raise Stopped
    return Execution(kept[0], error or _left_early(kept[0]), time.monotonic() - started)


def _left_early(notebook: nbformat.NotebookNode) -> str | None:
    """Papermill takes `sys.exit(0)` for success, but the cells after it have not run."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and "raises-exception" not in cell.metadata.tags:
                return first_line(f"{output.ename}: {output.evalue}")
    return None


def _close_event_loop() -> None:
    """Close the loop that nbclient opened in this thread: nobody else will."""
    loop = ensure_event_loop()
    if not loop.is_running():
        loop.close()


def first_line(text: str) -> str:
    """The first line of an error message, shortened: the rest is in the notebook."""
    line = text.strip().splitlines()[0]
    return line if len(line) <= 300 else line[:299] + "…"
