"""The command line: exit codes, one clear line for a mistake, JSON for programs."""

from __future__ import annotations

import json

import pytest
from helpers.commands import pythia

PUBLISHED = {
    "pythia-14m": (1_189_888, 14_067_712),
    "pythia-70m": (18_915_328, 70_426_624),
    "pythia-1b": (805_736_448, 1_011_781_632),
    "pythia-6.9b-deduped": (6_444_163_072, 6_857_302_016),
    "pythia-12b-deduped-v0": (11_327_027_200, 11_846_072_320),
}

COMMANDS = ("suites", "train", "run", "status", "records", "book")


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)])
def test_every_command_has_help_with_examples(command):
    done = pythia(*command, "-h")
    assert done.returncode == 0
    assert "Usage: " in done.stdout
    assert not command or "Examples:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian'; nearest: train"),
        (["suites", "nanno"], "unknown suite or model 'nanno'; nearest: nano"),
        (["suites", "pythia-71m"], "nearest: pythia-"),
        (["suites", "--jsn"], "No such option"),
        (["train", "picco"], "unknown suite 'picco'; nearest: pico"),
        (["train", "pythia"], "not trained here"),
        (["train", "pico", "--until", "17"], "unknown step 17 of pico-7k"),
        (["train", "pico", "--models", "7k", "--device", "tpu9"], "device 'tpu9'"),
        (["run", "los"], "nearest: loss"),
        (["run", "loss", "--profile", "quikc"], "nearest: quick"),
        (["run", "loss", "--model", "pico-7k", "--step", "17"], "unknown step 17"),
        (["run", "loss", "-p", "documets=3"], "unknown parameter 'documets'"),
        (["run", "loss", "-p", "documents=many"], "documents"),
        (["run", "loss", "--model", "pico-57k", "--step", "1000"], "pythia train pico"),
        (["run", "loss", "--scheduler", "slum"], "unknown scheduler 'slum'; nearest: slurm"),
        (["run", "loss", "--scheduler", "slurm"], "needs --cluster-config FILE"),
        (["run", "loss", "--quiet", "--verbose"], "expected one of them"),
        (["run", "loss", "--rerun", "fail"], "'failed', 'stale', 'all'"),
        (["status", "los"], "nearest: loss"),
        (["records", "--experiment", "los"], "nearest: loss"),
        (["book", "--suite", "nan"], "nearest: nano"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(trained_home, arguments, message):
    done = pythia(*arguments, home=trained_home)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) <= 1 + ("pythia: " not in done.stderr)
    assert "Traceback" not in done.stderr


def test_run_outside_a_checkout_says_so(tmp_path):
    done = pythia("run", cwd=tmp_path)
    assert (done.returncode, "no experiments.yml" in done.stderr) == (2, True)


def test_suites_json_has_the_published_parameter_counts():
    rows = {row["name"]: row for row in json.loads(pythia("suites", "pythia", "--json").stdout)}
    for name, counts in PUBLISHED.items():
        assert (rows[name]["non_embedding_params"], rows[name]["total_params"]) == counts
    wanted = {"name", "aliases", "n_layers", "d_model", "n_heads", "non_embedding_params"}
    assert wanted | {"total_params", "steps"} <= set(rows["pythia-70m"])
    assert rows["pythia-70m"]["aliases"] == ["pythia-19m"]
    assert len(rows["pythia-70m"]["steps"]) == 154


def test_suites_prints_a_table_and_says_what_a_former_name_is():
    done = pythia("suites", "pythia-19m", "nano")
    assert "pythia-19m is now pythia-70m" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["model", "layers", "d_model", "heads"]
    assert any(line.startswith("nano-793k ") and "793,344" in line for line in lines)


def test_train_of_what_is_trained_does_nothing(trained_home):
    done = pythia("train", "pico", "--models", "7k", "--until", "16", home=trained_home)
    assert done.returncode == 0
    assert "1 models are trained" in done.stderr or "is trained" in done.stderr


def test_dry_run_lists_every_cell_with_its_reason(trained_home, project):
    done = pythia("run", "loss", "--profile", "quick", "--dry-run", cwd=project, home=trained_home)
    assert done.returncode == 0
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert rows["pico/loss/pico-224k/step001000"] == "checkpoint missing"
    assert "pico/loss/pico-7k/step000000" in done.stdout or "of" in done.stderr
