"""Warm kernels: the results of cold ones, from clean processes that nothing outlives."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint

import nbformat
import pytest
from helpers.commands import ROOT
from helpers.kernel_notebooks import (
    LIGHT,
    environment,
    is_running,
    outputs,
    printed,
    run_cells,
    wait_until,
)

from pythia_utils.engine import preload
from pythia_utils.engine.kernels import fork_server, warm
from pythia_utils.engine.kernels.execute import Execution
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.engine.kernels.warm import ForkProvisioner, ForkServer, WarmStartError
from pythia_utils.engine.preload import PRELOAD, kernel_pool

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels start cold on this system")


@pytest.fixture
def light():
    """Kernels from servers that start in no time."""
    with KernelPool(LIGHT) as pool:
        yield pool


@pytest.fixture(scope="module")
def heavy():
    """Kernels from a server with all imports done, which is kept for the module's tests."""
    with kernel_pool() as pool:
        pool.server(environment())
        yield pool


def test_kernels_could_be_a_package_of_their_own():
    """Of ours they name themselves, `base`, and environment variables."""
    ours = re.compile(r"pythia(?!_utils\.base[. ]|_utils\.engine\.kernels)", re.IGNORECASE)
    folder = ROOT / "pythia_utils" / "engine" / "kernels"
    lines = [line for path in folder.glob("[a-z]*.py") for line in path.read_text().splitlines()]
    named = [line for line in lines if ours.search(line.replace('"PYTHIA_', ""))]
    assert len(lines) > 500
    assert named == []


# --- The same results as cold -------------------------------------------------------------------

SAME = [
    # Where and how it runs.
    """\
import os, random, sys, multiprocessing, signal, threading
print(__name__, os.getcwd(), sys.executable, sys.path, sys.stdin.read() if sys.stdin else "")
print(sys.flags, multiprocessing.get_start_method(), os.getpgid(0) == os.getsid(0) == os.getpid())
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGTERM))
print(os.environ["PYTHIA_RUNS"], hash("text"))""",
    # Seeded numbers, threads, and a model that computes.
    """\
import numpy, torch
torch.manual_seed(0); numpy.random.seed(0); random.seed(0)
print(torch.rand(2), numpy.random.rand(2), random.random(), torch.get_num_threads())
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
config = GPTNeoXConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=32)
model = GPTNeoXForCausalLM(config).eval()
print(model(input_ids=torch.arange(8)[None]).logits.sum().item())""",
    # Workers, which find what the notebook defines.
    """\
from torch.utils.data import DataLoader, Dataset
class Squares(Dataset):
    def __len__(self): return 6
    def __getitem__(self, i): return torch.tensor(i) ** 2
print([batch.tolist() for batch in DataLoader(Squares(), batch_size=2, num_workers=2)])""",
    # Figures and tables, and that no import has changed how they look.
    """\
import matplotlib.pyplot as plt, pandas as pd
options = pd.describe_option(_print_desc=False).lower()  # one encoding has two spellings
print(sorted(plt.rcParams.items()), options)
plt.plot([1, 3, 2]);""",
    """\
from pythia_utils.analysis import plots
plots.histogram(numpy.arange(20.0), "a title", reference=3);""",
    """pd.DataFrame({"a": [0.5, 2]}).style.format(precision=2)
""",
    "import altair as alt\nalt.Chart(pd.DataFrame({'x': [1], 'y': [2]})).mark_point().encode(x='x', y='y')",
    # A bar, of the kind for notebooks.
    "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass",
    # Environment variables, those that imports set too.
    "print({k: v for k, v in sorted(os.environ.items()) if not k.startswith('JPY_')})",
]  # fmt: skip


def essence(execution: Execution) -> list[str]:
    """What a notebook shows, without what differs between any two runs: addresses, random names."""
    rich = [json.dumps(out.data, sort_keys=True) for out in outputs(execution) if "data" in out]
    shown = [printed(execution), *rich]  # text comes in pieces, cut differently at each run
    return [re.sub(r"(0x|altair-viz-|T_|model_id\": \")[0-9a-f]+", r"\1", text) for text in shown]


@linux
def test_a_notebook_gives_the_same_outputs_as_cold(tmp_path, heavy):
    env = environment(PYTHIA_RUNS=str(tmp_path / "runs"))
    warm = run_cells(heavy, tmp_path, *SAME, env=env, warm=True)
    cold = run_cells(heavy, tmp_path, *SAME, env=env, warm=False)
    assert (warm.error, cold.error) == (None, None)
    assert essence(warm) == essence(cold)
    assert str(tmp_path / "runs") in printed(warm)
    assert "[[0, 1], [4, 9], [16, 25]]" in printed(warm)
    assert sum("image/png" in out.get("data", {}) for out in outputs(warm)) == 2
    assert warm.device == cold.device == "cpu"


