"""All parameters of a run, as a table: those that were given, and the notebook's own for the rest."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pythia_utils.base.markup import NO_MATHS, html, plain
from pythia_utils.base.sources import syntax_tree
from pythia_utils.grid.cells import IDENTITY

_DEFAULT = "default"
_LONGEST = 120  # characters of a value


@dataclass(frozen=True)
class Declared:
    """A line of a notebook's parameters cell: `pairs: int = 200  # minimal pairs of each paradigm`."""

    name: str
    default: str
    meaning: str


@functools.lru_cache(maxsize=64)  # the notebooks of an experiment declare alike
def declared(source: str) -> tuple[Declared, ...]:
    """What a parameters cell declares; nothing if it cannot be read."""
    try:
        statements = syntax_tree(source).body
        comments = dict(_comments(source))
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return ()
    found = []
    for statement in statements:
        match statement:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ):
                told = comments.get(statement.end_lineno, "")
                found.append(Declared(name, ast.unparse(value), told))
    return tuple(found)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], re.sub(r"^#\s*", "", token.string)


def source_of(notebook: Mapping[str, Any]) -> str:
    """The text of a notebook's parameters cell; empty if it has none."""
    for cell in notebook["cells"]:
        if "parameters" in cell.get("metadata", {}).get("tags", ()):
            return "".join(cell["source"])
    return ""


def table(source: str, given: Mapping[str, Any], of_this_run: Collection[str]) -> str:
    """A row a parameter: name, value, meaning, and who has set it.

    Args:
        source: the text of the parameters cell.
        given: the values that were put in, by name.
        of_this_run: names of those that this run alone was given.
    """
    known = declared(source)
    meanings = {each.name: each.meaning for each in known}
    values = {each.name: each.default for each in known} | {k: repr(v) for k, v in given.items()}
    rows = "\n".join(
        _row(name, value, meanings.get(name, ""), _origin(name, given, of_this_run))
        for name, value in values.items()
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("parameter", "value", "meaning", "set by")
    )
    look = f'class="run-parameters {NO_MATHS}" tabindex="0" role="region"'
    return (
        f'<div {look} aria-label="Parameters of this page">\n'
        f'<table class="table">\n<caption>Parameters of this page</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _origin(name: str, given: Collection[str], of_this_run: Collection[str]) -> str:
    if name in IDENTITY:
        return "the grid"
    if name in of_this_run:
        return "this run: -p"
    return "experiments.yml" if name in given else _DEFAULT


def _row(name: str, value: str, meaning: str, origin: str) -> str:
    shown = plain(value)
    shown = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    look = ' class="as-usual"' if origin == _DEFAULT else ""
    return (
        f'<tr{look}><th scope="row">{html(plain(name))}</th><td><code>{html(shown)}</code></td>'
        f"<td>{html(plain(meaning))}</td><td>{origin}</td></tr>"
    )
