"""The truth about a grid: what is done, stale, failed or missing, what it took, what is still to pay."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from pythia_utils.base.errors import UsageError
from pythia_utils.base.units import duration
from pythia_utils.grid import planning
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.config import Config
from pythia_utils.grid.expand import chapters, expand
from pythia_utils.grid.ledger import Ledger
from pythia_utils.grid.planning import NO_CHECKPOINT, state
from pythia_utils.grid.records import record_files, runs_dir
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import find_model

WHOLE = ""  # in place of a profile's name: all models of a suite of your own, at all their steps
STATES = ("done", "stale", "failed", "missing")


@dataclass(frozen=True)
class Status:
    """Where one cell stands.

    Attributes:
        cell: the cell.
        state: `done`, `stale` (it ran, but something has changed since), `failed` or `missing`.
        reason: why it would run now, in words; None if it would not.
        entry: its last line in the ledger; empty if it never ran.
    """

    cell: Cell
    state: str
    reason: str | None
    entry: dict[str, Any]

    def row(self) -> dict[str, Any]:
        """For tables and JSON. Values that are not known are None."""
        known = ("seconds", "peak_memory_bytes", "device", "error", "finished")
        return {
            "cell": self.cell.id,
            "experiment": self.cell.experiment,
            "model": self.cell.parameters.get("model"),
            "step": self.cell.parameters.get("step"),
            "state": self.state,
            "reason": self.reason,
            **{name: self.entry.get(name) for name in known},
        }


def survey(cells: Iterable[Cell], ledger: Ledger) -> list[Status]:
    """The status of each cell, in their order.

    A cell that has run, and whose checkpoint is not on this machine, is taken to be done: there is
    nothing that could have changed.
    """
    entries, found = ledger.last(), []
    for cell, reason in planning.plan(cells, ledger, dry_run=True):
        entry = entries.get(cell.id, {})
        if reason == NO_CHECKPOINT and entry.get("status") == "done" and cell.output.is_file():
            reason = None
        elif reason == NO_CHECKPOINT and entry.get("status") == "failed":
            reason = "failed before"
        found.append(Status(cell, state(reason), reason, entry))
    return found


@dataclass(frozen=True)
class SuiteStatus:
    """Where a suite stands.

    Attributes:
        profile: its profile of which most is done; None if none is a grid of this suite. Of one of your own
            without a profile all its models and steps stand for one.
        statuses: of that profile's cells, then of the suite's chapters and pages.
    """

    profile: str | None
    statuses: list[Status]

    def chapters(self) -> list[tuple[Cell, str | None]]:
        """A plan of the chapters and pages that have something to tell."""
        of = [each for each in self.statuses if each.cell.kind == "chapter" and each.cell.inputs]
        return [(each.cell, each.reason) for each in of]

    def after(self, ledger: Ledger) -> SuiteStatus:
        """Once more, when some of the cells have run. No other has changed by that."""
        entries = ledger.last()
        return replace(self, statuses=[_renewed(s, entries.get(s.cell.id)) for s in self.statuses])


def _renewed(old: Status, entry: dict[str, Any] | None) -> Status:
    if entry is None or entry == old.entry:
        return old
    reason = None if entry["status"] == "done" else "failed before"
    return Status(old.cell, state(reason), reason, entry)


def survey_suite(
    config: Config, suite: str, ledger: Ledger, only: Collection[str] | None = None
) -> SuiteStatus:
    """The status of a suite's cells and chapters, by one plan of all its profiles.

    Args:
        only: names of the experiments and pages to look at; all by default.

    Raises:
        UsageError: unknown suite, or a fault in the parameters of a notebook.
    """

    def of(cells: Iterable[Cell]) -> list[Cell]:
        return [cell for cell in cells if only is None or cell.experiment in only]

    names = [name for name, grid in config.profiles.items() if grid["suite"] == suite]
    grids = {name: of(expand(config, profile=name)) for name in names}
    if not names and (ran := _that_ran(config, suite)):  # one of your own
        names, grids = [WHOLE], {WHOLE: of(expand(config, ran, suite))}
    cells = chain(*grids.values(), of(chapters(config, suite)))
    found = iter(survey(cells, ledger))
    by_profile = {name: list(islice(found, len(grid))) for name, grid in grids.items()}
    best = max(names, key=lambda name: count(by_profile[name])["done"], default=None)
    statuses = by_profile.get(best, []) + list(found)
    return SuiteStatus(None if best == WHOLE else best, statuses)


def _that_ran(config: Config, suite: str) -> list[str]:
    """Experiments that have been run on a suite of your own, which has no profile."""
    if suite in catalog.built_in_suites():
        return []
    runs = runs_dir(config.root)
    return [name for name in config.experiments if record_files(runs, name, suite)]


def count(statuses: Iterable[Status]) -> dict[str, int]:
    """Cells in each state."""
    found = Counter(status.state for status in statuses)
    return {name: found[name] for name in STATES}


def of_plan(planned: Iterable[tuple[Cell, str | None]], ledger: Ledger) -> list[Status]:
    """The status of the cells of a plan, of which those without a reason count as done."""
    entries = ledger.last()
    return [Status(c, state(reason), reason, entries.get(c.id, {})) for c, reason in planned]


def cost(statuses: Sequence[Status], ledger: Ledger | None = None) -> tuple[float, int]:
    """What the next run would take, from what past ones took.

    A cell is expected to take what it took when it last ran well; else the median of its experiment
    and model; else, for its experiment, the median seconds a parameter times the model's parameters,
    but no less than the quickest; a chapter, the median of chapters.

    Args:
        statuses: of the cells of the run, past and to come.
        ledger: has more past ones, of which those of the same suites count.

    Returns:
        Seconds of one worker, and how many cells nothing is known about.
    """
    known = _Medians(statuses, ledger.last() if ledger else {})
    guesses = [known.guess(status) for status in statuses if status.state != "done"]
    return sum(guess for guess in guesses if guess), guesses.count(None)


class _Medians:
    """Seconds of cells that ran well: each, by experiment and model, by experiment and parameter."""

    def __init__(self, statuses: Sequence[Status], entries: Mapping[str, dict]) -> None:
        self._by_model: dict[tuple, list[float]] = {}
        self._by_size: dict[str, list[tuple[float, int]]] = {}
        for status in statuses:
            if status.entry.get("status") == "done":
                size = self._size(status.cell)
                self._add(self._key(status.cell), status.entry["seconds"], size)
        shown = {status.cell.id for status in statuses}
        suites = {name.partition("/")[0] for name in shown}
        for name, entry in entries.items():
            if name not in shown and entry["status"] == "done" and name.count("/") == 3:
                suite, experiment, model, _ = name.split("/")
                if suite in suites:
                    with suppress(UsageError):  # a model that a suite had once
                        size = find_model(model, suite).total_params
                        self._add((experiment, model), entry["seconds"], size)

    def _add(self, key: tuple[str, str], seconds: float, size: int) -> None:
        self._by_model.setdefault(key, []).append(seconds)
        self._by_size.setdefault(key[0], []).append((seconds, size))

    def guess(self, status: Status) -> float | None:
        if status.entry.get("status") == "done":
            return status.entry["seconds"]
        key = self._key(status.cell)
        if times := self._by_model.get(key):
            return statistics.median(times)
        if not (times := self._by_size.get(key[0])):
            return None
        rate = statistics.median(seconds / size for seconds, size in times)
        return max(rate * self._size(status.cell), min(seconds for seconds, _ in times))

    @staticmethod
    def _key(cell: Cell) -> tuple[str, str]:
        chapter = cell.kind == "chapter"
        return ("chapter", "") if chapter else (cell.experiment, cell.parameters["model"])

    @staticmethod
    def _size(cell: Cell) -> int:
        return 1 if cell.checkpoint is None else find_model(cell.parameters["model"]).total_params


def cost_text(due: int, seconds: float, unknown_cells: int) -> str:
    """What the next run would cost: of `due` cells, as from `cost`."""
    if not due:
        return "nothing to do"
    if due == unknown_cells:
        return f"{due} runs; none like them has run yet, so what they take is not known"
    text = f"{due} runs, about {duration(seconds)} of one worker, from what past runs took"
    return text + (f"; of {unknown_cells} nothing is known" if unknown_cells else "")
