"""What `pythia run` looks at before anything runs: the device, what is to be fetched, what it will cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.base.progress import say
from pythia_utils.base.units import parse_size
from pythia_utils.engine import fetch_plan, gpus
from pythia_utils.engine.schedulers import Scheduler
from pythia_utils.grid import status
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Ledger
from pythia_utils.suites import devices

if TYPE_CHECKING:
    from pythia_utils.engine.fetch_plan import FetchPlan

Planned = Sequence[tuple[Cell, str | None]]


def opened_as(
    cells: Iterable[Cell], device: str | None, dtype: str | None, scheduler: Scheduler
) -> list[Cell]:
    """The cells, to open their checkpoints on a device and in a dtype; `auto` is what the environment says.

    Raises:
        UsageError: no such device or dtype, or a GPU that this machine has not, where it runs the cells.
    """
    device, dtype = devices.asked_device(device), devices.asked_dtype(dtype)
    if scheduler.here:
        device, told = gpus.usable(device)
        if told:
            say(f"pythia: warning: {told}")
    return [replace(cell, device=device, dtype=dtype) for cell in cells]


def disk_budget(text: str | None, where: str) -> int | None:
    """Bytes that checkpoints of this program may take; None for no limit.

    Args:
        text: as the user wrote it, if at all.
        where: the scheduler's name.

    Raises:
        UsageError: no size, or notebooks that run where this process cannot see the disk.
    """
    if text is None:
        return None
    if "://" in where:
        told = "the workers at an address fetch checkpoints themselves, each to a disk of its own"
        raise UsageError(f"--disk-budget {text}: {told}; expected threads, local:N or slurm")
    return parse_size(text, "--disk-budget")


def fetched_here(where: str, budget: int | None) -> bool:
    """Whether checkpoints are fetched by this process: it sees the cache that the notebooks read.

    With SLURM, if there is a budget: then the cache must be on a disk that the jobs share.
    """
    if where == "slurm":
        return budget is not None
    return where == "threads" or where.startswith("local:")


def plan_fetching(planned: Planned, budget: int | None, quiet: bool) -> FetchPlan:
    """What the due cells of a plan need of the Hub, said; refused where the disk or the budget is too small.

    Raises:
        UsageError: the disk or the budget is too small.
    """
    found = fetch_plan.fetch_plan([cell for cell, reason in planned if reason])
    found.check(budget)
    if found.cells and not quiet:
        say(found.in_words(budget))
    return found


def say_cost(planned: Planned, history: Ledger) -> None:
    """What the due cells of a plan will take, from what the ledger knows."""
    statuses = status.of_plan(planned, history)
    due = len(statuses) - status.count(statuses)["done"]
    say(f"expected: {status.cost_text(due, *status.cost(statuses, history))}")