@linux
def test_experiments_give_the_same_outputs_as_cold(tmp_path, heavy, home):
    env = environment(PYTHIA_HOME=str(home))

    def run(experiment: str, own: dict, warm: bool) -> Execution:
        parameters = {"suite": "pico", "model": "pico-7k", "step": 16, **own}
        source = ROOT / "notebooks" / f"{experiment}.ipynb"
        return heavy.run(source, parameters, tmp_path, env, KernelOptions(warm=warm))

    with ThreadPoolExecutor(2) as threads:
        for name, own in (("grammar", {"pairs": 10}), ("loss", {"documents": 4})):
            started = time.monotonic()
            warm, cold = threads.map(functools.partial(run, name, own), (True, False))
            took = time.monotonic() - started
            assert (warm.error, cold.error) == (None, None)
            # The last is the watermark, with seconds: of the kernel, not of the server.
            assert essence(warm)[:-1] == essence(cold)[:-1]
            assert len(essence(warm)) > 3
            watermark = outputs(warm)[-1].data["text/markdown"]
            assert float(watermark.split("seconds `")[1].split("`")[0]) < took


# --- Each a clean process of its own ------------------------------------------------------------


@linux
def test_kernels_draw_different_random_numbers(tmp_path, heavy):
    code = """\
import random, numpy, torch
print(random.random(), numpy.random.rand(), torch.rand(1, dtype=torch.float64).item())"""
    numbers = [printed(run_cells(heavy, tmp_path, code)).split() for _ in range(3)]
    assert [len(set(draws)) for draws in zip(*numbers, strict=True)] == [3, 3, 3]


@linux
def test_a_kernel_finds_the_modules_as_if_it_had_imported_them(tmp_path, heavy):
    load = f"""\
import importlib
for module, _, function in [name.partition(":") for name in {PRELOAD}]:
    imported = importlib.import_module(module)
    if function: getattr(imported, function)()"""
    tell = """\
import sys
ours = [module for name, module in sorted(sys.modules.items()) if name.startswith("pythia_utils.")]
caches = {f for module in ours for f in vars(module).values() if hasattr(f, "cache_info")}
print(sorted((f.__module__, f.__name__, f.cache_info().currsize) for f in caches))
import matplotlib.pyplot as plt, torch
print(plt.get_fignums(), torch.cuda.is_initialized(), torch.is_grad_enabled())"""
    # `fork_server` is there in the one, not in the other, and has no cache.
    warm, cold = (run_cells(heavy, tmp_path, load, tell, warm=each) for each in (True, False))
    assert printed(warm) == printed(cold)
    assert printed(warm).count("pythia_utils.") > 2


@linux
def test_what_a_first_use_does_is_done_before_a_kernel_starts(tmp_path):
    (tmp_path / "first.py").write_text("import os\ndone = []\ndef use(): done.append(os.getpid())")
    env = environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(tmp_path)]))
    with KernelPool([*LIGHT, "first:use"]) as pool:
        tell = "import first, os\nprint(first.done == [os.getppid()])"
        assert printed(run_cells(pool, tmp_path, tell, env=env)) == "True\n"


@linux
def test_a_figure_is_drawn_for_its_layout_and_for_its_two_pictures_and_not_once_more(
    tmp_path, heavy
):
    draw = """\
from pythia_utils.analysis import plots
from matplotlib.figure import Figure
drawn, draw = [], Figure.draw
Figure.draw = lambda figure, *a, **k: (drawn.append(figure), draw(figure, *a, **k))[1]
plots.histogram([1.0, 2.0], "x");"""
    done = run_cells(heavy, tmp_path, draw, "print(len(drawn))")
    assert printed(done) == "3\n"
    assert sum("image/svg+xml" in out.get("data", {}) for out in outputs(done)) == 1


@linux
def test_a_kernel_changes_nothing_for_the_next(tmp_path, light):
    assert (
        run_cells(light, tmp_path, "import json, os\njson.mark = os.environ['MARK'] = 'x'").error
        is None
    )
    code = "import json, os\nprint(hasattr(json, 'mark'), 'MARK' in os.environ)"
    assert printed(run_cells(light, tmp_path, code)) == "False False\n"


@linux
def test_handlers_of_atexit_run(tmp_path, light):
    code = "import atexit\nfrom pathlib import Path\natexit.register(Path('ended').touch)"
    assert run_cells(light, tmp_path, code).error is None
    assert (tmp_path / "ended").exists()


