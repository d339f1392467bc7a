"""Run one cell, here or on a machine far away, and bring back all that came of it.

`run_cell` never raises, and writes nothing but in the kernel: the notebook and the records are in the
outcome, for the process that started the run to keep. So a worker needs no file system in common
with it, only this package and the checkpoint.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import first_line
from pythia_utils.base.files import local_path
from pythia_utils.engine import gpus
from pythia_utils.engine.kernels.watch import Stopped
from pythia_utils.grid import records
from pythia_utils.grid.cells import OPENING, Cell
from pythia_utils.grid.ledger import Outcome
from pythia_utils.grid.parts import of_suite
from pythia_utils.suites import devices, folders
from pythia_utils.suites.checkpoints import renew, resolved
from pythia_utils.suites.own import file as suite_file

if TYPE_CHECKING:
    from pythia_utils.engine.kernels.execute import Execution
    from pythia_utils.engine.kernels.options import KernelOptions
    from pythia_utils.engine.kernels.pool import KernelPool

# Variables that name folders of others.
_CACHES = ("HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME")
# Files of an outcome: names end so, after the cell's id.
NOTEBOOK, RECORDS, FAILED = ".ipynb", ".parquet", ".failed.ipynb"
IDLE = "cpu, a GPU lay idle"  # the device of a notebook whose PyTorch could not use the GPU it was given


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_cell(
    cell: Cell,
    kernels: KernelPool,
    threads: int = 1,
    options: KernelOptions | None = None,
    source: str | None = None,
) -> Outcome:
    """Run one cell. Never raises. The contents of the files to keep are in the outcome's `files`.

    Args:
        threads: that the notebook's numerical libraries may use.
        source: the notebook's text, for a machine that may not have its file.
    """
    started = time.monotonic()
    try:
        with _at_hand(cell, source) as here, gpus.own().lent(here) as lent:
            started = time.monotonic()  # that it waited for a GPU is no cost of its own
            if here.checkpoint is not None:
                renew(here.checkpoint, here.commit)
            parts = here.parts()
            environment = _environment(here, threads) | lent
            choose = partial(of_suite, suite=here.parameters.get("suite"))
            what = (here.notebook, here.parameters, here.root, environment, options, choose)
            done = kernels.run(*what)
        if done.device == "cpu" and any(lent.values()) and OPENING in parts["package"]:
            done = replace(done, device=IDLE)
        return _outcome(cell, done, parts, time.monotonic() - started)
    except Stopped:
        return Outcome(cell.id, "interrupted", time.monotonic() - started)
    except Exception as failure:
        error = first_line(f"{type(failure).__name__}: {failure}")
        return Outcome(cell.id, "failed", time.monotonic() - started, error)


@contextmanager
def _at_hand(cell: Cell, source: str | None) -> Iterator[Cell]:
    """The cell itself where this machine has its notebook, else one in a folder made for it."""
    if source is None or _text(cell.notebook) == source:
        yield cell
        return
    with tempfile.TemporaryDirectory(prefix="pythia-") as folder:
        root = Path(folder)
        notebook = root / cell.notebook.name
        notebook.write_text(source, encoding="utf-8")
        yield replace(cell, notebook=notebook, root=root, runs=root / "runs")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _environment(cell: Cell, threads: int) -> dict[str, str]:
    # Kernels are safe by themselves; what a notebook starts finds its modules as it always does.
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    # The kernel works in another folder, where a relative path would be another.
    paths = map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    caches = {name: str(local_path(os.environ[name])) for name in _CACHES if os.environ.get(name)}
    ours = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        "PYTHIA_HOME": str(folders.home()),
        "PYTHIA_RUNS": str(cell.runs),
        suite_file.VARIABLE: os.pathsep.join(map(str, suite_file.named())),
        # By its number a GPU is lent; the kernel sees no other.
        devices.DEVICE: cell.device.partition(":")[0],
        devices.DTYPE: cell.dtype,
        # Set to `agg` in many a CI: then figures would be missing from the notebooks.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return usual | caches | ours


def _outcome(cell: Cell, done: Execution, parts: dict, seconds: float) -> Outcome:
    """What `KernelPool.run` gave, as the files to keep and the facts about them."""
    import nbformat

    fingerprint = cell.fingerprint(parts)
    outcome = Outcome(
        cell.id,
        "failed" if done.error else "done",
        round(seconds, 2),
        done.error,
        fingerprint=fingerprint,
        parts=parts,
        peak_memory_bytes=done.peak_memory_bytes,
        device=done.device,
    )
    _describe(done.notebook, cell, outcome)
    notebook = (nbformat.writes(done.notebook) + "\n").encode()
    outcome = replace(outcome, notebook_sha256=hashlib.sha256(notebook).hexdigest())
    if done.error:
        return replace(outcome, files={FAILED: notebook})
    frame = records.from_notebook(done.notebook, cell.explicit)
    if frame is None:
        return replace(outcome, files={NOTEBOOK: notebook})
    table = records.to_bytes(frame)
    digest = hashlib.sha256(table).hexdigest()
    files = {NOTEBOOK: notebook, RECORDS: table}
    return replace(outcome, rows=len(frame), records_sha256=digest, files=files)


def _describe(notebook: Any, cell: Cell, outcome: Outcome) -> None:
    """Say in the notebook's metadata what it is, and drop what differs between equal runs."""
    notebook.metadata["pythia"] = {
        "cell": cell.id,
        "fingerprint": outcome.fingerprint,
        "seconds": outcome.seconds,
        "parameters": cell.parameters,
        # Read from the cache's journal: the commit and the hashes of the files that were opened.
        **({"weights": resolved(cell.checkpoint)} if cell.checkpoint else {}),
        **({"error": outcome.error} if outcome.error else {}),
    }
    notebook.metadata["papermill"] = {
        "exception": bool(outcome.error),
        "parameters": cell.parameters,
    }
    notebook.metadata.setdefault(
        "kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"}
    )
    for each in notebook.cells:
        each.metadata.pop("papermill", None)
        if "injected-parameters" in each.metadata.get("tags", ()):
            each["id"] = "injected-parameters"
