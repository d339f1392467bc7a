"""A stand-in for `KernelPool.run` that takes a hundredth of a second: for tests of all that is around it."""

from __future__ import annotations

import time

import nbformat

from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

PADDING = 20_000  # characters that make a notebook as large as a real one
executed: list[tuple[str, int]] = []  # model and step of each call in this process


def run(pool, notebook, parameters, cwd, env, options=None, choose=list) -> Execution:
    """A notebook with two records, whose values tell its model and step."""
    time.sleep(0.01)
    checkpoint = find_model(parameters["model"]).checkpoint(parameters["step"])
    executed.append((checkpoint.model.name, checkpoint.step))
    common = records.identity(checkpoint, "measure")
    rows = [
        common | {"metric": "number", "subset": s, "value": checkpoint.step, "stderr": 0.1, "n": 7}
        for s in ("all", "a")
    ]
    data = {"text/plain": "x" * PADDING, records.MIME: {"version": 1, "rows": rows}}
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("record()", outputs=[output])
    return Execution(nbformat.v4.new_notebook(cells=[cell]), None, 1_000_000, "cpu")
