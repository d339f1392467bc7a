"""What the commands share: examples in the help, the grammar of steps, files to write, questions."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.base.files import atomic_write, is_special, local_path
from pythia_utils.base.terminal import show
from pythia_utils.base.units import show_size
from pythia_utils.suites.catalog import Model, find_model, renamed
from pythia_utils.suites.own.file import VARIABLE

ASK_ABOVE = 10 * 10**9  # bytes from the Hub


def examples(*lines: str) -> str:
    """An epilog that click does not rewrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# --- values ---------------------------------------------------------------------------------------


class Whole(click.IntRange):
    """A whole number in plain digits: Python itself would take `1_000`, ` 5` and digits of any script."""

    def convert(self, value, param, ctx) -> int:
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
            self.fail(f"{quoted(value)} is no whole number", param, ctx)
        return super().convert(value, param, ctx)


COUNT = Whole(min=1, max=10_000)  # of workers or jobs


class _Name(click.ParamType):
    """A text on one line, with something in it. Neither names nor sizes or durations are otherwise."""

    name = "text"

    def convert(self, value, param, ctx) -> str:
        if not value.strip() or not value.isprintable():
            self.fail(f"{quoted(value)}; expected text on one line", param, ctx)
        return value


NAME = _Name()


class _Place(_Name):
    """A file, a folder or an address. `~` at its beginning is a home folder, as a shell would have it."""

    name = "file"

    def convert(self, value, param, ctx) -> str:
        path = super().convert(value, param, ctx)
        return str(local_path(path)) if path.startswith("~") else path


PLACE = _Place()


def name_suites(places: Iterable[str]) -> None:
    """Let this process, and all that it starts, know suite files or folders of them, beside those it knows.

    Raises:
        UsageError: there is no such file or folder.
    """
    named = [str(local_path(place)) for place in places]
    for place in named:
        if not os.path.exists(place):
            raise UsageError(f"--suites {place}: there is no such file or folder")
        if os.pathsep in place:
            raise UsageError(
                f"--suites {place}: a path with {os.pathsep!r} in it cannot be handed on"
            )
    known = os.environ.get(VARIABLE, "").split(os.pathsep) if named else []
    if named:
        os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys([*filter(None, known), *named]))


def model_named(name: str) -> Model:
    """The model of that name; what a former name is called now is said on stderr."""
    model = find_model(name)
    if notice := renamed(name):
        click.echo(notice, err=True)
    return model


