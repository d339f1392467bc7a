"""The wheel and the sdist: built, installed elsewhere, and used without the checkout."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from helpers.commands import ROOT
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pythia_utils.grid import records


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Both, built without an isolated environment so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_carries_the_suites(distributions):
    names = set(zipfile.ZipFile(distributions[0]).namelist())
    for suite in ("pico", "nano", "pythia"):
        assert f"pythia_utils/data/suites/{suite}.yml" in names
    files = ("attractors.csv", "blimp.csv", "capitals.csv", "neox_config.yml", "pronouns.csv")
    assert {f"pythia_utils/data/{name}" for name in files} <= names
    published = {path.name for path in (ROOT / "data" / "published").iterdir() if path.is_file()}
    assert {f"pythia_utils/data/published/{name}" for name in published} <= names
    assert not [name for name in names if name.startswith(("tests/", "runs/"))]


def test_the_sdist_carries_sources_and_nothing_generated(distributions):
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "Makefile", "data/suites/pico.yml", "notebooks/loss.ipynb"} <= names
    assert not [n for n in names if n.startswith(("runs/", "_build/", ".venv/"))]


def test_the_installed_wheel_works_away_from_the_checkout(distributions, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(distributions[0])], check=True)
    env = os.environ | {"PYTHONPATH": str(site)}
    code = (
        "import json, pythia_utils, pythia_utils.cli.main; from pythia_utils.suites.catalog import data_dir;"
        "print(json.dumps([pythia_utils.__file__, str(data_dir())]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(path.startswith(str(site)) for path in json.loads(done.stdout))
    listed = subprocess.run(
        [sys.executable, "-m", "pythia_utils.cli.main", "suites", "pico"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pico-224k" in listed.stdout
    code = (
        "from jupyter_client.provisioning import KernelProvisionerFactory as F;"
        "print(F.instance()._check_availability('pythia-warm'), F.provisioners['pythia-warm'].load())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "True <class 'pythia_utils.engine.preload.WarmProvisioner'>"


# --- in an environment with nothing of ours


def needed(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """What is installed here of some requirements, and of all that these require in turn."""
    found: dict[str, metadata.Distribution] = {}
    due = [Requirement(name) for name in names]
    while due:
        one = due.pop()
        key = canonicalize_name(one.name)
        known, wanted = key in found, [{"extra": extra} for extra in (*one.extras, "")]
        if known and not one.extras:
            continue
        found[key] = metadata.distribution(one.name)
        for text in found[key].requires or ():
            other = Requirement(text)
            if other.marker is None or any(other.marker.evaluate(extra) for extra in wanted):
                due.append(other)
    return found


def empty_environment(folder: Path, names: Iterable[str]) -> Path:
    """The Python of a new environment that has these packages and what they need, linked, and no others.

    They are what `pip install` would bring from the network.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for distribution in needed(names).values():
        tops = {file.parts[0] for file in distribution.files if file.parts[0] != ".."}
        for name in tops - {"__pycache__"}:
            place = packages / name
            if not place.exists():
                place.symlink_to(distribution.locate_file(name))
    return folder / "bin" / "python"


def install_lines(source: str) -> tuple[str, list[str]]:
    """Of the cell that installs: where it has the package from, and what else it wants."""
    first, second = (shlex.split(line)[2:] for line in source.splitlines() if "%pip" in line)
    assert first[0] == "--no-deps"
    return first[1], second


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A folder far from the checkout, where no variable of ours is set and `pip` has no network."""
    for name in ("PYTHONPATH", "PYTHIA_RUNS"):
        monkeypatch.delenv(name, raising=False)
    places = {"JUPYTER_PATH": tmp_path / "jupyter", "PYTHIA_HOME": tmp_path / "home"}
    for name, value in (places | {"PIP_NO_INDEX": "1"}).items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def add_kernel(folder: Path, python: Path) -> str:
    """A kernel of that Python; its name."""
    place = folder / "jupyter" / "kernels" / "elsewhere"
    place.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Elsewhere", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec))
    return place.name


def said(python: Path, code: str, folder: Path) -> str:
    command = [str(python), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True).stdout


def test_a_runs_notebook_makes_itself_ready_and_runs_where_nothing_of_ours_is(
    distributions, built_site, tiny_run, elsewhere
):
    """As in Colab, whose kernel has a notebook's own packages and not this one."""
    run = "cells/pico/loss/pico-7k/step000016"
    notebook = nbformat.read(built_site / f"_sources/{run}.ipynb", as_version=4)
    ready = notebook.cells[1]
    address, wanted = install_lines(ready.source)
    assert address.startswith("git+https://github.com/")
    ready.source = ready.source.replace(address, str(distributions[0]))
    python = empty_environment(elsewhere / "env", [*wanted, "ipykernel"])
    found = "from importlib.util import find_spec as f; print(f('pythia_utils'), f('papermill'))"
    assert said(python, found, elsewhere).split() == ["None", "None"]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(elsewhere)}}
    kernel = add_kernel(elsewhere, python)
    NotebookClient(notebook, timeout=600, kernel_name=kernel, resources=where).execute()
    home = said(python, "import pythia_utils; print(pythia_utils.__file__)", elsewhere)
    assert home.startswith(str(elsewhere / "env"))
    made = records.from_notebook(notebook)
    known = pd.read_parquet(tiny_run / "runs" / f"{run.removeprefix('cells/')}.parquet")
    assert made["metric"].tolist() == known["metric"].tolist()
    assert made["value"].to_numpy() == pytest.approx(known["value"].to_numpy(), nan_ok=True)


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = project["dependencies"] + project["optional-dependencies"]["test"]
    return [Requirement(text) for text in texts]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_requirement_has_a_pin_within_its_bounds():
    pinned = pins()
    for requirement in requirements():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_torch_is_the_one_version():
    assert pins()["torch"] == "2.13.0"


def test_environment_yml_installs_the_same_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-c constraints.txt", "-e .[test]"]
