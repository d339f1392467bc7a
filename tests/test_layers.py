"""Who may import whom: the rooms of the package, from the ground up. Each room's docstring says the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from helpers.commands import ROOT

from pythia_utils.base.sources import PACKAGE, all_modules

# A room may import itself and these. `analysis` and `cli` have rules of their own below.
MAY_IMPORT = {
    "base": set(),
    "suites": {"base"},
    "suites.hub": {"base"},
    "suites.own": {"base", "suites.hub"},
    "suites.neox": {"base"},
    "training_data": {"base", "suites"},
    "grid": {"base", "suites"},
    "nano": {"base", "suites", "training_data"},
    "engine": {"base", "grid", "suites"},
    "engine.kernels": {"base"},
    "site": {"base", "grid", "suites"},
    "site.cells": {"base", "grid", "suites"},
    "evaluation": {"base", "suites", "nano"},
    "analysis": {"base", "suites", "training_data", "nano", "evaluation"},
}
EXPERIMENTS = sorted(path.parent.name for path in (PACKAGE / "analysis").glob("*/__init__.py"))
CHEAP = ("torch", "transformers", "papermill", "distributed", "requests", "matplotlib", "altair")


def imports_of(name: str) -> set[str]:
    """Modules of ours that a module imports anywhere in its text, its functions included."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(all_modules()) - {PACKAGE.name}


def room_of(name: str) -> str:
    """`suites.hub` for a module of the Hub, `analysis` for all of it, empty for the package's face."""
    parts = name.split(".")[1:]
    inner = ".".join(parts[:2])
    return inner if inner in MAY_IMPORT else (parts[0] if parts else "")


def is_allowed(room: str, target: str) -> bool:
    """Whether a module of `room` may import the module `target`."""
    at = room_of(target)
    if at == room or at in MAY_IMPORT[room] or at.split(".")[0] in MAY_IMPORT[room]:
        return True
    if at.startswith(f"{room}."):  # a room uses its inner rooms, never the reverse
        return True
    known = ("pythia_utils.grid", "pythia_utils.grid.records", "pythia_utils.grid.failures")
    return room == "analysis" and target in known


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_downwards(room):
    modules = [name for name in all_modules() if room_of(name) == room]
    assert modules
    wrong = [(n, to) for n in modules for to in imports_of(n) if not is_allowed(room, to)]
    assert not wrong


def test_the_rules_can_fail():
    assert not is_allowed("base", "pythia_utils.suites.catalog")
    assert not is_allowed("suites.hub", "pythia_utils.suites.catalog")
    assert not is_allowed("engine.kernels", "pythia_utils.grid.cells")
    assert not is_allowed("analysis", "pythia_utils.grid.ledger")
    assert is_allowed("suites", "pythia_utils.suites.hub.api")
    assert "pythia_utils.base.errors" in imports_of("pythia_utils.base.sources")


def named_in(cell: str) -> set[str]:
    """The rooms of a cell of the table."""
    return {room.replace("/", ".") for room in re.findall("`([a-z_/]+)`", cell)}


def test_the_map_for_contributors_shows_these_rooms_and_rules():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| room |")[2]
    rows = re.findall(r"^\| `([a-z_/]+)` \|[^|]+\|([^|]+)\|", table, re.MULTILINE)
    shown = {room.replace("/", "."): named_in(may) for room, may in rows}
    assert shown.pop("cli") == set()  # "every room"
    assert shown.pop("analysis") == MAY_IMPORT["analysis"] | {"grid"}
    assert shown == {room: may for room, may in MAY_IMPORT.items() if room != "analysis"}


def test_the_map_for_contributors_names_modules_that_are_there():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| room |")[2]
    rows = re.findall(r"^\| `([a-z_/]+)` \|(.+)$", table, re.MULTILINE)
    named = [(room, file) for room, text in rows for file in re.findall(r"`(\w+\.py)`", text)]
    assert len(named) >= len(MAY_IMPORT)
    assert not [pair for pair in named if not PACKAGE.joinpath(*pair).is_file()]


def test_every_module_is_in_a_room_and_nothing_imports_the_door():
    others = [name for name in all_modules() if room_of(name) not in {*MAY_IMPORT, "cli", ""}]
    assert not others
    door = [
        n
        for n in all_modules()
        if room_of(n) != "cli"
        for to in imports_of(n)
        if room_of(to) == "cli"
    ]
    assert not door


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_no_experiment_imports_another(experiment):
    own = f"pythia_utils.analysis.{experiment}"
    others = tuple(f"pythia_utils.analysis.{name}." for name in EXPERIMENTS if name != experiment)
    names = [name for name in all_modules() if name.startswith(own)]
    found = [(n, to) for n in names for to in imports_of(n)]
    assert not [pair for pair in found if f"{pair[1]}.".startswith(others)]


def test_shared_analysis_imports_no_experiment():
    shared = [
        n for n in all_modules() if n.startswith("pythia_utils.analysis.") and n.count(".") == 2
    ]
    shared = [n for n in shared if n.split(".")[-1] not in EXPERIMENTS]
    inner = tuple(f"pythia_utils.analysis.{name}" for name in EXPERIMENTS)
    assert not [(n, to) for n in shared for to in imports_of(n) if to.startswith(inner)]


def test_no_circles():
    """Circles within a room, too, and through functions' imports."""
    graph = {name: imports_of(name) for name in all_modules() if name != "pythia_utils"}
    while free := [name for name, targets in graph.items() if not targets & graph.keys()]:
        for name in free:
            del graph[name]
    assert not graph


def test_faces_of_rooms_are_empty():
    """But for the names of the catalog: a fingerprint follows imports, and so would every room's users."""
    for path in PACKAGE.rglob("*/__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        expected = 2 if path.parent.name == "suites" else 1
        assert len(body) == expected, path
        assert isinstance(body[0].value, ast.Constant), path


def test_records_are_cheap_to_import():
    """Every kernel imports them."""
    code = f"import sys, pythia_utils.grid.records; print([m for m in {CHEAP} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
