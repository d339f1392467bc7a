"""What made a result: digests of files and code, safe writing, and the watermark that ends every page."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_started = time.monotonic()
_WATERMARKED = ("torch", "transformers", "tokenizers", "numpy", "pandas", "papermill")


def _start_again() -> None:
    """A kernel that is a fork began with the fork, not when its server imported this."""
    global _started
    _started = time.monotonic()


os.register_at_fork(after_in_child=_start_again)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends without an error.

    The temporary name keeps the suffix of `path`. A killed process leaves at most a hidden
    `.partial-*` file, never a half-written `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{secrets.token_hex(6)}{path.suffix}")
    # Not tempfile: it makes private files, and asking for the umask to undo that is not thread-safe.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    return ast.dump(_without_docstrings(ast.parse(path.read_text()))).encode()


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
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    package = PACKAGE.name
    ours = {name for name in names if name == package or name.startswith(package + ".")}
    return {path for name in ours if (path := _module_path(name))}


@functools.lru_cache(maxsize=256)
def _imports_of(path: Path, _mtime_ns: int) -> frozenset[Path]:
    return frozenset(_direct_imports(ast.parse(path.read_text())))


def imported_sources(source: str) -> list[Path]:
    """The package's modules that some Python source imports, directly or through one another, sorted."""
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
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()


def watermark(**extra: object) -> None:
    """Show the line that ends every executed page: versions, commit, device, seconds, and `extra`."""
    from IPython.display import Markdown, display

    facts = {"python": platform.python_version()}
    facts |= {name: metadata.version(name) for name in _WATERMARKED}
    facts |= {"commit": git_commit(), "seconds": f"{time.monotonic() - _started:.1f}", **extra}
    display(Markdown("**Watermark:** " + " · ".join(f"{k} `{v}`" for k, v in facts.items())))
