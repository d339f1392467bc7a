"""Checkpoints fetched ahead of cells: within the budget at any moment, used by all, dropped, or told."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from click.testing import CliRunner
from helpers.grids import ledger_of
from helpers.hub_server import checkpoint_files, flipped, serve_hub
from huggingface_hub import snapshot_download

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, Retry
from pythia_utils.cli.main import cli
from pythia_utils.engine import fetch_plan, gpus, prefetch, runner
from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.engine.prefetch import Supply
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.planning import plan, running_order
from pythia_utils.suites import devices
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.checkpoints import hub_cache
from pythia_utils.suites.hub import api

REPO, STEPS = "EleutherAI/pythia-14m", (0, 1, 2, 4, 8, 16)
SMALL = {"hidden_size": 64, "intermediate_size": 256}  # some 200 kB
YAML = """\
profiles:
  six: {suite: pythia, models: [pythia-14m], steps: [0, 1, 2, 4, 8, 16]}
experiments:
  opens: {title: Opens, notebook: notebooks/opens.ipynb}
  again: {title: Opens it too, notebook: notebooks/again.ipynb}
  reads: {title: Opens none, notebook: notebooks/reads.ipynb}
"""
PARAMETERS = 'suite: str = ""\nmodel: str = ""\nstep: int = 0'
OPENS = """\
import os
from pythia_utils.suites import checkpoints, find_model
folder = checkpoints.checkpoint_folder(find_model(model, suite).checkpoint(step))
print(*(os.environ[name] for name in ("PYTHIA_DEVICE", "PYTHIA_DTYPE")), folder.name)
"""


@functools.cache
def files(step: int) -> dict[str, bytes]:
    return checkpoint_files(step, **SMALL)


def size_of(*steps: int) -> int:
    return sum(len(content) for step in steps for content in files(step).values())


def write_notebook(path: Path, code: str) -> None:
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell(code)]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A project, and a Hub with a checkpoint for each of its steps; little patience."""
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments.yml").write_text(YAML)
    write_notebook(tmp_path / "notebooks" / "opens.ipynb", OPENS)
    write_notebook(tmp_path / "notebooks" / "again.ipynb", OPENS + "# again\n")
    write_notebook(tmp_path / "notebooks" / "reads.ipynb", "print(step)")
    monkeypatch.setattr(api, "RETRY", Retry(attempts=2, wait=0.01, read_timeout=5))
    with serve_hub({REPO: {f"step{step}": files(step) for step in STEPS}}) as server:
        server.root, server.cache = tmp_path, server.use(monkeypatch, tmp_path / "hf")
        yield server


@pytest.fixture
def opened(monkeypatch) -> list[tuple[str, int]]:
    """Notebooks that open their checkpoint in this process, and must find it: experiment and step of each."""
    seen = []

    def run(pool, notebook, parameters, *_, **__):
        if notebook.stem != "reads":
            model = find_model(parameters["model"])
            hub_cache().cached(model.repo_id, model.checkpoint(parameters["step"]).revision)
        time.sleep(0.05)
        seen.append((notebook.stem, parameters["step"]))
        return Execution(nbformat.v4.new_notebook(), None, 1, "cpu")

    monkeypatch.setattr(KernelPool, "run", run)
    return seen


