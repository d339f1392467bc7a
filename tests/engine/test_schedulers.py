"""Where cells run: names and settings of schedulers, workers that die or share nothing, interrupts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from helpers.commands import ROOT, is_running, wait_until
from helpers.grids import ledger_of, why

from pythia_utils.base import children
from pythia_utils.base import gpus as base_gpus
from pythia_utils.base.errors import UsageError
from pythia_utils.engine import gpus, runner, schedulers, slurm
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.preload import kernel_pool
from pythia_utils.engine.worker import NOTEBOOK, RECORDS, run_cell
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.ledger import Outcome
from pythia_utils.suites import idle_gpu
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.checkpoints import pick_device

PROJECT = ROOT
COLD = KernelOptions(warm=False)


# --- what users write -----------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["slum", "local", "tcp://host", "http://h:1"])
def test_an_unknown_scheduler_is_told_with_the_nearest(spec):
    with pytest.raises(UsageError, match=f"unknown scheduler '{spec}'; (nearest|choose from): "):
        schedulers.choose(spec)


@pytest.mark.parametrize("number", ["0", "-1", "1e9", "99999", "²", ""])
def test_a_number_of_workers_that_cannot_be(number):
    with pytest.raises(UsageError, match=f"N is '{number}'; expected 1 to 9999 workers"):
        schedulers.choose(f"local:{number}")


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(schedulers, "find_spec", lambda name: None)
    for spec, settings in ("local:2", None), ("slurm", Path("x")), ("tcp://127.0.0.1:1", None):
        with pytest.raises(UsageError, match=r"needs distributed.*pip install .*\[cluster\]"):
            schedulers.choose(spec, settings=settings)


@pytest.mark.parametrize("spec", ["local:0", "local:-1", "local:1e9"])
def test_a_number_of_workers_is_told_what_it_may_be(spec):
    with pytest.raises(UsageError, match=r"expected 1 to 9999 workers"):
        schedulers.choose(spec)


def test_settings_are_for_slurm_only(tmp_path):
    with pytest.raises(
        UsageError, match="--cluster-config is for --scheduler slurm, not 'local:2'"
    ):
        schedulers.choose("local:2", settings=tmp_path / "cluster.yml")


def test_no_scheduler_at_an_address_is_one_clear_line(monkeypatch):
    pytest.importorskip("distributed")
    from pythia_utils.engine import dask_schedulers

    monkeypatch.setattr(dask_schedulers, "_CONNECT_WITHIN", 0.5)
    with (
        pytest.raises(UsageError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:1"),
        schedulers.choose("tcp://127.0.0.1:1"),
    ):
        pass


# --- slurm ----------------------------------------------------------------------------------------


@pytest.fixture
def cluster_yml(tmp_path):
    """The file of the book's page, on a network interface that every machine has."""
    pytest.importorskip("dask_jobqueue")
    page = (PROJECT / "book/cluster.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "cluster.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(text) | {"interface": "lo"}))
    return path


def test_the_job_script_asks_for_what_the_page_says(cluster_yml):
    script = slurm.job_script(cluster_yml)
    for line in ("-p gpu", "-A my-project", "--cpus-per-task=8", "-t 04:00:00", "--gres=gpu:1"):
        assert f"\n#SBATCH {line}\n" in script
    (command,) = re.findall(r"^.* -m distributed\.cli\.dask_worker tcp://.*$", script, re.MULTILINE)
    assert "--protocol tls://" in command
    assert re.search(r"--tls-ca-file \S+ --tls-cert \S+ --tls-key \S+", command)
    assert command.startswith(sys.executable)
    assert "--resources GPU=1" in command
    assert "--nthreads 8" in command
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quee": "gpu"}, "SLURM cluster: .*unexpected keyword argument 'quee'"),
        ({"cores": None, "memory": "1GB"}, "SLURM cluster: You must specify how much cores"),
        ({"worker_extra_args": 3}, "worker_extra_args: expected a list, not 3"),
        ({"security": False}, "security must be true: who reaches a scheduler runs code as you"),
        ({"security": "no"}, "security: expected true or false"),
        ({"gpus": "two"}, "gpus: expected a whole number from 0 to 10,000"),
        ({"jobs": 10**9}, "jobs: expected a whole number from 0 to 10,000, not 1000000000"),
        ({"walltime": "-1"}, "walltime: expected a time as SLURM writes it, such as 04:00:00"),
        ({"walltime": "noon\nrm x"}, "walltime: expected a time as SLURM writes it"),
        ({"queue": "gpu\nrm x"}, "queue: expected a line of text"),
        ({"job_extra_directives": ["--x\nrm x"]}, r"directives\[0\]: expected a line of text"),
        ({"scheduler_options": {"port": 99999}}, "port: expected a whole number from 0 to 65,535"),
        ({"security": {"tls_ca_file": "x"}}, "security must be true"),
        ({"gpu_memory": "much"}, "gpu_memory: size 'much': expected a number"),
    ],
)
def test_a_fault_in_the_settings_is_one_clear_line(cluster_yml, change, message):
    cluster_yml.write_text(yaml.safe_dump(yaml.safe_load(cluster_yml.read_text()) | change))
    with pytest.raises(UsageError, match=message):
        slurm.job_script(cluster_yml)


