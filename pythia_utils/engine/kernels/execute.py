"""Run one notebook in a fresh kernel of this very interpreter, and be able to stop them all.

Papermill injects the parameters and runs the cells. Through its own seam, an engine, every kernel
is started with the environment and folder that we choose, warm (`warm.py`) or cold, and is
watched (`watch.py`): kernels have sessions of their own, so a Ctrl-C in the terminal does
not reach them and we must kill them, with all that they started.

This module imports papermill (0.2 s); import it late. Threads are safe: papermill's `cwd` argument,
which changes the folder of the whole process, and its file handlers are not used.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from jupyter_core.utils import ensure_async, ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from pythia_utils.base import batching
from pythia_utils.base.units import show_size
from pythia_utils.engine.kernels import warm as warm_kernels
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.watch import KernelWatch, memory_limit

ENGINE = "pythia"
TEXT_LIMIT = 5_000_000  # characters of printed text that a notebook keeps
INTERRUPT_WITHIN = 3.0  # seconds that a cell has to end, with a traceback, after its time is over
# What a notebook computed on. Asked at its end, of a kernel that need not know this package.
_DEVICE = """(lambda torch: "cpu" if torch is None else "cuda" if torch.cuda.is_initialized() else
"mps" if torch.backends.mps.is_available() and torch.mps.current_allocated_memory() else "cpu"
)(__import__("sys").modules.get("torch"))"""
_NO_MEMORY = re.compile(r"^(MemoryError|OutOfMemoryError)|can't allocate memory|out of memory")
# Names are checked beforehand and failures are in the outcome: papermill has nothing to add.
logging.getLogger("papermill").setLevel(logging.CRITICAL)
# So that warm kernels work too where the package was installed before it had the entry point.
KernelProvisionerFactory.provisioners.setdefault(
    warm_kernels.PROVISIONER,
    EntryPoint(
        warm_kernels.PROVISIONER,
        "pythia_utils.engine.kernels.warm:WarmProvisioner",
        KernelProvisionerFactory.GROUP_NAME,
    ),
)


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
    """The watches of the running kernels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[KernelWatch] = set()
        self.stopped = False

    def add(self, watch: KernelWatch) -> None:
        with self._lock:
            self._watches.add(watch)
            late = self.stopped
        if late:  # it was being started while the others were killed
            watch.kill()

    def discard(self, watch: KernelWatch) -> None:
        with self._lock:
            self._watches.discard(watch)

    def stop(self) -> int:
        """Kill all kernels and their children, and let no other start. Returns how many."""
        with self._lock:
            self.stopped = True
            watches = list(self._watches)
        for watch in watches:
            watch.kill()
        warm_kernels.stop()
        return len(watches)

    def reset(self) -> None:
        """Allow kernels again, for the next run of this process."""
        self.stopped = False


live = _LiveKernels()


@dataclass
class _Job:
    """One notebook being run: what is wanted, and what comes to be known on the way."""

    folder: Path
    env: dict[str, str]
    options: KernelOptions
    warm: bool
    notebook: nbformat.NotebookNode | None = None
    process: Any = None  # like subprocess.Popen
    watch: KernelWatch | None = None
    device: str | None = None
    characters: int = 0  # printed so far
    overdue: int | None = None  # number of the cell whose time was over, as in `In [2]`

    def started(self, process: Any) -> None:
        self.process = process
        self.watch = KernelWatch(process.pid, memory_limit(self.options.memory_limit))
        live.add(self.watch)

    def close(self) -> None:
        """Nothing that the kernel started survives it."""
        if self.watch is not None:
            self.watch.close()
            live.discard(self.watch)

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


class _KernelClient(AsyncKernelClient):
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


class _KernelManager(AsyncKernelManager):
    """Starts kernels of `sys.executable`, whatever kernel specs are installed, and notes them."""

    job: _Job

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--log-level=CRITICAL"]  # a terminal full of warnings hides the failures
        argv += ["--HistoryManager.enabled=False"]  # one SQLite file for all kernels of a user
        warm = {"kernel_provisioner": {"provisioner_name": warm_kernels.PROVISIONER}}
        metadata = warm if self.job.warm else {}
        return KernelSpec(argv=argv, display_name="Python 3", language="python", metadata=metadata)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kwargs: Any) -> None:
        if live.stopped:
            raise Stopped
        await super()._async_launch_kernel(kernel_cmd, **kwargs)
        self.job.started(self.provisioner.process)

    async def _async_finish_shutdown(self, waittime=None, pollinterval=0.02, restart=False) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)


