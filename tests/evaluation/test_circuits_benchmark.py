"""The benchmark of looking inside works, at the smallest shape; what benchmarks share keeps its promises."""

from __future__ import annotations

import importlib
import sys
import time

import pytest
from helpers.commands import ROOT


@pytest.fixture
def scripts(monkeypatch):
    """Modules of `benchmarks/` by name, in this process, which has torch already."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_every_part_agrees_before_it_is_timed(scripts, monkeypatch, capsys, tmp_path):
    circuits, measured = scripts("circuits"), scripts("measured")
    monkeypatch.setattr(measured, "LONG", 0)  # one round each
    monkeypatch.setattr(circuits, "WAYS", {"own hooks": circuits.WAYS["own hooks"]})
    monkeypatch.setattr(circuits, "memory_of", lambda way, shape: (f"{shape}: memory, {way}",))
    file = tmp_path / "circuits.md"
    monkeypatch.setattr(sys, "argv", ["circuits.py", "--shapes", "pico-7k", "--write", str(file)])
    circuits.main()
    printed = capsys.readouterr().out
    assert file.read_text() == printed
    rows = [line for line in printed.splitlines() if "pico-7k" in line]
    assert not [line for line in rows if "failed" in line or "stopped" in line]
    told = ("hooks on heads", "prefix matching", "over a loop", "tuned lens", "patching", "float16")
    for part in told:
        assert any(part in line for line in rows), part


def test_a_part_that_fails_or_takes_too_long_says_so_and_the_next_begins(scripts):
    measured = scripts("measured")

    def fails():
        yield ("first",)
        raise ValueError("no such thing")

    def sleeps():
        time.sleep(30)
        yield ("never",)

    rows = []
    parts = [
        measured.Part("one", fails),
        measured.Part("two", sleeps, seconds=0.05),
        measured.Part("three", lambda: [("last",)]),
    ]
    measured.run_parts(parts, 1, rows.append)
    assert rows == [
        ("first",),
        ("(one: failed, ValueError: no such thing)",),
        ("(two: stopped after 0.05 s)",),
        ("last",),
    ]
    rows.clear()
    measured.run_parts([measured.Part("two", sleeps), *parts], 0.001, rows.append)
    assert rows == [("(two: stopped after 0.06 s)",), ("(the rest: 0.001 minutes were up)",)]