@pytest.mark.parametrize("time", ["04:00:00", "30", 30, "1-12", "2-00:30:00", "UNLIMITED"])
def test_times_are_slurms_own(cluster_yml, time):
    cluster_yml.write_text(
        yaml.safe_dump(yaml.safe_load(cluster_yml.read_text()) | {"walltime": time})
    )
    assert f"\n#SBATCH -t {time}\n" in slurm.job_script(cluster_yml)


def test_a_network_that_this_machine_lacks_is_one_line_once_jobs_are_wanted(
    cluster_yml, tmp_path, monkeypatch
):
    (tmp_path / "sbatch").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    cluster_yml.write_text(cluster_yml.read_text().replace("interface: lo", "interface: ib7"))
    with (
        pytest.raises(
            UsageError, match=r"^SLURM cluster: .*'ib7' is not a valid network interface"
        ),
        slurm.scheduler(cluster_yml),
    ):
        pass


def test_a_dry_run_starts_no_scheduler(cluster_yml, monkeypatch):
    """And so needs no network of the cluster's."""
    from distributed import Scheduler

    started = []
    monkeypatch.setattr(Scheduler, "__init__", lambda *_, **__: started.append(1))
    cluster_yml.write_text(cluster_yml.read_text().replace("interface: lo", "interface: ib7"))
    threads = threading.active_count()
    assert "--interface ib7" in slurm.job_script(cluster_yml)
    assert (started, threading.active_count()) == ([], threads)


@pytest.mark.parametrize("change", [{}, {"scheduler_options": {"protocol": "tcp"}}])
def test_a_cluster_of_slurm_speaks_tls_with_certificates_that_only_we_can_read(
    cluster_yml, tmp_path, change
):
    more = {"shared_temp_directory": str(tmp_path)} | change
    _, settings = slurm._settings(cluster_yml)
    with slurm._cluster(settings | more, 0) as cluster:
        assert cluster.scheduler_address.startswith("tls://")
        assert stranger_is_refused(cluster.scheduler_address)
        certificates = [path for path in tmp_path.iterdir() if path != cluster_yml]
        assert len(certificates) == 3
        assert {path.stat().st_mode & 0o777 for path in certificates} == {0o600}


def stranger_is_refused(address: str) -> bool:
    """Whether a client without certificates, or with its own, cannot connect."""
    from distributed import Client, Security

    port = address.rpartition(":")[2]
    for where, security in (
        (f"tcp://127.0.0.1:{port}", None),
        (f"tls://127.0.0.1:{port}", Security.temporary()),
    ):
        with suppress(OSError), Client(where, security=security, timeout=2):
            return False
    return True


def test_cores_and_memory_must_be_given(cluster_yml):
    cluster_yml.write_text("queue: gpu\ncores: 2\n")
    with pytest.raises(UsageError, match="must specify how much cores and memory"):
        slurm.job_script(cluster_yml)


