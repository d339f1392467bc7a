"""Runs of real, tiny notebooks: what is kept, what is run again and why, failures, interrupts."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from helpers.commands import ROOT, is_running, wait_until
from helpers.grids import ledger_of, make_project, pretend, why

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import file_digest
from pythia_utils.engine import runner
from pythia_utils.engine.preload import kernel_pool
from pythia_utils.engine.worker import run_cell, usable_cores
from pythia_utils.grid import notebooks as notebooks_module
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import chapters, expand
from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.grid.planning import plan
from pythia_utils.suites.folders import WEIGHTS, checkpoint_path

PROJECT = ROOT


# --- One run, looked at from many sides ---------------------------------------------------------


@pytest.fixture(scope="module")
def grid(pico_home, tmp_path_factory):
    """Everything but the sleeper, run once while `picky` is broken: (root, cells, outcomes)."""
    root = tmp_path_factory.mktemp("grid")
    make_project(root)
    (root / "broken").touch()
    names = ["measure", "picky", "plain"]
    cells = expand(load_config(root), names, profile="tiny")
    cells += expand(
        load_config(root), ["fails", "dies", "exits", "chatty"], models=["pico-7k"], steps=[0],
        profile="tiny",
    )  # fmt: skip
    outcomes = runner.run(cells, ledger_of(root), workers=2, quiet=True)
    return root, cells, {outcome.cell_id: outcome for outcome in outcomes}


def test_a_failure_does_not_stop_the_others(grid):
    _, cells, outcomes = grid
    assert list(outcomes) == [cell.id for cell in cells]
    failures = {name: outcome.error for name, outcome in outcomes.items() if outcome.error}
    assert failures == {
        "pico/picky/pico-14k/step000000": "RuntimeError: broken",
        "pico/fails/pico-7k/step000000": "ValueError: no luck at step 0",
        "pico/dies/pico-7k/step000000": "DeadKernelError: Kernel died of SIGKILL; was memory short?",
        "pico/exits/pico-7k/step000000": "SystemExit: 0",
    }
    assert {o.status for o in outcomes.values() if o.error is None} == {"done"}
    assert runner.exit_code(outcomes.values()) == 1


def test_the_kernel_is_this_interpreter_in_the_projects_folder(grid):
    root, cells, _ = grid
    notebook = nbformat.read(cells[0].output, as_version=4)
    printed = next(c for c in notebook.cells if "names =" in c.source).outputs[0].text.split()
    threads = str(max(1, usable_cores() // 2))
    backend = "module://matplotlib_inline.backend_inline"
    assert printed == [str(root), sys.executable, threads, "0", backend, str(root / "runs")]


def test_the_notebook_tells_what_it_is_and_has_no_noise(grid):
    _, cells, outcomes = grid
    cell = cells[1]
    notebook = nbformat.read(cell.output, as_version=4)
    nbformat.validate(notebook)
    about = notebook.metadata["pythia"]
    assert about["cell"] == cell.id
    assert about["fingerprint"] == cell.fingerprint() == outcomes[cell.id].fingerprint
    assert about["parameters"] == cell.parameters
    assert about["seconds"] > 0
    assert about["weights"]["files"] == {
        WEIGHTS: file_digest(checkpoint_path(cell.checkpoint) / WEIGHTS)
    }
    assert notebook.metadata["papermill"]["exception"] is False
    injected = next(c for c in notebook.cells if "injected-parameters" in c.metadata.tags)
    assert injected.source == (
        '# Parameters\nsuite = "pico"\nmodel = "pico-14k"\nstep = 0\nlabels = ["a"]\n'
    )
    assert injected.id == "injected-parameters"
    assert not any("papermill" in c.metadata or "execution" in c.metadata for c in notebook.cells)


def test_records_lie_beside_the_notebook(grid):
    root, cells, outcomes = grid
    frame = records.read("measure", runs=root / "runs")
    assert frame["model"].tolist() == ["pico-7k", "pico-7k", "pico-14k", "pico-14k"]
    assert frame["subset"].tolist() == ["all", "a"] * 2
    assert outcomes[cells[0].id].rows == 2
    plain = next(cell for cell in cells if cell.experiment == "plain")
    assert plain.output.is_file()
    assert not plain.records.exists()
    assert outcomes[plain.id].rows is None


def test_a_failed_notebook_is_kept_beside_with_its_error(grid):
    _, cells, outcomes = grid
    cell = next(cell for cell in cells if cell.experiment == "fails")
    assert outcomes[cell.id].output == cell.failed
    assert not cell.output.exists()
    assert not cell.records.exists()
    notebook = nbformat.read(cell.failed, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["papermill"]["exception"] is True
    assert notebook.metadata["pythia"]["error"] == "ValueError: no luck at step 0"
    outputs = [out for c in notebook.cells for out in c.get("outputs", ())]
    assert [out.output_type for out in outputs] == ["error"]  # and nothing after it


def test_the_failure_table_names_cell_error_and_notebook(grid, monkeypatch):
    root, _, outcomes = grid
    monkeypatch.chdir(root)
    table = runner.failure_table(outcomes.values()).splitlines()
    assert len(table) == 3 * 4
    at = table.index("pico/picky/pico-14k/step000000")
    assert table[at + 1].strip() == "RuntimeError: broken"
    assert table[at + 2].strip() == "runs/pico/picky/pico-14k/step000000.failed.ipynb"
    assert runner.failure_table([]) == ""


def test_much_output_is_kept_whole(grid):
    _, cells, _ = grid
    cell = next(cell for cell in cells if cell.experiment == "chatty")
    notebook = nbformat.read(cell.output, as_version=4)
    text = "".join(out.text for out in notebook.cells[-1].outputs)
    assert text.count("\n") == 20_000


def test_nothing_half_written_is_left(grid):
    root, _, _ = grid
    assert list((root / "runs").rglob(".partial-*")) == []


def test_the_next_run_takes_only_what_failed_and_clears_its_traces(grid):
    root, cells, outcomes = grid
    ledger = ledger_of(root)
    due = [cell for cell, reason in plan(cells, ledger) if reason]
    assert [c.id for c in due] == [name for name, o in outcomes.items() if o.status == "failed"]
    assert set(why(due, ledger).values()) == {"failed before"}

    (root / "broken").unlink()
    picky = [cell for cell in due if cell.experiment == "picky"]
    (again,) = runner.run(picky, ledger, quiet=True)
    assert (again.status, again.rows) == ("done", 1)
    assert not picky[0].failed.exists()
    assert picky[0].output.is_file()
    assert why(picky, ledger) == {picky[0].id: None}


def test_a_chapter_runs_over_the_records_and_again_when_they_change(grid):
    root, cells, _ = grid
    ledger = ledger_of(root)
    (chapter,) = chapters(load_config(root), "pico")
    assert why([chapter], ledger) == {chapter.id: "new"}
    (outcome,) = runner.run([chapter], ledger, quiet=True)
    assert outcome.status == "done"
    assert "4 records" in chapter.output.read_text()
    assert why(chapters(load_config(root), "pico"), ledger) == {chapter.id: None}

    frame = records.read("measure", runs=root / "runs").head(2)
    kept = cells[0].records.read_bytes()
    records.write(cells[0].records, frame.assign(value=0.5))
    assert why([chapter], ledger) == {chapter.id: "records changed"}
    cells[0].records.write_bytes(kept)
    assert why([chapter], ledger) == {chapter.id: None}


# --- What is run again, and why -----------------------------------------------------------------


@pytest.fixture
def finished(root):
    """A grid as if it had been run: (root, cells, ledger)."""
    cells = expand(load_config(root), ["measure"], profile="tiny")
    ledger = ledger_of(root)
    for cell in cells:
        pretend(cell, ledger)
    return root, cells, ledger


def reasons(finished, **options):
    root, _, ledger = finished
    cells = expand(load_config(root), ["measure"], profile="tiny")
    return list(why(cells, ledger, **options).values())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_unchanged_cells_are_not_run_again(finished):
    assert reasons(finished) == [None, None]


def test_a_new_cell(finished):
    root, _, ledger = finished
    cells = expand(load_config(root), ["measure"], profile="tiny", steps=[4])
    assert set(why(cells, ledger).values()) == {"new"}


@pytest.mark.parametrize(
    ("old", "new"), [("scale * step / 3", "scale * step / 4"), ("A measurement", "A title")]
)
def test_an_edit_of_code_or_prose(finished, old, new):
    edit(finished[0] / "notebooks/measure.ipynb", old, new)
    assert reasons(finished) == ["notebook changed"] * 2


def test_outputs_and_metadata_of_the_source_do_not_count(finished):
    path = finished[0] / "notebooks/measure.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["kernelspec"]["display_name"] = "Mine"
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="left over")]
    notebook.cells[-1].execution_count = 7
    nbformat.write(notebook, path)
    assert reasons(finished) == [None, None]


def test_other_parameters(finished):
    root, *_ = finished
    edit(root / "experiments.yml", "{labels: [a]}", "{labels: [b], scale: 2.0}")
    assert reasons(finished) == ["parameters changed (labels, scale)"] * 2


def test_explicit_parameters_make_cells_of_their_own(finished):
    root, usual, ledger = finished
    cells = expand(load_config(root), ["measure"], profile="tiny", parameters={"note": "x"})
    assert [cell.id for cell in cells] == [f"{cell.id}@note=x" for cell in usual]
    assert set(why(cells, ledger).values()) == {"new"}
    for cell in cells:
        pretend(cell, ledger)
    assert reasons(finished) == [None, None]
    assert set(why(cells, ledger).values()) == {None}


def test_another_package_module_is_named(finished, monkeypatch):
    real = notebooks_module.code_fingerprint
    other = {"catalog.py": "0" * 64}
    fake = lambda paths: other.get(paths[0].name) or real(paths)  # noqa: E731
    monkeypatch.setattr(notebooks_module, "code_fingerprint", fake)
    assert reasons(finished) == ["package changed (suites/catalog.py)"] * 2


def test_another_checkpoint(finished):
    _, cells, _ = finished
    (checkpoint_path(cells[1].checkpoint) / "model.safetensors").write_text("retrained")
    assert reasons(finished) == [None, "checkpoint changed"]


@pytest.mark.parametrize("missing", ["output", "records"])
def test_a_missing_file(finished, missing):
    _, cells, _ = finished
    getattr(cells[0], missing).unlink()
    assert reasons(finished) == ["output missing", None]


def test_forced(finished):
    assert reasons(finished, rerun="all") == ["forced", "forced"]
    with pytest.raises(
        UsageError, match="unknown value of --rerun 'none'; choose from: failed, stale, all"
    ):
        reasons(finished, rerun="none")


def test_a_checkpoint_that_is_not_trained(finished):
    _, cells, _ = finished
    (checkpoint_path(cells[0].checkpoint) / "model.safetensors").unlink()
    assert reasons(finished, dry_run=True) == ["checkpoint missing", None]
    with pytest.raises(UsageError) as caught:
        reasons(finished)
    assert str(caught.value) == "pico-7k step0 is not trained yet; run: pythia train pico"
    shutil.rmtree(checkpoint_path(cells[1].checkpoint))
    with pytest.raises(UsageError, match=r"\(nor are 1 other checkpoints\)"):
        reasons(finished)


def test_planning_an_unchanged_grid_is_quick(root):
    cells = [
        cell
        for name in ("measure", "picky", "plain", "sleeps", "chatty")
        for cell in expand(load_config(root), [name], profile="full")
    ]
    assert len(cells) > 500
    ledger = ledger_of(root)
    for cell in cells:
        pretend(cell, ledger)
    started = time.perf_counter()
    planned = plan(expand(load_config(root), profile="full"), ledger)
    assert time.perf_counter() - started < 1.0
    assert sum(reason is None for _, reason in planned) == len(cells)


# --- The ledger ---------------------------------------------------------------------------------


def test_the_last_line_counts_and_the_history_stays(tmp_path):
    ledger = Ledger(tmp_path / "runs" / "ledger.jsonl")
    assert ledger.last() == {}
    for status in ("failed", "done"):
        ledger.append(Outcome("a", status, 1.5, "E: x\ny" if status == "failed" else None))
    ledger.append(Outcome("b", "done"))
    assert {name: entry["status"] for name, entry in ledger.last().items()} == {
        "a": "done",
        "b": "done",
    }
    lines = ledger.path.read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["failed", "done", "done"]


@pytest.mark.parametrize("cut", [1, 20, 10_000])
def test_a_torn_line_is_ignored_and_does_not_spoil_the_next(tmp_path, cut):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append(Outcome("a", "failed"))
    whole = ledger.path.read_bytes()
    ledger.append(Outcome("b", "failed"))
    torn = ledger.path.read_bytes()
    ledger.path.write_bytes(torn[: max(len(whole), len(torn) - cut)])
    assert set(ledger.last()) - {"b"} == {"a"}
    ledger.append(Outcome("c", "failed"))
    assert {"a", "c"} <= set(ledger.last())
    assert ledger.path.read_bytes().endswith(b"}\n")


def test_lines_that_are_not_entries_are_ignored(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text('[1]\n"text"\n\x00\x00\n{"other": 1}\n')
    assert Ledger(path).last() == {}


# --- One cell, and the executor's seam ----------------------------------------------------------


def test_run_cell_never_raises(root):
    (cell, _) = expand(load_config(root), ["plain"], profile="tiny")
    cell.notebook.unlink()
    with kernel_pool() as kernels:
        outcome = run_cell(cell, kernels)
    assert outcome.status == "failed"
    assert outcome.error.startswith("UsageError: there is no notebook")
    assert outcome.files == {}


def test_a_cell_whose_folder_cannot_be_written_fails_alone(root):
    (cell, _) = expand(load_config(root), ["plain"], profile="tiny")
    (root / "runs").mkdir()
    (root / "runs" / "pico").write_text("a file where the folder should be")
    outcomes = runner.run([cell], ledger_of(root), quiet=True)
    assert "Error" in outcomes[0].error
    assert ledger_of(root).last()[cell.id]["status"] == "failed"


def test_cells_and_outcomes_travel_between_processes(grid):
    _, cells, outcomes = grid
    assert pickle.loads(pickle.dumps(cells)) == cells
    assert pickle.loads(pickle.dumps(outcomes)) == outcomes


def test_nothing_to_run(tmp_path):
    assert runner.run([], Ledger(tmp_path / "ledger.jsonl")) == []
    assert runner.exit_code([]) == 0


# --- Interrupts ---------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from pythia_utils.engine import runner
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand

root = Path(sys.argv[1])
cells = expand(load_config(root), ["sleeps"], profile="wide")
outcomes = runner.run(cells, runner.Ledger(root / "runs" / "ledger.jsonl"), workers=2)
print(*[outcome.status for outcome in outcomes])
sys.exit(runner.exit_code(outcomes))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind_and_the_next_run_goes_on(root, signum):
    (root / "slow").touch()
    started = root / "started"
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        # Steps 0 and 1 of the first model finish; 2 and 4 sleep, each with a child of its own.
        assert wait_until(lambda: len(list(started.glob("*"))) == 2, 90)
        time.sleep(0.2)
        process.send_signal(signum)
        sent = time.monotonic()
        process.send_signal(signum)  # an impatient user changes nothing
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert time.monotonic() - sent < 5
    assert process.returncode == 130
    assert err.count("interrupted") == 1
    assert "Traceback" not in err
    assert Counter(out.split()) == {"done": 2, "interrupted": 6}

    pids = [int(pid) for file in started.iterdir() for pid in file.read_text().split()]
    assert len(pids) == 4
    assert wait_until(lambda: not any(map(is_running, pids)), 2)
    files = sorted(p.name for p in (root / "runs").rglob("*") if p.is_file())
    assert files == ["ledger.jsonl", "step000000.ipynb", "step000001.ipynb"]

    (root / "slow").unlink()
    cells = expand(load_config(root), ["sleeps"], profile="wide")
    due = [cell for cell, reason in plan(cells, ledger_of(root)) if reason]
    assert len(due) == 6
    if signum == signal.SIGINT:
        assert {o.status for o in runner.run(due, ledger_of(root), quiet=True)} == {"done"}
        assert set(why(cells, ledger_of(root)).values()) == {None}
