"""Cells that failed, as the folder of runs tells: each one's notebook, and in one line why.

The runner keeps a notebook for each failure, `stepNNNNNN.failed.ipynb` in the place of its notebook, and
removes it when the cell has run well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import one_line
from pythia_utils.base.schemas import parse

SUFFIX = ".failed.ipynb"
_NAME = re.compile(rf"step(?P<step>\d+)(?:@(?P<parameters>.+))?{re.escape(SUFFIX)}")
_UNKNOWN = "did not run to its end"


@dataclass(frozen=True)
class Failure:
    """A cell that failed when it was last run.

    Attributes:
        model: the model's name.
        step: the checkpoint's step.
        parameters: those that set the cell apart, as its name has them; empty for a usual cell.
        path: of the notebook that was kept.
    """

    model: str
    step: int
    parameters: str
    path: Path

    @property
    def error(self) -> str:
        """Why it failed, in one line."""
        try:
            return error_of(parse(self.path.read_bytes(), {"cells": [dict], "metadata": dict}))
        except (OSError, ValueError):
            return _UNKNOWN


def failures(runs: Path, suite: str, experiment: str) -> list[Failure]:
    """The failed cells of an experiment, by model and step; not its chapter."""
    found = []
    for path in sorted(runs.glob(f"{suite}/{experiment}/*/step*{SUFFIX}")):
        if match := _NAME.fullmatch(path.name):
            names = path.parent.name, int(match["step"]), match["parameters"] or ""
            found.append(Failure(*names, path))
    return found


def error_of(notebook: Mapping[str, Any]) -> str:
    """Why a notebook that was kept from a failure failed, in one line."""
    told = notebook["metadata"].get("pythia")
    error = told.get("error") if isinstance(told, Mapping) else None
    outputs = (out for cell in notebook["cells"] for out in cell.get("outputs", ()))
    raised = (f"{out.get('ename')}: {out.get('evalue')}" for out in outputs if _is_error(out))
    return one_line(error or next(raised, _UNKNOWN), 300)


def _is_error(output: Mapping[str, Any]) -> bool:
    return output.get("output_type") == "error"


def without_cells(cell_id: str, parameters: Mapping[str, Any], error: str) -> bytes:
    """The notebook of a cell that failed before its own was opened: it says why, and holds nothing."""
    told = {"cell": cell_id, "parameters": dict(parameters), "error": error}
    metadata = {"pythia": told, "papermill": {"exception": True, "parameters": dict(parameters)}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []}
    return (json.dumps(notebook, indent=1, default=str) + "\n").encode()