def test_without_sbatch_a_run_does_not_start(cluster_yml, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    scheduler = schedulers.choose("slurm", 2, cluster_yml)
    with pytest.raises(UsageError, match="there is no sbatch here"), scheduler:
        pass


# --- GPUs -----------------------------------------------------------------------------------------

GIB = 2**30
LISTING = "0, GPU-a, 24576\n1, GPU-b, 24576\n2, GPU-c, 81920\n"


@pytest.mark.parametrize(
    ("chosen", "names"),
    [(None, ["0", "1", "2"]), ("2,0", ["2", "0"]), ("GPU-b", ["GPU-b"]), ("", []), ("-1", [])],
)
def test_only_the_gpus_that_may_be_used_are_counted(chosen, names):
    assert list(base_gpus.allowed(LISTING, chosen)) == names


def cell_of(model: str, device: str = "auto", dtype: str = "auto") -> SimpleNamespace:
    checkpoint = find_model(model).checkpoint(0)
    return SimpleNamespace(checkpoint=checkpoint, device=device, dtype=dtype)


@pytest.mark.parametrize(
    ("model", "memory", "wanted"),
    [
        ("pythia-70m", 24 * GIB, 0.25),
        ("pythia-2.8b", 24 * GIB, 0.5),
        ("pythia-12b", 80 * GIB, 0.5),
        ("pythia-12b", 24 * GIB, 2),
        ("pythia-12b", 8 * GIB, 4),
    ],
)
def test_a_model_gets_gpus_by_its_size(model, memory, wanted):
    assert gpus.demand(cell_of(model), memory) == wanted


def test_a_model_in_another_dtype_or_on_another_device_gets_others():
    wide = cell_of("pythia-12b", dtype="float32")
    assert gpus.demand(wide, 80 * GIB) == 0.75
    assert gpus.demand(cell_of("pythia-12b", dtype="bfloat16"), 24 * GIB) == 2
    assert gpus.demand(cell_of("pythia-12b", "cuda"), 24 * GIB) == 1  # it is not spread
    assert gpus.demand(cell_of("pythia-12b", "cpu"), 24 * GIB) == 0


@pytest.mark.parametrize(
    ("device", "seen"),
    [
        ("auto", {"a", "b"}),
        ("cuda", {"a", "b"}),
        ("cuda:0", {"a"}),
        ("cuda:1", {"b"}),
        ("cpu", {""}),
    ],
)
def test_a_notebook_sees_the_gpu_that_was_asked_for(device, seen):
    pool, small = gpus.Gpus({"a": 24 * GIB, "b": 24 * GIB}), cell_of("pythia-70m", device)
    with pool.lent(small) as first, pool.lent(small) as second:
        assert {each["CUDA_VISIBLE_DEVICES"] for each in (first, second)} == seen
    assert pool._free == {"a": 1.0, "b": 1.0}


def test_a_gpu_that_there_is_not_is_one_line():
    pool = gpus.Gpus({"a": 24 * GIB})
    with (
        pytest.raises(UsageError, match=r"device 'cuda:1': expected a number below 1"),
        pool.lent(cell_of("pythia-70m", "cuda:1")),
    ):
        pass


@pytest.mark.parametrize(
    ("device", "dtype", "fits"),
    [
        ("auto", "auto", True),  # 12b: 24 GB in float16, on 20 + 20 and 10 in memory
        ("auto", "float32", True),
        ("cuda", "auto", False),
        ("cuda:1", "float32", False),
        ("cpu", "auto", False),  # float32
        ("cpu", "bfloat16", False),
    ],
)
def test_what_a_machine_could_open_is_known_without_pytorch(monkeypatch, device, dtype, fits):
    monkeypatch.setattr(gpus, "visible", lambda: {"0": 20 * 10**9, "1": 20 * 10**9})
    monkeypatch.setattr(gpus, "all_memory", lambda: 10**10)
    model = find_model("pythia-12b")
    if fits:
        gpus.check_memory(model, device, dtype)
        return
    with pytest.raises(UsageError, match="pythia-12b does not fit: its weights in"):
        gpus.check_memory(model, device, dtype)


# --- a GPU that is there and lies idle ------------------------------------------------------------


@pytest.fixture
def with_gpu(monkeypatch, tmp_path):
    """A machine with the device of a GPU, without NVIDIA's tool, and a PyTorch that cannot use it."""
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(base_gpus, "_DEVICES", tmp_path)
    monkeypatch.setattr(base_gpus, "visible", dict)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_an_idle_gpu_is_told_with_the_reason(with_gpu, monkeypatch):
    monkeypatch.setattr("torch.version.cuda", None)
    assert "is built without CUDA; https://pytorch.org/get-started" in idle_gpu.why_idle()
    monkeypatch.setattr("torch.version.cuda", "13.0")
    assert "for CUDA 13.0, finds none that works; is the driver too old" in idle_gpu.why_idle()
    idle_gpu.warn.cache_clear()
    with pytest.warns(UserWarning, match="the GPU of this machine is not used: PyTorch"):
        assert pick_device("auto") == "cpu"
    idle_gpu.warn.cache_clear()


def test_a_gpu_that_is_used_hidden_or_not_there_is_not_told(with_gpu, monkeypatch, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: True)
        assert idle_gpu.why_idle() is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert idle_gpu.why_idle() is None
    (tmp_path / "nvidia0").unlink()
    (tmp_path / "nvidiactl").touch()  # the driver's, without a GPU
    assert idle_gpu.why_idle() is None


def test_a_run_asks_pytorch_in_a_child(monkeypatch):
    monkeypatch.setattr(gpus, "is_there", lambda: True)
    answers = iter(["", "PyTorch cannot\n", "PyTorch cannot\n"])
    asked = []

    def run(command, **_):
        asked.append(command)
        return SimpleNamespace(stdout=next(answers))

    monkeypatch.setattr(gpus.subprocess, "run", run)
    assert gpus.usable("cpu") == ("cpu", None)
    assert not asked
    assert gpus.usable("auto") == ("auto", None)
    assert gpus.usable("auto") == ("cpu", "the GPU of this machine is not used: PyTorch cannot")
    with pytest.raises(UsageError, match="--device cuda: PyTorch cannot"):
        gpus.usable("cuda")
    monkeypatch.setattr(gpus, "is_there", lambda: False)
    with pytest.raises(UsageError, match="--device cuda:1: this machine has no GPU"):
        gpus.usable("cuda:1")


def test_the_child_answers():
    command = children.command(idle_gpu.__name__, "print_why")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (idle_gpu.why_idle() or "")


def test_gpus_are_shared_by_small_models_and_waited_for_by_large_ones():
    pool = gpus.Gpus({"0": 24 * GIB, "1": 24 * GIB})
    small, large = cell_of("pythia-70m"), cell_of("pythia-12b")
    with pool.lent(small) as first, pool.lent(small) as second:
        assert {first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]} == {"0", "1"}
        got = []

        def take():
            with pool.lent(large) as both:
                got.append(both["CUDA_VISIBLE_DEVICES"])

        thread = threading.Thread(target=take)
        thread.start()
        thread.join(0.1)
        assert got == []
    thread.join(5)
    assert sorted(got[0].split(",")) == ["0", "1"]
    assert pool._free == {"0": 1.0, "1": 1.0}
    with gpus.Gpus({}).lent(large) as nothing:
        assert nothing == {}


