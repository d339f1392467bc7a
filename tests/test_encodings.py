"""Text is UTF-8 whatever the locale: no file and no process is read or written in another encoding."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from helpers.commands import ROOT

PLACES = ("pythia_utils", "benchmarks", "data", "book", "notebooks")
TEXT_AFTER = {"read_text": 0, "write_text": 1}  # the encoding may also be given by position
OPENERS = ("open", "fdopen", "TextIOWrapper", "NamedTemporaryFile", "TemporaryFile")
PROCESSES = ("run", "Popen", "check_output", "check_call")


def sources() -> Iterator[tuple[Path, str]]:
    """Our own Python, in notebooks too, as it is in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", *PLACES], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    for path in map(ROOT.joinpath, listed.stdout.splitlines()):
        if path.suffix == ".py":
            yield path, path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            yield path, "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def in_the_locale(source: str) -> list[str]:
    """Calls that read or write text and leave it to the locale how it is encoded."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [ast.unparse(call) for call in calls if _is_loose(call)]


def _is_loose(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given:
        return False
    if name in TEXT_AFTER:
        return len(call.args) <= TEXT_AFTER[name]
    if name in PROCESSES:
        return bool(given & {"text", "universal_newlines"})
    owner = ast.unparse(call.func).rpartition(".")[0]
    of_files = name in OPENERS and owner not in ("os", "tarfile", "zipfile")
    return of_files and _mode(call, owner) is not None and "b" not in _mode(call, owner)


def _mode(call: ast.Call, owner: str) -> str | None:
    """The mode of an `open`, `r` by default; None where it is no mode, as in a method of ours."""
    place = 0 if owner not in ("", "io") else 1  # `path.open(mode)`, `open(path, mode)`
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    modes += call.args[place : place + 1]
    if not modes:
        return "r"
    return modes[0].value if isinstance(modes[0], ast.Constant) else None


def test_all_text_is_utf_8():
    found = {str(path.relative_to(ROOT)): in_the_locale(text) for path, text in sources()}
    assert len(found) > 100
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    ("source", "loose"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(x)", True),
        ("path.write_text(x, encoding='utf-8')", False),
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("open(path, 'rb')", False),
        ("path.open()", True),
        ("path.open('ab')", False),
        ("cache.open(repository, revision)", False),
        ("os.open(path, flags)", False),
        ("subprocess.run(x, text=True)", True),
        ("subprocess.run(x, encoding='utf-8')", False),
        ("subprocess.run(x)", False),
    ],
)
def test_the_search_finds_what_it_should(source, loose):
    assert bool(in_the_locale(source)) is loose


def test_sources_are_read_as_utf_8_in_another_locale():
    """Else every result is stale there, or the first letter with an accent is a traceback."""
    code = (
        "import pythia_utils.base.sources as s; from pathlib import Path; "
        "print(s.code_fingerprint(sorted(Path(s.PACKAGE).rglob('*.py'))))"
    )
    told = set()
    for locale in ("C", "C.UTF-8"):
        env = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-X", "utf8=0", "-c", code]
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=True)
        told.add(done.stdout)
    assert len(told) == 1