def commas(text: str | None) -> list[str] | None:
    """The names in a text such as `7k,14k`; None of None.

    Raises:
        UsageError: an empty one.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"{quoted(text)}: expected names with a comma between them")
    return parts


# --- steps ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """Steps as a user wrote them: `0,512`, `0-3000`, `all`, `main`, and mixtures such as `0,16-64`.

    A step may be written as the revision that it is: `step3000`; the last as `main`.

    Attributes:
        parts: first and last of each part, in the order written; of a number both are it, of `main` both
            are infinite.
    """

    parts: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Steps:
        """From the values of the option.

        Raises:
            UsageError: a part is not a number, two of them, or `all`.
        """
        return cls(tuple(_part(part.strip()) for text in texts for part in text.split(",")))

    def names(self, step: int, last: int | None = None) -> bool:
        """Whether this very number was written, rather than a range around it; the `last` may be as `main`."""
        return (step, step) in self.parts or (step == last and _MAIN in self.parts)

    def of(self, known: Sequence[int]) -> list[int]:
        """Those of the `known` steps that are asked for, each once, in the order of the parts; maybe none."""
        parts = self._parts_of(known)
        found = (step for first, last in parts for step in known if first <= step <= last)
        return list(dict.fromkeys(found))

    def _parts_of(self, known: Sequence[int]) -> list[tuple[float, float]]:
        """First and last of each part; `main` is the last of the known ones."""
        return [_last_of(known) if part == _MAIN else part for part in self.parts]

    def among(self, known: Sequence[int], whose: str) -> list[int]:
        """Those of the `known` steps, ascending, that are asked for, each once, in the order of the parts.

        A range means those between its ends.

        Raises:
            UsageError: a number is not known, or a range holds none that is.
        """
        for first, last in self._parts_of(known):
            if first == last and first not in known:
                raise unknown("step", first, known, where=f"of {whose}")
            if not any(first <= step <= last for step in known):
                near = [*[s for s in known if s < first][-1:], *[s for s in known if s > last][:1]]
                hint = f"nearest: {', '.join(map(str, near))}" if near else "there is none"
                raise UsageError(f"--steps {first}-{last}: {whose} has none of them; {hint}")
        return self.of(known)


_MAIN = (math.inf, math.inf)


def _last_of(known: Sequence[int]) -> tuple[int, int]:
    return (known[-1], known[-1]) if known else (0, 0)


def _part(text: str) -> tuple[float, float]:
    if text == "all":
        return 0, math.inf
    if text == "main":
        return _MAIN
    number = r"(?:step)?(\d{1,18})"
    match = re.fullmatch(rf"{number}(?:\s*-\s*{number})?", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UsageError(f"--steps {quoted(text)}: expected steps such as 0,512 or 0-3000, or all")
    return first, last


def steps_option(text: str, **how) -> Callable:
    """The option `--steps` (`--step` says the same), which may be repeated: `Steps`, or None."""

    def parsed(_context: click.Context, _option: click.Parameter, texts) -> Steps | None:
        return Steps.parse(texts) if texts else None

    text = f"{text} Such as 0,512 or 0-3000, all, or main, the last."
    usual = {"multiple": True, "metavar": "STEPS", "callback": parsed, "help": text}
    return click.option("--steps", "--step", "steps", **usual | how)


# --- output ---------------------------------------------------------------------------------------


class _OutputFile(click.ParamType):
    """A file to write. A wish that cannot be met is told before anything is read or computed."""

    name = "file"

    def __init__(self, suffixes: Sequence[str]) -> None:
        self.suffixes = suffixes

    def convert(self, value, param, ctx) -> Path:
        path = Path(PLACE.convert(value, param, ctx))
        if self.suffixes and path.suffix not in self.suffixes:
            endings = " or ".join(self.suffixes)
            raise UsageError(f"--output {value}: expected a name that ends in {endings}")
        if path.is_dir():
            raise UsageError(f"--output {value} is a folder; expected the name of a file")
        if not path.parent.is_dir():
            raise UsageError(f"--output {value}: there is no folder {path.parent}")
        return path if value.startswith("~") else Path(value)  # as it was written, to be printed so


def output_option(text: str, *suffixes: str) -> Callable:
    """The option `--output`: a path, with one of the suffixes if there are any, or None for stdout."""
    return click.option("--output", type=_OutputFile(suffixes), metavar="FILE", help=text)


def write(content: str | bytes, output: Path | None) -> None:
    """Write a command's result to stdout, or whole or not at all to a file, whose path is printed.

    A device or FIFO gets the same bytes, and nothing is printed: no file is there to be opened.
    """
    if output is None and isinstance(content, str):
        show(content, end="")
    elif output is None:
        click.echo(content, nl=False)
    else:
        _write_file(content, output)


def _write_file(content: str | bytes, output: Path) -> None:
    with atomic_write(output) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    if not is_special(output):
        click.echo(output)


# --- questions ------------------------------------------------------------------------------------


def ask_above(size: int, yes: bool) -> None:
    """Ask before more than 10 GB are fetched, unless `yes`.

    Raises:
        UsageError: there is nobody to ask.
        click.Abort: the answer is no.
    """
    if size <= ASK_ABOVE or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"that is more than {show_size(ASK_ABOVE)}; to fetch it, add --yes")
    click.confirm(f"Fetch {show_size(size)}?", abort=True, err=True)