class Watch(threading.Thread):
    """Measures the bytes in the cache again and again."""

    def __init__(self, cache: Path) -> None:
        super().__init__(daemon=True)
        self.cache, self.most, self.looks, self.over = cache, 0, 0, False
        self.start()

    def run(self) -> None:
        while not self.over:
            self.most = max(self.most, held(self.cache))
            self.looks += 1
            time.sleep(0.002)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def held(cache: Path) -> int:
    """Bytes of the blobs, the beginnings of some included."""
    sizes = []
    for path in cache.glob("*/blobs/*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # dropped, or renamed, just now
            continue
    return sum(sizes)


def snapshots(cache: Path) -> int:
    return len(list(cache.glob("*/snapshots/*")))


def due(root: Path, names=("opens", "again"), **options) -> list:
    cells = expand(load_config(root), names, profile="six", **options)
    return [cell for cell, reason in plan(cells, ledger_of(root)) if reason]


def run(root: Path, budget: int | None = None, **options) -> dict[str, object]:
    cells = due(root, **options)
    found = fetch_plan.fetch_plan(cells)
    how = {"workers": 2, "quiet": True, "fetching": found, "budget": budget}
    outcomes = runner.run(cells, ledger_of(root), **how)
    return {outcome.cell_id.removeprefix("pythia/"): outcome for outcome in outcomes}


def errors(outcomes: dict) -> dict[str, str]:
    return {name: each.error for name, each in outcomes.items() if each.status != "done"}


# --- within a budget ------------------------------------------------------------------------------


def test_a_budget_holds_at_any_moment_and_every_checkpoint_comes_once(hub, opened):
    """Two experiments; what another program fetched is used, not counted, and stays."""
    snapshot_download(REPO, revision="step4")
    theirs = held(hub.cache)
    hub.requests.clear()
    hub.bytes_per_second = 4_000_000  # so that the watch sees beginnings of files
    budget = 2 * size_of(0) + size_of(0) // 2
    with Watch(hub.cache) as watch:
        outcomes = run(hub.root, budget)
    assert not errors(outcomes)
    assert sorted(opened) == sorted((name, step) for name in ("opens", "again") for step in STEPS)
    assert watch.looks > 50
    assert theirs + size_of(0) < watch.most <= theirs + budget  # ahead, too: more than one at once
    ours = [step for step in STEPS if step != 4]
    weights = sum(len(files(step)["model.safetensors"]) for step in ours)
    assert hub.sent_of("model.safetensors") == weights
    assert held(hub.cache) == theirs
    assert snapshots(hub.cache) == 1


def test_what_is_added_to_a_folder_of_others_counts_and_goes_and_theirs_stays(hub, opened):
    """A tokenizer alone, say, that some tool has fetched at a commit whose weights are wanted later."""
    for step in (1, 2):
        snapshot_download(REPO, revision=f"step{step}", allow_patterns=["config.json"])
    config = held(hub.cache)
    hub.bytes_per_second = 4_000_000
    with Watch(hub.cache) as watch:
        assert not errors(run(hub.root, size_of(0) + 10, names=["opens"]))
    assert watch.most <= size_of(0) + 10 + config
    left = {path.relative_to(path.parents[1]).name for path in hub.cache.glob("*/snapshots/*/*")}
    assert left == {"config.json"}
    assert held(hub.cache) == config
    assert hub_cache().journal.held() == 0
    assert not errors(run(hub.root, size_of(0), names=["again"], steps=[1]))  # and comes anew


def test_without_a_budget_all_stays(hub, opened):
    assert not errors(run(hub.root, names=["opens"]))
    assert snapshots(hub.cache) == len(STEPS)


def test_what_was_fetched_before_the_run_goes_only_for_want_of_room(hub, opened):
    hub_cache().fetch(api.describe(REPO, "step0"))
    run(hub.root, 10 * size_of(0), names=["opens"], steps=[0, 1])
    assert hub_cache().holds(REPO, "step0")
    assert not hub_cache().holds(REPO, "step1")
    run(hub.root, size_of(0) + 1, names=["opens"], steps=[2])
    assert not hub_cache().holds(REPO, "step0")


def test_what_is_there_is_used_first_and_kept_till_then(hub, opened):
    """With room for one alone: fetching the first, by the order of steps, would drop the last."""
    hub_cache().fetch(api.describe(REPO, "step16"))
    hub.requests.clear()
    assert not errors(run(hub.root, size_of(0) + 1, names=["opens"]))
    assert opened[0] == ("opens", 16)
    assert sum("step16" in request.path for request in hub.requests) == 0


def test_equal_revisions_share_their_bytes_and_the_last_of_them_drops_these(hub, opened):
    """As step0 and step1 of Pythia do."""
    hub.repos[REPO]["step1"] = files(0)
    with Watch(hub.cache) as watch:
        assert not errors(run(hub.root, size_of(0), names=["opens"], steps=[0, 1]))
    assert watch.most <= size_of(0)
    assert hub.sent_of("model.safetensors") == len(files(0)["model.safetensors"])
    assert held(hub.cache) == 0


# --- time -----------------------------------------------------------------------------------------


def test_a_download_is_in_no_cells_time_and_cells_run_meanwhile(hub, opened):
    hub.bytes_per_second = size_of(0) / 0.7
    started = time.monotonic()
    outcomes = run(hub.root, names=["opens"], steps=[0, 1, 2])
    assert time.monotonic() - started > 3 * 0.7
    assert not errors(outcomes)
    assert max(outcome.seconds for outcome in outcomes.values()) < 0.7
    assert [step for _, step in opened] == [0, 1, 2]


def test_notebooks_that_open_no_checkpoint_neither_fetch_nor_wait(hub, opened):
    found = fetch_plan.fetch_plan(due(hub.root, ["reads"]))
    assert not found.cells
    hub.bytes_per_second = size_of(0) / 2
    run(hub.root, names=["opens", "reads"], steps=[0])
    assert [name for name, _ in opened] == ["reads", "opens"]


def test_an_interrupt_ends_a_download_and_the_next_run_goes_on(hub, opened, monkeypatch):
    hub.bytes_per_second = size_of(0) / 30
    cells = due(hub.root, ["opens"])
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    with Supply(running_order(cells), fetch_plan.fetch_plan(cells), quiet=True) as supply:
        time.sleep(0.5)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert supply.waiting == len(STEPS)
    assert not supply._thread.is_alive()
    hub.bytes_per_second = None
    assert not errors(run(hub.root, 2 * size_of(0), names=["opens"]))
    assert held(hub.cache) == 0


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_missing_or_faulty_revision_fails_its_cells_alone(hub, opened):
    del hub.repos[REPO]["step1"]
    del hub.repos[REPO]["step2"]["model.safetensors"]
    hub.inject(flipped, f"{hub.commit(REPO, 'step8')}/model.safetensors", times=None)
    failed = errors(run(hub.root, 3 * size_of(0)))
    assert Counter(name.rpartition("/")[2] for name in failed) == {
        "step000001": 2,
        "step000002": 2,
        "step000008": 2,
    }
    told = {name: text for name, text in failed.items() if name.startswith("opens")}
    place = "opens/pythia-14m/step00000"
    assert told[f"{place}1"] == f"FetchError: {REPO}@step1: the repository has no such revision"
    assert "step2 has no complete weights" in told[f"{place}2"]
    assert "what came is corrupt" in told[f"{place}8"]
    assert sorted(set(opened)) == sorted((n, s) for n in ("opens", "again") for s in (0, 4, 16))
    assert held(hub.cache) <= size_of(8)  # of the faulty one, the small files


def test_a_model_without_memory_is_not_fetched(hub, opened, monkeypatch):
    monkeypatch.setattr(gpus, "all_memory", lambda: 1_000_000)
    monkeypatch.setattr(gpus, "visible", dict)
    failed = errors(run(hub.root, names=["opens"], steps=[0]))
    assert "pythia-14m does not fit: its weights in float32 are 56,270,848" in next(
        iter(failed.values())
    )
    assert hub.sent_of("model.safetensors") == 0


def test_offline_what_is_there_runs_and_the_rest_is_told(hub, opened, monkeypatch):
    hub_cache().fetch(api.describe(REPO, "step4"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.requests.clear()
    failed = errors(run(hub.root, names=["opens"], steps=[4, 8]))
    assert [name[-1] for name in failed] == ["8"]
    assert "HF_HUB_OFFLINE forbids to fetch it" in next(iter(failed.values()))
    assert not hub.requests


def test_a_revision_that_cannot_be_dropped_is_told_and_stops_nothing(
    hub, opened, monkeypatch, capsys
):
    def refuse(journal, entries):
        if entries:
            raise FetchError("cannot be dropped")

    monkeypatch.setattr("pythia_utils.suites.hub.journal.Journal.drop", refuse)
    assert not errors(run(hub.root, 10 * size_of(0), names=["opens"], steps=[0, 1]))
    assert "pythia: warning: cannot be dropped" in capsys.readouterr().err


# --- before it starts -----------------------------------------------------------------------------


def pythia(*arguments: str):
    return CliRunner().invoke(cli, arguments)


def dry_run(*arguments: str) -> list[str]:
    done = pythia("run", "--profile", "six", "--dry-run", *arguments)
    assert done.exit_code == 0, done.output
    return done.stderr.splitlines()


def test_a_dry_run_tells_cells_bytes_disk_and_hours_and_fetches_nothing(hub, opened):
    run(hub.root, names=["opens"], steps=[0])
    hub.requests.clear()
    cells, fetched, hours = dry_run("opens", "again")
    total = size_of(0) * 5 / 1000
    assert cells == "11 of 12 runs due"
    assert fetched.startswith(f"to fetch: 5 of 6 checkpoints, about {total / 1000:.3g} MB; ")
    assert fetched.endswith(f"at most {6 * total / 5000:.3g} MB on the disk at once")
    assert hours.startswith("expected: 11 runs, about ")
    assert hours.endswith("of one worker, from what past runs took; of 6 nothing is known")
    assert hub.sent_of("resolve") == hub.sent_of("cdn") == 0
    assert sum("/revision/" in request.path for request in hub.requests) == 1
    _, fetched, _ = dry_run("opens", "again", "--disk-budget", "600kB")
    assert fetched.endswith("at most 600 kB on the disk at once")


def test_a_revision_that_is_not_there_is_taken_to_be_like_the_others(hub):
    del hub.repos[REPO]["step0"]
    found = fetch_plan.fetch_plan(due(hub.root, ["opens"]))
    assert found.total == 6 * size_of(1)
    assert len(found.told) == 6


def test_where_the_hub_does_not_tell_sizes_follow_from_the_parameters(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    _, fetched, _ = dry_run("opens")
    assert "about 169 MB by their numbers of parameters" in fetched  # 6 x 14,067,712 x 2 bytes


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("100kB", "--disk-budget 100 kB is too small: pythia-14m step0 alone takes"),
        ("much", "--disk-budget 'much': expected a number and a unit"),
    ],
)
def test_a_budget_that_cannot_be_is_one_line_before_anything_runs(hub, opened, budget, message):
    for extra in ([], ["--dry-run"]):
        done = pythia("run", "opens", "--profile", "six", "--disk-budget", budget, *extra)
        assert isinstance(done.exception, UsageError)
        assert str(done.exception).startswith(message)
    assert not opened


def test_a_disk_without_room_is_one_line_that_says_which_budget_has_it(hub, monkeypatch):
    found = fetch_plan.fetch_plan(due(hub.root, ["opens"]))
    full = replace(found, free=size_of(0) + 10)
    with pytest.raises(UsageError, match=r"has room for .*; give --disk-budget, of .* or more"):
        full.check(None)
    full.check(size_of(0))
    with pytest.raises(UsageError, match="has room for 1 kB; the largest checkpoint takes"):
        replace(found, free=1000).check(size_of(0))
    replace(found, free=1000, held=size_of(0)).check(size_of(0))  # which may go


def test_workers_at_an_address_have_disks_of_their_own():
    done = pythia("run", "--scheduler", "tcp://127.0.0.1:1", "--disk-budget", "1GB", "--dry-run")
    assert "expected threads, local:N or slurm" in str(done.exception)


def test_the_bar_tells_bytes_rate_and_time_left(hub, opened, monkeypatch, capsys):
    monkeypatch.setattr(prefetch.Bar, "every", 0)
    hub.bytes_per_second = 1_000_000
    cells = due(hub.root, ["opens"], steps=[0, 1])
    runner.run(cells, ledger_of(hub.root), fetching=fetch_plan.fetch_plan(cells))
    lines = [line for line in capsys.readouterr().err.splitlines() if "checkpoints:" in line]
    expected = f" of {2 * size_of(0) / 1000:.3g} kB · "
    shared = size_of(0) - len(files(0)["model.safetensors"])  # the second has no need of these
    came = f"checkpoints: {(2 * size_of(0) - shared) / 1000:.3g} kB of "
    assert all(expected in line and "B/s · " in line for line in lines[:-1])
    assert all(line.endswith(" left") for line in lines[:-1])
    assert lines[-1].startswith(came)
    assert lines[-1].endswith(" · complete")


# --- the notebook ---------------------------------------------------------------------------------


def test_a_notebook_is_told_device_and_dtype_and_finds_its_checkpoint(hub):
    cells = [replace(c, device="cpu", dtype="float16") for c in due(hub.root, ["opens"], steps=[2])]
    how = {"options": KernelOptions(warm=False), "fetching": fetch_plan.fetch_plan(cells)}
    (outcome,) = runner.run(cells, ledger_of(hub.root), quiet=True, **how)
    assert outcome.error is None
    notebook = nbformat.read(cells[0].output, as_version=4)
    printed = notebook.cells[-1].outputs[0].text.split()
    assert printed == ["cpu", "float16", hub.commit(REPO, "step2")]
    assert hub.sent_of("model.safetensors") == len(files(2)["model.safetensors"])
    assert outcome.parts["inputs"]["dtype"] == "float16"


def test_another_dtype_is_another_result_and_the_reason_says_so(hub, opened):
    run(hub.root, names=["opens", "reads"], steps=[0])

    def reasons(dtype: str) -> dict[str, str | None]:
        cells = expand(load_config(hub.root), ["opens", "reads"], steps=[0], profile="six")
        cells = [replace(cell, dtype=dtype, device="cuda") for cell in cells]
        return {c.experiment: reason for c, reason in plan(cells, ledger_of(hub.root))}

    assert reasons("auto") == {"opens": None, "reads": None}  # the device alone is no other result
    assert reasons("float32") == {"opens": "dtype changed", "reads": None}


def test_the_environment_says_for_every_command_what_auto_is(hub, opened, monkeypatch):
    monkeypatch.setenv(devices.DTYPE, "bfloat16")
    assert pythia("run", "opens", "--profile", "six", "--steps", "0").exit_code == 0
    told = "1 runs: 1 done, 0 stale, 0 failed, 0 missing"
    status = ("status", "opens", "--profile", "six", "--steps", "0")
    assert told in pythia(*status).output
    monkeypatch.delenv(devices.DTYPE)
    assert "dtype changed" in pythia(*status).output


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--device", "gpu", "device 'gpu': expected auto, cpu, cuda, cuda:1 or mps"),
        ("--dtype", "float61", "unknown dtype 'float61'; nearest: float16"),
    ],
)
def test_what_is_no_device_or_dtype_is_one_line(hub, opened, option, value, message):
    done = pythia("run", "opens", "--profile", "six", option, value)
    assert str(done.exception).startswith(message)
    variable = {"--device": devices.DEVICE, "--dtype": devices.DTYPE}[option]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, value)
        assert str(pythia("status", "--profile", "six").exception).startswith(message)
    assert not opened


