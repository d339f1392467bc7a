"""Run cells in parallel, whatever fails or is interrupted.

`plan` (in ledger.py) chooses the cells. `run_cell` runs one and never raises: it is the unit that
any executor can carry. `run` carries them by a thread pool, in which each notebook's kernel is a
process of its own.

What is on disk is right at any moment: the records are written first, then the notebook appears
under its name, then the ledger gets its line. A cell without that line is run again.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pythia_utils import records
from pythia_utils.cells import Cell
from pythia_utils.kernel_options import KernelOptions
from pythia_utils.ledger import Ledger, Outcome, plan
from pythia_utils.provenance import PACKAGE, atomic_write

__all__ = ["Ledger", "Outcome", "exit_code", "failure_table", "plan", "run", "run_cell"]

STOP_WITHIN = 4.0  # seconds that interrupted cells have to clean up


def run_cell(cell: Cell, threads: int = 1, options: KernelOptions | None = None) -> Outcome:
    """Run one cell and put its notebook and records in place. Never raises.

    Args:
        cell: what to run.
        threads: that the notebook's numerical libraries may use.
        options: how its kernel starts, and its limits.
    """
    from pythia_utils import kernels

    started = time.monotonic()
    try:
        parts = cell.parts()
        fingerprint = cell.fingerprint(parts)
        env = _environment(cell, threads)
        done = kernels.execute(cell.notebook, cell.parameters, cell.root, env, options)
        notebook, error = done.notebook, done.error
        seconds = round(time.monotonic() - started, 2)
        _describe(notebook, cell, fingerprint, seconds, error)
        if error is None:
            rows = _keep(cell, notebook)
            return Outcome(cell.id, "done", seconds, None, cell.output, fingerprint, parts, rows)
        _write_notebook(cell.failed, notebook)
        return Outcome(cell.id, "failed", seconds, error, cell.failed, fingerprint, parts)
    except kernels.Stopped:
        return Outcome(cell.id, "interrupted", time.monotonic() - started)
    except Exception as failure:
        error = kernels.first_line(f"{type(failure).__name__}: {failure}")
        return Outcome(cell.id, "failed", time.monotonic() - started, error)


def _environment(cell: Cell, threads: int) -> dict[str, str]:
    # Kernels import the very package whose sources are in the fingerprint, in a checkout too.
    paths = [str(PACKAGE.parent)] if (PACKAGE.parent / "pyproject.toml").is_file() else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        "PYTHIA_RUNS": str(cell.runs),
        # Set to `agg` in many a CI: then figures would be missing from the notebooks.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def _describe(
    notebook: Any, cell: Cell, fingerprint: str, seconds: float, error: str | None
) -> None:
    """Say in the notebook's metadata what it is, and drop what differs between equal runs."""
    notebook.metadata["pythia"] = {
        "cell": cell.id,
        "fingerprint": fingerprint,
        "seconds": seconds,
        "parameters": cell.parameters,
        **({"error": error} if error else {}),
    }
    notebook.metadata["papermill"] = {"exception": bool(error), "parameters": cell.parameters}
    notebook.metadata.setdefault(
        "kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"}
    )
    for each in notebook.cells:
        each.metadata.pop("papermill", None)
        if "injected-parameters" in each.metadata.get("tags", ()):
            each["id"] = "injected-parameters"


def _keep(cell: Cell, notebook: Any) -> int | None:
    """Records first, then the notebook: when the notebook is there, so are its records."""
    frame = records.from_notebook(notebook)
    if frame is None:
        cell.records.unlink(missing_ok=True)
    else:
        records.write(cell.records, frame)
    _write_notebook(cell.output, notebook)
    cell.failed.unlink(missing_ok=True)
    return None if frame is None else len(frame)


def _write_notebook(path: Path, notebook: Any) -> None:
    import nbformat

    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)


