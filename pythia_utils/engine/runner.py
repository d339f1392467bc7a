"""Run all cells of a plan, whatever fails or is interrupted, and keep what comes of them.

`run` hands each cell to a scheduler (threads here, or dask's workers anywhere), which carries it to
`worker.run_cell`. Whatever the scheduler, this process alone writes the results: the records first,
then the notebook appears under its name, then the ledger gets its line. What is on disk is right at
any moment, and a cell without that line is run again.
"""

from __future__ import annotations

import errno
import queue
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pythia_utils.base.files import atomic_write
from pythia_utils.base.progress import say
from pythia_utils.engine.fetch_plan import FetchPlan
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.prefetch import Supply
from pythia_utils.engine.progress import Progress
from pythia_utils.engine.schedulers import Scheduler, Threads
from pythia_utils.engine.worker import FAILED, NOTEBOOK, RECORDS
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.failures import without_cells
from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.grid.planning import running_order

STOP_WITHIN = 2.0  # seconds that interrupted cells have to clean up
_WAIT_FOR_WORKERS = 15.0  # seconds without a worker before that is said
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def run(
    cells: Iterable[Cell],
    ledger: Ledger,
    workers: int | None = None,
    quiet: bool = False,
    options: KernelOptions | None = None,
    verbose: bool = False,
    scheduler: Scheduler | None = None,
    fetching: FetchPlan | None = None,
    budget: int | None = None,
) -> list[Outcome]:
    """Run cells in parallel; one that fails does not stop the others.

    A first Ctrl-C or SIGTERM kills the running notebooks and returns within seconds: the finished
    are kept, the others come back as `interrupted`. The ledger gets a line for each cell that was
    done or failed. By default as many run at a time as there are cores, in threads of this process.

    Args:
        fetching: the checkpoints of the Hub that are fetched here, ahead of the cells that open them;
            without it each notebook fetches its own.
        budget: bytes of disk that they may take, as of `Supply`.

    Returns:
        One outcome a cell, in the order of `cells`.

    Raises:
        OSError: there is no room to keep results; what was kept before is kept.
        UsageError: the scheduler cannot be reached or started.
    """
    cells = list({cell.id: cell for cell in cells}.values())
    if not cells:
        return []
    outcomes = {cell.id: Outcome(cell.id, "interrupted") for cell in cells}
    scheduler = scheduler or Threads(workers)
    supply = Supply(running_order(cells), fetching, budget, quiet, scheduler.here)
    with (
        _stop_signals() as stop,
        scheduler,
        closing(Progress(cells, quiet, verbose)) as progress,
        supply,
    ):
        if scheduler.dashboard:
            progress.note(f"dashboard: {scheduler.dashboard}")
        options = options or KernelOptions()
        if len(cells) <= scheduler.workers():  # loading a server takes as long as a cold kernel
            options = replace(options, warm=False)
        for cell, outcome in _as_they_finish(supply, scheduler, options, stop, progress):
            kept = outcomes[cell.id] = keep(cell, outcome)
            if kept.status != "interrupted":
                ledger.append(kept)
                progress.update(cell, kept)
    return list(outcomes.values())


def keep(cell: Cell, outcome: Outcome) -> Outcome:
    """Put an outcome's files in place. Records first: when the notebook is there, so are they.

    Returns:
        The outcome without the files' contents; as failed if they could not be written.

    Raises:
        OSError: the disk is full or may not be written at all, so that no other cell could be kept.
    """
    paths = {RECORDS: cell.records, NOTEBOOK: cell.output, FAILED: cell.failed}
    if outcome.status == "failed" and not outcome.files:  # before there was a notebook
        told = without_cells(cell.id, cell.parameters, outcome.error or "")
        outcome = replace(outcome, files={FAILED: told})
    kept = replace(outcome, files={}, output=None)
    try:
        if outcome.status == "done" and RECORDS not in outcome.files:
            cell.records.unlink(missing_ok=True)
        for suffix, path in paths.items():
            if suffix in outcome.files:
                if path.is_symlink():
                    path.unlink()  # wherever it leads: a cell's files are in `runs`
                with atomic_write(path) as temporary:
                    temporary.write_bytes(outcome.files[suffix])
                kept = replace(kept, output=path if suffix != RECORDS else None)
        if outcome.status == "done":
            cell.failed.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return replace(kept, status="failed", error=f"{type(error).__name__}: {error}", rows=None)
    return kept


def _as_they_finish(
    supply: Supply, scheduler: Scheduler, options: KernelOptions, stop: _Stop, progress: Progress
) -> Iterator[tuple[Cell, Outcome]]:
    """Outcomes as they come; after `stop`, only those that come within `STOP_WITHIN`."""
    futures: dict[Any, Cell] = {}
    finished: queue.SimpleQueue = queue.SimpleQueue()
    deadline, started = None, time.monotonic()
    while futures or supply.waiting:
        if stop.requested and deadline is None:
            deadline = time.monotonic() + STOP_WITHIN
            progress.close()
            say("interrupted: stopping the running notebooks; run again to go on from here")
            supply.stop()
            scheduler.stop(futures)
        if deadline is None:
            yield from _submit(supply, scheduler, options, stop, futures, finished)
        elif not futures or time.monotonic() > deadline:
            return
        if futures and started and time.monotonic() - started > _WAIT_FOR_WORKERS:
            started = None
            if not scheduler.workers():
                progress.note("no worker has started yet; waiting (Ctrl-C stops)")
        try:
            future = finished.get(timeout=0.1)
        except queue.Empty:
            continue
        cell = futures.pop(future)  # and so dask's workers may forget the result
        if outcome := scheduler.result(cell, future):
            yield cell, outcome
        supply.done(cell)


def _submit(
    supply: Supply,
    scheduler: Scheduler,
    options: KernelOptions,
    stop: _Stop,
    futures: dict[Any, Cell],
    finished: queue.SimpleQueue,
) -> Iterator[tuple[Cell, Outcome]]:
    """Queue the cells that are ready, up to the moment of a `stop`; yield those that cannot run."""
    for cell, failure in supply.take():
        if stop.requested:
            return
        if failure is not None:
            yield cell, failure
            continue
        future = scheduler.submit(cell, options)
        futures[future] = cell
        future.add_done_callback(finished.put)


class _Stop:
    """A signal handler that only remembers; a lock, as in `threading.Event`, could deadlock here."""

    requested = False

    def __call__(self, *_: object) -> None:
        self.requested = True


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    """While cells run, note Ctrl-C and SIGTERM. They reach the main thread only."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


# --- What users see --------------------------------------------------------------------------


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """130 if the run was interrupted, 1 if some cell failed, else 0."""
    statuses = {outcome.status for outcome in outcomes}
    return 130 if "interrupted" in statuses else int("failed" in statuses)


def failure_table(outcomes: Iterable[Outcome]) -> str:
    """What failed, why, and where the notebook is that shows it; empty if nothing failed."""
    lines = []
    for outcome in outcomes:
        if outcome.status == "failed":
            lines += [outcome.cell_id, f"    {outcome.error}"]
            lines += [f"    {_relative(outcome.output)}"] if outcome.output else []
    return "\n".join(lines)


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
