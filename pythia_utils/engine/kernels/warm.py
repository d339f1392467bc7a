"""Kernels that start warm: forks of a server that has torch, transformers and the like imported.

A cold kernel spends seconds on imports. A warm one is as clean a process, gives the same results,
and starts in a tenth of a second. `WarmProvisioner` offers this to any program that starts Jupyter
kernels by jupyter_client, under the entry point `pythia-warm`; `server` keeps the servers.

A server belongs to one environment (libraries read `OMP_*`, `HF_*`, `MPLBACKEND` and others when
they are imported) and to one state of this package's sources: after an edit the next kernel comes
from a new server, so that it imports what its fingerprint says.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from pythia_utils.base.sources import PACKAGE

PROVISIONER = "pythia-warm"  # the entry point's name, for `metadata.kernel_provisioner`
START_WITHIN = 300  # seconds for the imports; a network's file system can be slow
# What notebooks use and takes time to import: of libraries also what they import on first use, as a
# model, a figure or a styled table needs it. Nothing whose import changes what others do: not
# matplotlib_inline, which looks for IPython, nor our figures, which set matplotlib's style.
PRELOAD = (
    # In this order: tqdm chooses the kind of its bars by whether ipykernel is there, and pandas must
    # be asked for by name before another imports it (see fork_server.py).
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "pandas",
    "tqdm.auto",
    "torch",
    "transformers.models.gpt_neox.modeling_gpt_neox",
    "transformers.tokenization_utils_tokenizers",
    "altair",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "pandas.io.formats.style",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.stats",
    "seaborn",
    "tornado.platform.asyncio",
    "pythia_utils.analysis.training_data.batches",
    "pythia_utils.suites.checkpoints",
    "pythia_utils.evaluation.sets",
    "pythia_utils.grid.records",
    "pythia_utils.evaluation.likelihood",
    "pythia_utils.training_data.seen",
    "pythia_utils.analysis.stats",
    "pythia_utils.training_data.source",
)
# Set in the kernel: nothing reads these on import. All others are set before the server starts.
_OF_THE_KERNEL = {
    "CUDA_VISIBLE_DEVICES",
    "PYTHONEXECUTABLE",  # jupyter_client takes it away
    "PYTEST_CURRENT_TEST",
    "PYTHIA_BATCH_SHARE",
    "PYTHIA_HOME",
    "PYTHIA_RUNS",
}


class WarmStartError(RuntimeError):
    """No warm kernel can be started; the message says why in a line."""


class ForkedKernel:
    """A kernel's process as `subprocess.Popen` would show it: it is the server's child, not ours."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def ended(self, code: int) -> None:
        """Note the exit code; minus a signal's number."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end; the exit code."""
        self._ended.wait(timeout)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """To the process, if it still runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A server process, started and with its imports done.

    Args:
        env: its environment.
        modules: to import; `PRELOAD` if None.

    Raises:
        WarmStartError: it could not be started, or an import failed.
    """

    def __init__(self, env: dict[str, str], modules: Sequence[str] | None = None) -> None:
        if sys.platform != "linux":
            raise WarmStartError(f"a fork is not safe on {sys.platform}")
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._asked: dict[int, Future[ForkedKernel]] = {}
        self._kernels: dict[int, ForkedKernel] = {}
        self._socket, theirs = socket.socketpair()
        # `torch.cuda.is_available()` then asks the driver's library and makes no context.
        env = env | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        code = "from pythia_utils.engine.kernels.fork_server import main; main()"
        command = [sys.executable, "-c", code, *(PRELOAD if modules is None else modules)]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs, env=env, start_new_session=True)
        _processes.add(self._process)
        self._lines = self._socket.makefile("rb")
        self._await_imports()
        threading.Thread(target=self._listen, name="pythia-fork-server", daemon=True).start()

    def _await_imports(self) -> None:
        problem: str | None = f"imports took more than {START_WITHIN} s"
        self._socket.settimeout(START_WITHIN)
        with suppress(TimeoutError):
            line = self._lines.readline()
            message = json.loads(line) if line else {"failed": "the fork server could not start"}
            problem = message.get("failed")
        if problem:
            self._process.kill()
            self.close()
            raise WarmStartError(problem)
        self._socket.settimeout(None)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def start_kernel(self, argv: Sequence[str], env: dict[str, str], cwd: str) -> ForkedKernel:
        """Fork a kernel.

        Args:
            argv: arguments of ipykernel, such as `["-f", connection_file]`.
            env: the whole environment; see the module's docstring.
            cwd: its working folder.

        Raises:
            WarmStartError: no process could be made, or the server has died.
        """
        kernel: Future[ForkedKernel] = Future()
        number = next(self._numbers)
        request = {"id": number, "argv": list(argv), "env": dict(env), "cwd": str(cwd)}
        with self._lock:
            self._asked[number] = kernel
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                raise WarmStartError("the fork server has died") from None
        return kernel.result()

    def _listen(self) -> None:
        """Take what the server tells, until it ends; with it end the kernels."""
        with suppress(OSError, ValueError):  # we closed the socket
            for line in self._lines:
                self._take(json.loads(line))
        with self._lock:
            self._socket.close()  # whoever asks from now on is told
            for asked in self._asked.values():
                asked.set_exception(WarmStartError("the fork server has died"))
        for kernel in self._kernels.values():
            kernel.ended(-signal.SIGKILL)

    def _take(self, message: dict[str, Any]) -> None:
        if kernel := self._kernels.get(message.get("pid")):
            kernel.ended(message["exit"])
            del self._kernels[kernel.pid]
        elif "failed" in message or "exit" in message:  # the fork, or the process right after it
            problem = message.get("failed") or f"a fork ended with {message['exit']}"
            self._asked.pop(message["id"]).set_exception(WarmStartError(problem))
        else:
            kernel = self._kernels[message["pid"]] = ForkedKernel(message["pid"])
            self._asked.pop(message["id"]).set_result(kernel)

    def close(self) -> None:
        """Kill its kernels and end it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.close()
        _processes.discard(self._process)


# --- The servers of this process -------------------------------------------------------------

_servers: dict[str, ForkServer | WarmStartError] = {}
_starting = threading.Lock()
_processes: set[subprocess.Popen] = set()


def server(env: dict[str, str]) -> ForkServer:
    """The server for kernels with this environment; started at the first call, and after an edit.

    Raises:
        WarmStartError: it cannot be started; the same again at each call until `close`.
    """
    key = _key(env)
    with _starting:
        found = _servers.get(key)
        if found is None or (isinstance(found, ForkServer) and not found.is_alive()):
            try:
                found = ForkServer(_shared(env))
            except WarmStartError as problem:
                found = problem
            _servers[key] = found
    if isinstance(found, WarmStartError):
        raise found
    return found


def close() -> None:
    """End all servers, and any kernels of theirs."""
    with _starting:
        for each in _servers.values():
            if isinstance(each, ForkServer):
                each.close()
        _servers.clear()


def stop() -> None:
    """Kill all servers at once, those that are being started too. Their kernels end with them."""
    for process in list(_processes):
        process.kill()


atexit.register(close)


def _shared(env: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in env.items() if k not in _OF_THE_KERNEL and not k.startswith("JPY_")}


def _key(env: dict[str, str]) -> str:
    sources = []
    for path in sorted(PACKAGE.rglob("*.py")):
        with suppress(OSError):  # an editor may be replacing it
            about = path.stat()
            sources.append((str(path), about.st_mtime_ns, about.st_size))
    state = json.dumps([sorted(_shared(env).items()), sources])
    return hashlib.sha256(state.encode()).hexdigest()


class WarmProvisioner(LocalProvisioner):
    """Starts the kernels of a Python kernel specification as forks; else it is jupyter_client's own."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel for `python -m ipykernel_launcher ...` of this interpreter.

        Raises:
            WarmStartError: another command, or no server.
        """
        if cmd[1:3] != ["-m", "ipykernel_launcher"] or cmd[0] != sys.executable:
            raise WarmStartError(f"not a kernel of {sys.executable}: {' '.join(cmd[:3])}")
        env, cwd = kwargs["env"], str(kwargs.get("cwd") or os.getcwd())
        forks = await asyncio.to_thread(server, env)
        self.process = forks.start_kernel(cmd[3:], env, cwd)
        self.pid = self.pgid = self.process.pid
        self.cwd = cwd
        return self.connection_info
