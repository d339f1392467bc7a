"""Where cells run: threads of this process, or dask's workers on this machine, a cluster, a cloud.

`choose` turns what users write (`local:4`, `slurm`, `tcp://host:port`) into a scheduler. Each carries
the same `worker.run_cell` and gives back its outcome. With threads the work is done in the kernels'
processes. With dask a worker that dies loses nothing: its cells are given to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.engine import worker
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome

if TYPE_CHECKING:
    from pythia_utils.engine.kernels.options import KernelOptions

FORMS = ("threads", "local:4", "slurm", "tcp://host:8786")


class Scheduler(Protocol):
    """What `runner.run` needs: a context manager that takes cells and gives futures."""

    dashboard: str | None  # an address to watch it at
    here: bool  # notebooks run on this machine

    def __enter__(self) -> Scheduler:
        """Start it, or connect to it."""

    def __exit__(self, *_: object) -> None:
        """End all that `__enter__` started, at once where `stop` was called before."""

    def submit(self, cell: Cell, options: KernelOptions | None = None) -> Any:
        """Queue a cell. The future that comes back has `add_done_callback` and `cancel`."""

    def result(self, cell: Cell, future: Any) -> Outcome | None:
        """What became of a future that is done; None if it was cancelled. Never raises."""

    def stop(self, futures: Iterable[Any]) -> None:
        """Kill the running notebooks and start no other."""

    def workers(self) -> int:
        """How many workers there are at the moment."""


def choose(
    spec: str = "threads", workers: int | None = None, settings: Path | None = None
) -> Scheduler:
    """The scheduler that a user asks for. Nothing is started yet.

    Args:
        spec: `threads`; `local:N` for N worker processes here; `slurm` for jobs of a SLURM cluster;
            the address of a dask scheduler that runs already, `tcp://host:port` or `tls://...`, whose
            certificates dask's own settings name.
        workers: for `threads`, notebooks at a time; for `slurm`, jobs.
        settings: YAML file of dask-jobqueue's settings, for `slurm`.

    Raises:
        UsageError: none of these, a fault in the settings, or a package that is not installed.
    """
    if settings is not None and spec != "slurm":
        raise UsageError(f"--cluster-config is for --scheduler slurm, not {quoted(spec)}")
    if spec == "threads":
        return Threads(workers)
    local = _local_workers(spec)
    if not (local or spec == "slurm" or _is_address(spec)):
        raise unknown("scheduler", spec, FORMS)
    more = {"slurm": ["dask_jobqueue", "cryptography"]}.get(spec, ["cryptography"] if local else [])
    _require("distributed", *more)
    from pythia_utils.engine import dask_schedulers, slurm

    if spec == "slurm":
        return slurm.scheduler(settings, workers)
    return dask_schedulers.local(local) if local else dask_schedulers.connect(spec)


def _local_workers(spec: str) -> int | None:
    """N of `local:N`; None for another text.

    Raises:
        UsageError: N is no number of processes that a machine could run.
    """
    if not spec.startswith("local:"):
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}", number := spec.removeprefix("local:")):
        raise UsageError(f"--scheduler local:N: N is {quoted(number)}; expected 1 to 9999 workers")
    return int(number)


def _is_address(spec: str) -> bool:
    """Whether a text is `tcp://host:port` or the like, with a port that there can be."""
    try:
        parts = urlsplit(spec)
        return parts.scheme in ("tcp", "tls", "ws", "wss") and bool(parts.hostname and parts.port)
    except ValueError:  # of brackets, of the port
        return False


def _require(*modules: str) -> None:
    """Raise UsageError if one of the extra `cluster`'s modules is not installed."""
    if missing := [name.replace("_", "-") for name in modules if find_spec(name) is None]:
        raise UsageError(
            f"this scheduler needs {' and '.join(missing)}; run: pip install -e '.[cluster]'"
        )


class Threads:
    """Threads of this process, each of which waits for its kernel's.

    Args:
        workers: notebooks at a time; as many as there are cores by default.
    """

    dashboard = None
    here = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or worker.usable_cores()
        self._threads = max(1, worker.usable_cores() // self._workers)
        self._stopped = False

    def __enter__(self) -> Threads:
        from pythia_utils.engine.preload import kernel_pool

        self._kernels = kernel_pool()
        self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="pythia-cell")
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            self.stop(())
        self._executor.shutdown(wait=not self._stopped, cancel_futures=True)
        self._kernels.close()

    def submit(self, cell: Cell, options: KernelOptions | None = None) -> Future:
        """Queue a cell."""
        return self._executor.submit(worker.run_cell, cell, self._kernels, self._threads, options)

    def result(self, cell: Cell, future: Future) -> Outcome | None:
        """The cell's outcome, None if it was cancelled."""
        return None if future.cancelled() else future.result()

    def stop(self, futures: Iterable[Future]) -> None:
        """Kill the running notebooks and start no other."""
        self._stopped = True
        for future in futures:
            future.cancel()
        self._kernels.stop()

    def workers(self) -> int:
        """The number of threads."""
        return self._workers
