"""Files that a user names: as a path, or in the package's own folder of data."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.grid.named_files import file_digests
from pythia_utils.suites.catalog import data_dir, named_file

CAPITALS = "data/capitals.csv"


def test_a_name_of_data_is_the_packages_file_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_file(CAPITALS) == data_dir() / "capitals.csv"
    assert named_file(CAPITALS, tmp_path / "elsewhere") == data_dir() / "capitals.csv"


def test_a_file_of_ones_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    own = tmp_path / CAPITALS
    own.write_text("own")
    assert named_file(CAPITALS) == own


def test_other_names_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_file("capitals.csv") == tmp_path / "capitals.csv"
    assert named_file("data/no-such.csv") == tmp_path / "data" / "no-such.csv"
    assert named_file("data") == tmp_path / "data"
    assert named_file("/data/capitals.csv") == Path("/data/capitals.csv")
    assert named_file("~/facts.csv") == Path.home() / "facts.csv"
    assert named_file(f"data/{'x' * 5000}") == tmp_path / "data" / ("x" * 5000)
    with pytest.raises(UsageError, match="no such character"):
        named_file("data/a\0b")


def test_a_cell_depends_on_the_packages_file_that_a_parameter_names(tmp_path):
    (given,) = file_digests({"facts_file": CAPITALS}, tmp_path, lambda path: path.name).items()
    assert given[0] == CAPITALS
    (other,) = file_digests({"f": CAPITALS}, tmp_path, lambda path: path.name + "2").items()
    assert given[1] != other[1]
