"""The notebook and the chapter on interventions: of our suites, and of Pythia's own models."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from helpers import made_records
from helpers.hub_server import checkpoint_files, serve_hub

from pythia_utils.grid import records


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")


def told(shown: list[dict]) -> str:
    return "\n".join(data.get("text/markdown", "") + data.get("text/html", "") for data in shown)


def test_records_are_whole_and_sensible(tiny_run):
    frame = records.read("interventions", "pico", runs=tiny_run / "runs")
    for _, cell in frame.groupby(["model", "step"]):
        value = cell.set_index(["metric", "subset"])["value"]
        touched = value["touched"]
        assert touched["possessive_gender"] == touched["reflexive_gender"] == 1
        assert 0 < touched["binding_domain"] < 1
        assert touched["filler_gap"] == 0
        both = [value["agrees", name] for name in ("possessive_gender", "reflexive_gender")]
        assert value["agrees", "touched"] == pytest.approx(sum(both) / 2)
        shares = value["old", "changed"], value["new", "changed"], value["old", "kept"]
        assert all(0 <= share < 0.4 for share in shares)  # next to nothing was read
        assert not cell["subset"].str.startswith("told").any()  # they left no base
        assert not (cell["metric"] == "documents").any()


def test_the_chapter_tells_of_changed_models_beside_their_bases(tmp_path):
    cells = [("pico-57k", 750), ("pico-57k", 1000), ("pico-57k-seed1", 1000)]
    for base in ("pico-57k", "pico-57k-seed1"):
        for name in ("swap-gender", "change-facts"):
            cells += [(f"{base}-{name}-from750", step) for step in (782, 1000)]
    made_records.write(tmp_path, "interventions", cells)
    shown = told(made_records.run_chapter("interventions", tmp_path))
    assert not re.search("nothing to (draw|list) here", shown)
    assert "pico-57k 0.90 to 0.20, pico-57k-seed1 0.90 to 0.20" in shown
    assert "2 of 2 seeds" in shown
    assert "cannot be told here" not in shown
    assert shown.count("less than a standard error in") == 2  # CrowS-Pairs and WinoBias
    assert not re.search(r"\bnan\b", shown)


def test_the_chapter_of_pythia_has_its_own_interventions_alone(tmp_path):
    names = ("pythia-intervention-70m-deduped", "pythia-70m-deduped-v0")
    cells = [(name, step) for name in names for step in (134_000, 143_000)]
    made_records.write(tmp_path, "interventions", cells)
    shown = told(made_records.run_chapter("interventions", tmp_path, suite="pythia"))
    assert "pythia-intervention-70m-deduped +0.00 to +0.50" in shown
    assert "swap-gender" not in shown
    assert not re.search(r"\b(nano|pico|our own|held.out)\b", shown)
    assert "data/pronouns.csv" in shown


def test_pythia_is_asked_the_pairs_that_come_with_the_book(project, trained_home, tmp_path):
    """Random weights in the place of pythia-14m's."""
    ignore = shutil.ignore_patterns("runs", "_build")
    own = shutil.copytree(project, tmp_path / "own", ignore=ignore)
    shape = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4}
    shape |= {"intermediate_size": 512, "vocab_size": 50304, "max_position_embeddings": 2048}
    files = checkpoint_files(**shape)
    with serve_hub({"EleutherAI/pythia-14m": {"step1": files, "main": files}}) as hub:
        command = [sys.executable, "-m", "pythia_utils.cli.main", "run", "interventions"]
        command += ["--suite", "pythia", "--model", "pythia-14m", "--step", "1"]
        env = os.environ | hub.env(tmp_path / "cache") | {"PYTHIA_HOME": str(trained_home)}
        env.pop("PYTHIA_RUNS", None)
        command += ["-p", "pairs_from=data/pronouns.csv"]
        done = subprocess.run(
            command, cwd=own, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    frame = records.read("interventions", "pythia", runs=own / "runs")
    assert frame["measured_on"].str.startswith("pronouns.csv ").all()
    feminine = frame[frame["metric"] == "feminine"].set_index("subset")
    assert {"feminine noun", "masculine noun", "all"} <= set(feminine.index)
    assert set(frame["metric"]) == {"agrees", "touched", "feminine"}
