"""Telling how far long work has come, on stderr: a bar on a terminal, elsewhere now and then a line."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pythia_utils.base.errors import without_logins
from pythia_utils.base.terminal import show, visible
from pythia_utils.base.units import duration, show_size

_T = TypeVar("_T")
_SHARES = "{desc}{percentage:3.0f}%|{bar:20}| {elapsed}<{remaining} {postfix}"


def say(line: str) -> None:
    """Print a line to stderr, now; the addresses in it without logins."""
    show(without_logins(line), sys.stderr)


class Bar:
    """How far one piece of work has come. Several may be open: their bars stand below one another.

    Args:
        total: all of the work.
        label: what it is; may be set anew as the work goes on.
        unit: what is counted; `B` for bytes. If empty, only the share of the whole is told.
        quiet: show nothing.
        lines: tell it in lines where stderr is no terminal.
        keep: leave the bar on the screen in the end.
        warm_up: share of the work from which no forecast is made.
    """

    every = 5.0  # seconds between lines

    def __init__(
        self,
        total: float,
        label: str,
        unit: str = "",
        *,
        quiet: bool = False,
        lines: bool = True,
        keep: bool = True,
        warm_up: float = 0.0,
    ) -> None:
        self.total, self.label, self.unit, self.warm_up = total, label, unit, warm_up
        self.done, self.quiet = 0.0, quiet
        self.started = self._shown = time.monotonic()
        self._lines = lines and not quiet
        self._bar = self._open(keep) if total and not quiet and sys.stderr.isatty() else None

    def _open(self, keep: bool) -> Any:
        from tqdm import tqdm

        # Measured here: where a terminal does not tell its size, tqdm would show nothing.
        size = shutil.get_terminal_size()
        shape = {"ncols": size.columns, "nrows": size.lines, "leave": keep, "file": sys.stderr}
        how = {"unit": self.unit, "unit_scale": self.unit == "B"} if self.unit else {}
        how = how or {"bar_format": _SHARES}
        return tqdm(total=self.total, desc=self.label, **how, **shape)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is; what is printed from now on comes below it."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self.started

    def advance(self, amount: float = 1, text: str = "", now: bool = False) -> None:
        """So much more is done.

        Args:
            amount: of the work.
            text: what else there is to tell of its state.
            now: where there are lines, show one though the last was just shown.
        """
        self.done += amount
        if self._bar is not None:
            self._bar.set_description(self.label, refresh=False)
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(amount)
        elif self._lines and (now or time.monotonic() - self._shown >= self.every):
            self._shown = time.monotonic()
            say(self._line(text))

    def expect(self, total: float) -> None:
        """All of the work is more, or less, than was known when it began."""
        self.total = total
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()

    def over(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items, one after another; each counts as done when the next is asked for."""
        for item in items:
            yield item
            self.advance()

    def note(self, line: str) -> None:
        """Say something in between."""
        if self._bar is not None:
            self._bar.write(visible(line), file=sys.stderr)
        elif not self.quiet:
            say(line)

    def result(self, line: str) -> None:
        """Print a line of the work's result to stdout, where it does not smear the bar."""
        if self._bar is not None:
            self._bar.write(visible(line), file=sys.stdout)
        else:
            show(line)

    def _line(self, text: str) -> str:
        rate = self.done / max(self.seconds, 1e-9)
        if self.unit == "B":
            amount, speed = (
                f"{show_size(self.done)} of {show_size(self.total)}",
                f"{show_size(rate)}/s",
            )
        elif self.unit:
            amount, speed = f"{self.done:g}/{self.total:g}", f"{60 * rate:.3g} a minute"
        else:
            amount, speed = f"{self.done / self.total:.0%}", ""
        parts = (amount, text, speed, self._left(rate))
        return f"{self.label.rstrip()}: {' · '.join(filter(None, parts))}"

    def _left(self, rate: float) -> str:
        if self.done >= self.total * (1 - 1e-9):  # parts of a whole seldom add up to it exactly
            return "complete"
        forecast = rate and self.done > self.warm_up * self.total
        return f"{duration((self.total - self.done) / rate)} left" if forecast else ""
