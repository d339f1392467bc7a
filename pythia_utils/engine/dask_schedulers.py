"""Dask for `pythia run`: worker processes of this machine, or a scheduler that runs already.

Needs the extra `cluster`. A scheduler that we start speaks TLS, with certificates that only its own
processes have: who reaches an open one runs code as its owner. What a cell needs beyond a core is told
to dask as a resource: each worker says how many GPUs it has, each cell how much of one or how many it
takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from distributed import Client, KilledWorker, Nanny, Scheduler, Security, SpecCluster
from distributed.client import Future

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.engine import dask_worker, gpus, worker
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome

LOOPBACK = "127.0.0.1"
_CONNECT_WITHIN = 10  # seconds
_CLOSE_WITHIN = 3
# Ctrl-C in a terminal reaches all its processes, but it is the run that stops its workers.
_IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, lambda *_: None)"


class DaskScheduler:
    """Cells on dask's workers.

    Args:
        start: makes the cluster, or gives the address of a scheduler.
        gpus_each: GPUs of each worker; None to ask the workers.
        gpu_memory: bytes of a GPU; None to ask the workers.
        threads: that a notebook may use; None for a fair part of its worker's cores.
        here: whether all workers are on this machine.
    """

    dashboard: str | None = None

    def __init__(
        self,
        start: Callable[[], SpecCluster | str],
        gpus_each: int | None = None,
        gpu_memory: int | None = None,
        threads: int | None = None,
        here: bool = False,
    ) -> None:
        self._start, self.here = start, here
        self._gpus, self._gpu_memory, self._threads = gpus_each, gpu_memory, threads
        self._cluster: SpecCluster | None = None
        self._submitted = 0
        self._stopped = False
        self._sources: dict[Path, str] = {}

    def __enter__(self) -> DaskScheduler:
        made = self._start()
        if not isinstance(made, str):
            self._cluster = made
        try:
            self._client = Client(made, timeout=_CONNECT_WITHIN)
        except OSError as error:
            self._close_cluster()
            raise UsageError(f"no dask scheduler answers at {made}: {error}") from None
        services = self._client.scheduler_info().get("services", {})
        self.dashboard = self._client.dashboard_link if "dashboard" in services else None
        self._kernels = dask_worker.RunKernels()
        self._client.register_plugin(self._kernels)
        if self._gpus is None:
            self._ask_for_gpus()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None and not self._stopped:
            self.stop(())
        with suppress(Exception):  # a scheduler that is gone needs no goodbye
            if self._client.status == "running":
                self._client.unregister_worker_plugin(self._kernels.name)
            self._client.close(timeout=_CLOSE_WITHIN)
        self._close_cluster()

    def _close_cluster(self) -> None:
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=_CLOSE_WITHIN)

    def _ask_for_gpus(self) -> None:
        """What the workers of a scheduler that is not ours say they have."""
        infos = self._client.scheduler_info(n_workers=-1)["workers"].values()
        counts = [info["resources"].get(gpus.RESOURCE, 0) for info in infos]
        self._gpus = int(max(counts, default=0))
        if self._gpus:
            memories = [
                m for each in self._client.run(gpus.visible).values() for m in each.values()
            ]
            self._gpu_memory = min(memories, default=None)

    def submit(self, cell: Cell, options: KernelOptions | None = None) -> Future:
        """Queue a cell; those that were queued before it go first."""
        if cell.notebook not in self._sources:
            self._sources[cell.notebook] = cell.notebook.read_text(encoding="utf-8")
        self._submitted += 1
        return self._client.submit(
            dask_worker.run_cell,
            self._kernels.name,
            cell,
            self._threads,
            options,
            self._sources[cell.notebook],
            key=f"{cell.id}#{self._submitted}",
            priority=-self._submitted,
            resources=self._resources(cell),
            pure=False,
        )

    def _resources(self, cell: Cell) -> dict[str, float] | None:
        if not self._gpus or not self._gpu_memory:
            return None
        return {gpus.RESOURCE: min(gpus.demand(cell, self._gpu_memory), self._gpus)}

    def result(self, cell: Cell, future: Future) -> Outcome | None:
        """The cell's outcome; failed if workers died of it, or could not take it."""
        if future.cancelled():
            return None
        try:
            return future.result(timeout=_CONNECT_WITHIN)
        except Exception as failure:
            if self._stopped:
                return None
            return Outcome(cell.id, "failed", error=_why(failure))

    def stop(self, futures: Iterable[Future]) -> None:
        """Kill the notebooks on all workers; what waits is not started."""
        self._stopped = True
        with suppress(Exception):  # the scheduler, or a worker, may be what has gone
            self._client.cancel(list(futures), force=True)
        with suppress(Exception):
            self._client.run(
                dask_worker.stop_kernels, self._kernels.name, on_error="ignore", wait=True
            )

    def workers(self) -> int:
        """How many workers have joined."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])


def _why(failure: Exception) -> str:
    """A failure of dask's in one line."""
    if isinstance(failure, KilledWorker):
        died = failure.allowed_failures + 1
        return f"WorkerDied: {died} workers died while they ran it; was their memory too small?"
    return first_line(f"{type(failure).__name__}: {failure}")


# --- Two kinds; `slurm.py` has a third -------------------------------------------------


def connect(address: str) -> DaskScheduler:
    """A dask scheduler that runs already; its workers need this package."""
    return DaskScheduler(lambda: address)


def local(workers: int) -> DaskScheduler:
    """Worker processes of this machine, a notebook at a time each, its GPUs dealt out among them."""
    memory = gpus.visible()
    dealt = [list(memory)[i::workers] for i in range(workers)]
    threads = max(1, worker.usable_cores() // workers)
    most = max(map(len, dealt))
    smallest = min(memory.values(), default=None)
    return DaskScheduler(lambda: _local_cluster(dealt), most, smallest, threads, here=True)


def _local_cluster(dealt: list[list[str]]) -> SpecCluster:
    security = Security.temporary()
    safe = {"host": LOOPBACK, "protocol": "tls", "security": security}
    options = safe | {"port": 0, "dashboard_address": f"{LOOPBACK}:0"}
    common = safe | {"nthreads": 1, "memory_limit": 0, "dashboard": False}
    common |= {"silence_logs": logging.CRITICAL, "preload": [_IGNORE_CTRL_C]}
    specs = {}
    for number, names in enumerate(dealt):
        own = {"env": {"CUDA_VISIBLE_DEVICES": ",".join(names)}}
        own |= {"resources": {gpus.RESOURCE: len(names)}}
        specs[number] = {"cls": Nanny, "options": common | (own if names else {})}
    scheduler = {"cls": Scheduler, "options": options}
    return SpecCluster(specs, scheduler, security=security, silence_logs=logging.CRITICAL)
