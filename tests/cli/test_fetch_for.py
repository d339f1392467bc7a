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
from helpers.hub_server import serve_hub
from helpers.tiny_pythia import pythia_repositories

from pythia_utils.grid import records

MODEL, REPO = "pythia-14m", "EleutherAI/pythia-14m"
STANDARD = "EleutherAI/pile-standard-pythia-preshuffled"
EXPERIMENTS = """\
profiles:
  small: {suite: pythia, models: [pythia-14m], steps: [512]}
experiments:
  loss: {title: T, notebook: notebooks/loss.ipynb, parameters: {documents: 1}}
  grammar: {title: T, notebook: notebooks/grammar.ipynb, parameters: {pairs_from: blimp, pairs: 1}}
  ngrams: {title: T, notebook: notebooks/ngrams.ipynb, parameters: {batches: 1, rows: 2, length: 8}}
  facts: {title: T, notebook: notebooks/facts.ipynb, parameters: {facts_file: facts.csv, batches: 1}}
  geometry:
    title: T
    notebook: notebooks/geometry.ipynb
    parameters: {compare: none, rows: 2, length: 8}
  training_data: {title: T, notebook: notebooks/training_data.ipynb, parameters: {rows: 1}}
  lens:
    title: T
    notebook: notebooks/lens.ipynb
    parameters: {rows: 1, fit: 2, length: 2, training: 1, pairs_from: blimp, pairs: 1, attractors: 2}
  memorization:
    title: T
    notebook: notebooks/memorization.ipynb
    parameters: {sample: 12, blocks: 2, places: 6, ordinary: 2}
"""
EXPECTED = (
    "loss",
    "grammar",
    "ngrams",
    "facts",
    "training_data",
    "memorization",
    "lens",
    "geometry",
)
FACTS = "subject,prompt,answer,candidates\nabc,abc is in,de,de|fg\nhij,hij is in,fg,de|fg\n"


@pytest.fixture(scope="module")
def hub():
    with serve_hub(pythia_repositories([MODEL], [256, 512])) as server:
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A project of our notebooks, on Pythia's smallest model."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(ROOT / "notebooks", place / "project" / "notebooks")
    (place / "project" / "experiments.yml").write_text(EXPERIMENTS)
    (place / "project" / "facts.csv").write_text(FACTS)
    return place


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def fetched(pythia) -> list[dict]:
    """What `fetch` tells, after all that the profile needs is there."""
    done = pythia("fetch", "--for", "all", "--profile", "small", "--json")
    assert done.returncode == 0, done.stderr
    assert "2 checkpoints of pythia-14m: 56.3 MB to fetch, of 56.3 MB" in done.stderr
    assert "68 files of Salesforce/wikitext, nyu-mll/blimp" in done.stderr
    return json.loads(done.stdout)


def test_what_was_fetched_is_all_that_any_experiment_asks_for(hub, place, pythia, fetched):
    assert [(r["model"], r["step"]) for r in fetched if "model" in r] == [
        (MODEL, 512),
        (MODEL, 256),
    ]
    assert [r["repository"] for r in fetched if "repository" in r] == [
        "Salesforce/wikitext",
        "nyu-mll/blimp",
    ]
    assert [r["training_data"] for r in fetched if "training_data" in r] == [STANDARD]
    hub.requests.clear()
    ran = pythia("run", "--profile", "small", "--workers", "2", offline=True)
    assert ran.returncode == 0, ran.stderr
    assert hub.requests == []
    for name in EXPECTED:
        assert len(records.read(name, "pythia", runs=place / "project" / "runs")), name


def test_it_says_offline_what_is_missing_and_online_fetches_only_that(hub, place, pythia, fetched):
    wanted = ("fetch", "--for", "all", "--profile", "small", "--json")
    hub.requests.clear()
    again = pythia(*wanted, offline=True)
    assert (again.returncode, hub.requests) == (0, [])
    assert json.loads(again.stdout)[1:] == fetched[1:]  # the tokenizer is that of any checkpoint

    kept = sorted((place / "home" / "batches" / "kept").iterdir())
    size = kept[0].stat().st_size - 32
    kept[0].unlink()
    folder = place / "hf" / "hub" / "models--EleutherAI--pythia-14m" / "snapshots"
    (folder / hub.commit(REPO, "step512") / "model.safetensors").resolve().unlink()
    done = pythia(*wanted, offline=True)
    assert (done.returncode, hub.requests) == (1, [])
    told = done.stderr.splitlines()
    told = told[told.index("not fetched:") :]
    assert len(told) == 3
    assert f"1 of {len(kept)} pieces" in told[1]
    assert told[2].startswith("pythia-14m step512")
    assert told[2].endswith("the cache lacks its weights")
    assert [row for row in fetched if row not in json.loads(done.stdout)][1:] == [
        row for row in fetched if "training_data" in row or row.get("step") == 512
    ]

    assert pythia(*wanted).returncode == 0
    assert hub.sent_of(f"cdn/datasets/{STANDARD}") == size
    assert hub.sent_of("cdn/EleutherAI") == fetched_size(fetched)
    assert sorted((place / "home" / "batches" / "kept").iterdir()) == kept


def fetched_size(rows: list[dict]) -> int:
    (row,) = [row for row in rows if row.get("step") == 512]
    return (Path(row["folder"]) / "model.safetensors").stat().st_size


def test_mistakes_are_one_line(hub, place, pythia):
    hub.requests.clear()
    mistakes = {
        ("fetch",): "expected MODEL with --steps, or --for EXPERIMENTS",
        ("fetch", MODEL, "--steps", "0", "-p", "pairs=4"): "expected --for with it",
        ("fetch", "--for", "los", "--profile", "small"): "unknown experiment 'los'",
        ("fetch", "--for", "loss", "--profile", "large"): "unknown profile 'large'",
        ("fetch", "pico-7k", "--for", "loss", "--profile", "small", "--steps", "0"): "trained here",
    }
    for arguments, told in mistakes.items():
        done = pythia(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    assert hub.requests == []
