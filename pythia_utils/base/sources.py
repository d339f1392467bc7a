"""The package's own sources: what some code imports, reads and calls, and digests of it."""

from __future__ import annotations

import ast
import functools
import hashlib
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import unknown

PACKAGE = Path(__file__).resolve().parents[1]  # the one place that says where the package is
_PARSING = threading.Lock()


def syntax_tree(source: str, mode: str = "exec") -> ast.AST:
    """As `ast.parse`, one thread at a time.

    CPython before 3.13 counts the depth of the trees that all threads make in one place, and may then
    refuse sound code: "SystemError: AST constructor recursion depth mismatch" (python/cpython#106905).
    """
    with _PARSING:
        return ast.parse(source, mode=mode)


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """Drop docstrings, so that rewording one does not make a result stale. Comments are not in the tree."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@functools.lru_cache(maxsize=256)
def _normalised(path: Path, _mtime_ns: int) -> bytes:
    return ast.dump(_without_docstrings(syntax_tree(path.read_text(encoding="utf-8")))).encode()


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


@dataclass(frozen=True)
class Needs:
    """What Python code needs to run, as far as its text tells.

    Attributes:
        modules: sources of this package that it imports.
        libraries: other packages that it imports, by their first name: `numpy`.
        calls: functions that it calls with a text as their first argument, and that text:
            `("data_file", "blimp.csv")`.
    """

    modules: frozenset[Path] = frozenset()
    libraries: frozenset[str] = frozenset()
    calls: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.modules | other.modules,
            self.libraries | other.libraries,
            self.calls | other.calls,
        )


def _own_needs(tree: ast.AST) -> Needs:
    nodes = list(_executed(tree))
    modules, names = set(), set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}  # modules or not
    for name in modules:
        if _is_ours(name) and _module_path(name) is None:
            raise unknown("module", name, all_modules())
    ours = {path for name in names | modules if _is_ours(name) and (path := _module_path(name))}
    libraries = {name.split(".")[0] for name in modules if not _is_ours(name)}
    return Needs(frozenset(ours), frozenset(libraries), frozenset(_literal_calls(nodes)))


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes but those under `if TYPE_CHECKING:`, which never run."""
    yield node
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in child.orelse:
                    yield from _executed(other)
            case _:
                yield from _executed(child)


def _literal_calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name),
                args=[ast.Constant(value=str(text)), *_],
            ):
                yield name, text


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == PACKAGE.name


@functools.lru_cache(maxsize=256)
def _needs_of(path: Path, _mtime_ns: int) -> Needs:
    return _own_needs(syntax_tree(path.read_text(encoding="utf-8")))


def all_modules() -> list[str]:
    """Names of the package's modules, sorted."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def needs(source: str) -> Needs:
    """What some Python source needs, and all modules of this package that it imports, directly or not.

    Raises:
        UsageError: it imports a module of this package that there is not; else it would count as none.
    """
    found = _own_needs(syntax_tree(source))
    seen: set[Path] = set()
    while left := found.modules - seen:
        for path in left:
            found |= _needs_of(path, path.stat().st_mtime_ns)
        seen |= left
    return found


def imported_sources(source: str) -> list[Path]:
    """The package's modules that some Python source imports, directly or through one another, sorted.

    Raises:
        UsageError: as `needs`.
    """
    return sorted(needs(source).modules)


def git_commit() -> str:
    """The checkout's commit, short, with `+` if files differ from it; `none` outside a checkout."""
    return _git("describe", "--always", "--dirty=+", "--abbrev=10") or "none"


@functools.cache
def published_commit() -> str:
    """The checkout's commit if others can have it: no file differs from it and a remote branch holds it; else
    empty. It is asked for once in a process."""
    if git_commit().endswith("+") or not _git("branch", "--remotes", "--contains", "HEAD"):
        return ""
    return _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str:
    """What git says of the checkout; nothing outside of one."""
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
