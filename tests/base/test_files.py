"""The lock of a folder: one holder at a time, named to others, gone with its process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import ROOT, wait_until

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import LOCK_FILE, FolderInUse, local_path, locked


@pytest.mark.parametrize("written", ["a/b", "./a/b/", "~/a/b", "a//b", "ABSOLUTE/a/b"])
def test_a_path_is_the_same_however_it_is_written(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path(written.replace("ABSOLUTE", str(tmp_path))) == tmp_path / "a" / "b"


@pytest.mark.parametrize("written", ["~nosuch/a", "a\0b"])
def test_what_is_no_path_is_one_line(written):
    with pytest.raises(UsageError) as caught:
        local_path(written)
    assert str(caught.value).isprintable()


HOLD = """
import os, subprocess, sys, time
from pathlib import Path
from pythia_utils.base.files import locked

with locked(Path(sys.argv[1]), "run"):
    child = subprocess.Popen(["sleep", "60"]).pid if sys.argv[2] == "started" else os.fork()
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


def test_one_at_a_time_in_a_folder_also_within_a_process(tmp_path):
    folder = tmp_path / "new" / "runs"
    with locked(folder, "run"):
        says = rf"another run works in {folder} \(process {os.getpid()} on .*, since 20.*\); wait"
        with pytest.raises(FolderInUse, match=says), locked(folder, "run"):
            pass
        with locked(tmp_path / "other", "run"):
            pass
    with locked(folder, "run"):
        pass


def test_the_lock_goes_when_the_work_fails(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path, "run"):
        raise KeyError
    with locked(tmp_path, "run"):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()


def test_a_holder_that_has_not_said_its_name_yet(tmp_path):
    with locked(tmp_path, "audit"):
        (tmp_path / LOCK_FILE).write_text("")
        with (
            pytest.raises(FolderInUse, match=r"another audit .*a process that has just started"),
            locked(tmp_path, "audit"),
        ):
            pass


@pytest.mark.parametrize("how", ["started", "forked"])
def test_a_killed_holder_s_lock_is_free_though_its_children_live(tmp_path, how):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(tmp_path), how]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        try:
            with (
                pytest.raises(FolderInUse, match=f"process {holder.pid} "),
                locked(tmp_path, "run"),
            ):
                pass
            holder.send_signal(signal.SIGKILL)
            assert wait_until(lambda: _is_free(tmp_path), 10)
            os.kill(child, 0)  # it lives
        finally:
            holder.kill()
            os.kill(child, signal.SIGKILL)


def _is_free(folder: Path) -> bool:
    try:
        with locked(folder, "run"):
            return True
    except FolderInUse:
        return False


def _hold_shortly(folder: Path, log: Path) -> None:
    while True:
        try:
            with locked(folder, "run"):
                with log.open("a") as file:
                    file.write("in\n")
                    file.flush()
                    time.sleep(0.01)
                    file.write("out\n")
                return
        except FolderInUse:
            time.sleep(0.001)


def test_many_processes_take_turns(tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_hold_shortly, args=(tmp_path, log)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert log.read_text().split() == ["in", "out"] * 4
