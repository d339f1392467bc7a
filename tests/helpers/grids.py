"""Small grids for tests: a project of fixture notebooks, on checkpoints of a few bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers.commands import ROOT

from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.grid.planning import plan
from pythia_utils.suites.catalog import suite
from pythia_utils.suites.folders import checkpoint_path

NOTEBOOKS = ROOT / "tests" / "data" / "notebooks"
YAML = """\
profiles:
  tiny: {suite: pico, models: [pico-7k, pico-14k], steps: [0]}
  wide: {suite: pico, models: [pico-7k, pico-14k], steps: [0, 1, 2, 4]}
  full: {suite: pico, models: all, steps: all}
experiments:
  measure:
    title: A measurement
    notebook: notebooks/measure.ipynb
    chapter: notebooks/chapter.ipynb
    parameters: {labels: [a]}
"""


def make_checkpoints() -> None:
    """Checkpoints of a few bytes for the whole of pico; those that are right already stay."""
    for model in suite("pico").models.values():
        for checkpoint in model.checkpoints:
            path = checkpoint_path(checkpoint) / "model.safetensors"
            text = f"{model.name} {checkpoint.step}"
            if not path.is_file() or path.read_bytes() != text.encode():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)


def make_project(root: Path) -> None:
    """A project with one experiment for each fixture notebook, and nothing run."""
    make_checkpoints()
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    names = ("picky", "plain", "fails", "dies", "exits", "chatty", "sleeps")
    entries = "".join(f"  {n}: {{title: T, notebook: notebooks/{n}.ipynb}}\n" for n in names)
    shutil.copy(ROOT / "_config.yml", root)
    (root / "experiments.yml").write_text(YAML + entries)


def ledger_of(root: Path) -> Ledger:
    return Ledger(root / "runs" / "ledger.jsonl")


def why(cells, ledger, **options) -> dict[str, str | None]:
    return {cell.id: reason for cell, reason in plan(cells, ledger, **options)}


def pretend(cell, ledger) -> None:
    """Files and the ledger's line as if a cell had been run."""
    cell.output.parent.mkdir(parents=True, exist_ok=True)
    cell.output.touch()
    cell.records.touch()
    parts = cell.parts()
    ledger.append(
        Outcome(cell.id, "done", 1.0, None, cell.output, cell.fingerprint(parts), parts, rows=2)
    )
