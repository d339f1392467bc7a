"""The package's own sources: which modules a text imports, and digests of their code."""

from __future__ import annotations

import ast
import functools
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from pythia_utils.base.errors import unknown

PACKAGE = Path(__file__).resolve().parents[1]  # the one place that says where the package is


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """Drop docstrings, so that rewording one does not make a result stale. Comments are not in the tree."""
    for node in ast.walk(tree):
        if _has_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _has_docstring(node: ast.AST) -> bool:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None


@functools.lru_cache(maxsize=256)
def _normalised(path: Path, _mtime_ns: int) -> bytes:
    return ast.dump(_without_docstrings(ast.parse(path.read_text(encoding="utf-8")))).encode()


def code_fingerprint(paths: Iterable[Path]) -> str:
    """SHA-256 over Python sources as parsed: comments, layout and docstrings do not count."""
    digest = hashlib.sha256()
    for path in sorted(Path(p) for p in paths):
        digest.update(
            path.name.encode() + b"\0" + _normalised(path, path.stat().st_mtime_ns) + b"\0"
        )
    return digest.hexdigest()


def _module_path(name: str) -> Path | None:
    """The source of `pythia_utils.x.y`, or None if there is no such module."""
    base = PACKAGE.parent.joinpath(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _direct_imports(tree: ast.AST) -> set[Path]:
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}  # modules or not
    for name in modules:
        if _is_ours(name) and _module_path(name) is None:
            raise unknown("module", name, all_modules())
    names |= modules
    return {path for name in names if _is_ours(name) and (path := _module_path(name))}


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == PACKAGE.name


@functools.lru_cache(maxsize=256)
def _imports_of(path: Path, _mtime_ns: int) -> frozenset[Path]:
    return frozenset(_direct_imports(ast.parse(path.read_text(encoding="utf-8"))))


def all_modules() -> list[str]:
    """Names of the package's modules, sorted."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def imported_sources(source: str) -> list[Path]:
    """The package's modules that some Python source imports, directly or through one another, sorted.

    Raises:
        UsageError: it imports a module of this package that there is not; else it would count as none.
    """
    seen: set[Path] = set()
    queue = list(_direct_imports(ast.parse(source)))
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue.extend(_imports_of(path, path.stat().st_mtime_ns) - seen)
    return sorted(seen)


def git_commit() -> str:
    """The checkout's commit, short, with `+` if files differ from it; `none` outside a checkout."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()
