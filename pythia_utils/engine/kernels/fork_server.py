"""A process that has the heavy imports done and forks itself: each fork becomes a notebook's kernel.

`warm.py` starts it, names the modules to import, and talks to it in lines of JSON over the
socket that is its standard input:

    it tells, once    {"ready": true}, or {"failed": "ImportError: ..."} and it ends
    it is asked       {"id": 1, "argv": ["-f", "kernel.json"], "env": {...}, "cwd": "/..."}
    it answers        {"id": 1, "pid": 4711}, or {"id": 1, "failed": "OSError: ..."}
    later it tells    {"id": 1, "pid": 4711, "exit": 0}; minus its number if a signal ended the kernel

What a fork must not inherit: threads of Python (none may run when it is made, hence no tensor is
computed here), a CUDA context (made in kernels only), random states (NumPy's and torch's are drawn
anew; `random` does so by itself). When the socket closes, whoever used the kernels is gone, and all
are killed. When this very process is killed, a thread in each kernel sees that and ends it. Linux
only.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from selectors import EVENT_READ, DefaultSelector
from types import SimpleNamespace
from typing import Any, NoReturn

from pythia_utils.base.children import kill_all

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Import the modules named on the command line, then serve until the socket closes."""
    requests = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    given = dict(os.environ)
    try:
        preload(sys.argv[1:])
    except Exception as failure:
        _tell(requests, {"failed": f"{type(failure).__name__}: {failure}"})
        return
    gc.collect()
    gc.freeze()  # a kernel's collections leave the shared objects alone, and their pages uncopied
    _tell(requests, {"ready": True})
    set_by_imports = {k: v for k, v in os.environ.items() if given.get(k) != v}
    Server(requests, set_by_imports).serve()
    os._exit(0)  # no module needs tearing down


def preload(modules: Iterable[str]) -> None:
    """Import modules, and see that nothing is left that a fork must not have.

    Of `module:function` the function is called as well: it does what is else done at a first use.

    Raises:
        ImportError: a module is not there.
        RuntimeError: an import started a thread, or made a CUDA context.
    """
    for name in modules:
        name, _, function = name.partition(":")
        with _as_in_a_kernel() if name == "pandas" else nullcontext():
            module = importlib.import_module(name)
        if function:
            getattr(module, function)()
    if others := threading.enumerate()[1:]:
        raise RuntimeError(f"an import started the thread {others[0].name!r}")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("an import made a CUDA context")


@contextmanager
def _as_in_a_kernel() -> Iterator[None]:
    """Let pandas, as it is imported, find that a kernel runs it: it then shows tables in full."""
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)
    try:
        yield
    finally:
        del builtins.get_ipython


def _tell(to: socket.socket, message: dict[str, Any]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody listens: the end is near
        to.sendall(json.dumps(message).encode() + b"\n")


class Server:
    """Forks kernels on request and tells when they end.

    Args:
        requests: the socket to whoever wants kernels.
        set_by_imports: environment variables that the imports set, as they would in each kernel.
    """

    def __init__(self, requests: socket.socket, set_by_imports: dict[str, str]) -> None:
        self._requests = requests
        self._set_by_imports = set_by_imports
        self._kernels: dict[int, int] = {}  # process id to request id
        self._alive = os.pipe()  # its writing end closes with this process, and kernels see it
        # Orphans of kernels become this process's children, so that none can hide from `kill_all`.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def serve(self) -> None:
        """Until the socket closes; then kill all kernels and what they started."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._inherited = [wake, woken, self._requests]
        pending = b""
        with DefaultSelector() as selector:
            self._inherited.append(selector)
            selector.register(self._requests, EVENT_READ)
            selector.register(woken, EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    woken.recv(4096)
                    self._reap()
                if self._requests in ready:
                    if not (received := self._receive()):
                        break
                    *lines, pending = (pending + received).split(b"\n")
                    for line in lines:
                        self._fork(json.loads(line))
        kill_all()

    def _receive(self) -> bytes:
        try:
            return self._requests.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if (request := self._kernels.pop(pid, None)) is not None:
                    code = os.waitstatus_to_exitcode(status)
                    _tell(self._requests, {"id": request, "pid": pid, "exit": code})

    def _fork(self, request: dict[str, Any]) -> None:
        try:
            pid = os.fork()
        except OSError as failure:
            _tell(self._requests, {"id": request["id"], "failed": f"OSError: {failure}"})
            return
        if pid == 0:
            self._be_kernel(request)
        self._kernels[pid] = request["id"]

    def _be_kernel(self, request: dict[str, Any]) -> NoReturn:
        """In the fork: leave the server behind, then run a kernel."""
        code = 1
        try:
            os.setsid()  # before the answer: whoever has the number can kill the group by it
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _tell(self._requests, {"id": request["id"], "pid": os.getpid()})
            for each in self._inherited:
                each.close()
            os.close(self._alive[1])
            threading.Thread(target=_end_with_server, args=(self._alive[0],), daemon=True).start()
            os.environ.clear()
            os.environ.update(request["env"] | self._set_by_imports)
            os.chdir(request["cwd"])
            _renew_random_states()
            run_kernel(request["argv"])
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            _exit(code)


def _end_with_server(alive: int) -> None:
    """Wait for the end of the server; then end this kernel and its children."""
    os.read(alive, 1)
    kill_all()
    os.killpg(0, signal.SIGKILL)


def _renew_random_states() -> None:
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def run_kernel(argv: list[str]) -> None:
    """Do what `python -m ipykernel_launcher` does with these arguments."""
    import ipykernel_launcher
    from ipykernel import kernelapp

    sys.argv = [ipykernel_launcher.__file__, *argv]
    kernelapp.launch_new_instance(argv=argv)
    # Its last message ends with a flush, which waits 10 s for the thread that `atexit` now stops.
    kernelapp.IPKernelApp.instance().control_thread.join(5)


def _exit(code: int) -> NoReturn:
    """End as an interpreter does, handlers of `atexit` included, but for tearing down all modules."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(code)