# --- a worker that has nothing but this package ---------------------------------------------------


def test_run_cell_needs_no_file_of_the_project_and_leaves_none(root, monkeypatch, tmp_path_factory):
    (cell, _) = expand(load_config(root), ["measure"], profile="tiny")
    source, fingerprint = cell.notebook.read_text(), cell.fingerprint()
    for path in (root / "notebooks", root / "experiments.yml"):
        path.rename(root.parent / f"gone-{path.name}")
    temporary = tmp_path_factory.mktemp("worker")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with kernel_pool() as kernels:
        outcome = run_cell(cell, kernels, options=COLD, source=source)
    assert (outcome.status, outcome.error) == ("done", None)
    assert set(outcome.files) == {NOTEBOOK, RECORDS}
    assert outcome.fingerprint == fingerprint
    assert outcome.peak_memory_bytes > 1e6
    assert outcome.device == "cpu"
    assert list(temporary.iterdir()) == []
    assert not (root / "runs").exists()

    kept = runner.keep(cell, outcome)
    assert kept.files == {}
    assert kept.output.read_bytes() == outcome.files[NOTEBOOK]
    assert len(records.read("measure", runs=root / "runs")) == outcome.rows == 2


def start(*command: str, cwd: Path) -> subprocess.Popen:
    """A program of dask's, that finds the package but not the project."""
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    env["PYTHIA_COLD_KERNELS"] = "1"
    arguments = [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:]]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(arguments, cwd=cwd, env=env, start_new_session=True, **quiet)


