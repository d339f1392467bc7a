"""Run one notebook in a kernel: papermill's parts, put together without what it keeps for a whole process.

Papermill injects the parameters, runs the cells and marks the one that failed. Its registry of engines
and its file handlers are not used, nor its `cwd`, which changes the folder of the whole process: so
threads are safe.

This module imports papermill (0.2 s); import it late.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from papermill.engines import NotebookExecutionManager
from papermill.exceptions import PapermillExecutionError
from papermill.execute import raise_for_execution_errors, remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from pythia_utils.base.errors import first_line
from pythia_utils.engine.kernels.client import Client, Job, KernelManager

_KERNEL = {"kernel_name": "python3", "language": "python"}
# Failures are in the outcome: nbclient's log has nothing to add.
_SILENT = logging.Logger(__name__, logging.CRITICAL)


@dataclass(frozen=True)
class Execution:
    """What became of one notebook.

    Attributes:
        notebook: as executed, up to where it came.
        error: in one line, None if all is well.
        peak_memory_bytes: the most that the kernel and its children held; None if not known.
        device: what the notebook computed on: `cpu`, `cuda` or `mps`; None if the kernel died.
        attempts: 2 if it ran out of memory and was run again with smaller batches, else 1.
    """

    notebook: nbformat.NotebookNode
    error: str | None
    peak_memory_bytes: int | None = None
    device: str | None = None
    attempts: int = 1


def execute(
    path: Path, parameters: dict[str, Any], job: Job, choose: Callable[[list], list] = list
) -> Execution:
    """Execute a notebook; its source is not changed, and nothing is written.

    The parameters replace the defaults of the cell tagged `parameters`; the job gets what comes to be
    known. All that the notebook started has ended when this returns. `choose` says which of its cells
    there are.

    Raises:
        OSError, ValueError: the source is no notebook.
    """
    notebook = load_notebook_node(str(path))
    notebook.cells = choose(notebook.cells)
    if parameters:
        notebook = parameterize_notebook(notebook, parameters, **_KERNEL)
    job.notebook = remove_error_markers(notebook)
    error = None
    try:
        _run_cells(job)
        if _unforeseen(job.notebook):  # papermill itself knows no errors that are meant
            raise_for_execution_errors(job.notebook, None)
    except PapermillExecutionError:
        error = _unforeseen(job.notebook)
    except DeadKernelError:
        error = job.death()
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    finally:
        _close_event_loop()
        job.close()
    error = job.problem() or error or _unforeseen(job.notebook)
    peak = job.watch.peak_bytes if job.watch else None
    return Execution(
        job.notebook, error and first_line(error), peak_memory_bytes=peak, device=job.device
    )


def _run_cells(job: Job) -> None:
    manager = NotebookExecutionManager(job.notebook, progress_bar=False)
    client = Client(
        manager,
        km=KernelManager.of(job),
        kernel_name=_KERNEL["kernel_name"],
        timeout=None,
        timeout_func=lambda _: job.options.timeout,  # `timeout` is of whole seconds
        startup_timeout=120,
        iopub_timeout=60,
        record_timing=False,
        log=_SILENT,
    )
    client.job = job
    client.on_cell_executed = client.stop_if_overdue
    manager.notebook_start()
    try:
        client.execute(env=job.env, cwd=str(job.folder), cleanup_kc=True)
    finally:
        manager.notebook_complete()


def _unforeseen(notebook: nbformat.NotebookNode) -> str | None:
    """The first error of a cell that is not tagged `raises-exception`: such a cell is there to show its error.

    Papermill takes `sys.exit(0)` for success, but the cells after it have not run.
    """
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
