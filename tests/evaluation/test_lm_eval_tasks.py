"""Our task files in the real lm-evaluation-harness, beside the records of `pythia run`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import yaml
from helpers.commands import ROOT

from pythia_utils.grid import records
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import data_dir, find_model
from pythia_utils.suites.folders import checkpoint_path

TASKS = data_dir() / "lm_eval_tasks"
PAIRS = 10  # of the profile `tiny`


def test_there_is_a_task_for_each_phenomenon():
    class Loader(yaml.SafeLoader):
        """Knows the harness's tag for functions."""

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    group = yaml.load((TASKS / "nano_grammar.yaml").read_text(encoding="utf-8"), Loader)
    assert [task["task"] for task in group["task"]] == list(PHENOMENA)
    assert all(task["dataset_kwargs"] == {"paradigm": task["task"]} for task in group["task"])


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed (extra `bench`)"
)
def test_accuracies_of_a_run_are_those_of_the_harness(tiny_run, home, tmp_path):
    checkpoint = find_model("pico-7k").checkpoint(16)
    options = {
        "--model_args": f"pretrained={checkpoint_path(checkpoint)},dtype=float32",
        "--include_path": str(TASKS),
        "--tasks": "nano_grammar",
        "--metadata": json.dumps({"n": PAIRS}),
        "--device": "cpu",
        "--batch_size": "64",
        "--output_path": str(tmp_path),
    }
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf"]
    command += [word for option in options.items() for word in option]
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("**/results_*.json")
    results = json.loads(file.read_text())["results"]
    theirs = {
        name.removeprefix("nano_grammar::"): result["acc,none"] for name, result in results.items()
    }
    table = records.read("grammar", suite="pico", runs=records.runs_dir(tiny_run))
    ours = table[(table["model"] == "pico-7k") & (table["step"] == 16)]
    ours = ours[ours["metric"] == "accuracy"].set_index("subset")["value"]
    assert {name: ours[name] for name in PHENOMENA} == pytest.approx(
        {name: theirs[name] for name in PHENOMENA}, abs=1e-12
    )
    assert len({theirs[name] for name in PHENOMENA}) > 3, "accuracies that differ"
