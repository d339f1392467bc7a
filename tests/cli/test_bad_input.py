"""Bad inputs of every kind: each ends in one line and an exit code, whatever it was.

A few are named here, hypothesis draws many; BAD_INPUTS=2000 draws that many of each kind.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import subprocess
import sys

import click
import pytest
from helpers import more_bad_inputs
from helpers.bad_inputs import (
    ending,
    judge,
    judge_file,
    make_world,
    replaced,
    targets,
    wrong_answers,
    wrong_calls,
    wrong_files,
)
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, serve_hub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError, naming, one_line, quoted
from pythia_utils.base.http import Retry
from pythia_utils.base.progress import say
from pythia_utils.cli import main as door
from pythia_utils.cli.options import NAME, PLACE, Whole
from pythia_utils.grid import records
from pythia_utils.suites.hub import api, hugging_face

drawn = settings(
    max_examples=int(os.environ.get("BAD_INPUTS", "150")),
    deadline=None,
    database=None,
    derandomize="BAD_INPUTS" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def world(trained_home, tmp_path_factory):
    made = make_world(tmp_path_factory.mktemp("world"), trained_home)
    importlib.import_module("pythia_utils.nano.train")  # torch takes seconds, which are no fault
    with made.entered():
        yield made


# --- drawn ----------------------------------------------------------------------------------------


def test_wrong_arguments(world):
    @drawn
    @given(wrong_calls())
    def every(call):
        assert judge(world, *call) is None

    every()


def test_wrong_files(world):
    @drawn
    @given(wrong_files(world))
    def every(file):
        assert judge_file(world, *file) is None

    every()


def test_wrong_answers_of_a_hub(world, monkeypatch, tmp_path):
    monkeypatch.setattr(api, "RETRY", Retry(attempts=1, wait=0.01))
    repo, call = (
        "EleutherAI/pythia-14m",
        ["fetch", "pythia-14m", "--steps", "0", "--yes", "--quiet"],
    )
    with serve_hub({repo: {"step0": checkpoint_files(0)}}) as hub:
        hub.use(monkeypatch, tmp_path)
        answers = []
        hub.inject(lambda h, a: (answers.append(a.body), h.send(a)), "/revision/", times=1)
        assert judge(world, call) is None

        @drawn
        @given(st.one_of(wrong_answers(answers[0]), wrong_answers(b"[]")))
        def every(answer):
            hub.faults.clear()
            hub.inject(lambda h, a: h.send(a._replace(body=answer)), "/revision/", times=None)
            assert judge(world, call) is None

        every()


def test_other_files(world):
    """Formats, encodings and archives that only look like ours; all of them are wrong."""
    judged = {
        name: more_bad_inputs.with_content(world, *case)
        for name, case in more_bad_inputs.files(world)
    }
    assert {name: fault for name, fault in judged.items() if fault} == {}


@pytest.mark.parametrize("kind", more_bad_inputs.PLACES)
def test_what_is_no_file_in_the_place_of_one(world, kind):
    faults = {}
    for name, target in targets(world).items():
        with more_bad_inputs.placed(target.path, kind):
            if (fault := target.call(world)) is not None:
                faults[name] = fault
    assert not faults


# --- named ----------------------------------------------------------------------------------------


def options_of_type(kind: type) -> list[str]:
    commands = door.cli.commands.items()
    return [f"{name} {p.name}" for name, c in commands for p in c.params if type(p.type) is kind]


def test_every_option_says_what_it_takes():
    """Python's own reading of texts and numbers takes more than we mean."""
    assert not options_of_type(click.types.IntParamType)
    assert not options_of_type(click.IntRange)
    # Their own grammars: steps, parameters, and a text to look for.
    plain = {line.split()[1] for line in options_of_type(click.types.StringParamType)}
    assert plain == {"steps", "parameter", "text"}


@pytest.mark.parametrize(
    "text", ["²", "٣", "1_000", " 5", "+5", "5.0", "1e3", "nan", "", "9" * 5000]
)
def test_what_is_no_whole_number(text):
    with pytest.raises(click.BadParameter) as error:
        Whole(min=1).convert(text, None, None)
    assert len(str(error.value)) < 200


