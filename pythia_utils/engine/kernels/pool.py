"""Kernels for the notebooks of one run: the servers that warm ones are forked from, and all that run.

A pool belongs to whoever runs notebooks, who closes it; nothing here is kept for a whole process.

This module imports papermill (0.2 s); import it late.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pythia_utils.base import batching
from pythia_utils.engine.kernels import execute
from pythia_utils.engine.kernels.client import Job
from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.warm import ForkServer, WarmStartError
from pythia_utils.engine.kernels.watch import LiveKernels

_NO_MEMORY = re.compile(r"^(MemoryError|OutOfMemoryError)|can't allocate memory|out of memory")
# Set in the kernel: nothing reads these on import. All others are set before the server starts.
_OF_THE_KERNEL = {
    "CUDA_VISIBLE_DEVICES",
    "PYTHONEXECUTABLE",  # jupyter_client takes it away
    "PYTEST_CURRENT_TEST",
    batching.VARIABLE,
}


class KernelPool:
    """Runs notebooks, each in a fresh kernel, from any thread; a context manager.

    A server belongs to one environment (libraries read `OMP_*`, `HF_*`, `MPLBACKEND` and others when
    they are imported) and to one state of some sources: after an edit the next kernel comes from a
    new server.

    Args:
        modules: what a server imports before it forks; of `module:function` it calls the function too.
        sources: a folder of Python files that those modules may come from.
        variables: environment variables that no module reads on import: whatever their values,
            kernels share a server.
    """

    def __init__(
        self,
        modules: Sequence[str],
        sources: Path | None = None,
        variables: Iterable[str] = (),
    ) -> None:
        self._modules, self._sources = tuple(modules), sources
        self._of_the_kernel = _OF_THE_KERNEL | set(variables)
        self._live = LiveKernels()
        self._servers: dict[str, ForkServer | WarmStartError] = {}
        self._starting = threading.Lock()
        self._processes: list[subprocess.Popen] = []  # of servers, those being started too
        self._told: set[str] = set()

    def __enter__(self) -> KernelPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        notebook: Path,
        parameters: dict[str, Any],
        cwd: Path,
        env: dict[str, str],
        options: KernelOptions | None = None,
        choose: Callable[[list], list] = list,
    ) -> Execution:
        """Execute a notebook in the folder `cwd`, with `env` for its whole environment; see `execute`.

        Of its cells those are executed, and kept, that `choose` gives back.

        One that runs out of memory, the machine's, the GPU's or its limit, is run once more with half
        the tokens in a batch (see `batching`).

        Raises:
            Stopped: `stop` was called.
            OSError, ValueError: the source is no notebook.
        """
        options = options or KernelOptions()
        run = functools.partial(self._run, notebook, parameters, cwd, options, choose)
        done = run(env)
        if done.error and _NO_MEMORY.search(done.error):
            fewer = {batching.VARIABLE: str(batching.share(env) / 2)}
            done = run(env | fewer)
            error = done.error and f"{done.error} (also with smaller batches)"
            done = replace(done, error=error, attempts=2)
        return done

    def _run(
        self,
        notebook: Path,
        parameters: dict,
        cwd: Path,
        options: KernelOptions,
        choose: Callable[[list], list],
        env: dict,
    ) -> Execution:
        server = self.server if options.warm and self._can_be_warm(env) else None
        self._live.check()
        job = Job(cwd, env, options, self._live, server)
        done = execute.execute(notebook, parameters, job, choose)
        if done.error:
            self._live.check()
        return done

    def _can_be_warm(self, env: dict[str, str]) -> bool:
        """Whether there is a server to fork from; if not, say why, once."""
        try:
            self.server(env)
        except WarmStartError as problem:
            if not self._live.stopped and str(problem) not in self._told:
                self._told.add(str(problem))
                print(f"kernels start cold: {problem}", file=sys.stderr, flush=True)
            return False
        return True

    def server(self, env: dict[str, str]) -> ForkServer:
        """The server for kernels with this environment; started at the first call, and after an edit.

        Raises:
            WarmStartError: it cannot be started; the same again at each call until `close`.
        """
        key = self._key(env)
        with self._starting:
            found = self._servers.get(key)
            if found is None or (isinstance(found, ForkServer) and not found.is_alive()):
                found = self._servers[key] = self._start(env)
        if isinstance(found, WarmStartError):
            raise found
        return found

    def _start(self, env: dict[str, str]) -> ForkServer | WarmStartError:
        try:
            return ForkServer(self._shared(env), self._modules, self._note)
        except WarmStartError as problem:
            return problem

    def _note(self, process: subprocess.Popen) -> None:
        self._processes.append(process)
        if self._live.stopped:
            process.kill()

    def _shared(self, env: dict[str, str]) -> dict[str, str]:
        own = self._of_the_kernel
        return {k: v for k, v in env.items() if k not in own and not k.startswith("JPY_")}

    def _key(self, env: dict[str, str]) -> str:
        sources = []
        for path in sorted(self._sources.rglob("*.py")) if self._sources else ():
            with suppress(OSError):  # an editor may be replacing it
                about = path.stat()
                sources.append((str(path), about.st_mtime_ns, about.st_size))
        state = json.dumps([sorted(self._shared(env).items()), sources])
        return hashlib.sha256(state.encode()).hexdigest()

    def stop(self) -> None:
        """Kill all kernels, their children and the servers; let no other start."""
        self._live.stop()
        for process in list(self._processes):
            process.kill()

    def close(self) -> None:
        """End all servers, and any kernels of theirs."""
        with self._starting:
            for each in self._servers.values():
                if isinstance(each, ForkServer):
                    each.close()
            self._servers.clear()