@linux
def test_the_kernels_own_variables_need_no_other_server():
    env = environment()
    same = {"PYTHIA_RUNS": "x", "PYTHIA_BATCH_SHARE": "1", "JPY_SESSION_NAME": "y"}
    with KernelPool(LIGHT, variables=["PYTHIA_RUNS"]) as pool:
        first = pool.server(env)
        assert pool.server(env | same) is first
        assert pool.server(env | {"HF_HUB_OFFLINE": "1"}) is not first
        assert pool.server(env | {"OMP_NUM_THREADS": "7"}) is not first


@linux
def test_after_an_edit_of_the_sources_kernels_import_them_anew(tmp_path):
    package = tmp_path / "sources"
    package.mkdir()
    (package / "module.py").write_text("a = 1")
    env = environment()
    with KernelPool(LIGHT, package) as pool:
        before = pool.server(env)
        assert pool.server(env) is before
        (package / "module.py").write_text("a = 20")
        assert pool.server(env) is not before


@linux
def test_pools_share_nothing_and_a_closed_one_has_no_process(tmp_path, light):
    with KernelPool(LIGHT) as other:
        assert run_cells(other, tmp_path, "1").error is None
        pid = other.server(environment()).pid
        assert light.server(environment()).pid != pid
        other.stop()
        assert printed(run_cells(light, tmp_path, "print('goes on')")) == "goes on\n"
    assert not is_running(pid)


# --- Nothing outlives what it belongs to --------------------------------------------------------

OWNER = """
import sys
from pathlib import Path
from helpers.kernel_notebooks import LIGHT, run_cells
from pythia_utils.engine.kernels.pool import KernelPool
run_cells(KernelPool(LIGHT), Path(sys.argv[1]), sys.argv[2], warm=sys.argv[3] == "warm")
"""
BUSY = """\
import os, subprocess, time
kwargs = [{}, {"start_new_session": True}]
pids = [os.getppid(), os.getpid(), *(subprocess.Popen(["sleep", "600"], **k).pid for k in kwargs)]
open("started.new", "w").write(" ".join(map(str, pids)))
os.rename("started.new", "started")
time.sleep(600)"""


@linux
@pytest.mark.parametrize("how", ["warm", "cold"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_owner_leaves_no_process(tmp_path, how, end):
    env = environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), BUSY, how], env=env)
    started = tmp_path / "started"
    try:
        assert wait_until(started.exists, 60)
    finally:
        owner.send_signal(end)
        owner.wait()
    pids = [int(pid) for pid in started.read_text().split()]
    assert len(pids) == 4
    assert wait_until(lambda: not any(map(is_running, pids)), 10)


@linux
def test_a_killed_server_takes_its_kernels_along_and_another_takes_over(tmp_path, light):
    busy = BUSY.replace("time.sleep(600)", "os.kill(os.getppid(), 9)\ntime.sleep(600)")
    done = run_cells(light, tmp_path, busy)
    assert done.error == "DeadKernelError: Kernel died of SIGKILL; was memory short?"
    pids = [int(pid) for pid in (tmp_path / "started").read_text().split()]
    assert wait_until(lambda: not any(map(is_running, pids)), 10)
    assert printed(run_cells(light, tmp_path, "print('again')")) == "again\n"


@linux
def test_a_server_tells_how_its_kernels_ended(tmp_path):
    forks = ForkServer(environment(), LIGHT)
    try:
        kernel = forks.start_kernel(["--no-such-option"], environment(), str(tmp_path))
        assert kernel.wait(20) not in (None, 0)
        kernel = forks.start_kernel([], environment(), str(tmp_path))
        assert kernel.poll() is None
        kernel.send_signal(signal.SIGKILL)
        assert kernel.wait(20) == -signal.SIGKILL
        kernel.kill()  # it is not there any more, and its number may be another's
        kernel = forks.start_kernel([], environment(), str(tmp_path / "no such folder"))
        assert kernel.wait(20) == 1
        last = forks.start_kernel([], environment(), str(tmp_path))
    finally:
        forks.close()
    assert last.wait(20) == -signal.SIGKILL
    assert not forks.is_alive()
    with pytest.raises(WarmStartError, match="the fork server has died"):
        forks.start_kernel([], environment(), str(tmp_path))


# --- Files of the working folder are not code ---------------------------------------------------


