"""What a notebook declares and depends on: its parameters with their types, its code, our modules."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import UsageError, in_short, unknown
from pythia_utils.base.sources import PACKAGE, code_fingerprint, imported_sources


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
            raise unknown("parameter", name, declared, where=f"of {shown}")
        if not _fits(value, declared[name]):
            expected = ast.unparse(declared[name])
            got = f"{in_short(repr(value))} ({type(value).__name__})"
            raise UsageError(f"parameter {name!r} of {shown} must be {expected}, not {got}")


def _fits(value: Any, annotation: ast.expr) -> bool:
    """Whether a YAML value is of an annotated type. Types that YAML does not have fit anything."""
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str(quoted)):
            return _fits(value, ast.parse(quoted, mode="eval").body)
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


def _declared(notebook: Path) -> dict[str, ast.expr]:
    """The names that a notebook's parameters cell assigns, with their types."""
    stat = _stat(notebook)
    return _declarations(notebook, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _declarations(notebook: Path, _mtime_ns: int, _size: int) -> dict[str, ast.expr]:
    cells = [cell for cell in _cells_of(notebook) if "parameters" in _tags(cell)]
    if not cells:
        raise UsageError(
            f"{_shown(notebook)} has no cell tagged 'parameters': its defaults would always win"
        )
    try:
        body = ast.parse(_source(cells[0])).body
    except SyntaxError as error:
        raise UsageError(f"{_shown(notebook)}: parameters cell: {error}") from None
    declared: dict[str, ast.expr] = {}
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                declared[name] = annotation
            case ast.Assign(targets=[ast.Name(id=name)], value=default):
                declared[name] = _type_of(default)
    return declared


def _type_of(default: ast.expr) -> ast.expr:
    """The type of a default that has no annotation; `Any` where the default does not tell."""
    try:
        value = ast.literal_eval(default)
    except ValueError:
        value = None
    return ast.Name(id="Any" if value is None else type(value).__name__)


def _shown(notebook: Path) -> str:
    """A notebook's path as users know it: folder and name."""
    return "/".join(notebook.parts[-2:])


def _stat(notebook: Path) -> Any:
    try:
        return notebook.stat()
    except FileNotFoundError:
        raise UsageError(f"there is no notebook {notebook}") from None


def _cells_of(notebook: Path) -> list[dict]:
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise UsageError(f"there is no notebook {notebook}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{notebook} is not a notebook: {error!r}") from None


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _source(cell: dict) -> str:
    return "".join(cell["source"])  # a list of lines, or one text


def code_digests(notebook: Path) -> dict[str, Any]:
    """Digests of a notebook's cells, and of each package module that they import.

    Prose and tags count as well as code, for all show on the page. Outputs and other metadata do not.
    """
    cells = _cells_of(notebook)
    sources = [[cell["cell_type"], _source(cell), _tags(cell)] for cell in cells]
    modules: set[Path] = set()
    for cell in cells:
        if cell["cell_type"] == "code":
            modules.update(_modules_of(_source(cell)))
    package = {
        str(path.relative_to(PACKAGE)): code_fingerprint([path])[:16] for path in sorted(modules)
    }
    return {"notebook": text_digest(json.dumps(sources)), "package": package}


def _modules_of(source: str) -> list[Path]:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return imported_sources("\n".join(lines))
    except SyntaxError:
        return []  # when it runs, the notebook itself says what is wrong


def text_digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
