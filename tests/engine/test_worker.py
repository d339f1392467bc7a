"""What a kernel is given of the environment: folders that are the same from where it works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pythia_utils.engine import worker
from pythia_utils.grid.cells import Cell


@pytest.fixture
def cell(tmp_path) -> Cell:
    root = tmp_path / "elsewhere"
    return Cell("pico/x/pico-7k/step000000", "x", root / "x.ipynb", {}, root, root / "runs")


@pytest.mark.parametrize("name", ["PYTHIA_HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("written", ["mine", "./mine", "~/mine"])
def test_relative_folders_are_made_absolute(cell, tmp_path, monkeypatch, name, written):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(name, written)
    assert worker._environment(cell, 1)[name] == str(tmp_path / "mine")


def test_so_are_the_folders_of_modules(cell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["mine", "", "/theirs"]))
    paths = worker._environment(cell, 1)["PYTHONPATH"].split(os.pathsep)
    assert paths[-2:] == [str(tmp_path / "mine"), "/theirs"]
    assert all(Path(path).is_absolute() for path in paths)


def test_a_folder_that_is_not_named_is_not_made_up(cell, monkeypatch):
    monkeypatch.delenv("HF_HOME", raising=False)
    assert "HF_HOME" not in worker._environment(cell, 1)
