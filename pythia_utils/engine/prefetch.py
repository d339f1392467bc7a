"""Cells as they become ready: those on the Hub's checkpoints when these have come, fetched ahead by a thread.

What is in the cache already is used first. A checkpoint that the run has brought is used by all the cells
that open it and then, where there is a budget of disk, dropped; so the budget holds at any moment. What
other programs brought stays. Cells compute meanwhile, and the time of a download is in none of theirs.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pythia_utils.base.errors import first_line
from pythia_utils.base.progress import Bar, say
from pythia_utils.engine.fetch_plan import FetchPlan
from pythia_utils.engine.gpus import check_memory
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Outcome
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.checkpoints import renew
from pythia_utils.suites.hub.journal import NoRoomError
from pythia_utils.suites.sweep import Stopped, stoppable_cache

if TYPE_CHECKING:
    from pythia_utils.suites.hub.cache import HubCache

_LOOK = 0.1  # seconds between two looks whether all is to stop
_STOP_WITHIN = 2.0  # seconds that a download has to end; the process need not wait for it


class Supply:
    """Hands out the cells of a run; a context manager.

    Args:
        cells: in the order in which they are to run.
        fetching: which of them wait for checkpoints of the Hub. The others are ready.
        budget: bytes that checkpoints fetched by this program may take; None: no limit, nothing is dropped.
        quiet: show no progress.
        here: notebooks run on this machine: a model that it has no memory for is not fetched.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        fetching: FetchPlan | None = None,
        budget: int | None = None,
        quiet: bool = False,
        here: bool = True,
    ) -> None:
        self._plan, self._budget, self._quiet = fetching or FetchPlan(), budget, quiet
        self._here = here
        self._of = {cell.id: c for c, group in self._plan.cells.items() for cell in group}
        self._left = {checkpoint: len(group) for checkpoint, group in self._plan.cells.items()}
        self._come: queue.SimpleQueue = queue.SimpleQueue()
        self._used: queue.SimpleQueue = queue.SimpleQueue()
        self._held: dict[
            Checkpoint, tuple[str, bool]
        ] = {}  # its commit; whether this run brought it
        self._stop = threading.Event()
        self._bytes = 0
        self.waiting = len(cells)
        for cell in cells:
            if cell.id not in self._of:
                self._come.put((cell, None))

    def __enter__(self) -> Supply:
        if self._plan.cells:
            self._cache = stoppable_cache(self._stop, self._budget, self._arrived)
            quiet = self._quiet or not self._plan.sizes
            self._bar = Bar(self._plan.total, "checkpoints", "B", quiet=quiet)
            # A daemon: a download that does not end at once must not keep the process.
            self._thread = threading.Thread(target=self._work, name="pythia-fetch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if not self._plan.cells:
            return
        if kind is not None or self.waiting:
            self.stop()
        self._thread.join(_STOP_WITHIN if self._stop.is_set() else None)
        self._bar.close()

    def stop(self) -> None:
        """Fetch no more, and hand out no other cell that waits for it."""
        self._stop.set()

    # --- the run's side: its own thread -----------------------------------------------------------

    def take(self) -> Iterator[tuple[Cell, Outcome | None]]:
        """The cells that have become ready since the last call; of one that cannot run, how it failed."""
        with suppress(queue.Empty):
            while True:
                found = self._come.get_nowait()
                self.waiting -= 1
                yield found

    def done(self, cell: Cell) -> None:
        """A cell that was handed out has ended: its checkpoint may go, if no other needs it."""
        if (checkpoint := self._of.get(cell.id)) is not None:
            self._left[checkpoint] -= 1
            if not self._left[checkpoint]:
                self._used.put(checkpoint)

    # --- the fetching thread's side ---------------------------------------------------------------

    def _work(self) -> None:
        plan = self._plan
        with suppress(Stopped):
            for checkpoint in (*plan.there, *plan.sizes):
                while self._release(wait=0):
                    pass
                failure = self._bring(checkpoint)
                for cell in plan.cells[checkpoint]:
                    self._come.put((cell, failure and Outcome(cell.id, "failed", 0.0, failure)))
            self._bar.advance(0, now=True)
            while self._held:
                self._check()
                self._release(wait=_LOOK)
        while self._release(wait=0):
            pass

    def _bring(self, checkpoint: Checkpoint) -> str | None:
        """Let a checkpoint be in the cache, to stay. Why it cannot be had, in one line; or None."""
        before = self._bytes
        try:
            cell = self._plan.cells[checkpoint][0]
            if self._here:
                check_memory(checkpoint.model, cell.device, cell.dtype)
            renew(checkpoint, cell.commit)
            commit = self._opened(checkpoint)
            self._cache.keep.add(commit)
            brought = checkpoint in self._plan.sizes or self._bytes > before
            self._held[checkpoint] = commit, brought
        except Stopped:
            raise
        except Exception as failure:  # of the Hub, the disk, the cache: its cells fail, no others
            return first_line(f"{type(failure).__name__}: {failure}")
        finally:
            expected = self._plan.sizes.get(checkpoint, 0)
            self._bar.expect(self._bar.total + self._bytes - before - expected)
        return None

    def _opened(self, checkpoint: Checkpoint) -> str:
        """Open a checkpoint's revision, once there is room for it; its commit."""
        while True:
            self._check()
            try:
                return self._cache.open(checkpoint.model.repo_id, checkpoint.revision).commit
            except NoRoomError:
                if not self._held:
                    raise
            while not self._release(wait=_LOOK):
                self._check()

    def _arrived(self, size: int) -> None:
        self._bytes += size
        self._bar.advance(size)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _release(self, wait: float) -> bool:
        """Let go of a checkpoint that all its cells have used, within seconds; whether there was one."""
        try:
            checkpoint = self._used.get(timeout=wait) if wait else self._used.get_nowait()
        except queue.Empty:
            return False
        commit, brought = self._held.pop(checkpoint)
        if commit not in (other for other, _ in self._held.values()):
            self._cache.keep.discard(commit)
        if brought and self._budget is not None:
            _drop(self._cache, checkpoint, commit)
        return True


def _drop(cache: HubCache, checkpoint: Checkpoint, commit: str) -> None:
    """Take a revision out of the cache that this program has brought; one that cannot go is told."""
    try:
        entry = cache.journal.read(checkpoint.model.repo_id, commit)
        if entry is not None and (entry.fetched or entry.brought):
            cache.journal.drop([entry])
    except Exception as failure:  # of the disk, of the cache's own library
        say(f"pythia: warning: {first_line(failure)}")
