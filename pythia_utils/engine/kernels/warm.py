"""Kernels that start warm: forks of a server that has torch, transformers and the like imported.

A cold kernel spends seconds on imports. A warm one is as clean a process, gives the same results,
and starts in a tenth of a second. `ForkServer` starts such a server and asks it for kernels;
`ForkProvisioner` gives them to jupyter_client.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from pythia_utils.base import children
from pythia_utils.engine.kernels import fork_server

START_WITHIN = 300  # seconds for the imports; a network's file system can be slow


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

    `note` is given the process as soon as there is one, before the imports.

    Raises:
        WarmStartError: it could not be started, or an import failed.
    """

    def __init__(
        self,
        env: dict[str, str],
        modules: Sequence[str],
        note: Callable[[subprocess.Popen], object] | None = None,
    ) -> None:
        if sys.platform != "linux":
            raise WarmStartError(f"a fork is not safe on {sys.platform}")
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._asked: dict[int, Future[ForkedKernel]] = {}
        self._kernels: dict[int, ForkedKernel] = {}
        self._socket, theirs = socket.socketpair()
        # `torch.cuda.is_available()` then asks the driver's library and makes no context.
        env = env | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        command = children.command(fork_server.__name__, "main", *modules)
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs, env=env, start_new_session=True)
        if note is not None:
            note(self._process)
        self._lines = self._socket.makefile("rb")
        self._await_imports()
        threading.Thread(target=self._listen, name="fork-server", daemon=True).start()

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
        """Fork a kernel, with arguments of ipykernel such as `["-f", connection_file]`.

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


class ForkProvisioner(LocalProvisioner):
    """Starts the kernels of a Python kernel specification as forks; else it is jupyter_client's own.

    Attributes:
        server: gives the server for kernels of an environment.
    """

    server: Callable[[dict[str, str]], ForkServer]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel for `python -m ipykernel_launcher ...` of this interpreter.

        Raises:
            WarmStartError: another command, or no server.
        """
        if cmd[1:3] != ["-m", "ipykernel_launcher"] or cmd[0] != sys.executable:
            raise WarmStartError(f"not a kernel of {sys.executable}: {' '.join(cmd[:3])}")
        env, cwd = kwargs["env"], str(kwargs.get("cwd") or os.getcwd())
        forks = await asyncio.to_thread(self.server, env)
        self.process = forks.start_kernel(cmd[3:], env, cwd)
        self.pid = self.pgid = self.process.pid
        self.cwd = cwd
        return self.connection_info
