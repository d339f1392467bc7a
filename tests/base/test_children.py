"""Interpreters that we start: what they import, and that they end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from helpers.commands import ROOT, is_running, wait_until

from pythia_utils.base import children

if sys.platform != "linux":
    pytest.skip("looks for processes in /proc", allow_module_level=True)

# A stand-in for a program of ours, with a child in a session of its own.
BUSY = """
import os, subprocess, time

def main():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(os.getpid(), child.pid, flush=True)
    time.sleep(600)
"""
OWNER = """
import os, subprocess, sys
from pythia_utils.base import children
command = children.command("busy", "main", parent=os.getpid())
subprocess.Popen(command, start_new_session=sys.argv[1] == "own session").wait()
"""


@pytest.fixture
def env(tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "busy.py").write_text(BUSY)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "modules")])}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("session", ["own session", "same session"])
def test_children_end_with_their_parent_and_so_do_theirs(tmp_path, env, session, end):
    command = [sys.executable, "-c", OWNER, session]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as owner:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert all(map(is_running, pids))
        owner.send_signal(end)
        owner.wait()
        assert wait_until(lambda: not any(map(is_running, pids)), 5)


def test_one_whose_parent_has_ended_before_it_looks_ends_at_once(env):
    command = children.command("busy", "main", parent=1 if os.getpid() != 1 else 2)
    done = subprocess.run(command, env=env, capture_output=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL


def test_no_file_of_the_working_folder_is_run(tmp_path):
    """`psutil` is installed, `random` of the standard library; this package is this very one."""
    for name in ("random", "psutil", "signal", "threading", "pythia_utils"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the folder')")
    program = "import random, psutil, pythia_utils; print(pythia_utils.__file__)"
    command = children.command("code", "interact")[:-1]  # of the beginning, that all have
    code = children.command("pythia_utils.base.children", "kill_all")[-1] + program
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*command, code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(ROOT / "pythia_utils" / "__init__.py")
