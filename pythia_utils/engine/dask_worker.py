"""What a dask worker does for a run: it has the run's kernels, and runs its cells in them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from distributed import Worker, WorkerPlugin, get_worker

from pythia_utils.engine import worker
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome

if TYPE_CHECKING:
    from pythia_utils.engine.kernels.options import KernelOptions


class RunKernels(WorkerPlugin):
    """The kernels of one run on one worker, from when the worker or the run starts to when either ends."""

    def __init__(self) -> None:
        self.name = f"pythia-kernels-{secrets.token_hex(8)}"

    def setup(self, worker: Worker) -> None:
        """On the worker, before its first cell."""
        from pythia_utils.engine.preload import kernel_pool

        self.pool = kernel_pool()

    def teardown(self, worker: Worker) -> None:
        """On the worker: end what still runs."""
        self.pool.stop()
        self.pool.close()


def run_cell(
    run: str, cell: Cell, threads: int | None, options: KernelOptions | None, source: str
) -> Outcome:
    """As `worker.run_cell`, in the `RunKernels` of that name.

    By default the notebook may use a fair part of the worker's cores.
    """
    here = get_worker()
    threads = threads or max(1, worker.usable_cores() // here.state.nthreads)
    return worker.run_cell(cell, here.plugins[run].pool, threads, options, source)


def stop_kernels(run: str, dask_worker: Worker) -> None:
    """Kill a run's notebooks on a worker, and let no other start."""
    dask_worker.plugins[run].pool.stop()
