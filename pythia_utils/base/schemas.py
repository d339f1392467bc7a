"""Data that may be anything, checked against a small schema at the place where it is read.

A schema is one of
  a type, or several in a tuple     true is no number, a whole number is one, NaN is none
  a test: value -> text or None     what was expected instead, None if the value fits: `whole(1)`, `line()`
  [schema]                          a list; `Several(schema)`: of at least one, no two of them alike
  {"key": schema, "other?": schema} a mapping with these keys and maybe others; `Only({...})`: and no others
  {schema: schema}                  a mapping of any names that fit, such as `str`
  Choice(schema, schema)            one of the two
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pythia_utils.base.errors import UsageError, first_line, one_line, quoted, unknown

_WORDS = {str: "text", int: "a whole number", float: "a number", dict: "a mapping", list: "a list"}
_WORDS |= {type(None): "null", bool: "true or false"}

Test = Callable[[Any], str | None]


class Choice(NamedTuple):
    """One of two schemas."""

    first: Any
    second: Any


class Several(NamedTuple):
    """A list of at least one item, no two of them alike."""

    each: Any


class Only(dict):
    """A mapping with these keys and no others."""


# --- checking -------------------------------------------------------------------------------------


def parse(content: bytes, schema: Any) -> Any:
    """What JSON text says, if it is of this shape.

    Raises:
        ValueError: it is not; one line that names the first place that does not fit.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as failure:
        raise ValueError(f"no text of UTF-8 (byte {failure.start})") from None
    except (ValueError, RecursionError) as failure:
        raise ValueError(f"no JSON ({first_line(failure)})") from None
    if fault := misfit(value, schema):
        raise ValueError(fault)
    return value


def check(where: str, value: Any, schema: Any) -> None:
    """Raise UsageError, which names the first place that does not fit, for a value not of this shape."""
    if fault := misfit(value, schema):
        raise UsageError(f"{where}: {fault}")


def misfit(value: Any, schema: Any) -> str | None:
    """The first place where a value is not of a shape, and why; None if it is.

    >>> misfit({"cells": [{"source": 3}]}, {"cells": [{"source": str}]})
    'cells[0].source: expected text, not 3'
    """
    return next(_misfits(value, schema, ""), None)


def _misfits(value: Any, schema: Any, place: str) -> Iterator[str]:
    if expected := _expected(value, schema):
        yield _at(place, f"expected {expected}, not {quoted(value, 60)}")
    elif isinstance(schema, Choice):
        near = [each for each in schema if not _expected(value, each)]
        if all(misfit(value, each) for each in near):
            yield from _misfits(value, near[-1], place)
    elif isinstance(schema, list | Several):
        for at, item in enumerate(value):
            yield from _misfits(item, schema[0], f"{place}[{at}]")
        yield from _twice(value, place) if isinstance(schema, Several) else ()
    elif isinstance(schema, dict):
        yield from _misfits_of_keys(value, schema, place)


def _expected(value: Any, schema: Any) -> str | None:
    """What should be in the place of a value that is not even of the right kind; None if it is."""
    if isinstance(schema, Choice):
        both = [_expected(value, each) for each in schema]
        return " or ".join(both) if all(both) else None
    if isinstance(schema, Several):
        return None if isinstance(value, list) and value else "a list of at least one"
    if isinstance(schema, dict | list):
        kind = dict if isinstance(schema, dict) else list
        return None if isinstance(value, kind) else _WORDS[kind]
    if isinstance(schema, type | tuple):
        kinds = schema if isinstance(schema, tuple) else (schema,)
        words = " or ".join(_WORDS.get(kind, kind.__name__) for kind in kinds)
        return None if _is(value, kinds) else words
    return schema(value)


def _misfits_of_keys(value: dict, schema: dict, place: str) -> Iterator[str]:
    if isinstance(schema, Only):  # first: a key that is missing may be one that is misspelt
        known = [key.removesuffix("?") for key in schema]
        for name in (name for name in value if name not in known):
            yield _at(place, str(unknown("key", name, sorted(known))))
    for key, inner in schema.items():
        if not isinstance(key, str):  # any names of a kind
            for name, each in value.items():
                if expected := _expected(name, key):
                    yield _at(place, f"{quoted(name)} is no name; expected {expected}")
                yield from _misfits(each, inner, _below(place, name))
        elif (name := key.removesuffix("?")) in value:
            yield from _misfits(value[name], inner, _below(place, name))
        elif not key.endswith("?"):
            yield f"{_below(place, name)} is missing"


def _twice(value: list, place: str) -> Iterator[str]:
    seen: set[str] = set()
    for item in map(repr, value):
        if item in seen:
            yield _at(place, f"{one_line(item, 60)} is twice in the list")
        seen.add(item)


def _at(place: str, fault: str) -> str:
    return f"{place}: {fault}" if place else fault


def _below(place: str, name: Any) -> str:
    return f"{place}.{one_line(name, 60)}".lstrip(".")


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """`isinstance`, but true is no number, a whole number is a number, and NaN is none."""
    if isinstance(value, bool) and object not in kinds:
        return bool in kinds
    if isinstance(value, int) and float in kinds:
        return abs(value) < 2**63
    return isinstance(value, kinds) and not (isinstance(value, float) and math.isnan(value))


# --- tests ----------------------------------------------------------------------------------------


def line(longest: int = 1_000) -> Test:
    """Text of one line, with something in it."""

    def expected(value: Any) -> str | None:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            return "a line of text"
        return f"at most {longest} characters" if len(value) > longest else None

    return expected


def whole(least: int, most: float = math.inf) -> Test:
    """A whole number from `least` to `most`; true and false are none."""
    return _between(int, least, most)


def number(least: float, most: float = math.inf) -> Test:
    """A number from `least` to `most`."""
    return _between(float, least, most)


def _between(kind: type, least: float, most: float) -> Test:
    span = f"{_WORDS[kind]} from {least:g}" + f" to {most:,.15g}" * math.isfinite(most)
    return lambda value: None if _is(value, (kind,)) and least <= value <= most else span


def like(pattern: str, expected: str) -> Test:
    """Text that a regular expression matches; a number counts as it is written."""
    return lambda value: (
        None if _is(value, (str, int)) and re.fullmatch(pattern, str(value)) else expected
    )


def one_of(*choices: str) -> Test:
    """A word among these."""
    *more, last = (f"`{word}`" for word in choices)
    words = " or ".join([", ".join(more), last]) if more else last
    return lambda value: None if value in choices else words


def name(value: Any) -> str | None:
    """What can be part of addresses and paths, and is not too long for them."""
    fits = isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", value)
    return None if fits else "up to 60 a-z, 0-9, - and _, for it is part of addresses"
