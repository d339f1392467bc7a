"""Files written whole, by links and into devices; the lock of a folder; what killed writers leave."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.commands import ROOT, wait_until

from pythia_utils.base import files
from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import LOCK_FILE, FolderInUse, atomic_write, local_path, locked


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


# --- whole or not at all --------------------------------------------------------------------------


def write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("target", ["there.csv", "folder/new.csv"])
def test_a_link_stays_and_its_target_is_replaced(tmp_path, target):
    (tmp_path / "there.csv").write_text("old")
    before = (tmp_path / "there.csv").stat().st_ino
    link, far = tmp_path / "link.csv", tmp_path / "far.csv"
    link.symlink_to(target)
    far.symlink_to(link)
    write(far, "new")
    assert link.is_symlink()
    assert far.is_symlink()
    assert (tmp_path / target).read_text() == "new"
    assert (tmp_path / "there.csv").stat().st_ino != before or target != "there.csv"
    assert [path.name for path in tmp_path.rglob(".partial-*")] == []


def test_a_link_that_leads_to_itself_is_no_file_to_be_replaced(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "loop", "new")
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_fifo_is_written_into(tmp_path, through_a_link):
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    write(link if through_a_link else fifo, "one\ntwo\n")
    reader.join(5)
    assert got == ["one\ntwo\n"]
    assert fifo.is_fifo()


def test_a_device_stays_one(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_text("x")
    except OSError:
        pytest.skip("no device may be made here")
    write(device, "nothing to see")
    assert device.is_char_device()


def leave_half(path: Path) -> Path:
    """What a writer leaves that is killed in the middle."""
    script = "import os, sys\nfrom pathlib import Path\nfrom pythia_utils.base.files import *\n"
    script += "with atomic_write(Path(sys.argv[1])) as t:\n    t.write_text('half'); os._exit(9)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    before = {*path.parent.glob("*")}
    subprocess.run([sys.executable, "-c", script, str(path)], env=env, check=False)
    (left,) = {*path.parent.glob("*")} - before
    return left


@pytest.mark.parametrize("name", ["step000512.ipynb", "step000000.parquet", "page.md", "data.json"])
def test_what_a_killed_writer_leaves_has_no_readers_ending(tmp_path, name):
    (tmp_path / "whole.txt").write_text("whole")
    digest = files.tree_digest(tmp_path)
    left = leave_half(tmp_path / name)
    assert left.read_text() == "half"
    assert files.is_partial(left)
    assert left not in {*tmp_path.rglob(f"*{Path(name).suffix}")}
    assert files.tree_digest(tmp_path) == digest


def test_what_is_left_goes_after_a_day_with_the_next_lock_or_writer(tmp_path):
    deep = tmp_path / "pico" / "loss"
    deep.mkdir(parents=True)
    mine, old, young = deep / "partial-mine", leave_half(deep / "a.txt"), leave_half(deep / "b.txt")
    folder = deep / ".partial-step512"
    folder.mkdir()
    (folder / "weights").touch()
    mine.touch()
    for path in (mine, old, folder):
        os.utime(path, (time.time() - 90_000,) * 2)
    with locked(tmp_path, "run"):
        assert {*deep.iterdir()} == {mine, young}
    os.utime(young, (time.time() - 90_000,) * 2)
    files._sweep_once.cache_clear()
    write(deep / "c.txt", "whole")
    assert {*deep.iterdir()} == {mine, deep / "c.txt"}


def test_a_path_within_a_folder_is_one_when_links_are_followed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
    (inside / "link").symlink_to(outside)
    (tmp_path / "alias").symlink_to(inside)
    assert files.within(inside / "new" / "file", inside)
    assert files.within(tmp_path / "alias" / "file", inside)
    for path in (inside / "link" / "file", inside / ".." / "out", outside, tmp_path / "in2"):
        assert not files.within(path, inside)


# --- digests --------------------------------------------------------------------------------------


def test_digests_that_two_programs_keep_at_the_same_time_are_all_kept(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("a")
    second.write_text("b")
    ours, theirs = (files.DigestCache(tmp_path / "digests.json") for _ in range(2))
    expected = {path: each.digest(path) for path, each in ((first, ours), (second, theirs))}
    ours.save()
    theirs.save()
    monkeypatch.setattr(files, "file_digest", lambda path: "read again")
    known = files.DigestCache(tmp_path / "digests.json")
    assert {path: known.digest(path) for path in expected} == expected
    first.write_text("changed")
    assert known.digest(first) == "read again"
