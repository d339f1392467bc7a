"""How far a run has come, on stderr: for each experiment done of total, failures, rate, time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pythia_utils.base.progress import Bar
from pythia_utils.engine.worker import IDLE
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome


class Progress:
    """Shows outcomes as they come: a bar an experiment, or now and then a line (see `base.progress`).

    `cells` are all that will run. If verbose, there is a line for each of them, too.
    """

    def __init__(self, cells: Iterable[Cell], quiet: bool = False, verbose: bool = False) -> None:
        totals = Counter(cell.experiment for cell in cells)
        width = max(map(len, totals), default=0)
        self.quiet, self.verbose = quiet, verbose
        self.failed: Counter[str] = Counter()
        self.idle = False  # whether it was told that a GPU lies idle
        self._bars = {
            name: Bar(total, name.ljust(width), "run", quiet=quiet)
            for name, total in totals.items()
        }

    def close(self) -> None:
        """Leave the bars as they are; what is printed from now on comes below them."""
        for bar in self._bars.values():
            bar.close()

    def update(self, cell: Cell, outcome: Outcome) -> None:
        """Count one more outcome, and show it."""
        bar = self._bars[cell.experiment]
        self.failed[cell.experiment] += outcome.status == "failed"
        if self.verbose or outcome.status == "failed":
            self.note(_one(outcome))
        if outcome.device == IDLE and not self.idle:
            self.idle = True
            self.note(f"{outcome.cell_id}: a GPU is there, and PyTorch could not use it")
        first = not any(bar.done for bar in self._bars.values())
        last = bar.done + 1 == bar.total
        bar.advance(1, f"{self.failed[cell.experiment]} failed", now=first or last)

    def note(self, text: str) -> None:
        """Say something in between."""
        next(iter(self._bars.values())).note(text)


def _one(outcome: Outcome) -> str:
    reason = f" · {outcome.error}" if outcome.error else ""
    return f"{outcome.status} {outcome.cell_id} {outcome.seconds:.1f} s{reason}"