class _Client(PapermillNotebookClient):
    """Papermill's client, with limits."""

    job: _Job

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


class _Engine(NBClientEngine):
    """Papermill's engine, with our kernels. `job` receives the notebook, finished or not."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, job: _Job, **_: Any
    ) -> None:
        job.notebook = nb_man.nb
        manager = _KernelManager(client_factory=_KernelClient)
        client = _Client(
            nb_man,
            km=manager,
            kernel_name=kernel_name,
            timeout=None,
            timeout_func=lambda _: job.options.timeout,  # `timeout` is of whole seconds
            startup_timeout=120,
            iopub_timeout=60,
            record_timing=False,
            log=logging.getLogger("papermill"),
        )
        manager.job = client.job = job
        client.on_cell_executed = client.stop_if_overdue
        client.execute(env=job.env, cwd=str(job.folder), cleanup_kc=True)


papermill_engines.register(ENGINE, _Engine)


def execute(
    notebook: Path,
    parameters: dict[str, Any],
    cwd: Path,
    env: dict[str, str],
    options: KernelOptions | None = None,
) -> Execution:
    """Execute a notebook with injected parameters.

    One that runs out of memory, the machine's, the GPU's or its limit, is run once more with half
    the tokens in a batch (see `batching`).

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
    options = options or KernelOptions()
    started = time.monotonic()
    done = _execute(notebook, parameters, cwd, env, options)
    if done.error and _NO_MEMORY.search(done.error):
        fewer = {batching.VARIABLE: str(batching.share(env) / 2)}
        done = _execute(notebook, parameters, cwd, env | fewer, options)
        error = done.error and f"{done.error} (also with smaller batches)"
        done = replace(done, error=error, attempts=2)
    return replace(done, seconds=time.monotonic() - started)


def _execute(
    notebook: Path, parameters: dict, cwd: Path, env: dict[str, str], options: KernelOptions
) -> Execution:
    source = nbformat.read(notebook, as_version=4)
    job = _Job(cwd, env, options, warm=options.warm and _can_be_warm(env))
    error = None
    if live.stopped:
        raise Stopped
    try:
        papermill.execute_notebook(
            source,
            None,
            parameters,
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            job=job,
        )
    except PapermillExecutionError as failure:
        error = f"{failure.ename}: {failure.evalue}"
    except DeadKernelError:
        error = job.death()
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
        if job.notebook is None:
            raise
    finally:
        _close_event_loop()
        job.close()
    if live.stopped and error:
        raise Stopped
    error = job.problem() or error or _left_early(job.notebook)
    peak = job.watch.peak_bytes if job.watch else None
    return Execution(job.notebook, error and short_line(error), 0.0, peak, job.device)


def _can_be_warm(env: dict[str, str]) -> bool:
    """Whether there is a server to fork from; if not, say why, once."""
    try:
        warm_kernels.server(env)
    except warm_kernels.WarmStartError as problem:
        if not live.stopped and str(problem) not in _told:
            _told.add(str(problem))
            print(f"kernels start cold: {problem}", file=sys.stderr, flush=True)
        return False
    return True


_told: set[str] = set()


def _left_early(notebook: nbformat.NotebookNode) -> str | None:
    """Papermill takes `sys.exit(0)` for success, but the cells after it have not run."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and "raises-exception" not in cell.metadata.tags:
                return f"{output.ename}: {output.evalue}"
    return None


def _close_event_loop() -> None:
    """Close the loop that nbclient opened in this thread: nobody else will."""
    loop = ensure_event_loop()
    if not loop.is_running():
        loop.close()


def short_line(text: str) -> str:
    """The first line of an error message, shortened: the rest is in the notebook."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 300 else line[:299] + "…"
