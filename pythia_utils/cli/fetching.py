"""Bringing things from the Hub, one by one: what fails stops no other, and is told in a table at the end.

What is there already is not fetched again, so a fetch that was cut off goes on where it stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pythia_utils.base.files import free_space
from pythia_utils.base.http import FetchError, GaveUpError, MissingFileError
from pythia_utils.base.progress import Bar, say
from pythia_utils.base.terminal import aligned
from pythia_utils.base.units import show_size
from pythia_utils.suites.hub.hugging_face import cache_folder
from pythia_utils.suites.hub.weight_files import CorruptFileError

CHECKPOINT, TOKENIZER, FILE, RANGE = "checkpoint", "tokenizer", "file", "range"  # kinds of items
Row = dict[str, Any]
Report = Callable[[int], object]
_T = TypeVar("_T")
_HOPELESS = 2  # items after another for which the Hub was not to be reached: then no more are tried


@dataclass
class Item:
    """One thing to bring.

    Attributes:
        what: names it.
        kind: of things, as the summary counts them: `CHECKPOINT` and so on; of a file and a range its parts.
        of: the model or data set that it is of.
        parts: bytes of all of it, by a key that items share which share bytes.
        missing: those of them that are to be fetched.
        bring: fetches what is missing, and tells how it went on; gives what is told of it on stdout.
    """

    what: str
    kind: str
    of: str
    parts: dict[str, int]
    missing: dict[str, int]
    bring: Callable[[Report], Row]


class Patience:
    """Runs work that asks the Hub, until that was not to be reached for two of them in a row."""

    def __init__(self) -> None:
        self._given_up = 0

    def attempt(self, work: Callable[[], _T]) -> _T:
        """What `work` gives.

        Raises:
            FetchError: of the work; or it is not tried any more.
        """
        if self._given_up >= _HOPELESS:
            raise FetchError("not tried, for the Hub is not to be reached")
        try:
            result = work()
        except GaveUpError:
            self._given_up += 1
            raise
        self._given_up = 0
        return result


@dataclass
class Plan:
    """What is to be brought, and what cannot be.

    Attributes:
        items: in order.
        failed: what, and why; in order.
        patience: with the Hub.
    """

    items: list[Item] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)

    def add(self, what: str, make: Callable[[], Item]) -> None:
        """Add the item that `make` gives, or why it gives none."""
        with self.telling(what):
            self.items.append(self.patience.attempt(make))

    @contextmanager
    def telling(self, what: str, *others: type[Exception]) -> Iterator[None]:
        """Take down what the Hub does not deliver in a block, and `others`, as the failure of `what`."""
        try:
            yield
        except (FetchError, CorruptFileError, MissingFileError, *others) as failure:
            self.failed.append((what, str(failure)))

    @property
    def to_fetch(self) -> int:
        """Bytes; what items share counts once."""
        return _bytes(item.missing for item in self.items)

    def size_of(self, kind: str) -> int:
        """Bytes of all things of a kind, whether they are there or not."""
        return _bytes(item.parts for item in self.items if item.kind == kind)

    def announce(self) -> None:
        """Say what is about to be fetched, on stderr.

        Raises:
            FetchError: the disk has no room for it.
        """
        kinds: dict[str, list[Item]] = {}
        for item in self.items:
            kinds.setdefault(item.kind, []).append(item)
        for kind, items in kinds.items():
            say(_summary(kind, items))
        if len(kinds) > 1:
            say(f"in all {show_size(self.to_fetch)} to fetch")
        free = free_space(cache_folder())
        if self.to_fetch > free:
            raise FetchError(
                f"{cache_folder()}: {show_size(self.to_fetch)} to fetch, {show_size(free)} free on the disk"
            )

    def bring(self, quiet: bool) -> list[Row]:
        """Bring everything; gives what is told of each item that is there now."""
        rows, lock = [], threading.Lock()
        with Bar(self.to_fetch, "fetching", "B", quiet=quiet) as bar:

            def report(size: int) -> None:
                with lock:  # pieces come in several threads
                    bar.advance(size)

            for item in self.items:
                bar.label = item.what
                with self.telling(item.what):
                    rows.append(self.patience.attempt(partial(item.bring, report)))
        return rows

    def tell_failures(self) -> None:
        """The table of what could not be brought, on stderr; nothing if all was.

        Raises:
            FetchError: there was but one thing to bring, and it failed.
        """
        failed = list(dict.fromkeys(self.failed))
        if len(failed) == 1 and not self.items:
            raise FetchError(": ".join(failed[0]))
        if failed:
            say("not fetched:")
            say(aligned(failed))


def _summary(kind: str, items: list[Item]) -> str:
    """`2 checkpoints of pythia-14m: 12 MB to fetch, of 24 MB`."""
    owners = list(dict.fromkeys(item.of for item in items))
    counted = sum(len(item.parts) for item in items) if kind in (FILE, RANGE) else len(items)
    many = f"{counted} {kind}{'s' * (counted != 1)}"
    whose = ", ".join(owners) if len(owners) < 4 else f"{len(owners)} models"
    missing, whole = (
        _bytes(each) for each in ([i.missing for i in items], [i.parts for i in items])
    )
    return f"{many} of {whose}: {show_size(missing)} to fetch, of {show_size(whole)}"


def _bytes(parts: Iterable[dict[str, int]]) -> int:
    """Of all; what is in several counts once."""
    return sum({key: size for each in parts for key, size in each.items()}.values())
