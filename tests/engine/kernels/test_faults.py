"""What can go wrong with a notebook's kernel, each by a notebook that does it, warm and cold."""

from __future__ import annotations

import sys

import nbformat
import pytest
from helpers.kernel_notebooks import (
    LIGHT,
    environment,
    is_running,
    outputs,
    printed,
    run_cells,
    wait_until,
)

from pythia_utils.base import batching
from pythia_utils.base.errors import UsageError
from pythia_utils.engine.kernels import client, watch
from pythia_utils.engine.kernels.options import TIMEOUT, KernelOptions
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.engine.kernels.watch import Stopped

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
MB = 10**6
ALLOCATE = "held = []\nwhile True: held.append(bytearray(10_000_000))"


@pytest.fixture(scope="module")
def pool():
    """Warm kernels from a server that starts in no time."""
    with KernelPool(LIGHT) as kernels:
        yield kernels


@pytest.fixture(params=[True, False], ids=["warm", "cold"])
def warm(request):
    return request.param


# --- Time ---------------------------------------------------------------------------------------


def test_a_cell_that_hangs_is_interrupted_and_shows_where_it_was(pool, tmp_path, warm):
    hang = "import time\ntime.sleep(600)  # here"
    done = run_cells(
        pool, tmp_path, "print('before')", hang, "print('after')", warm=warm, timeout=0.5
    )
    assert done.error == "TimeoutError: In [2] took longer than 0.5 s; see --timeout"
    assert printed(done) == "before\n"
    (error,) = outputs(done)[1:]
    assert error.ename == "KeyboardInterrupt"
    assert "# here" in "".join(error.traceback)


def test_a_cell_that_ignores_the_interrupt_is_killed(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "INTERRUPT_WITHIN", 0.2)
    deaf = "import os, signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
    done = run_cells(pool, tmp_path, deaf + "print(os.getpid())\ntime.sleep(600)", timeout=0.5)
    assert done.error == "TimeoutError: In [1] took longer than 0.5 s; see --timeout"
    assert not is_running(int(printed(done)))


def test_a_cell_that_takes_the_interrupt_for_its_end_has_failed_all_the_same(pool, tmp_path):
    swallow = "import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt: print('on we go')"
    done = run_cells(pool, tmp_path, swallow, "print('never')", timeout=0.5)
    assert done.error == "TimeoutError: In [1] took longer than 0.5 s; see --timeout"
    assert printed(done) == "on we go\n"


# --- Memory -------------------------------------------------------------------------------------


def test_memory_without_end_stops_at_the_limit_after_a_try_with_smaller_batches(
    pool, tmp_path, warm
):
    tell = "import os\nprint(os.environ.get('PYTHIA_BATCH_SHARE'))"
    done = run_cells(pool, tmp_path, tell, ALLOCATE, warm=warm, memory_limit=400 * MB)
    assert done.error.startswith("MemoryError: memory limit of 400 MB exceeded, ")
    assert done.error.endswith("were held; see --memory-limit (also with smaller batches)")
    assert done.attempts == 2
    assert printed(done).strip() == "0.5"


@linux
def test_memory_of_children_counts(pool, tmp_path):
    child = "import time; held = bytearray(300_000_000); time.sleep(60)"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    done = run_cells(pool, tmp_path, code, memory_limit=250 * MB)
    assert done.error.startswith("MemoryError: memory limit of 250 MB exceeded")


@pytest.mark.parametrize(
    "error", ["MemoryError()", "RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')"]
)
def test_smaller_batches_can_save_a_notebook(pool, tmp_path, error):
    picky = (
        f"import os\nif float(os.environ['PYTHIA_BATCH_SHARE']) > 0.1: raise {error}\nprint('ok')"
    )
    done = run_cells(pool, tmp_path, picky, env=environment(PYTHIA_BATCH_SHARE="0.2"))
    assert (done.error, done.attempts, printed(done)) == (None, 2, "ok\n")


def test_the_peak_is_measured_although_the_memory_was_given_back(pool, tmp_path, warm):
    base = run_cells(pool, tmp_path, "1", warm=warm).peak_memory_bytes
    once = run_cells(pool, tmp_path, "x = b'1' * 200_000_000; del x", warm=warm)
    assert once.peak_memory_bytes - base == pytest.approx(200 * MB, rel=0.2)
    assert once.device == "cpu"


def test_without_a_choice_the_limit_is_most_of_the_memory_there_is(tmp_path, monkeypatch):
    own = watch.memory_limit(None)
    assert 0 < own < watch.psutil.virtual_memory().total
    monkeypatch.setattr(watch, "cgroup_limits", lambda: [1000, 3000])
    assert watch.memory_limit(None) == 900
    assert watch.memory_limit(5) == 5


def test_the_share_of_a_batch(monkeypatch):
    monkeypatch.delenv("PYTHIA_BATCH_SHARE", raising=False)
    assert batching.scaled(4096) == 4096
    monkeypatch.setenv("PYTHIA_BATCH_SHARE", "0.5")
    assert (batching.scaled(4096), batching.scaled(1)) == (2048, 1)
    for wrong in ("0", "many", "-1", "", "1.5", "nan"):
        with pytest.raises(UsageError, match="expected a number above 0 and up to 1"):
            batching.share({"PYTHIA_BATCH_SHARE": wrong})


# --- Output -------------------------------------------------------------------------------------


def test_a_hundred_megabytes_of_text_are_cut_and_the_rest_goes_on(pool, tmp_path):
    flood = "for _ in range(100): print('x' * 999_999)"
    done = run_cells(pool, tmp_path, flood, "print('more')", "'a result'")
    assert done.error is None
    text = printed(done)
    assert text.endswith("\n[cut here: a notebook keeps 5,000,000 characters of printed text]\n")
    assert client.TEXT_LIMIT < len(text) < client.TEXT_LIMIT + 100
    assert outputs(done)[-1].data["text/plain"] == "'a result'"


