"""Files appear whole or not at all, and only what changes a result changes its fingerprint."""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write, file_digest
from pythia_utils.base.sources import PACKAGE, code_fingerprint, imported_sources, syntax_tree
from pythia_utils.grid import provenance


def test_atomic_write_makes_folders_and_renames(tmp_path):
    path = tmp_path / "a" / "b" / "numbers.parquet"
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_users_permissions_also_from_threads(tmp_path):
    def write(number: int) -> int:
        path = tmp_path / f"{number}.txt"
        with atomic_write(path) as temporary:
            temporary.write_text("x")
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as pool:
            modes = set(pool.map(write, range(200)))
        assert modes == {0o640}
    finally:
        assert os.umask(before) == 0o027  # nobody else changed it


def test_file_digest_is_sha256(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"pythia")
    assert file_digest(path) == hashlib.sha256(b"pythia").hexdigest()


BASE = '"""Doc."""\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x  # why\n'


@pytest.mark.parametrize(
    ("edited", "same"),
    [
        (BASE.replace("Twice", "Two times"), True),
        (BASE.replace("# why", "# because"), True),
        (BASE.replace("\n\n\n", "\n\n"), True),
        (BASE.replace("2 * x", "3 * x"), False),
        (BASE.replace("double", "twice"), False),
    ],
)
def test_code_fingerprint_sees_code_only(tmp_path, edited, same):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = tmp_path / "a" / "m.py", tmp_path / "b" / "m.py"
    first.write_text(BASE)
    second.write_text(edited)
    assert (code_fingerprint([first]) == code_fingerprint([second])) == same


def test_code_fingerprint_follows_an_edit_of_the_same_file(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(BASE)
    os.utime(path, ns=(1, 1))
    before = code_fingerprint([path])
    path.write_text(BASE.replace("2", "3"))
    assert code_fingerprint([path]) != before


class _Cycle:
    """Collecting one runs Python code, where another thread may take over."""

    def __init__(self):
        self.itself = self

    def __del__(self):
        sum(range(100))


def test_sources_are_parsed_from_many_threads_at_a_time():
    """Of 100 bare `ast.parse` done like this, Python 3.11 refuses a tenth."""
    source = (PACKAGE / "grid" / "cells.py").read_text(encoding="utf-8")

    def parsed(depth: int) -> int:
        if depth:
            return parsed(depth - 1)
        done = 0
        for _ in range(25):
            _cycles = [_Cycle() for _ in range(3)]
            done += len(syntax_tree(source).body) > 0
        return done

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    try:
        sys.setswitchinterval(1e-6)
        gc.set_threshold(5, 2, 2)
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(parsed, (0, 3, 6, 9))) == 100
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize(
    "source",
    [
        "from pythia_utils.grid.records import record",
        "from pythia_utils.grid import records",
        "import pythia_utils.grid.records as r",
        "def late():\n    import pythia_utils.grid.records",
    ],
)
def test_imported_sources_follows_every_way_to_import(source):
    names = {path.name for path in imported_sources(source)}
    # records itself imports errors, files and the catalog
    assert {"records.py", "errors.py", "files.py", "catalog.py"} <= names
    assert not {"runner.py", "download.py"} & names


def test_the_face_of_the_package_brings_only_what_is_asked_of_it():
    names = {path.name for path in imported_sources("import pythia_utils\npythia_utils.load")}
    assert {"checkpoints.py", "sweep.py"} <= names
    assert "checkpoints.py" not in {
        p.name for p in imported_sources("import pythia_utils.base.units")
    }


@pytest.mark.parametrize(
    "source", ["import pythia_utils.scoring", "from pythia_utils.basis import x"]
)
def test_a_module_of_ours_that_there_is_not_is_told(source):
    with pytest.raises(
        UsageError, match=r"unknown module 'pythia_utils\.(scoring|basis)'; nearest: "
    ):
        imported_sources(source)


def test_imported_sources_knows_only_the_package():
    assert imported_sources("import os, pandas\nfrom json import loads") == []
    assert imported_sources("import pythia_utils_of_somebody_else") == []


def test_watermark_names_versions_and_extras(capsys):
    provenance.watermark(device="cpu")  # outside a notebook, display prints
    assert "Markdown" in capsys.readouterr().out


def test_no_other_module_parses_by_itself():
    users = [path for path in PACKAGE.rglob("*.py") if "ast.parse(" in path.read_text("utf-8")]
    assert users == [PACKAGE / "base" / "sources.py"]
