"""The truth about a grid: states, reruns, order, cost, progress, the status page, records for users."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import closing

import pandas as pd
import pytest
from helpers import stub_kernels
from helpers.commands import pythia
from helpers.grids import ledger_of, pretend, why

from pythia_utils.base import files
from pythia_utils.engine import runner
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.engine.progress import Progress
from pythia_utils.grid import records, status
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.ledger import Outcome
from pythia_utils.grid.planning import plan, running_order
from pythia_utils.site import status_page
from pythia_utils.site.contents import Contents
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.folders import checkpoint_path


@pytest.fixture
def grid(root, monkeypatch):
    """Eight cells: three done, one stale, one failed, three missing. (root, cells by state)"""
    monkeypatch.setattr(KernelPool, "run", stub_kernels.run)
    cells = expand(load_config(root), ["measure"], profile="wide")
    ledger = ledger_of(root)
    runner.run(cells[:4], ledger, quiet=True)
    ledger.append(Outcome(cells[4].id, "failed", 2.0, "ValueError: no | luck"))
    (checkpoint_path(cells[3].checkpoint) / "model.safetensors").write_text("retrained")
    states = {"done": cells[:3], "stale": cells[3:4], "failed": cells[4:5], "missing": cells[5:]}
    return root, {state: [cell.id for cell in own] for state, own in states.items()}


def wide(root):
    return expand(load_config(root), ["measure"], profile="wide")


def test_every_cell_has_its_state_and_what_it_took(grid):
    root, expected = grid
    found = status.survey(wide(root), ledger_of(root))
    assert {s: [f.cell.id for f in found if f.state == s] for s in status.STATES} == expected
    rows = {row["cell"]: row for row in (each.row() for each in found)}
    done = rows[expected["done"][0]]
    assert (done["peak_memory_bytes"], done["device"], done["error"]) == (1_000_000, "cpu", None)
    assert done["seconds"] > 0
    assert rows[expected["stale"][0]]["reason"] == "checkpoint changed"
    assert rows[expected["failed"][0]]["error"] == "ValueError: no | luck"
    assert rows[expected["missing"][0]]["seconds"] is None


@pytest.mark.parametrize("rerun", ["failed", "stale", None, "all"])
def test_rerun_chooses_cells_by_their_state(grid, rerun):
    root, states = grid
    due = [i for i, reason in why(wide(root), ledger_of(root), rerun=rerun).items() if reason]
    chosen = {None: ("stale", "failed", "missing"), "all": states}.get(rerun, (rerun,))
    assert sorted(due) == sorted(i for state in chosen for i in states[state])


def test_a_run_whose_checkpoint_is_elsewhere_is_still_done(grid):
    root, states = grid
    for name in ("pico-7k", "pico-14k"):
        shutil.rmtree(checkpoint_path(find_model(name).checkpoint(0)).parent)
    found = {each.cell.id: each.state for each in status.survey(wide(root), ledger_of(root))}
    assert [found[i] for i in states["done"]] == ["done"] * 3
    assert found[states["failed"][0]] == "failed"
    assert found[states["missing"][0]] == "missing"


def test_cost_is_what_the_cells_took_before(root):
    ledger, cells = ledger_of(root), expand(load_config(root), ["measure", "plain"], profile="tiny")
    small, large = (find_model(name).total_params for name in ("pico-7k", "pico-14k"))
    assert status.cost(status.survey(cells, ledger)) == (0, 4)
    ledger.append(Outcome(cells[0].id, "done", 10.0, parts={"notebook": 0}, fingerprint="old"))
    found = status.survey(cells, ledger)  # 10 s for the small one, by size for the large one
    assert status.cost(found) == (pytest.approx(10 + 10 * large / small), 2)
    other = "pico/plain/pico-57k/step000512"  # of another grid: the ledger has it, the statuses have not
    ledger.append(Outcome(other, "done", 80.0, parts={"notebook": 0}, fingerprint="old"))
    ledger.append(
        Outcome("nano/plain/nano-7k/step000512", "done", 9e9, parts={}, fingerprint="old")
    )
    assert status.cost(found)[1] == 2
    more = max(80 * (small + large) / find_model("pico-57k").total_params, 160)
    assert status.cost(found, ledger) == (pytest.approx(10 + 10 * large / small + more), 0)
    due, unknown = 4, 2
    assert status.cost_text(due, 240, unknown) == (
        "4 runs, about 4 min of one worker, from what past runs took; of 2 nothing is known"
    )
    assert status.cost_text(0, 0, 0) == "nothing to do"
    assert "not known" in status.cost_text(4, 0, 4)


def test_large_models_run_first_and_a_checkpoints_notebooks_together(root):
    cells = expand(load_config(root), ["measure", "plain"], profile="wide")
    ordered = running_order(cells)
    models = [cell.parameters["model"] for cell in ordered]
    assert models == ["pico-14k"] * 8 + ["pico-7k"] * 8
    pairs = [tuple(c.experiment for c in ordered[i : i + 2]) for i in range(0, 16, 2)]
    assert pairs == [("measure", "plain")] * 8
    assert sorted(c.id for c in ordered) == sorted(c.id for c in cells)


def test_a_plan_reads_weights_and_records_once(grid, monkeypatch):
    root, _ = grid
    plan(wide(root), ledger_of(root))
    read = []
    real = files.file_digest
    monkeypatch.setattr(files, "file_digest", lambda path: read.append(path) or real(path))
    plan(wide(root), ledger_of(root))
    assert read == []
    changed = checkpoint_path(wide(root)[0].checkpoint) / "model.safetensors"
    changed.write_text("retrained")
    assert plan(wide(root), ledger_of(root))[0][1] == "checkpoint changed"
    assert read == [changed]
    (root / "runs" / files.DIGESTS_FILE).write_text("{damaged")
    assert plan(wide(root), ledger_of(root))[0][1] == "checkpoint changed"


# --- progress -------------------------------------------------------------------------------------


def test_progress_without_a_terminal_is_a_line_an_experiment(root, capsys):
    cells = expand(load_config(root), ["measure", "plain"], profile="tiny")
    outcomes = [Outcome(c.id, "failed" if i == 1 else "done", 1.0, "E: x" if i == 1 else None)
                for i, c in enumerate(cells)]  # fmt: skip
    with closing(Progress(cells)) as progress:
        for cell, outcome in zip(cells, outcomes, strict=True):
            progress.update(cell, outcome)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("measure: 1/2 · 0 failed · ")
    assert lines[0].endswith(" left")
    assert lines[1] == f"failed {cells[1].id} 1.0 s · E: x"
    assert lines[2].startswith("measure: 2/2 · 1 failed · ")
    assert lines[2].endswith("complete")
    assert lines[3].startswith("plain: 2/2 · 0 failed · ")
    assert len(lines) == 4


def test_quiet_shows_nothing_and_verbose_every_cell(root, capsys):
    cells = expand(load_config(root), ["measure"], profile="tiny")
    for options, count in ({"quiet": True}, 0), ({"verbose": True}, 4):
        with closing(Progress(cells, **options)) as progress:
            for cell in cells:
                progress.update(cell, Outcome(cell.id, "done", 1.0))
            progress.note("dashboard: http://127.0.0.1:1") if options.get("quiet") else None
        assert len(capsys.readouterr().err.splitlines()) == count


def test_a_terminal_gets_a_bar_an_experiment(root, capsys, monkeypatch):
    cells = expand(load_config(root), ["measure", "plain"], profile="tiny")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with closing(Progress(cells)) as progress:
        assert list(progress._bars) == ["measure", "plain"]
        progress.update(cells[0], Outcome(cells[0].id, "failed", 1.0, "E: x"))
        assert progress._bars["measure"].done == 1
    text = capsys.readouterr().err
    assert "measure" in text
    assert f"failed {cells[0].id} 1.0 s · E: x" in text


# --- the page -------------------------------------------------------------------------------------


def test_the_page_tells_totals_reasons_and_each_run(grid):
    root, _ = grid
    config, ledger = load_config(root), ledger_of(root)
    pico, nano = (Contents(config, catalog.suite(name), (), ()) for name in ("pico", "nano"))
    text = status_page.status_page(pico, status.survey_suite(config, "pico", ledger))
    assert "profile `wide`" in text  # of the profiles of this suite, the one that is most done
    (line,) = (line for line in text.splitlines() if line.startswith("| measure |"))
    assert line.split(" | ")[1:5] == ["3", "1", "1", "4"]  # the chapter is missing, too
    assert "| pico/measure/pico-14k/step000000 | failed | ValueError: no \\| luck |" in text
    assert "| stale | checkpoint changed |" in text
    assert "| pico-7k/step000000 | done |" in text
    found = status.survey_suite(config, "nano", ledger)
    assert "No profile is a grid" in status_page.status_page(nano, found)


def test_the_page_counts_where_much_is_not_done(grid):
    root, _ = grid
    config = load_config(root)
    found = status.survey(expand(config, profile="full"), ledger_of(root))
    pico = Contents(config, catalog.suite("pico"), (), ())
    text = status_page.status_page(pico, status.SuiteStatus("full", found))
    section = text.partition("\n## A measurement\n")[2].partition("::::{dropdown} All")[0]
    assert "ValueError: no \\| luck" in section
    rows = [line for line in section.splitlines() if line.startswith("| pico")]
    assert len(rows) < 60 < len(found)
    assert sum(int(row.split(" | ")[2]) for row in rows) == sum(
        s.state != "done" for s in found if s.cell.experiment == "measure"
    )


def test_a_survey_of_some_looks_at_no_other(grid):
    root, _ = grid
    found = status.survey_suite(load_config(root), "pico", ledger_of(root), ["measure"])
    assert {each.cell.experiment for each in found.statuses} == {"measure"}


def test_a_survey_knows_what_ran_since(grid):
    root, _ = grid
    ledger = ledger_of(root)
    found = status.survey_suite(load_config(root), "pico", ledger)
    one, other = [each.cell for each in found.statuses if each.state == "missing"][:2]
    pretend(one, ledger)
    ledger.append(Outcome(other.id, "failed", 1.0, "E: x"))
    states = {each.cell.id: each.state for each in found.after(ledger).statuses}
    assert (states[one.id], states[other.id]) == ("done", "failed")
    before = {each.cell.id: each.state for each in found.statuses}
    assert {k for k, state in states.items() if state != before[k]} == {one.id, other.id}


# --- the commands ---------------------------------------------------------------------------------


def test_status_in_words_and_as_json(grid, pico_home):
    root, states = grid
    command = ("status", "measure", "--profile", "wide")
    done = pythia(*command, cwd=root, home=pico_home)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2] == "8 runs: 3 done, 1 stale, 1 failed, 3 missing"
    assert lines[-1].startswith("next run: 5 runs, about ")
    assert any(line.startswith(f"stale\t{states['stale'][0]}\t") for line in lines)
    data = json.loads(pythia(*command, "--json", cwd=root, home=pico_home).stdout)
    assert data["totals"] == {"done": 3, "stale": 1, "failed": 1, "missing": 3}
    assert data["next_run"]["cells_of_unknown_cost"] == 0
    assert [row["state"] for row in data["cells"]].count("missing") == 3


def test_records_for_users(grid, pico_home, tmp_path):
    root, _ = grid
    expected = records.read("measure", runs=root / "runs")
    command = ("records", "--experiment", "measure")
    out = pythia(*command, cwd=root, home=pico_home)
    table = pd.read_csv(io.StringIO(out.stdout), keep_default_na=False)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_exact=True)
    file = tmp_path / "numbers.parquet"
    pythia(*command, "--suite", "pico", "--output", str(file), cwd=root, home=pico_home)
    pd.testing.assert_frame_equal(pd.read_parquet(file), expected, check_dtype=False)
    out = pythia(*command, "--steps", "1-2", cwd=root, home=pico_home).stdout
    known = expected["step"].between(1, 2)
    assert 0 < known.sum() < len(expected)
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(out), keep_default_na=False),
        expected[known].reset_index(drop=True),
        check_dtype=False,
    )
    for wrong, message in (
        (("--experiment", "mesure"), "nearest: measure"),
        (("--experiment", "measure", "--steps", "7"), "unknown step 7 of the records of measure"),
        (("--experiment", "measure", "--suite", "nan"), "nearest: nano"),
        (("--experiment", "plain"), "run: pythia run plain"),
        (("--experiment", "measure", "--output", "no/such/x.csv"), "there is no folder"),
    ):
        failed = pythia("records", *wrong, cwd=root, home=pico_home)
        assert (failed.returncode, failed.stdout) == (2, "")
        assert message in failed.stderr


def test_duckdb_reads_what_the_book_says(grid, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    root, _ = grid
    monkeypatch.chdir(root)
    rows = duckdb.sql(
        "select experiment, model, metric, max(step) as last, count(*) as rows "
        "from 'runs/*/*/*/step*.parquet' group by all order by all"
    ).fetchall()
    assert rows == [("measure", "pico-7k", "number", 4, 8)]