@pytest.fixture
def far_away(tmp_path_factory):
    """A dask scheduler with no worker yet: (address, function that adds a worker)."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("far")
    file = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
    started = [start("dask_scheduler", *options, "--scheduler-file", str(file), cwd=folder)]

    def add_worker() -> None:
        options = ("--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard")
        options += ("--no-nanny", "--host", "127.0.0.1", "--local-directory", str(folder))
        started.append(start("dask_worker", *options, cwd=folder))

    try:
        assert wait_until(lambda: file.is_file() and file.stat().st_size > 0, 60)
        time.sleep(0.2)
        yield yaml.safe_load(file.read_text())["address"], add_worker
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_worker_elsewhere_returns_notebook_and_records(root, far_away):
    address, add_worker = far_away
    cells = expand(load_config(root), ["measure"], profile="tiny")
    scheduler = schedulers.choose(address)
    outcomes: list[Outcome] = []
    ledger = ledger_of(root)
    thread = threading.Thread(
        target=lambda: outcomes.extend(
            runner.run(cells, ledger, quiet=True, options=COLD, scheduler=scheduler)
        )
    )
    thread.start()
    # Once the cells are queued the project moves away: the worker will not find it.
    assert wait_until(lambda: getattr(scheduler, "_submitted", 0) == len(cells), 30)
    (root / "notebooks").rename(root / "moved")
    add_worker()
    thread.join(90)
    assert [(o.status, o.error) for o in outcomes] == [("done", None)] * 2
    assert [o.output.is_file() for o in outcomes] == [True, True]
    assert len(records.read("measure", runs=root / "runs")) == 4
    (root / "moved").rename(root / "notebooks")
    assert set(why(cells, ledger).values()) == {None}


# --- dask on this machine: who may join, a worker dies, a user interrupts ---------------------------


@pytest.mark.parametrize("warm", [True, False])
def test_workers_here_take_no_code_of_strangers(root, warm):
    from distributed import get_client

    cells = expand(load_config(root), ["measure"], profile="tiny")
    with schedulers.choose("local:2") as scheduler:
        cluster = scheduler._cluster
        workers = [each.worker_address for each in cluster.workers.values()]
        for address in (cluster.scheduler_address, *workers):
            assert address.startswith("tls://127.0.0.1:")
            assert stranger_is_refused(address)
        options = KernelOptions(warm=warm)
        futures = [scheduler.submit(cell, options) for cell in cells]
        outcomes = [future.result(120) for future in futures]
    assert [(o.status, o.error) for o in outcomes] == [("done", None)] * 2
    with pytest.raises(ValueError, match="No global client"):
        get_client()


SCRIPT = """
import sys
from pathlib import Path
from pythia_utils.engine import runner, schedulers
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand

if __name__ == "__main__":
    root = Path(sys.argv[1])
    cells = expand(load_config(root), ["sleeps"], profile="wide")
    ledger = runner.Ledger(root / "runs" / "ledger.jsonl")
    how = {"options": KernelOptions(warm=False), "scheduler": schedulers.choose("local:2")}
    outcomes = runner.run(cells, ledger, **how)
    print(*[outcome.status for outcome in outcomes])
    sys.exit(runner.exit_code(outcomes))
"""


def processes_of(session: int) -> list[int]:
    """The processes of a session that are running."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def dask_run(root):
    """A run on two dask workers in which two notebooks hang, with a child of their own each."""
    pytest.importorskip("distributed")
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks for processes in /proc")
    (root / "slow").touch()
    (root / "script.py").write_text(SCRIPT)
    # Files, not pipes: what a killed worker leaves for a moment would hold a pipe open.
    with open(root / "out", "w") as out, open(root / "err", "w") as err:
        process = subprocess.Popen(
            [sys.executable, "script.py", str(root)], cwd=root, stdout=out, stderr=err,
            env=os.environ | {"PYTHONPATH": str(PROJECT)}, start_new_session=True,
        )  # fmt: skip
    try:
        assert wait_until(lambda: len(list((root / "started").glob("*"))) == 2, 90)
        time.sleep(0.3)
        yield root, process
    finally:
        for pid in processes_of(process.pid) + kernels_and_children(root):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def kernels_and_children(root: Path) -> list[int]:
    return [int(p) for file in (root / "started").iterdir() for p in file.read_text().split()]


def test_a_worker_that_is_killed_loses_nothing(dask_run):
    root, process = dask_run
    pids = kernels_and_children(root)
    workers = {parent_of(pid) for pid in pids} & set(processes_of(process.pid))
    assert len(workers) == 2
    (root / "slow").unlink()  # those that start from now on finish
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=120) == 0, (root / "err").read_text()
    assert (root / "out").read_text().split() == ["done"] * 8
    cells = expand(load_config(root), ["sleeps"], profile="wide")
    assert set(why(cells, ledger_of(root)).values()) == {None}
    assert wait_until(lambda: not any(map(is_running, pids)), 10)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_interrupt_of_dask_leaves_no_process(dask_run):
    root, process = dask_run
    pids = kernels_and_children(root)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to workers, too
    assert process.wait(timeout=60) == 130
    err = (root / "err").read_text()
    assert err.count("interrupted") == 1
    assert "Traceback" not in err
    assert (root / "out").read_text().split().count("interrupted") == 6
    assert wait_until(lambda: not any(map(is_running, pids)), 5)
    assert wait_until(lambda: processes_of(process.pid) == [], 5)