# --- All cells -------------------------------------------------------------------------------


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    cells: Iterable[Cell],
    ledger: Ledger,
    workers: int | None = None,
    quiet: bool = False,
    options: KernelOptions | None = None,
) -> list[Outcome]:
    """Run cells in parallel; one that fails does not stop the others.

    A first Ctrl-C or SIGTERM kills the running notebooks and returns within seconds: the finished
    are kept, the others come back as `interrupted`.

    Args:
        cells: what to run, each of them; see `plan`.
        ledger: gets a line for each cell that was done or failed.
        workers: notebooks at a time; as many as there are cores by default.
        quiet: show no progress.
        options: how kernels start, and their limits.

    Returns:
        One outcome a cell, in the order of `cells`.
    """
    from pythia_utils import kernels, warm_kernels

    cells = list({cell.id: cell for cell in cells}.values())
    if not cells:
        return []
    workers = max(1, min(workers or usable_cores(), len(cells)))
    threads = max(1, usable_cores() // workers)
    options = options or KernelOptions()
    if len(cells) <= workers:  # to load a server takes as long as to start one cold kernel
        options = replace(options, warm=False)
    outcomes = {cell.id: Outcome(cell.id, "interrupted") for cell in cells}
    kernels.live.reset()
    with _stop_signals() as stop, _Progress(len(cells), quiet) as progress:
        executor = _executor(workers)
        futures = [executor.submit(run_cell, cell, threads, options) for cell in cells]
        for outcome in _as_they_finish(futures, stop, progress):
            outcomes[outcome.cell_id] = outcome
            if outcome.status != "interrupted":
                ledger.append(outcome)
                progress.update(outcome)
        executor.shutdown(wait=not stop.requested, cancel_futures=True)
        warm_kernels.close()
    return list(outcomes.values())


def _executor(workers: int) -> Executor:
    """What carries `run_cell`: here threads, for the work is done in the kernels' processes."""
    return ThreadPoolExecutor(workers, thread_name_prefix="pythia-cell")


def _as_they_finish(futures: list[Future], stop: _Stop, progress: _Progress) -> Iterator[Outcome]:
    """Outcomes as they come; after `stop`, only those that come within `STOP_WITHIN`."""
    from pythia_utils import kernels

    finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(finished.put)
    waiting, deadline = len(futures), None
    while waiting and (deadline is None or time.monotonic() < deadline):
        if stop.requested and deadline is None:
            deadline = time.monotonic() + STOP_WITHIN
            progress.close()
            for future in futures:
                future.cancel()
            killed = kernels.live.stop()
            _say(f"interrupted: stopped {killed} running notebooks; run again to go on from here")
        try:
            future = finished.get(timeout=0.1)
        except queue.Empty:
            continue
        waiting -= 1
        if not future.cancelled():
            yield future.result()


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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _Progress:
    """Done, failures, rate and time left: a bar on a terminal, now and then a line elsewhere."""

    every = 5.0  # seconds between lines where there is no terminal

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.quiet = total, quiet
        self.done = self.failed = 0
        self.started = self.shown = time.monotonic()
        self.bar = None

    def __enter__(self) -> _Progress:
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            # Measured here: where a terminal does not tell its size, tqdm would show nothing.
            size = shutil.get_terminal_size()
            shape = {"ncols": size.columns, "nrows": size.lines}
            self.bar = tqdm(total=self.total, unit="cell", file=sys.stderr, **shape)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def update(self, outcome: Outcome) -> None:
        self.done += 1
        self.failed += outcome.status == "failed"
        if self.bar is not None:
            self.bar.set_postfix(failed=self.failed, refresh=False)
            self.bar.update()
        elif not self.quiet and self._is_due(outcome):
            self.shown = time.monotonic()
            _say(self._line(outcome))

    def _is_due(self, outcome: Outcome) -> bool:
        late = time.monotonic() - self.shown >= self.every
        return late or outcome.status == "failed" or self.done in (1, self.total)

    def _line(self, outcome: Outcome) -> str:
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        left = (self.total - self.done) / rate
        return (
            f"[{self.done}/{self.total}] {outcome.status} {outcome.cell_id} "
            f"{outcome.seconds:.1f} s · {self.failed} failed · {60 * rate:.3g} a minute · "
            f"{left:.0f} s left"
        )
