"""A YAML file that people edit, checked: every mistake is one line that names its place."""

from __future__ import annotations

import re
from typing import Any

from pythia_utils.base.errors import UsageError, unknown


def parse(text: str, where: str) -> Any:
    """YAML, where a key given twice is an error and 1e-3 is a number.

    Raises:
        UsageError: it is no such YAML; with the line.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            keys = [key.value for key, _ in node.value]
            if twice := [key for key in keys if keys.count(key) > 1]:
                line = node.start_mark.line + 1
                raise UsageError(f"{where}: {twice[0]!r} is twice in the block from line {line}")
            return super().construct_mapping(node, deep)

    exponent = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise UsageError(f"{where}{place}: {getattr(error, 'problem', None) or error}") from None


def mapping(where: str, value: Any) -> dict:
    """`value`, if it is a mapping. Raises UsageError if not."""
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected `name: value` lines, not {value!r}")
    return value


def check_keys(where: str, entry: Any, allowed: set[str], required: set[str] = frozenset()) -> None:
    """Raise UsageError for a key that is not allowed, or a required one that is missing."""
    for key in mapping(where, entry):
        if key not in allowed:
            raise unknown("key", key, sorted(allowed), where=f"in {where}")
    if missing := sorted(required - set(entry)):
        raise UsageError(f"{where}: {missing[0]!r} is missing")


def check_name(where: str, name: Any) -> None:
    """Raise UsageError for a name that could not be part of addresses and paths, or has over 60 letters."""
    if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", name)):
        raise UsageError(
            f"{where}: a name, part of addresses, is made of up to 60 a-z, 0-9, - and _"
        )
