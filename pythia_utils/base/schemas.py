"""Files of JSON that may be anything, checked against a small schema at the place where they are read.

A schema is a type, or several; `[schema]` for a list; `{"key": schema}` for a dict with these keys and maybe
others, `"key?"` for one that may be missing; `{str: schema}` for a dict of any names; or a `Choice` of schemas.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from pythia_utils.base.errors import first_line, quoted

_WORDS = {str: "text", int: "a whole number", float: "a number", dict: "an object", list: "a list"}
_WORDS |= {type(None): "null", bool: "true or false"}


class Choice(NamedTuple):
    """One of two schemas: the second where the first does not fit."""

    first: Any
    second: Any


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


def misfit(value: Any, schema: Any) -> str | None:
    """The first place where a value is not of a shape, and why; None if it is.

    >>> misfit({"cells": [{"source": 3}]}, {"cells": [{"source": str}]})
    'cells[0].source: expected text, not 3'
    """
    return next(_misfits(value, schema, ""), None)


def _misfits(value: Any, schema: Any, place: str) -> Iterator[str]:
    if isinstance(schema, Choice):
        if misfit(value, schema.first):
            yield from _misfits(value, schema.second, place)
    elif isinstance(schema, dict | list) and not isinstance(value, type(schema)):
        yield _told(value, (type(schema),), place)
    elif isinstance(schema, list):
        for at, item in enumerate(value):
            yield from _misfits(item, schema[0], f"{place}[{at}]")
    elif isinstance(schema, dict):
        yield from _misfits_of_keys(value, schema, place)
    elif not _is(value, kinds := schema if isinstance(schema, tuple) else (schema,)):
        yield _told(value, kinds, place)


def _misfits_of_keys(value: dict, schema: dict, place: str) -> Iterator[str]:
    of_any_name = schema.get(str)
    for key, inner in (
        schema.items() if of_any_name is None else dict.fromkeys(value, of_any_name).items()
    ):
        name = key.removesuffix("?") if of_any_name is None else key
        where = f"{place}.{name}".lstrip(".")
        if name in value:
            yield from _misfits(value[name], inner, where)
        elif not key.endswith("?"):
            yield f"{where} is missing"


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """`isinstance`, but true is no number, a whole number is a number, and NaN is none."""
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int) and float in kinds:
        return abs(value) < 2**63
    return isinstance(value, kinds) and not (isinstance(value, float) and math.isnan(value))


def _told(value: Any, kinds: tuple[type, ...], place: str) -> str:
    words = " or ".join(_WORDS.get(kind, kind.__name__) for kind in kinds)
    return f"{place or 'all of it'}: expected {words}, not {quoted(value, 60)}"
