"""How far a run has come, on stderr: for each experiment done of total, failures, rate, time left.

On a terminal each experiment has a bar of its own. Elsewhere, in a log file say, there is now and then
a line for each experiment that has moved.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pythia_utils.base.progress import say
from pythia_utils.base.units import duration
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome


class Progress:
    """Shows outcomes as they come.

    Args:
        cells: all that will run.
        quiet: show nothing at all.
        verbose: a line for each cell, too.
    """

    every = 5.0  # seconds between reports where there is no terminal

    def __init__(self, cells: Iterable[Cell], quiet: bool = False, verbose: bool = False) -> None:
        self.totals = Counter(cell.experiment for cell in cells)
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.quiet, self.verbose = quiet, verbose
        self.started = self.shown = time.monotonic()
        self._moved: dict[str, None] = {}
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            # Measured here: where a terminal does not tell its size, tqdm would show nothing.
            size = shutil.get_terminal_size()
            shape = {"ncols": size.columns, "nrows": size.lines, "file": sys.stderr}
            width = max(map(len, self.totals))
            for name, total in self.totals.items():
                self._bars[name] = tqdm(total=total, desc=name.ljust(width), unit="cell", **shape)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bars as they are; what is printed from now on comes below them."""
        for bar in self._bars.values():
            bar.close()
        self._bars = {}

    def update(self, cell: Cell, outcome: Outcome) -> None:
        """Count one more outcome, and show it."""
        name = cell.experiment
        self.done[name] += 1
        self.failed[name] += outcome.status == "failed"
        self._moved[name] = None
        if self.quiet:
            return
        if self.verbose or outcome.status == "failed":
            self.note(_one(outcome))
        if bar := self._bars.get(name):
            bar.set_postfix(failed=self.failed[name], refresh=False)
            bar.update()
        elif self._is_due(name):
            self.shown = time.monotonic()
            for moved in self._moved:
                say(self._line(moved))
            self._moved = {}

    def note(self, text: str) -> None:
        """Say something in between."""
        if self.quiet:
            return
        if self._bars:
            next(iter(self._bars.values())).write(text, file=sys.stderr)
        else:
            say(text)

    def _is_due(self, name: str) -> bool:
        first = sum(self.done.values()) == 1
        late = time.monotonic() - self.shown >= self.every
        return first or late or self.done[name] == self.totals[name]

    def _line(self, name: str) -> str:
        """The experiment's state; its time left is that of the cells that have not come, at its rate."""
        done, total = self.done[name], self.totals[name]
        rate = done / max(time.monotonic() - self.started, 1e-9)
        left = f"{duration((total - done) / rate)} left" if done < total else "complete"
        return (
            f"{name}: {done}/{total} · {self.failed[name]} failed · "
            f"{60 * rate:.3g} a minute · {left}"
        )


def _one(outcome: Outcome) -> str:
    reason = f" · {outcome.error}" if outcome.error else ""
    return f"{outcome.status} {outcome.cell_id} {outcome.seconds:.1f} s{reason}"
