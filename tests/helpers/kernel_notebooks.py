"""Notebooks of a few lines, and kernels to run them: for the tests of kernels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from helpers.commands import ROOT

from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.pool import KernelPool

# All that a kernel needs, and nothing that takes time to import.
LIGHT = ("ipykernel.ipkernel", "ipykernel.kernelapp")
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


def environment(**changes: str) -> dict[str, str]:
    """The environment that `runner` gives kernels, with changes."""
    return os.environ | ENVIRONMENT | changes


def run_cells(
    pool: KernelPool,
    folder: Path,
    *cells: str,
    env: dict[str, str] | None = None,
    **options: object,
) -> Execution:
    """Execute a notebook of these code cells in `folder`, in a kernel of the pool."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    path = folder / "notebook.ipynb"
    nbformat.write(notebook, path)
    return pool.run(path, {}, folder, env or environment(), KernelOptions(**options))


def outputs(execution: Execution) -> list[nbformat.NotebookNode]:
    """The outputs of all cells. (Papermill adds cells of text to a notebook that failed.)"""
    return [out for cell in execution.notebook.cells for out in cell.get("outputs", ())]


def printed(execution: Execution) -> str:
    """All that the notebook printed."""
    return "".join(out.text for out in outputs(execution) if out.output_type == "stream")


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
