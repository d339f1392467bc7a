"""`pythia fetch --for`: after it every experiment runs with the network forbidden, and asks for nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import ROOT
from helpers.hub_server import serve_hub, status
from helpers.tiny_pythia import pythia_repositories

from pythia_utils.grid import records

MODEL, REPO = "pythia-14m", "EleutherAI/pythia-14m"
STEPS = (0, 512)
STANDARD = "EleutherAI/pile-standard-pythia-preshuffled"
EXPERIMENTS = """\
profiles:
  small: {suite: pythia, models: [pythia-14m], steps: [512]}
experiments:
  loss: {title: T, notebook: notebooks/loss.ipynb, parameters: {documents: 1}}
  grammar: {title: T, notebook: notebooks/grammar.ipynb, parameters: {pairs_from: blimp, pairs: 1}}
  ngrams: {title: T, notebook: notebooks/ngrams.ipynb, parameters: {batches: 1, rows: 2, length: 8}}
  facts: {title: T, notebook: notebooks/facts.ipynb, parameters: {facts_file: facts.csv, batches: 1}}
  training_data: {title: T, notebook: notebooks/training_data.ipynb, parameters: {rows: 1}}
  memorization:
    title: T
    notebook: notebooks/memorization.ipynb
    parameters: {sample: 12, blocks: 2, places: 6, ordinary: 2}
"""
FACTS = "subject,prompt,answer,candidates\nabc,abc is in,de,de|fg\nhij,hij is in,fg,de|fg\n"


@pytest.fixture(scope="module")
def repositories():
    return pythia_repositories([MODEL], [0, 256, 512])


@pytest.fixture
def hub(repositories):
    with serve_hub(repositories) as server:
        yield server


@pytest.fixture
def place(tmp_path) -> Path:
    """A project of our notebooks, on Pythia's smallest model."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "project" / "notebooks")
    (tmp_path / "project" / "experiments.yml").write_text(EXPERIMENTS)
    (tmp_path / "project" / "facts.csv").write_text(FACTS)
    return tmp_path


@pytest.fixture
def pythia(hub, place):
    """The command in a process of its own, online or not."""

    def run(*arguments: str, offline: bool = False) -> subprocess.CompletedProcess:
        env = os.environ | hub.env(place / "hf") | {"PYTHIA_HOME": str(place / "home")}
        env |= {"HF_HUB_OFFLINE": "1"} if offline else {}
        env.pop("PYTHIA_RUNS", None)
        command = [sys.executable, "-m", "pythia_utils.cli.main", *arguments]
        return subprocess.run(
            command, cwd=place / "project", env=env, capture_output=True, text=True, check=False
        )

    return run


def test_what_was_fetched_is_all_that_any_experiment_asks_for(hub, place, pythia):
    done = pythia("fetch", "--for", "all", "--profile", "small", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(r["model"], r["step"]) for r in rows if "model" in r] == [(MODEL, 512), (MODEL, 256)]
    assert {r["repository"] for r in rows if "repository" in r} == {
        "nyu-mll/blimp",
        "Salesforce/wikitext",
    }
    (batches,) = [r for r in rows if "training_data" in r]
    assert batches["training_data"] == STANDARD
    assert "to fetch" in done.stderr
    assert "2 checkpoints" in done.stderr

    hub.requests.clear()
    ran = pythia("run", "--profile", "small", "--workers", "2", offline=True)
    assert ran.returncode == 0, ran.stderr
    assert hub.requests == []
    for name in ("loss", "grammar", "ngrams", "facts", "training_data", "memorization"):
        assert len(records.read(name, "pythia", runs=place / "project" / "runs")), name

    again = pythia("fetch", "--for", "all", "--profile", "small", "--json", offline=True)
    assert (again.returncode, hub.requests) == (0, [])
    assert json.loads(again.stdout) == rows


def test_it_says_offline_what_is_missing_and_online_fetches_only_that(hub, place, pythia):
    wanted = ("fetch", "--for", "memorization,training_data", "--profile", "small")
    assert pythia(*wanted).returncode == 0
    kept = sorted((place / "home" / "batches" / "kept").iterdir())
    kept[0].unlink()
    (weights,) = (place / "hf" / "hub").glob("models--*/snapshots/*/model.safetensors")
    weights.unlink()
    hub.requests.clear()
    done = pythia(*wanted, offline=True)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    told = lines[lines.index("not fetched:") :]
    assert any(f"1 of {len(kept)} pieces" in line and STANDARD in line for line in told)
    assert any("pythia-14m step512" in line and "lacks its weights" in line for line in told)
    assert hub.requests == []
    assert pythia(*wanted).returncode == 0
    assert 0 < hub.sent_of(STANDARD) < hub.sent_of("cdn")
    assert sorted((place / "home" / "batches" / "kept").iterdir()) == kept


def test_a_missing_revision_stops_nothing_else(hub, place, pythia):
    del hub.repos[REPO]["step512"]
    done = pythia("fetch", MODEL, "--steps", "0,256,512")
    assert done.returncode == 1
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["step0", "step256"]
    told = done.stderr.splitlines()[-2:]
    assert told[0] == "not fetched:"
    assert told[1].split(maxsplit=2)[:2] == [MODEL, "step512"]
    assert told[1].endswith("the repository has no such revision")
    hub.requests.clear()
    offline = pythia("fetch", MODEL, "--steps", "0,256", offline=True)
    assert (offline.returncode, offline.stdout, hub.requests) == (0, done.stdout, [])


def test_a_hub_that_is_away_is_not_asked_for_every_checkpoint(hub, place, pythia):
    hub.inject(status(429, retry_after="900"), path="/api/", times=None)
    done = pythia("fetch", MODEL, "--steps", "0-1000")
    assert done.returncode == 1
    assert "asks to wait 900 s" in done.stderr
    assert done.stderr.count("not tried, for the Hub is not to be reached") >= 1
    assert len(hub.requests) < 12


def test_a_grid_of_our_own_models_has_nothing_to_fetch(hub, place, pythia):
    done = pythia("fetch", "--for", "loss", "--profile", "small", "-p", "texts=1.5")
    assert done.returncode == 2
    text = (place / "project" / "experiments.yml").read_text()
    text = text.replace("suite: pythia, models: [pythia-14m]", "suite: pico, models: [pico-7k]")
    (place / "project" / "experiments.yml").write_text(text)
    done = pythia("fetch", "--for", "loss", "--profile", "small")
    assert done.returncode == 2
    assert "trained here; run: pythia train pico" in done.stderr
    done = pythia("fetch")
    assert (done.returncode, hub.requests) == (2, [])
    assert "expected MODEL with --steps, or --for EXPERIMENTS" in done.stderr