# --- Ends ---------------------------------------------------------------------------------------


def test_an_error_in_the_last_cell_fails_and_keeps_what_was_before(pool, tmp_path):
    done = run_cells(pool, tmp_path, "print('worked')", "raise ValueError('at last')")
    assert (done.error, done.attempts) == ("ValueError: at last", 1)
    assert printed(done) == "worked\n"


@pytest.mark.parametrize("meant", [True, False])
def test_an_error_that_is_meant_shows_on_the_page_and_the_rest_goes_on(pool, tmp_path, meant):
    raising = nbformat.v4.new_code_cell("1 / 0")
    raising.metadata["tags"] = ["raises-exception"]
    last = nbformat.v4.new_code_cell("print('after')" if meant else "int('x')")
    path = tmp_path / "meant.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[raising, last]), path)
    done = pool.run(path, {}, tmp_path, environment(), KernelOptions())
    first, second = outputs(done)
    assert first.ename == "ZeroDivisionError"
    if meant:
        assert (done.error, second.text) == (None, "after\n")
    else:  # the error that is told is the one that nobody meant
        assert done.error.startswith("ValueError: invalid literal")


@pytest.mark.parametrize(
    ("end", "how"),
    [("os.kill(os.getpid(), 9)", "of SIGKILL; was memory short?"), ("os._exit(3)", "with exit code 3")],
)  # fmt: skip
def test_a_kernel_that_dies_is_reported_by_how_it_died(pool, tmp_path, warm, end, how):
    done = run_cells(pool, tmp_path, "print('alive')", f"import os\n{end}", warm=warm)
    assert done.error == f"DeadKernelError: Kernel died {how}"
    assert (done.device, done.attempts) == (None, 1)
    assert printed(done) == "alive\n"


@linux
def test_children_do_not_survive_their_notebook(pool, tmp_path, warm):
    """Not those in other sessions, nor those whose parent is gone."""
    leave = """\
import os, subprocess
from pathlib import Path
a = subprocess.Popen(["sleep", "600"])
b = subprocess.Popen(["sleep", "600"], start_new_session=True)
orphan = "sleep 600 & echo $! > orphan"
subprocess.run(["sh", "-c", orphan])
print(os.getpid(), a.pid, b.pid, Path("orphan").read_text())"""
    wait = "import time\ntime.sleep(1.5)  # looks for other sessions come once a second"
    done = run_cells(pool, tmp_path, leave, wait, warm=warm)
    assert done.error is None
    pids = [int(pid) for pid in printed(done).split()]
    assert len(pids) == 4
    assert not [pid for pid in pids if is_running(pid)]


@linux
def test_a_stop_kills_kernels_and_children_and_lets_none_start(tmp_path):
    import threading

    busy = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    busy += "open('pids', 'w').write(f'{os.getpid()} {child.pid}\\n')\ntime.sleep(600)"
    caught: list[type] = []

    def run():
        try:
            run_cells(pool, tmp_path, busy)
        except Stopped as stop:
            caught.append(type(stop))

    thread = threading.Thread(target=run)
    with KernelPool(LIGHT) as pool:
        thread.start()
        pids = tmp_path / "pids"
        assert wait_until(lambda: pids.is_file() and pids.read_text().endswith("\n"), 30)
        pool.stop()
        thread.join(10)
        assert caught == [Stopped]
        assert not [pid for pid in pids.read_text().split() if is_running(int(pid))]
        with pytest.raises(Stopped):
            run_cells(pool, tmp_path, "1")


# --- What users may choose ----------------------------------------------------------------------


def test_options_from_text(monkeypatch):
    monkeypatch.delenv("PYTHIA_COLD_KERNELS", raising=False)
    assert KernelOptions.parse() == KernelOptions(True, TIMEOUT, None)
    assert KernelOptions.parse(True, "90", "800MB") == KernelOptions(False, 90, 800 * MB)
    assert KernelOptions.parse(timeout="1.5h", memory_limit="2GiB").timeout == 5400
    assert KernelOptions.parse(memory_limit="2 GiB").memory_limit == 2 * 2**30
    assert KernelOptions.parse(timeout="none").timeout is None
    assert KernelOptions.parse(memory_limit="none").memory_limit == sys.maxsize
    monkeypatch.setenv("PYTHIA_COLD_KERNELS", "1")
    assert not KernelOptions.parse().warm
    assert not KernelOptions().warm


@pytest.mark.parametrize("text", ["", "soon", "5x", "-1", "0", "1e3", "h"])
def test_options_that_make_no_sense(text):
    with pytest.raises(
        UsageError, match=r"--timeout '.*': expected a number and a unit, as 90, 15m"
    ):
        KernelOptions.parse(timeout=text)
    with pytest.raises(UsageError, match=r"--memory-limit .* as 800MB, 4GB, 4GiB, or none"):
        KernelOptions.parse(memory_limit=text)


def test_the_command_line_knows_the_options(project):
    from helpers.commands import pythia

    for option, value in (("--timeout", "soon"), ("--memory-limit", "much")):
        done = pythia("run", "--profile", "tiny", option, value, cwd=project)
        assert done.returncode == 2
        assert done.stderr.startswith(f"pythia: {option} '{value}': expected a number")


def test_notebooks_write_no_history(pool, tmp_path):
    done = run_cells(pool, tmp_path, "print(get_ipython().history_manager.enabled)")
    assert printed(done) == "False\n"
