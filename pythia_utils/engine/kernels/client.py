"""One kernel and what runs a notebook's cells in it: jupyter_client's and papermill's classes, with limits.

Kernels are of this very interpreter, and start with the environment and in the folder that their
job names, as forks of a server (`warm.py`) or from nothing. Each is watched (`watch.py`): kernels
have sessions of their own, so a Ctrl-C in the terminal does not reach them and we must kill them,
with all that they started.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from pythia_utils.base import children
from pythia_utils.base.units import show_size
from pythia_utils.engine.kernels import cold
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.warm import ForkProvisioner, ForkServer
from pythia_utils.engine.kernels.watch import KernelWatch, LiveKernels, memory_limit

TEXT_LIMIT = 5_000_000  # characters of printed text that a notebook keeps
INTERRUPT_WITHIN = 3.0  # seconds that a cell has to end, with a traceback, after its time is over
# What a notebook computed on. Asked at its end, of a kernel that need not know this package.
_DEVICE = """(lambda torch: "cpu" if torch is None else "cuda" if torch.cuda.is_initialized() else
"mps" if torch.backends.mps.is_available() and torch.mps.current_allocated_memory() else "cpu"
)(__import__("sys").modules.get("torch"))"""


@dataclass
class Job:
    """One notebook being run: what is wanted, and what comes to be known on the way.

    Attributes:
        folder: the kernel's working folder.
        env: its whole environment.
        options: its limits.
        live: where it is noted while it runs.
        server: gives the server to fork it from, for an environment; None for a cold kernel.
    """

    folder: Path
    env: dict[str, str]
    options: KernelOptions
    live: LiveKernels
    server: Callable[[dict[str, str]], ForkServer] | None = None
    notebook: nbformat.NotebookNode | None = None
    process: Any = None  # like subprocess.Popen
    watch: KernelWatch | None = None
    device: str | None = None
    characters: int = 0  # printed so far
    overdue: int | None = None  # number of the cell whose time was over, as in `In [2]`

    def started(self, process: Any) -> None:
        """Watch the kernel from now on."""
        self.process = process
        self.watch = KernelWatch(process.pid, memory_limit(self.options.memory_limit))
        self.live.add(self.watch)

    def close(self) -> None:
        """Nothing that the kernel started survives it."""
        if self.watch is not None:
            self.watch.close()
            self.live.discard(self.watch)

    def problem(self) -> str | None:
        """Why the kernel was stopped or died, in one line."""
        if self.watch is not None and self.watch.exceeded:
            held, limit = map(show_size, (self.watch.exceeded, self.watch.limit))
            return f"MemoryError: memory limit of {limit} exceeded, {held} were held; see --memory-limit"
        if self.overdue is not None:
            limit = f"{self.options.timeout:g} s"
            return f"TimeoutError: In [{self.overdue}] took longer than {limit}; see --timeout"
        return None

    def death(self) -> str:
        """How a kernel died that was not stopped by us."""
        code = self.process.poll() if self.process else None
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = "; was memory short?" if name == "SIGKILL" else ""
            return f"DeadKernelError: Kernel died of {name}{hint}"
        return "DeadKernelError: Kernel died" + (f" with exit code {code}" if code else "")


class KernelClient(AsyncKernelClient):
    """Talks to a kernel."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """As jupyter_client's, without the fifth of a second in which it waits for nothing to come."""
        end = time.monotonic() + (timeout or 60)
        while time.monotonic() < end:
            self.kernel_info()
            with suppress(queue.Empty):
                reply = await ensure_async(self.shell_channel.get_msg(timeout=1))
                await ensure_async(self.iopub_channel.get_msg(timeout=0.2))  # we are subscribed
                self._handle_kernel_info_reply(reply)
                return
            if not await self._async_is_alive():
                raise DeadKernelError("Kernel died before it was ready")
        raise DeadKernelError(f"Kernel was not ready within {timeout:g} s")

    wait_for_ready = _async_wait_for_ready


class KernelManager(AsyncKernelManager):
    """Starts the kernel of a job with `sys.executable`, whatever kernel specs are installed, and notes it."""

    job: Job

    @classmethod
    def of(cls, job: Job) -> KernelManager:
        """The manager of a job's kernel, which is not started yet."""
        manager = cls(client_factory=KernelClient)
        manager.job = job
        if job.server is not None:
            spec = manager.kernel_spec
            manager.provisioner = ForkProvisioner(kernel_id="", kernel_spec=spec, parent=manager)
            manager.provisioner.server = job.server
        return manager

    @property
    def kernel_spec(self) -> KernelSpec:
        if self.job.server is None:
            argv = children.command(cold.__name__, "main", parent=os.getpid())
        else:
            argv = [sys.executable, "-m", "ipykernel_launcher"]  # as the provisioner expects it
        argv += ["-f", "{connection_file}"]
        argv += ["--log-level=CRITICAL"]  # a terminal full of warnings hides the failures
        argv += ["--HistoryManager.enabled=False"]  # one SQLite file for all kernels of a user
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kwargs: Any) -> None:
        self.job.live.check()
        await super()._async_launch_kernel(kernel_cmd, **kwargs)
        self.job.started(self.provisioner.process)

    async def _async_finish_shutdown(self, waittime=None, pollinterval=0.02, restart=False) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)


class Client(PapermillNotebookClient):
    """Papermill's client, with limits."""

    job: Job

    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        self.job.watch.look()
        asked = self.kc.execute("", silent=True, user_expressions={"device": _DEVICE})
        answer = self.wait_for_reply(asked)["content"].get("user_expressions", {}).get("device", {})
        self.job.device = answer.get("data", {}).get("text/plain", "").strip("'") or None

    def process_message(self, msg: dict, cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Cut text that a notebook prints beyond `TEXT_LIMIT`."""
        if msg["msg_type"] == "stream":
            text = msg["content"]["text"]
            left = TEXT_LIMIT - self.job.characters
            self.job.characters += len(text)
            if left <= 0:
                return None
            if len(text) > left:
                cut = f"\n[cut here: a notebook keeps {TEXT_LIMIT:,} characters of printed text]\n"
                msg["content"]["text"] = text[:left] + cut
        return super().process_message(msg, cell, cell_index)

    async def _async_handle_timeout(self, timeout: float, cell: Any = None) -> None:
        """Interrupt the cell, so that its traceback tells where it was; kill it if that does not help."""
        self.job.overdue = self.code_cells_executed
        await ensure_async(self.km.interrupt_kernel())
        end = time.monotonic() + INTERRUPT_WITHIN
        while time.monotonic() < end:
            await asyncio.sleep(0.05)
            if await ensure_async(self.kc.shell_channel.msg_ready()):
                return
        self.job.watch.kill()
        raise CellTimeoutError("a cell's time was over")

    async def stop_if_overdue(self, **_: Any) -> None:
        """A cell that took an interrupt for its end has not done what it should."""
        if self.job.overdue is not None:
            raise CellTimeoutError("a cell's time was over")