@linux
@pytest.mark.parametrize("warm", [True, False])
def test_a_kernel_runs_no_file_of_its_folder(tmp_path, light, warm):
    """Of the standard library's names, of what is installed, and of what is not."""
    for name in ("json", "random", "yaml", "psutil", "ipykernel_launcher", "torch", "mine"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')")
    find = "import importlib.util as u, os, random, sys\nimport yaml\n"
    find += "print(os.getcwd(), u.find_spec('mine'), u.find_spec('torch').origin)"
    env = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = run_cells(light, tmp_path, find, env=env, warm=warm)
    assert done.error is None
    assert printed(done).startswith(f"{tmp_path} None ")
    assert str(tmp_path / "torch.py") not in printed(done)
    assert list(tmp_path.glob("ran-*")) == []


# --- When it cannot be --------------------------------------------------------------------------


@linux
def test_an_import_that_fails_is_told_once_and_kernels_start_cold(tmp_path, capfd):
    with KernelPool(["no_such_module"]) as pool:
        for _ in range(2):
            assert printed(run_cells(pool, tmp_path, "print('cold')")) == "cold\n"
    told = "kernels start cold: ModuleNotFoundError: No module named 'no_such_module'\n"
    assert capfd.readouterr().err.count(told) == 1


@linux
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), name='busy',"
         " daemon=True).start()", "an import started the thread 'busy'"),
        ("import os\nos._exit(3)", "the fork server could not start"),
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
    ],
)  # fmt: skip
def test_an_import_that_spoils_forks_is_refused(tmp_path, source, problem):
    (tmp_path / "spoiler.py").write_text(source)
    env = environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(tmp_path)]))
    with pytest.raises(WarmStartError, match=problem):
        ForkServer(env, ["spoiler"])


def test_an_import_that_makes_a_cuda_context_is_refused(monkeypatch):
    class Torch:
        class cuda:
            is_initialized = staticmethod(lambda: True)

    monkeypatch.setattr(fork_server.threading, "enumerate", lambda: [None])
    monkeypatch.setitem(sys.modules, "torch", Torch)
    with pytest.raises(RuntimeError, match="an import made a CUDA context"):
        fork_server.preload(["json"])


def test_elsewhere_than_on_linux_kernels_start_cold(tmp_path, light, monkeypatch, capfd):
    monkeypatch.setattr(warm.sys, "platform", "darwin")
    assert printed(run_cells(light, tmp_path, "print('cold')")) == "cold\n"
    told = (
        capfd.readouterr().err.splitlines()
    )  # a kernel that is shut down may add a line of ZeroMQ's
    assert told.count("kernels start cold: a fork is not safe on darwin") == 1


# --- For other programs: jupyter_client's provisioner -------------------------------------------


def test_the_provisioner_is_registered_under_its_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    group = project["entry-points"]["jupyter_client.kernel_provisioners"]
    name, value = "pythia-warm", group["pythia-warm"]
    assert EntryPoint(name, value, "").load() is preload.WarmProvisioner


@linux
def test_any_kernel_specification_can_name_the_provisioner(tmp_path, light, monkeypatch):
    """As a user of nbclient would: by a `kernel.json` that names it."""
    from jupyter_client.provisioning import KernelProvisionerFactory
    from nbclient import NotebookClient

    spec = tmp_path / "jupyter" / "kernels" / "warm"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    named = {"kernel_provisioner": {"provisioner_name": "pythia-warm"}}
    text = {"argv": argv, "display_name": "Warm", "language": "python", "metadata": named}
    (spec / "kernel.json").write_text(json.dumps(text))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(preload, "_pool_of_this_process", lambda: light)
    place = (
        f"{preload.__name__}:WarmProvisioner"  # what is installed may be older than this checkout
    )
    entry = EntryPoint("pythia-warm", place, KernelProvisionerFactory.GROUP_NAME)
    monkeypatch.setitem(KernelProvisionerFactory.instance().provisioners, "pythia-warm", entry)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell("import os\nprint(os.getppid())")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="warm").execute()
    servers = [each.pid for each in light._servers.values()]
    assert [int(notebook.cells[0].outputs[0].text)] == servers


@linux
def test_another_command_than_ipykernels_is_refused():
    import asyncio

    provisioner = ForkProvisioner(kernel_id="1", kernel_spec=None)
    started = provisioner.launch_kernel(["R", "--slave"], env=environment())
    # In a thread of its own: the browser's tests leave a running event loop in this one.
    with ThreadPoolExecutor(1) as pool, pytest.raises(WarmStartError, match="not a kernel of"):
        pool.submit(asyncio.run, started).result()


# --- On a GPU -----------------------------------------------------------------------------------


def has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None and subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True, check=False
    ).stdout.startswith("GPU")


@linux
@pytest.mark.skipif(not has_gpu(), reason="no GPU: CUDA in forked kernels is not tested")
def test_each_kernel_makes_its_own_cuda_context(tmp_path, heavy):
    code = (
        "import torch\nprint(torch.cuda.is_available(), torch.ones(2, device='cuda').sum().item())"
    )
    for _ in range(2):
        done = run_cells(heavy, tmp_path, code)
        assert (printed(done), done.device) == ("True 2.0\n", "cuda")
