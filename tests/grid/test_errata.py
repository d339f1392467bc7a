"""Known faults in a grid: left out, told, refused, and marked in heatmaps and tables."""

from __future__ import annotations

import re
import shutil
import warnings
from dataclasses import replace

import pytest
from helpers.commands import ROOT, pythia

from pythia_utils.base.errors import UsageError
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.site import tables
from pythia_utils.site.cells.page import Page
from pythia_utils.suites import catalog
from pythia_utils.suites.errata import CheckpointWarning, errata_to_mark, fault

NOTEBOOKS = ROOT / "tests" / "data" / "notebooks"
FEW = [49000, 50000, 58000, 59000]  # of 12b, two of them faulty
YAML = f"""\
profiles:
  all: {{suite: pythia, models: [pythia-12b, pythia-2.8b, pythia-1b], steps: all}}
  few: {{suite: pythia, models: [pythia-12b], steps: {FEW}}}
experiments:
  plain: {{title: Plain, notebook: notebooks/plain.ipynb}}
  again: {{title: Plain too, notebook: notebooks/plain.ipynb}}
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    (tmp_path / "experiments.yml").write_text(YAML)
    return tmp_path


def model(name: str) -> catalog.Model:
    return catalog.find_model(name)


def places(cells) -> list[tuple[str, int]]:
    return [(cell.parameters["model"], cell.parameters["step"]) for cell in cells]


# --- the grid -------------------------------------------------------------------------------------


def test_a_profile_leaves_faulty_checkpoints_out_and_counts_them_once(root):
    with pytest.warns(CheckpointWarning) as caught:
        cells = expand(load_config(root), profile="all")
    assert len(cells) == 2 * (3 * 154 - 86 - 2)
    assert not [cell for cell in cells if fault(cell.checkpoint)]
    assert ("pythia-1b", 1) in places(cells)  # step 1 equals step 0, as it should
    (line,) = [str(warning.message) for warning in caught]
    assert line.startswith(
        "88 checkpoints with a known erratum left out (pythia-12b: 2, pythia-2.8b"
    )


def test_steps_listed_in_a_profile_and_all_of_the_command_line_are_filtered_too(root):
    with pytest.warns(CheckpointWarning, match="^2 checkpoints"):
        cells = expand(load_config(root), ["plain"], profile="few")
    assert places(cells) == [("pythia-12b", 49000), ("pythia-12b", 59000)]
    with pytest.warns(CheckpointWarning, match="^2 checkpoints"):
        assert len(expand(load_config(root), ["plain"], profile="few", steps="all")) == 152


def test_a_named_step_runs_with_a_warning_or_is_refused(root):
    config = load_config(root)
    with pytest.warns(CheckpointWarning, match=r"12b step 50000: serves the final .*P#206"):
        cells = expand(config, ["plain"], profile="few", steps=[49000, 50000])
    assert places(cells) == [("pythia-12b", 49000), ("pythia-12b", 50000)]
    with pytest.raises(UsageError, match=r"50000: .*P#206.*; refused"):
        expand(config, ["plain"], profile="few", steps=[49000, 50000], strict=True)
    named = {"models": ["pythia-410m-seed9"], "steps": [40000]}
    with pytest.raises(UsageError, match="the weights are missing"):  # no run could succeed
        expand(config, ["plain"], profile="few", **named)


def test_sound_grids_give_no_warning(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expand(load_config(root), ["plain"], profile="few", steps=[49000, 59000], strict=True)
        expand(load_config(root), ["plain"], profile="all", models=["pico-7k"], steps="all")


def test_the_command_says_it_in_one_line_of_stderr(root):
    done = pythia("run", "plain", "--profile", "few", "--dry-run", cwd=root)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "pythia: warning: 2 checkpoints with a known erratum left out (pythia-12b: 2); "
        "--steps NUMBER runs one nevertheless",
        "2 of 2 runs due",
        "expected: 2 runs; none like them has run yet, so what they take is not known",
    ]
    named = ("run", "plain", "--profile", "few", "--step", "50000", "--dry-run")
    done = pythia(*named, cwd=root)
    assert done.returncode == 0
    assert done.stdout.startswith("pythia/plain/pythia-12b/step050000")
    assert "pythia: warning: pythia-12b step 50000: serves" in done.stderr
    done = pythia(*named, "--strict", cwd=root)
    assert (done.returncode, done.stdout) == (2, "")
    ranged = ("run", "plain", "--profile", "few", "--steps", "49000-51000,58000", "--dry-run")
    done = pythia(*ranged, cwd=root)
    steps = [line.partition("\t")[0].rpartition("/")[2] for line in done.stdout.splitlines()]
    assert steps == ["step049000", "step051000", "step058000"]  # 50000 is faulty, 58000 is named
    assert "1 checkpoint with a known erratum left out" in done.stderr
    assert "pythia: warning: pythia-12b step 58000: serves" in done.stderr


# --- marks ----------------------------------------------------------------------------------------


def test_which_places_are_marked():
    twelve, one = model("pythia-12b"), model("pythia-1b")
    assert errata_to_mark({}) == {}
    assert errata_to_mark({one: one.steps}) == {}
    assert errata_to_mark({twelve: [0, 49000, 59000]}) == {}  # nobody asked for 50000
    assert list(errata_to_mark({twelve: [49000], one: [50000]})) == [("pythia-12b", 50000)]
    sound = [step for step in twelve.steps if step not in (50000, 58000)]
    marks = errata_to_mark({twelve: sound})
    assert list(marks) == [("pythia-12b", 50000), ("pythia-12b", 58000)]
    assert marks["pythia-12b", 50000] == "serves the final model's first shard (P#206)"


def test_the_page_of_all_runs_marks_them_too(tmp_path):
    pages = [
        Page("loss", name, step, tmp_path / f"pythia/loss/{name}/step{step:06d}.ipynb")
        for name, step in (("pythia-2.8b", 66000), ("pythia-12b", 50000), ("pythia-12b", 66000))
    ]
    yaml = YAML.replace("plain:", "loss:", 1)
    (tmp_path / "experiments.yml").write_text(yaml)
    experiments = list(load_config(tmp_path).experiments.values())
    text = tables.all_runs(catalog.suite("pythia"), experiments, pages)
    link = "[50000](cells/pythia/loss/pythia-12b/step050000.ipynb)"
    assert f"{link} {{abbr}}`✗ (step 50000: serves the final model's first shard (P#206))`" in text
    assert "✗ (step 50000: holds the same weights as `main`, byte for byte (76" in text  # not run
    assert text.rstrip().endswith(
        "✗ A checkpoint with a known erratum: {doc}`/suites` has them all."
    )
    rows = [line for line in text.splitlines() if line.startswith("| pythia")]
    assert [row.count("|") for row in rows] == [4, 4]
    few = tables.all_runs(catalog.suite("pythia"), experiments, pages[2:])
    assert "✗" not in few


def test_the_page_of_all_runs_has_a_box_for_each_model_where_steps_are_many(tmp_path):
    pages = [
        Page("loss", name, step, tmp_path / f"pythia/loss/{name}/step{step:06d}.ipynb")
        for name in ("pythia-14m", "pythia-12b")
        for step in catalog.find_model(name).steps
        if not (name == "pythia-12b" and step == 50000)
    ]
    pages[5] = replace(pages[5], error="KeyError: 'x'")
    (tmp_path / "experiments.yml").write_text(YAML.replace("plain:", "loss:", 1))
    experiments = list(load_config(tmp_path).experiments.values())
    text = tables.all_runs(catalog.suite("pythia"), experiments, pages)
    assert "| pythia" not in text
    assert "{dropdown} pythia-14m: 154 runs, steps 0 to 143,000; 1 failed\n" in text
    assert "{dropdown} pythia-12b: 153 runs, steps 0 to 143,000\n" in text
    links = re.findall(r"\]\((cells/[^)]+)\)", text)
    assert sorted(set(links)) == sorted(page.path for page in pages)
    assert "{abbr}`✗ (step 50000: serves" in text
    assert "{abbr}`failed (step 16: KeyError: 'x')`" in text
