"""What can go wrong around a run: kills, full disks, damaged files, clocks, a second run.

After each: no finished cell is lost, no half-written file is read as whole, and the next run completes
the grid with only what was missing. The notebooks are stubs, so that each takes a hundredth of a second.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import stub_kernels
from helpers.commands import ROOT, pythia
from helpers.grids import make_project
from helpers.killed_runs import CELLS

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import FolderInUse, locked
from pythia_utils.engine import runner
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.ledger import Ledger
from pythia_utils.grid.planning import plan

TESTS = ROOT / "tests"
TRIALS = 20


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    """Notebooks that take no time. What is executed is in `stub_kernels.executed`."""
    monkeypatch.setattr(KernelPool, "run", stub_kernels.run)
    stub_kernels.executed.clear()
    return stub_kernels.executed


def cells_in(project: Path, runs: Path) -> list:
    return expand(load_config(project), ["measure"], profile="full", runs=runs)[:CELLS]


def ledger_in(runs: Path) -> Ledger:
    return Ledger(runs / "ledger.jsonl")


def go_on(project: Path, runs: Path) -> list:
    """What a user does after a fault: run again. Returns the outcomes of what had to run."""
    due = [cell for cell, reason in plan(cells_in(project, runs), ledger_in(runs)) if reason]
    return runner.run(due, ledger_in(runs), workers=2, quiet=True)


def assert_complete(project: Path, runs: Path) -> None:
    cells = cells_in(project, runs)
    assert {reason for _, reason in plan(cells, ledger_in(runs))} == {None}
    grid = records.read("measure", runs=runs)
    assert len(grid) == 2 * len(cells)
    assert (grid["value"] == grid["step"]).all()


def whole_files(runs: Path) -> None:
    """Every file under its name can be read to its end."""
    for path in runs.rglob("step*.ipynb"):
        assert json.loads(path.read_text())["cells"], path
    for path in runs.rglob("*.parquet"):
        if not path.name.startswith(".partial-"):
            assert pq.read_table(path, page_checksum_verification=True).num_rows > 0, path


# --- the whole run is killed ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(pico_home, tmp_path_factory):
    """A project in which twenty runs were killed, and how many cells each had finished."""
    project = tmp_path_factory.mktemp("killed")
    make_project(project)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    script = [sys.executable, str(TESTS / "helpers" / "killed_runs.py"), str(project), str(TRIALS)]
    subprocess.run(script, env=env, check=True)
    return project, [len(ledger_in(project / f"runs-{n}").last()) for n in range(TRIALS)]


@pytest.mark.parametrize("number", range(TRIALS))
def test_a_run_killed_at_any_moment_loses_nothing(killed, stub, number):
    project, _ = killed
    runs = project / f"runs-{number}"
    whole_files(runs)
    finished = {i for i, entry in ledger_in(runs).last().items() if entry["status"] == "done"}
    planned = {cell.id: reason for cell, reason in plan(cells_in(project, runs), ledger_in(runs))}
    assert {i for i, reason in planned.items() if reason is None} == finished
    assert {reason for i, reason in planned.items() if i not in finished} <= {"new"}
    with locked(runs, "run"):  # the dead process's lock is nobody's
        assert {o.status for o in go_on(project, runs)} <= {"done"}
    assert len(stub) == CELLS - len(finished)
    assert_complete(project, runs)


def test_some_kills_came_in_the_middle(killed):
    """Else the trials would show little."""
    _, finished = killed
    assert sum(0 < count < CELLS for count in finished) >= 3, finished


# --- the disk is full -----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB: (its folder, function that makes it larger)."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command mount")
    if done.returncode:
        pytest.skip(f"no small file system may be mounted here: {done.stderr.strip()}")
    larger = ["mount", "-o", "remount,size=50m", str(folder)]
    yield folder, lambda: subprocess.run(larger, check=True)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_keeps_what_was_done(root, stub, small_disk):
    folder, make_room = small_disk
    runs = folder / "runs"
    with pytest.raises(OSError, match=r"No space left|no room") as caught:
        go_on(root, runs)
    assert caught.value.errno in (errno.ENOSPC, None)
    whole_files(runs)
    finished = ledger_in(runs).last()
    assert 0 < len(finished) < CELLS
    make_room()
    stub.clear()
    go_on(root, runs)
    assert len(stub) == CELLS - len(finished)
    assert_complete(root, runs)


# --- files are damaged ----------------------------------------------------------------------------


@pytest.fixture
def done(root, stub):
    """A grid that has run: (project, runs)."""
    runs = root / "runs"
    go_on(root, runs)
    assert_complete(root, runs)
    stub.clear()
    return root, runs


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("kind", ["records", "output"])
def test_a_damaged_file_makes_its_cell_run_again(done, stub, kind, damage):
    project, runs = done
    cell = cells_in(project, runs)[5]
    damage(getattr(cell, kind))
    if (kind, damage) == ("records", cut):  # one bit may lie where Parquet has no checksum
        with pytest.raises(UsageError, match=r"step000016\.parquet is damaged"):
            records.read("measure", runs=runs)
    planned = plan(cells_in(project, runs), ledger_in(runs))
    assert [(c.id, reason) for c, reason in planned if reason] == [(cell.id, "output changed")]
    go_on(project, runs)
    assert len(stub) == 1
    assert_complete(project, runs)


def test_a_notebook_that_was_copied_is_the_same(done):
    project, runs = done
    output = cells_in(project, runs)[5].output
    content = output.read_bytes()
    output.unlink()
    output.write_bytes(content)
    os.utime(output, (1, 1))
    assert_complete(project, runs)


def test_a_link_among_the_results_does_not_lead_the_run_astray(done, tmp_path):
    """Runs may come with a checkout, of somebody else."""
    project, runs = done
    cell, mine = cells_in(project, runs)[5], tmp_path / "mine.txt"
    mine.write_text("precious")
    for path in (cell.output, cell.records):
        path.unlink()
        path.symlink_to(mine)
    go_on(project, runs)
    assert mine.read_text() == "precious"
    assert_complete(project, runs)


def test_a_foreign_file_is_told_by_its_name(done):
    project, runs = done
    cell = cells_in(project, runs)[5]
    cell.records.write_text("a text, not a table")
    with pytest.raises(UsageError, match=r"step000016\.parquet is damaged .*pythia run measure"):
        records.read("measure", runs=runs)


def test_a_cell_that_was_removed_is_not_seen(done):
    """There is no other copy of its records."""
    project, runs = done
    cell = cells_in(project, runs)[5]
    cell.records.unlink()
    grid = records.read("measure", runs=runs)
    assert len(grid) == 2 * (CELLS - 1)
    assert {path.name for path in runs.rglob("*.parquet")} == {
        other.records.name for other in cells_in(project, runs) if other != cell
    }


def test_damaged_lines_of_the_ledger_cost_only_their_cells(done, stub):
    project, runs = done
    path = ledger_in(runs).path
    lines = path.read_bytes().splitlines(keepends=True)
    chosen = random.Random(0).sample(range(CELLS), 3)
    lines[chosen[0]] = lines[chosen[0]][: len(lines[chosen[0]]) // 2] + b"\n"
    lines[chosen[1]] = b"\x00\xff\x00\n"
    lines[chosen[2]] = b'{"cell_id": "pico/measure/pico-7k/step000000"}\n'
    path.write_bytes(b"".join(lines) + b'{"cell_id": "torn')
    go_on(project, runs)
    assert len(stub) == 3
    assert_complete(project, runs)


# --- clocks ---------------------------------------------------------------------------------------


def test_a_clock_that_goes_backwards_changes_nothing(done, stub):
    """A later run has an earlier time: in its files, in the ledger."""
    project, runs = done
    tomorrow = 4_000_000_000
    for path in [*runs.rglob("step*"), runs / "ledger.jsonl"]:
        os.utime(path, (tomorrow, tomorrow))
    text = ledger_in(runs).path.read_text()
    ledger_in(runs).path.write_text(text.replace('"finished": "20', '"finished": "21'))
    assert_complete(project, runs)

    cell = cells_in(project, runs)[3]
    frame = records.read("measure", runs=runs)
    own = frame[(frame["model"] == "pico-7k") & (frame["step"] == cell.parameters["step"])]
    records.write(cell.records, own.assign(value=-1.0))
    os.utime(cell.records, (1, 1))
    assert (records.read("measure", runs=runs)["value"] == -1.0).sum() == 2
    go_on(project, runs)
    assert len(stub) == 1
    assert_complete(project, runs)


# --- a folder that may not be written, or is in use ------------------------------------------------


def test_a_folder_that_cannot_be_made_is_one_clear_line(root, pico_home):
    (root / "runs").write_text("a file where the folder should be")
    done = pythia("run", "measure", "--profile", "tiny", cwd=root, home=pico_home)
    assert done.returncode == 1
    assert done.stderr.startswith("pythia: ")
    assert str(root / "runs") in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_clear_line(root, pico_home):
    (root / "runs").mkdir(mode=0o500)
    done = pythia("run", "measure", "--profile", "tiny", cwd=root, home=pico_home)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Permission denied" in done.stderr
    status = pythia("status", "measure", "--profile", "tiny", cwd=root, home=pico_home)
    assert status.returncode == 0


HOLD = """
import sys, time
from pathlib import Path
from pythia_utils.base.files import locked

with locked(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_in_a_folder_is_refused_until_the_first_ends(root, pico_home):
    runs = root / "runs"
    env = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", HOLD, str(runs)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(FolderInUse, match=f"process {holder.pid} on "), locked(runs, "run"):
                pass
            second = pythia("run", "measure", "--profile", "tiny", cwd=root, home=pico_home)
            assert second.returncode == 1
            assert f"another run works in {runs} (process {holder.pid} on " in second.stderr
            assert "Traceback" not in second.stderr
            looking = ("status", "measure", "--profile", "tiny")
            assert pythia(*looking, cwd=root, home=pico_home).returncode == 0
        finally:
            holder.send_signal(signal.SIGKILL)
    with locked(runs, "run"):  # of a dead process, and so free
        holder = json.loads((runs / ".lock").read_text())
        assert holder["pid"] == os.getpid()