def test_a_gpu_that_a_notebook_was_given_and_did_not_use_is_told_once(
    hub, opened, monkeypatch, capsys
):
    monkeypatch.setattr(gpus, "own", lambda: gpus.Gpus({"0": 24 * 2**30}))
    cells = due(hub.root, ["opens", "reads"], steps=[0, 1])
    outcomes = runner.run(cells, ledger_of(hub.root), fetching=fetch_plan.fetch_plan(cells))
    found = {outcome.cell_id.split("/")[1]: outcome.device for outcome in outcomes}
    assert found == {"opens": "cpu, a GPU lay idle", "reads": "cpu"}
    told = "a GPU is there, and PyTorch could not use it"
    assert capsys.readouterr().err.count(told) == 1


def test_a_supply_of_cells_of_our_own_is_ready_at_once():
    cells = [SimpleNamespace(id=name) for name in "abc"]
    with Supply(cells) as supply:
        assert [cell.id for cell, _ in supply.take()] == ["a", "b", "c"]
        assert supply.waiting == 0
        supply.done(cells[0])


def test_a_cell_that_reads_single_tensors_has_no_checkpoint_fetched(hub):
    """Fetched as a whole it would bring all that the cell means to spare."""
    cells = due(hub.root, ["opens"], steps=[0, 1])
    alone = dataclasses.replace(cells[0], parameters=cells[0].parameters | {"tensors_only": True})
    found = fetch_plan.fetch_plan([alone, cells[1]])
    assert [c.step for c in found.cells] == [cells[1].checkpoint.step]
    whole = dataclasses.replace(cells[0], parameters=cells[0].parameters | {"tensors_only": False})
    assert len(fetch_plan.fetch_plan([whole, cells[1]]).cells) == 2
