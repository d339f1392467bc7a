"""What a run has to fetch of the Hub, and whether the disk and its budget have room: before it starts.

Sizes are asked by one question a repository. Where the Hub does not tell, they follow from the models'
parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import free_space
from pythia_utils.base.units import show_size
from pythia_utils.grid.cells import OPENING, TENSORS_ONLY, Cell
from pythia_utils.grid.notebooks import read_code
from pythia_utils.grid.planning import running_order
from pythia_utils.suites import devices
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.checkpoints import hub_cache
from pythia_utils.suites.hub.sizes import revision_sizes


@dataclass(frozen=True)
class FetchPlan:
    """The Hub's checkpoints that some cells open.

    Attributes:
        cells: by checkpoint, in the order in which they are to run.
        sizes: bytes of each that is not in the cache, about.
        told: those of them whose size the Hub has told.
        held: bytes that this program has fetched before and that are in the cache.
        free: bytes that the cache's disk has.
        cache: the folder.
    """

    cells: dict[Checkpoint, list[Cell]] = field(default_factory=dict)
    sizes: dict[Checkpoint, int] = field(default_factory=dict)
    told: frozenset[Checkpoint] = frozenset()
    held: int = 0
    free: int = 0
    cache: Path = Path()

    @property
    def there(self) -> list[Checkpoint]:
        """Those that are in the cache, as far as a look at its folders tells."""
        return [checkpoint for checkpoint in self.cells if checkpoint not in self.sizes]

    @property
    def total(self) -> int:
        """Bytes to fetch."""
        return sum(self.sizes.values())

    def most(self, budget: int | None) -> int:
        """Bytes that this program's checkpoints take in the cache at once, at most."""
        return min(self.held + self.total, budget or self.held + self.total)

    def check(self, budget: int | None) -> None:
        """Refuse a run that could not end: of sizes, those count that the Hub has told.

        Raises:
            UsageError: a checkpoint is larger than the budget, or more is to be fetched than the disk has
                room for.
        """
        sizes = {c: size for c, size in self.sizes.items() if c in self.told}
        if not sizes:
            return
        largest = max(sizes, key=sizes.get)
        needed = show_size(sizes[largest])
        if budget is not None and sizes[largest] > budget:
            what = f"{largest.model.name} {largest.revision} alone takes {needed}"
            raise UsageError(f"--disk-budget {show_size(budget)} is too small: {what}")
        to_come = min(sum(sizes.values()), budget or sum(sizes.values()))
        room = self.free + (0 if budget is None else self.held)  # which may be dropped
        if to_come > room:
            hint = f"give --disk-budget, of {needed} or more" if room >= sizes[largest] else ""
            hint = hint or f"the largest checkpoint takes {needed}"
            there = f"{self.cache} has room for {show_size(room)}"
            raise UsageError(f"{show_size(to_come)} to fetch, but {there}; {hint}")

    def in_words(self, budget: int | None) -> str:
        """How many checkpoints are to be fetched, how much that is, and how much lies on the disk at once."""
        if not self.sizes:
            return f"nothing to fetch: {len(self.cells)} checkpoints are in the cache"
        about = show_size(self.total)
        text = f"to fetch: {len(self.sizes)} of {len(self.cells)} checkpoints, about {about}"
        text += "" if self.told else " by their numbers of parameters, for the Hub does not tell"
        return f"{text}; at most {show_size(self.most(budget))} on the disk at once"


def fetch_plan(cells: Iterable[Cell]) -> FetchPlan:
    """What cells open and what of it is to be fetched.

    Notebooks that open no checkpoint, such as one that reads batches alone, do not count, nor cells that read
    single tensors.

    Raises:
        UsageError: a notebook that is none.
    """
    wanted: dict[Checkpoint, list[Cell]] = {}
    opens: dict[Path, bool] = {}
    for cell in running_order(cells):
        if (checkpoint := cell.checkpoint) is None or checkpoint.model.repo_id is None:
            continue
        if cell.notebook not in opens:
            opens[cell.notebook] = OPENING in read_code(cell.notebook).package
        if opens[cell.notebook] and not cell.parameters.get(TENSORS_ONLY):
            wanted.setdefault(checkpoint, []).append(cell)
    return _looked_up(wanted) if wanted else FetchPlan()


def _looked_up(wanted: dict[Checkpoint, list[Cell]]) -> FetchPlan:
    cache = hub_cache()
    missing = [
        c for c in wanted if not cache.holds(c.model.repo_id, c.revision, _commit(wanted[c]))
    ]
    asked: dict[str, list[str]] = {}
    for checkpoint in missing:
        # Where the Hub told no commit when the run was planned, it does not answer, or has none.
        if _commit(wanted[checkpoint]) is not None:
            asked.setdefault(checkpoint.model.repo_id, []).append(checkpoint.revision)
    found = revision_sizes(asked)
    told = frozenset(c for c in missing if c.model.repo_id in found)
    sizes = {c: found[c.model.repo_id] if c in told else _by_parameters(c) for c in missing}
    free = free_space(cache.folder)
    return FetchPlan(wanted, sizes, told, cache.journal.held(), free, cache.folder)


def _commit(cells: Sequence[Cell]) -> str | None:
    return cells[0].commit


def _by_parameters(checkpoint: Checkpoint) -> int:
    model = checkpoint.model
    return model.total_params * devices.BYTES.get(model.dtype, 4)
