"""The notebook `facts`: our own facts with their truth, and Pythia's from a user's file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.hub_server import checkpoint_files, serve_hub
from helpers.range_server import serve

from pythia_utils.grid import records

FILE = "document-00000-of-00000.bin"
FACTS = """\
subject,prompt,answer,candidates
Paris,the capital of France is,Paris,Paris|London|Rome
Rome,the capital of Italy is,Rome,Paris|London|Rome
"""


def test_records_are_whole_and_sensible(tiny_run):
    frame = records.read("facts", "pico", runs=tiny_run / "runs")
    for (_, step), cell in frame.groupby(["model", "step"]):
        value = cell[cell["subset"] == "all"].set_index("metric")["value"]
        told = cell[cell["metric"] == "told"]
        assert len(told) == len(cell[cell["metric"] == "correct"]) == 192
        assert (told["value"].sum() == 0) == (step == 0)
        assert value["chance"] == 1 / 8
        assert 0.05 < value["accuracy"] < 0.35  # next to nothing was read
        assert value["accuracy"] == pytest.approx(
            cell.loc[cell["metric"] == "correct", "value"].mean()
        )
        assert ("ngram" in value) == (step > 0)
        classes = cell[(cell["metric"] == "accuracy") & cell["subset"].str.startswith("told")]
        assert classes["n"].sum() == 192


@pytest.fixture
def own_project(project, tmp_path):
    ignore = shutil.ignore_patterns("runs", "_build")
    return shutil.copytree(project, tmp_path / "own", ignore=ignore)


def run_on_pythia(project, home, hub, cache, *options):
    command = [sys.executable, "-m", "pythia_utils.cli.main", "run", "facts"]
    command += ["--suite", "pythia", "--model", "pythia-14m", "--step", "1", *options]
    env = os.environ | hub.env(cache) | {"PYTHIA_HOME": str(home)}
    env.pop("PYTHIA_RUNS", None)
    return subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, check=False
    )


def test_pythia_is_asked_the_facts_of_a_file_and_refuses_without(
    own_project, trained_home, tmp_path
):
    """Random weights in the place of pythia-14m's, two batches of made-up data in that of the Pile's."""
    (own_project / "capitals.csv").write_text(FACTS)
    rows = np.random.default_rng(0).integers(1, 30, (2 * 1024, 2049)).astype("<u2")
    shape = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4}
    shape |= {"intermediate_size": 512, "vocab_size": 50304, "max_position_embeddings": 2048}
    files = checkpoint_files(**shape)
    repos = {"EleutherAI/pythia-14m": {"step0": files, "step1": files, "main": files}}
    with serve({f"/{FILE}": rows.tobytes()}) as data, serve_hub(repos) as hub:
        given = (own_project, trained_home, hub, tmp_path / "cache")
        source = ("-p", f"source={data.url}/{FILE}")
        path = own_project / "capitals.csv"
        done = run_on_pythia(*given, "-p", f"facts_file={path}", *source)
        assert done.returncode == 0, done.stderr
        refused = run_on_pythia(*given, *source)
    assert refused.returncode == 1
    assert "expected facts_file, a CSV file with the columns subject" in refused.stderr
    assert "data/capitals.csv is one" in refused.stderr
    frame = records.read("facts", "pythia", runs=own_project / "runs")
    assert frame["measured_on"].str.startswith("capitals.csv ").all()
    value = frame[frame["subset"] == "all"].set_index("metric")["value"]
    assert value["chance"] == pytest.approx(1 / 3)
    assert set(value.index) == {"chance", "accuracy"}
    assert len(frame[frame["metric"] == "told"]) == 2
    found = own_project.glob("runs/pythia/facts/pythia-14m/step000001@*.ipynb")
    (executed,) = [one for one in found if "failed" not in one.name]
    assert any("no curve to fit" in str(cell) for cell in json.loads(executed.read_text())["cells"])
