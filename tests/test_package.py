"""The wheel and the sdist: built, installed elsewhere, and used without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml
from helpers.commands import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


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
    files = ("blimp.csv", "capitals.csv", "neox_config.yml")
    assert {f"pythia_utils/data/{name}" for name in files} <= names
    published = {path.name for path in (ROOT / "data" / "published").iterdir() if path.is_file()}
    assert {f"pythia_utils/data/published/{name}" for name in published} <= names
    assert not [name for name in names if name.startswith(("tests/", "runs/"))]


def test_the_sdist_carries_sources_and_nothing_generated(distributions):
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "Makefile", "data/suites/pico.yml", "notebooks/loss.ipynb"} <= names
    assert not [n for n in names if n.startswith(("runs/", "_build/", "book/_executed/", ".venv/"))]


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