def test_what_is_one():
    assert [Whole(min=0).convert(text, None, None) for text in ("0", "017", "512")] == [0, 17, 512]


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\0b", "\x1b[31m", "\udc80"])
def test_what_is_no_name(text):
    with pytest.raises(click.BadParameter):
        NAME.convert(text, None, None)


def test_a_place_may_begin_with_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert PLACE.convert("~/x", None, None) == str(tmp_path / "x")
    assert PLACE.convert("https://example.org/~x", None, None) == "https://example.org/~x"
    with pytest.raises(UsageError, match="~nosuch/x"):
        PLACE.convert("~nosuch/x", None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suites", "x" * 5000], "unknown suite or model 'xxx"),
        (["suites", "a\nb"], r"'a\\nb'"),
        (["train", "pico", "--models", ""], "expected text on one line"),
        (["train", "pico", "--models", "7k,,14k"], "expected names with a comma between them"),
        (
            ["run", "--profile", "tiny", "--dry-run", "--scheduler", "local:0"],
            "expected 1 to 9999 workers",
        ),
        (
            ["run", "--profile", "tiny", "--dry-run", "--scheduler", "local:1e9"],
            "expected 1 to 9999 workers",
        ),
        (
            ["run", "--profile", "tiny", "--dry-run", "--scheduler", "tcp://host:99999"],
            "unknown scheduler",
        ),
        (
            ["run", "--profile", "tiny", "--dry-run", "--scheduler", "tcp://[::1:80"],
            "unknown scheduler",
        ),
        (["run", "--dry-run", "--profile", "tiny", "-p", "class=3"], "expected name=value"),
        (["run", "--dry-run", "--profile", "tiny", "-p", "a=1", "-p", "a=2"], "a is given twice"),
        (["batch", "--model", "pico-7k", "--steps", "9" * 5000], "expected steps"),
        (["batch", "--model", "pico-7k", "--steps", "0", "--source", "http://[::1"], "no address"),
        (["batch", "--model", "pico-7k", "--steps", "0", "--source", "~nosuch/x"], "~nosuch/x"),
        (["fetch", "pythia-14m", "--steps", "0", "--disk-budget", "²GB"], "expected a number"),
    ],
)
def test_a_value_that_is_not_meant_is_told_in_one_short_line(world, arguments, message):
    code, out, err = ending(arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message.replace("\\\\", "\\") in err
    assert len(err) < 500


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notebook", b"[1]", "expected a mapping"),
        ("notebook", b'{"cells": [{"cell_type": "code", "source": 3}]}', "cells[0].source"),
        ("notebook", '{"cells": []}'.encode("utf-16"), "no text of UTF-8"),
        ("notebook", None, "is not a notebook"),
        ("records", b"PAR1", "is damaged"),
        ("tokenizer", b"{}", "is not a tokenizer"),
        ("cluster", b"cores: many\nmemory: 2GB\n", "cores: expected a whole number"),
        (
            "cluster",
            b"cores: 1\nmemory: 2GB\nprocesses: 0\n",
            "processes: expected a whole number from 1",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be(world, name, content, message, capsys):
    target = targets(world)[name]
    seen = []

    def listening(arguments):
        seen.append(ending(arguments))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch, replaced(target.path, content):
        patch.setattr("helpers.bad_inputs.ending", listening)
        assert target.call(world) is None
    ((code, _, err),) = seen
    assert code == 2
    assert message in err


def test_a_title_is_one_line_and_a_notebook_is_of_the_project(world):
    path = targets(world)["experiments"].path
    text = path.read_text()
    for old, new, message in (
        ("title: A measurement", 'title: "a\\nb"', "title: expected a line of text"),
        ("title: A measurement", 'title: ""', "title: expected a line of text"),
        ("notebook: notebooks/measure", "notebook: ../measure", "is not in"),
        ("steps: [0, 1, 2]", "steps: [0, [1]]", "steps[1]: expected a whole number"),
    ):
        with replaced(path, text.replace(old, new).encode()):
            code, _, err = ending(["status"])
        assert (code, message in err) == (2, True), err


def test_lines_of_a_ledger_that_are_no_lines_of_ours_count_as_torn(world):
    path = targets(world)["ledger"].path
    lines = path.read_bytes().splitlines()
    foreign = [b"7", b"[]", b'{"cell_id": 3}', lines[0].replace(b'"done"', b"3"), b"\xff"]
    with replaced(path, b"\n".join([*lines, *foreign]) + b"\n"):
        code, out, _ = ending(["status", "--profile", "tiny"])
    assert (code, "3 runs: 3 done" in out) == (0, True)


def test_a_manifest_without_a_digest_costs_only_the_digest(world):
    path = targets(world)["manifest"].path
    with replaced(path, path.read_bytes().replace(b'"standard.bin"', b'"other.bin"')):
        code, out, _ = ending(["batch", "--model", "pico-7k", "--steps", "0", "--json"])
    assert (code, "revision" in json.loads(out)) == (0, False)


def test_a_foreign_table_is_no_records(world, tmp_path):
    import pandas as pd

    path = targets(world)["records"].path
    own = pd.read_parquet(path)
    foreign = {
        "no column suite": pd.DataFrame({"step": [1, 2], "value": [0.5, 0.7]}),
        "no column model": pd.DataFrame({"suite": []}),  # no rows, and so no number that is wrong
        "no column value": own[:0].drop(columns="value"),
        "rows without metric": own.assign(metric=None),
    }
    for why, frame in foreign.items():
        frame.to_parquet(tmp_path / "x.parquet")
        with replaced(path, (tmp_path / "x.parquet").read_bytes()):
            code, out, err = ending(["records", "--experiment", "measure"])
        assert (code, out) == (2, "")
        assert f"{path} is damaged ({why}: no records)" in err


def test_a_run_that_recorded_nothing_is_sound(world):
    path = targets(world)["records"].path
    with replaced(path, records.to_bytes(records._frame([]))):
        code, out, _ = ending(["records", "--experiment", "measure"])
    assert (code, out.count("\n")) == (0, 3)


def test_a_mirror_that_tells_no_hashes_is_named(world, monkeypatch, tmp_path):
    monkeypatch.setattr(api, "RETRY", Retry(attempts=1, wait=0.01))
    with serve_hub({"EleutherAI/pythia-14m": {"step0": checkpoint_files(0)}}) as hub:
        hub.use(monkeypatch, tmp_path)
        monkeypatch.setattr("helpers.hub_server.blob", lambda *_: {})
        code, _, err = ending(["fetch", "pythia-14m", "--steps", "0", "--yes", "--quiet"])
    assert (code, "tells neither sizes nor hashes" in err, hub.url in err) == (1, True, True)


# --- the last resort ------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """`pythia suites` with a fault of ours."""

    def fail(*_):
        raise KeyError("first\nsecond")

    monkeypatch.setattr("pythia_utils.suites.catalog.suite_table", fail)


def test_a_fault_of_ours_is_one_line_with_the_place_of_its_log(broken, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    code, _, err = ending(["suites"])
    assert (code, err.count("\n")) == (70, 1)
    (log,) = (tmp_path / "home" / "logs").iterdir()
    assert str(log) in err
    assert "please report it: https://" in err
    assert "Traceback (most recent call last)" in log.read_text()
    assert "KeyError" in log.read_text()


def test_where_no_log_can_be_written_the_line_still_comes(broken, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    code, _, err = ending(["suites"])
    assert (code, err.count("\n"), "PYTHIA_DEBUG=1" in err) == (70, 1, True)


def telling(failure: Exception):
    def tell(*_):
        say(str(failure))
        raise failure

    return tell


MIRROR = "https://me:secret@mirror/api/models"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (RuntimeError(f"Repository Not Found for url: {MIRROR}"), 70),
        (OSError(5, "Input/output error", MIRROR), 1),
        (OSError(f"HTTPSConnectionPool: {MIRROR}"), 1),
        (UsageError(f"no {MIRROR}"), 2),
        (click.ClickException(f"no {MIRROR}"), 2),
    ],
)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_leaves_the_command_names_no_password(monkeypatch, tmp_path, failure, code, debug):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHIA_DEBUG", debug)
    monkeypatch.setattr("pythia_utils.suites.catalog.suite_table", telling(failure))
    ended, _, err = ending(["suites"])
    logs = "".join(path.read_text() for path in tmp_path.glob("logs/*"))
    assert ended == code
    assert err.count("https://mirror/api/models") >= 2
    assert "secret" not in err + logs
    assert ("https://mirror" in logs) == (code == 70)


def test_what_the_hubs_library_logs_names_no_password():
    importlib.import_module("huggingface_hub.utils")  # sets up its logs

    hugging_face.endpoint()
    (handler,) = logging.getLogger("huggingface_hub").handlers
    before = handler.setStream(heard := io.StringIO())
    try:
        logging.getLogger("huggingface_hub.utils._http").warning(
            "%r thrown by %s", OSError(), MIRROR
        )
    finally:
        handler.setStream(before)
    assert "OSError() thrown by https://mirror/api/models" in heard.getvalue()


COMMAND = f"{sys.executable} -m pythia_utils.cli.main"


def in_a_shell(line: str, **environment: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": paths} | environment
    return subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("{} suites pico >&-", 0, ""),
        ("{} suites nosuch >&- 2>&-", 2, ""),
        ("{} suites nosuch <&- >&-", 2, "pythia: unknown suite or model 'nosuch'; nearest: "),
        ("{} suites pico >/dev/full", 1, "pythia: No space left on device (no file is named"),
        ("cd {cwd} && rmdir {cwd} && {} status", 1, "pythia: the folder in which you are is gone"),
    ],
)
def test_streams_and_folders_that_are_not_there(tmp_path, line, code, told):
    (tmp_path / "gone").mkdir()
    done = in_a_shell(line.format(COMMAND, cwd=tmp_path / "gone"), PYTHIA_HOME=str(tmp_path))
    assert (done.returncode, done.stderr[: len(told)]) == (code, told)
    assert done.stderr.count("\n") == bool(told)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HF_ENDPOINT", "http://[::1", "a variable HF_... of the environment is no such setting"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "x", "a variable HF_... of the environment is no such setting"),
        ("HF_ENDPOINT", "ftp://x", "'ftp://x' is no address to read from"),
        ("HF_ENDPOINT", "http://h:99999", "'http://h:99999' is no address to read from"),
        ("HF_ENDPOINT", "http://a\nb", r"'http://a\nb' is no address to read from"),
        ("HF_ENDPOINT", "http://a b", "'http://a b' is no address to read from"),
        ("PYTHIA_HOME", "~nosuch/x", "~nosuch/x: whose folder that is, is not known"),
    ],
)
def test_variables_of_the_environment_that_are_no_such_settings(tmp_path, name, value, told):
    env = {"PYTHIA_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"} | {name: value}
    done = in_a_shell(f"{COMMAND} fetch pythia-14m --steps 0 --yes --quiet", **env)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"pythia: {told}")


def test_debug_shows_the_traceback(broken, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHIA_DEBUG", "1")
    assert "Traceback (most recent call last)" in ending(["suites"])[2]


def test_an_error_of_the_system_names_its_file(monkeypatch):
    def full(*_):
        with naming("/data/x.csv"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pythia_utils.suites.catalog.suite_table", full)
    code, _, err = ending(["suites"])
    assert (code, err) == (1, "pythia: [Errno 28] No space left on device: '/data/x.csv'\n")


# --- words ----------------------------------------------------------------------------------------


def test_values_are_shown_on_one_line_and_short():
    assert quoted("a\nb\x1b") == r"'a\nb\x1b'"
    assert len(quoted("x" * 5000)) == 80
    assert "digits" in quoted(10**5000)


@given(st.text(), st.integers(10, 300))
def test_any_message_is_one_printable_line(text, longest):
    line = one_line(text, longest)
    assert line.isprintable()
    assert len(line) <= longest


def test_a_message_of_several_lines_is_one():
    assert one_line("\n first\n\t second ") == "first second"
