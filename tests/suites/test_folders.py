"""Where things are: one folder, however it is written and wherever it is asked for."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.grid import records
from pythia_utils.suites import folders


@pytest.mark.parametrize("written", ["mine", "./mine", "~/mine", "ABSOLUTE/mine", "mine/"])
@pytest.mark.parametrize(
    ("variable", "asked"), [("PYTHIA_HOME", folders.home), ("PYTHIA_RUNS", records.runs_dir)]
)
def test_a_folder_is_the_same_however_it_is_written(
    tmp_path, monkeypatch, written, variable, asked
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, written.replace("ABSOLUTE", str(tmp_path)))
    assert asked() == tmp_path / "mine"


def test_the_usual_folder_is_absolute_too(monkeypatch):
    monkeypatch.delenv("PYTHIA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert folders.home().is_absolute()


def test_the_home_of_nobody(monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", "~nosuch/x")
    with pytest.raises(UsageError, match=r"^~nosuch/x: whose folder that is, is not known$"):
        folders.home()
