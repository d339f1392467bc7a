"""The page of functions: its examples run, and each function's docstring tells all of it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import pytest
from helpers.commands import ROOT

from pythia_utils.grid import records

PAGE = ROOT / "book" / "api.md"
_ENTRY = re.compile(r"^\.\. auto(\w+):: ([\w.]+)(.*?)(?=^\.\. auto|^```)", re.MULTILINE | re.DOTALL)
ENTRIES = [match.groups() for match in _ENTRY.finditer(PAGE.read_text(encoding="utf-8"))]
EXAMPLES = {name: text for _, name, text in ENTRIES if ">>>" in text}


def named(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def section(docstring: str, title: str) -> str:
    """The indented lines below `title:`."""
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", inspect.cleandoc(docstring), re.MULTILINE)
    return found[1] if found else ""


@pytest.fixture
def somewhere(home, tmp_path, monkeypatch):
    """A folder of one's own with one page's records, and no notebook in which a table would show."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    place = {"experiment": "loss", "suite": "pico", "model": "pico-7k", "step": 16}
    frame = records.record([{"metric": "loss", "value": 5.5}], **place)
    records.write(tmp_path / "runs/pico/loss/pico-7k/step000016.parquet", frame)


def test_there_are_twenty_functions_and_two_classes():
    kinds = [kind for kind, name, _ in ENTRIES if name in EXAMPLES]
    assert sorted(kinds) == ["class"] * 2 + ["function"] * 20
    assert kinds.count("function") == [kind for kind, *_ in ENTRIES].count("function")


def test_the_examples_run_from_top_to_bottom(somewhere):
    runner, names = doctest.DocTestRunner(), {}
    for name, text in EXAMPLES.items():
        test = doctest.DocTestParser().get_doctest(text, names, name, str(PAGE), 0)
        told: list[str] = []
        assert runner.run(test, out=told.append, clear_globs=False).failed == 0, "".join(told)
        names = test.globs


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_uses_what_it_stands_under(name):
    examples = doctest.DocTestParser().get_examples(EXAMPLES[name])
    assert 2 <= sum(len(each.source.splitlines()) for each in examples) <= 3
    assert any(f"{name.rpartition('.')[2]}(" in each.source for each in examples)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_docstring_tells_parameters_result_and_errors(name):
    found = named(name)
    told = re.findall(r"^    ([\w, ]+):", section(found.__doc__, "Args"), re.MULTILINE)
    assert set(inspect.signature(found).parameters) == {
        p for line in told for p in line.split(", ")
    }
    if inspect.isfunction(found):
        assert section(found.__doc__, "Returns") or section(found.__doc__, "Yields")
    assert section(found.__doc__, "Raises")
