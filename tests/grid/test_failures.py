"""Cells that failed: found by their notebooks, each with the line that says why."""

from __future__ import annotations

import json

from helpers.grids import ledger_of

from pythia_utils.engine import runner
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import chapters, expand
from pythia_utils.grid.failures import error_of, failures, without_cells


def put(runs, name: str, content: bytes) -> None:
    path = runs / f"pico/measure/{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_failures_are_found_by_model_step_and_parameters(tmp_path):
    put(tmp_path, "pico-7k/step000016.failed.ipynb", without_cells("x", {}, "E: one\ntwo"))
    put(tmp_path, "pico-7k/step000016@n=5.failed.ipynb", b"{")
    put(tmp_path, "pico-7k/step000032.ipynb", without_cells("x", {}, "E"))
    put(tmp_path, "chapter.failed.ipynb", without_cells("x", {}, "E"))
    put(tmp_path, "pico-7k/.partial-step000064.failed.ipynb", b"")
    found = failures(tmp_path, "pico", "measure")
    told = [(each.model, each.step, each.parameters, each.error) for each in found]
    assert told == [
        ("pico-7k", 16, "", "E: one two"),
        ("pico-7k", 16, "n=5", "did not run to its end"),
    ]
    assert failures(tmp_path, "pico", "other") == failures(tmp_path, "nano", "measure") == []


def test_why_is_what_the_runner_said_or_else_the_first_error():
    output = {"output_type": "error", "ename": "KeyError", "evalue": "'x'"}
    notebook = {"metadata": {}, "cells": [{"outputs": [{"output_type": "stream"}, output]}, {}]}
    assert error_of(notebook) == "KeyError: 'x'"
    assert (
        error_of(notebook | {"metadata": {"pythia": {"error": "out of memory"}}}) == "out of memory"
    )
    assert error_of({"metadata": {}, "cells": []}) == "did not run to its end"


def test_a_cell_that_failed_before_its_notebook_was_opened_leaves_one_that_says_so(
    root, monkeypatch
):
    """A checkpoint that cannot be had, say: nothing ran that could have left a notebook."""

    def broken(*_):
        raise OSError("no such revision")

    monkeypatch.setattr(KernelPool, "run", broken)
    config = load_config(root)
    cell = expand(config, ["measure"], profile="tiny")[0]
    (outcome,) = runner.run([cell], ledger_of(root), quiet=True)
    assert (outcome.status, outcome.output) == ("failed", cell.failed)
    (found,) = failures(root / "runs", "pico", "measure")
    assert (found.model, found.step) == ("pico-7k", 0)
    assert found.error == outcome.error == "OSError: no such revision"
    assert json.loads(found.path.read_text())["metadata"]["pythia"]["cell"] == cell.id


def test_a_chapter_is_made_anew_when_a_run_fails(root):
    config = load_config(root)
    put(root / "runs", "pico-7k/step000016.failed.ipynb", without_cells("x", {}, "E"))
    (chapter,) = chapters(config, "pico", ["measure"])
    assert not chapter.inputs  # nothing but failures: nothing to tell
    put(root / "runs", "pico-7k/step000032.parquet", b"PAR1")
    (chapter,) = chapters(config, "pico", ["measure"])
    assert [path.name for path in chapter.inputs] == [
        "step000032.parquet",
        "step000016.failed.ipynb",
    ]
