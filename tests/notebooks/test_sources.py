"""The book's notebooks: clean sources, and every one of them run at the tiny profile."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import ROOT, pythia

from pythia_utils.analysis import figure
from pythia_utils.base import yaml
from pythia_utils.grid import parts, records
from pythia_utils.nano import entropy
from pythia_utils.nano.documents import DOMAINS
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import suite, suite_names

FOLDERS = ("notebooks", "book/experiments", "book/pages")
SOURCES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.ipynb"))
EXPERIMENTS = list(yaml.read(ROOT / "experiments.yml")["experiments"])
CELLS = ["pico/{}/pico-7k/step000000", "pico/{}/pico-14k/step000016"]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tagged(notebook: dict, tag: str) -> list[dict]:
    return [cell for cell in notebook["cells"] if tag in cell["metadata"].get("tags", ())]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
class TestSources:
    def test_has_no_outputs(self, path):
        assert not any(c["outputs"] or c["execution_count"] for c in code_cells(read(path)))

    def test_has_one_parameters_cell_whose_lines_are_typed_and_commented(self, path):
        (cell,) = tagged(read(path), "parameters")
        for line in cell["source"]:
            statement = ast.parse(line).body[0]
            assert isinstance(statement, ast.AnnAssign), line
            assert "  # " in line, line

    def test_begins_with_a_title_and_ends_with_a_watermark(self, path):
        cells = read(path)["cells"]
        assert "".join(cells[0]["source"]).startswith("# ")
        assert "watermark" in "".join(cells[-1]["source"])

    def test_tags_name_kinds_of_suites(self, path):
        """One that is mistyped would leave its cell out everywhere, or nowhere."""
        tags = {t for cell in read(path)["cells"] for t in cell["metadata"].get("tags", ())}
        named = {tag.partition("-")[2] for tag in tags if tag.startswith((parts.ONLY, parts.NOT))}
        assert named <= set().union(*(suite(name).kinds for name in suite_names()))

    def test_stays_thin(self, path):
        """Whatever the suite: cells that are for others do not count."""
        cells = code_cells(read(path))
        for name in suite_names():
            own = parts.of_suite(cells, name)
            assert sum(1 for cell in own for line in cell["source"] if line.strip()) <= 110


@pytest.mark.parametrize(
    "experiment", [name for name in EXPERIMENTS if name not in ("training_data", "interventions")]
)
@pytest.mark.parametrize("cell", CELLS)
def test_cells_run_and_show_parameters_records_and_watermark(tiny_run, experiment, cell):
    path = tiny_run / "runs" / f"{cell.format(experiment)}.ipynb"
    notebook = read(path)
    (injected,) = tagged(notebook, "injected-parameters")
    assert "pico" in "".join(injected["source"])
    outputs = [out for c in code_cells(notebook) for out in c["outputs"]]
    assert not [
        out for out in outputs if out["output_type"] == "error" or out.get("name") == "stderr"
    ]
    assert any("image/svg+xml" in out.get("data", {}) for out in outputs)
    assert any(
        "Watermark" in "".join(out.get("data", {}).get("text/markdown", "")) for out in outputs
    )
    shown = records.from_notebook(notebook)
    stored = pd.read_parquet(path.with_suffix(".parquet"))
    pd.testing.assert_frame_equal(shown, stored, check_dtype=False)


def test_loss_records_are_whole_and_sensible(tiny_run):
    frame = records.read("loss", "pico", runs=tiny_run / "runs")
    assert len(frame) == 4 * (2 * (len(DOMAINS) + 1) + len(entropy.KNOWN))
    assert (frame["value"][frame["metric"] == "excess"] > 0).all()
    loss = frame[frame["metric"] == "loss"]
    start = loss[(loss["step"] == 0) & (loss["subset"] == "all")]
    assert start["value"].to_numpy() == pytest.approx(np.log(1024), abs=0.3)
    later = loss[(loss["step"] == 16) & (loss["subset"] == "all")]
    assert (later["value"].to_numpy() < start["value"].to_numpy()).all()
    assert (loss["stderr"] > 0).all()


def test_grammar_records_are_whole_and_sensible(tiny_run):
    frame = records.read("grammar", "pico", runs=tiny_run / "runs")
    accuracy = frame[frame["metric"] == "accuracy"]
    assert set(accuracy["subset"]) == {*PHENOMENA, "all"}
    assert accuracy["value"].between(0, 1).all()
    for _, cell in accuracy.groupby(["model", "step"]):
        parts, whole = cell[cell["subset"] != "all"], cell[cell["subset"] == "all"]
        assert whole["value"].item() == pytest.approx(parts["value"].mean())


def test_a_second_run_has_nothing_to_do(tiny_run, trained_home):
    done = pythia("run", "--profile", "tiny", cwd=tiny_run, home=trained_home)
    assert done.returncode == 0
    assert re.search(r"\b0 of \d+ runs due", done.stderr)


def test_another_parameter_makes_other_cells(tiny_run, trained_home):
    done = pythia(
        "run",
        "loss",
        "--profile",
        "tiny",
        "-p",
        "documents=5",
        "--dry-run",
        cwd=tiny_run,
        home=trained_home,
    )
    assert done.stdout.count("@documents=5\tnew\n") == 4


def test_chapters_ran_over_the_records(built_site, tiny_run):
    for experiment in EXPERIMENTS:
        notebook = read(tiny_run / "runs" / "pico" / experiment / "chapter.ipynb")
        assert not notebook["metadata"]["papermill"]["exception"]
        text = json.dumps(notebook)
        assert "grid-table" in text or experiment == "training_data"
        assert text.count(figure.KIND) >= 2
