"""What a notebook declares and depends on: its parameters with their types, its code, our modules."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import UsageError, first_line, quoted, unknown
from pythia_utils.base.files import stamp
from pythia_utils.base.schemas import Choice, parse
from pythia_utils.base.sources import PACKAGE, Needs, code_fingerprint, needs, syntax_tree

# The libraries whose version can change a number, and by which import a notebook uses each.
COMPUTING = {
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "tokenizers": ("tokenizers", "transformers"),
    "torch": ("torch",),
    "transformers": ("transformers",),
}


# What is read of a notebook, of format 4: what else the format has is papermill's to check.
_CELL = {"cell_type": str, "source": Choice(str, [str]), "metadata?": {"tags?": [str]}}
_NOTEBOOK = {"nbformat?": int, "cells": [_CELL]}


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Check names and types of parameters against the notebook's `parameters` cell.

    Papermill itself would let the defaults win silently where the tag is missing, and only print
    a message for a name that the notebook does not know.

    Raises:
        UsageError: no such notebook or no parameters cell, an unknown name, or a wrong type.
    """
    declared = _declared(notebook)
    shown = _shown(notebook)
    for name, value in parameters.items():
        if name not in declared:
            raise unknown_parameter(name, [notebook])
        annotation, _ = declared[name]
        if not _fits(value, annotation):
            expected = ast.unparse(annotation)
            got = f"{quoted(value)} ({type(value).__name__})"
            raise UsageError(f"parameter {name!r} of {shown} must be {expected}, not {got}")


def unknown_parameter(name: str, notebooks: Sequence[Path]) -> UsageError:
    """The error for a parameter that none of some notebooks declares."""
    declared = [each for notebook in notebooks for each in _declared(notebook)]
    shown = ", ".join(_shown(notebook) for notebook in notebooks[:8]) + ", ..." * (
        len(notebooks) > 8
    )
    return unknown("parameter", name, dict.fromkeys(declared), where=f"of {shown}")


def _fits(value: Any, annotation: ast.expr) -> bool:
    """Whether a YAML value is of an annotated type. Types that YAML does not have fit anything."""
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str(quoted)):
            try:
                return _fits(value, syntax_tree(quoted, mode="eval").body)
            except (SyntaxError, ValueError, RecursionError):
                return True  # no type at all
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return value is None or _fits(value, inner)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            # One choice evaluates to itself, several to a tuple.
            allowed = ast.literal_eval(choices)
            return value in (allowed if isinstance(allowed, tuple) else (allowed,))
        case ast.Subscript(value=ast.Name(id="list") as outer, slice=inner):
            return _fits(value, outer) and all(_fits(item, inner) for item in value)
        case ast.Subscript(value=outer):
            return _fits(value, outer)
        case ast.Name(id="float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="bool" | "str" | "list" | "dict" as name):
            return type(value).__name__ == name
    return True


def defaults(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook and their defaults, as far as these are plain values.

    Raises:
        UsageError: no such notebook, or no parameters cell.
    """
    declared = _declared(notebook).items()
    return {name: default for name, (_, default) in declared if default is not ...}


def parameter_names(notebook: Path) -> list[str]:
    """The parameters that a notebook declares, in its order.

    Raises:
        UsageError: no such notebook, or no parameters cell.
    """
    return list(_declared(notebook))


def _declared(notebook: Path) -> dict[str, tuple[ast.expr, Any]]:
    """The names that a notebook's parameters cell assigns, with their types and defaults."""
    return _declarations(notebook, tuple(stamp(notebook.stat())) if notebook.exists() else ())


@functools.lru_cache(maxsize=64)
def _declarations(notebook: Path, _stamp: tuple) -> dict[str, tuple[ast.expr, Any]]:
    cells = [cell for cell in _cells_of(notebook) if "parameters" in _tags(cell)]
    if not cells:
        raise UsageError(
            f"{_shown(notebook)} has no cell tagged 'parameters': its defaults would always win"
        )
    # What is asked for is put behind the first of them, and would be undone by a second.
    if len(cells) > 1 or cells[0]["cell_type"] != "code":
        kinds = ", ".join(cell["cell_type"] for cell in cells)
        raise UsageError(
            f"{_shown(notebook)}: cells tagged 'parameters': {len(cells)} ({kinds}); expected one, of code"
        )
    try:
        body = syntax_tree(_source(cells[0])).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"{_shown(notebook)}: parameters cell: {first_line(error)}") from None
    declared: dict[str, tuple[ast.expr, Any]] = {}
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=default):
                declared[name] = annotation, _value(default)
            case ast.Assign(targets=[ast.Name(id=name)], value=default):
                declared[name] = _type_of(_value(default)), _value(default)
    return declared


def _value(default: ast.expr | None) -> Any:
    """A default's value; `...` of one that is not a plain value, or of none."""
    try:
        return ... if default is None else ast.literal_eval(default)
    except ValueError:
        return ...


def _type_of(value: Any) -> ast.expr:
    """The type of a default that has no annotation; `Any` where the default does not tell."""
    return ast.Name(id="Any" if value in (None, ...) else type(value).__name__)


def _shown(notebook: Path) -> str:
    """A notebook's path as users know it: folder and name."""
    return "/".join(notebook.parts[-2:])


def _cells_of(notebook: Path) -> list[dict]:
    try:
        return parse(notebook.read_bytes(), _NOTEBOOK)["cells"]
    except FileNotFoundError:
        raise UsageError(f"there is no notebook {notebook}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{notebook} is not a notebook: {first_line(error)}") from None


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _source(cell: dict) -> str:
    return "".join(cell["source"])  # a list of lines, or one text


@dataclass(frozen=True)
class Code:
    """What a notebook's code comes to: itself, and all that it imports.

    Attributes:
        notebook: digest of its cells.
        package: digests of the package's modules that they import, by path.
        libraries: versions of those that compute, by name.
        tables: files of `data/` that the code names, relative.
        suites: suites that the code names, besides its parameters'.
    """

    notebook: str
    package: dict[str, str]
    libraries: dict[str, str]
    tables: tuple[str, ...]
    suites: tuple[str, ...]


def read_code(notebook: Path) -> Code:
    """What a notebook's code comes to.

    Prose and tags count as well as code, for all show on the page. Outputs and other metadata do not.

    Raises:
        UsageError: it is no notebook, or imports a module of this package that there is not.
    """
    cells = _cells_of(notebook)
    sources = [[cell["cell_type"], _source(cell), _tags(cell)] for cell in cells]
    found = Needs()
    for cell in cells:
        if cell["cell_type"] == "code":
            found |= _needs_of(_source(cell))
    package = {
        str(path.relative_to(PACKAGE)): code_fingerprint([path])[:16]
        for path in sorted(found.modules)
    }
    tables = sorted(text for function, text in found.calls if function == "data_file")
    suites = sorted(text for function, text in found.calls if function == "suite")
    digest = text_digest(json.dumps(sources))
    return Code(digest, package, _versions(found.libraries), tuple(tables), tuple(suites))


def _needs_of(source: str) -> Needs:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return needs("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return Needs()  # when it runs, the notebook itself says what is wrong


def _versions(libraries: Container[str]) -> dict[str, str]:
    return {
        name: _version(name)
        for name, imported in COMPUTING.items()
        if any(each in libraries for each in imported)
    }


@functools.cache
def _version(library: str) -> str:
    """The public version. What follows a `+` is the build: for which device, like the device itself."""
    try:
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "none"


def text_digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
