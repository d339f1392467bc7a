"""The notebook `memorization`: ours with planted documents, Pythia's by byte ranges and without."""

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

from pythia_utils.analysis.memorization import tables
from pythia_utils.grid import records
from pythia_utils.training_data.corpus import COPIES

FILE = "document-00000-of-00000.bin"


def shown(path) -> list[dict]:
    cells = json.loads(path.read_text())["cells"]
    return [out for cell in cells for out in cell.get("outputs", ())]


def test_records_are_whole_and_sensible(tiny_run):
    frame = records.read("memorization", "pico", runs=tiny_run / "runs")
    for (_, step), cell in frame.groupby(["model", "step"]):
        value = cell[cell["metric"] == "memorized"].set_index("subset")[["value", "n"]]
        blocks = tables.counts(cell, "block")
        assert len(blocks) == 10
        assert blocks["tested"].sum() == value.loc["all", "n"] <= 100  # texts
        sequences = cell[cell["metric"] == "memorized_sequences"].set_index("subset")["n"]
        assert sequences["all"] == sequences["unseen"] + sequences.get("seen", 0) == 100
        assert value.loc["unseen", "n"] >= value.loc["all", "n"] - 2  # 128 of 8,000 are read
        reads = tables.counts(cell, "read").set_index("number")["tested"]
        assert reads.sum() == value.loc["all", "n"]
        assert step or reads.to_dict() == {0: value.loc["all", "n"]}  # at step 0 nothing is read
        copies = tables.numbered(cell, "copies", "loss")
        assert copies["number"].tolist() == list(COPIES)
        gains = tables.gains(cell, "decile")
        assert len(gains) == 10
        assert gains["value"].abs().max() < 1  # next to nothing was read
        ages = tables.ages(cell)
        assert ages["number"].tolist() == ([8] if step else [])  # since step 8


def test_the_chapter_says_that_nothing_is_memorized_yet(built_site, tiny_run):
    path = tiny_run / "runs" / "pico" / "memorization" / "chapter.ipynb"
    texts = ["".join(out.get("data", {}).get("text/markdown", "")) for out in shown(path)]
    assert not [out for out in shown(path) if out.get("name") == "stderr"]
    assert any("nothing varies here" in text for text in texts)
    assert any("six deciles" in text for text in texts)
    assert any("0.275 at pythia-70m" in text for text in texts)
    assert (built_site / "experiments" / "memorization.html").is_file()


@pytest.fixture
def own_project(project, tmp_path):
    ignore = shutil.ignore_patterns("runs", "_build")
    return shutil.copytree(project, tmp_path / "own", ignore=ignore)


def test_pythias_sequences_are_read_by_ranges(own_project, trained_home, tmp_path):
    """Random weights in the place of pythia-14m's, two batches of made-up data in that of the Pile's."""
    rows = np.random.default_rng(0).integers(1, 30, (2 * 1024, 2049)).astype("<u2")
    shape = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4}
    shape |= {"intermediate_size": 512, "vocab_size": 50304, "max_position_embeddings": 2048}
    files = checkpoint_files(**shape)
    repos = {"EleutherAI/pythia-14m": {"step0": files, "step1": files, "main": files}}
    with serve({f"/{FILE}": rows.tobytes()}) as data, serve_hub(repos) as hub:
        command = [sys.executable, "-m", "pythia_utils.cli.main", "run", "memorization"]
        command += ["--suite", "pythia", "--model", "pythia-14m", "--step", "1", "-p", "places=8"]
        command += ["-p", "sample=40", "-p", "blocks=4", "-p", f"source={data.url}/{FILE}"]
        env = os.environ | hub.env(tmp_path / "cache") | {"PYTHIA_HOME": str(trained_home)}
        env.pop("PYTHIA_RUNS", None)
        done = subprocess.run(
            command, cwd=own_project, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert data.sent < 40 * 4098 + 10_000  # the sample, and not the 8 MB that there are
    (path,) = own_project.glob("runs/pythia/memorization/pythia-14m/step000001@*.ipynb")
    text = "".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    assert "By copies" not in text  # nothing was planted
    assert "What is recited" in text
    frame = records.read("memorization", "pythia", runs=own_project / "runs")
    for metric in ("memorized", "memorized_sequences"):
        value = frame[frame["metric"] == metric].set_index("subset")
        assert value.loc["all", "n"] == 40
        assert (value.loc["seen", "n"], value.loc["unseen", "n"]) == (20, 20)
    assert not frame["subset"].str.startswith(("copies", "decile", "read", "age")).any()
