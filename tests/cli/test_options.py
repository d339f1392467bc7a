"""What commands share: the grammar of steps, files to write, questions."""

from __future__ import annotations

import os
import sys
import threading

import click
import pytest
from click.testing import CliRunner
from helpers.commands import pythia
from hypothesis import given
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.cli import options
from pythia_utils.cli.main import cli
from pythia_utils.cli.options import Steps, ask_above, output_option, steps_option, write
from pythia_utils.suites.catalog import find_model

KNOWN = find_model("pico-7k").steps  # 0, 1, 2, 4, 8 .. 512, 750, 1000


def among(*texts: str) -> list[int]:
    return Steps.parse(texts).among(KNOWN, "pico-7k")


# --- steps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "steps"),
    [
        (["512"], [512]),
        (["512, 0"], [512, 0]),
        (["0", "512,0"], [0, 512]),
        (["0-4"], [0, 1, 2, 4]),
        (["3-9"], [4, 8]),  # the ends need not be checkpoints
        (["600-99999"], [750, 1000]),
        (["0,16-64"], [0, 16, 32, 64]),
        (["16 - 32 , 1"], [16, 32, 1]),
        (["4-4"], [4]),
        (["all"], list(KNOWN)),
        (["1000,all"], [1000, *KNOWN[:-1]]),
        (["main"], [1000]),
        (["step16,step32-step64", "main"], [16, 32, 64, 1000]),
    ],
)
def test_steps(texts, steps):
    assert among(*texts) == steps


@given(st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 1100)), min_size=1, max_size=4))
def test_ranges_are_the_known_steps_between_their_ends(ends):
    ends = [sorted(pair) for pair in ends]
    expected = {s for first, last in ends for s in KNOWN if first <= s <= last}
    try:
        found = among(",".join(f"{first}-{last}" for first, last in ends))
    except UsageError:
        assert any(not [s for s in KNOWN if first <= s <= last] for first, last in ends)
    else:
        assert set(found) == expected
        assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "unknown step 3 of pico-7k; nearest: 1, 2, 4"),
        ("0,3", "unknown step 3 of pico-7k"),
        ("9-15", "--steps 9-15: pico-7k has none of them; nearest: 8, 16"),
        ("2000-3000", "pico-7k has none of them; nearest: 1000"),
        ("", "--steps '': expected steps such as 0,512 or 0-3000, or all"),
        ("1,,2", "--steps '': expected"),
        ("8-0", "--steps '8-0': expected"),
        ("0..8", "--steps '0..8': expected"),
        ("-1", "--steps '-1': expected"),
        ("1-", "--steps '1-': expected"),
        ("1-2-3", "--steps '1-2-3': expected"),
        ("1e3", "--steps '1e3': expected"),
        ("ALL", "--steps 'ALL': expected"),
        ("²", "--steps '²': expected"),
    ],
)
def test_what_are_no_steps(text, message):
    with pytest.raises(UsageError) as error:
        among(text)
    assert message in str(error.value)


def test_only_a_number_names_a_step():
    steps = Steps.parse(["4,16-64"])
    assert [step for step in KNOWN if steps.names(step)] == [4]
    steps = Steps.parse(["main,512-1000"])
    assert [step for step in KNOWN if steps.names(step, KNOWN[-1])] == [1000]


@pytest.mark.parametrize("name", ["run", "status", "fetch", "suites", "audit", "records", "batch"])
def test_every_command_that_takes_steps_has_the_one_option(name):
    names = [option.opts for option in cli.commands[name].params]
    assert ["--steps", "--step"] in names
    assert not [n for n in names if "--step" in n and "--steps" not in n]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["--steps", "0,4"], [0, 4]),
        (["--step", "0", "--step", "4"], [0, 4]),
        (["--steps", "1-4", "--step", "512"], [1, 2, 4, 512]),
    ],
)
def test_the_option_may_be_repeated_and_has_an_alias(arguments, expected):
    seen = []

    @click.command()
    @steps_option("Which.")
    def command(steps):
        seen.append(steps and steps.among(KNOWN, "pico-7k"))

    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen == [expected]


# --- output ---------------------------------------------------------------------------------------


@click.command()
@output_option("There.", ".txt", ".md")
def writer(output) -> None:
    write("more\n", output)


def test_stdout_by_default_and_a_whole_file_if_asked_for(tmp_path):
    assert CliRunner().invoke(writer).stdout == "more\n"
    file = tmp_path / "x.md"
    file.write_text("before")
    assert CliRunner().invoke(writer, ["--output", str(file)]).stdout == f"{file}\n"
    assert file.read_text() == "more\n"
    assert list(tmp_path.iterdir()) == [file]


def test_bytes_are_written_as_they_are(capfdbinary):
    write(b"\x00\xff", None)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"\x00\xff"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.csv", "--output x.csv: expected a name that ends in .txt or .md"),
        ("no/such/x.txt", "--output no/such/x.txt: there is no folder"),
        ("folder.md", "--output folder.md is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.md").mkdir()
    done = CliRunner().invoke(writer, ["--output", name])
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)


def test_the_home_folder(tmp_path, monkeypatch):
    """A shell puts it in for `--output ~/x.md`, and not for `--output=~/x.md`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert CliRunner().invoke(writer, ["--output=~/x.md"]).stdout == f"{tmp_path / 'x.md'}\n"
    assert (tmp_path / "x.md").read_text() == "more\n"
    assert isinstance(CliRunner().invoke(writer, ["--output=~nosuch/x.md"]).exception, UsageError)


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "x.txt"
    file.write_text("before")
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28)))
    with pytest.raises(OSError, match="28"):
        write("after", file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


# --- questions ------------------------------------------------------------------------------------


def test_much_is_asked_for(monkeypatch):
    monkeypatch.setattr(options, "ASK_ABOVE", 100)
    ask_above(100, yes=False)
    ask_above(101, yes=True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="more than 100 bytes; to fetch it, add --yes"):
        ask_above(101, yes=False)


# --- where a result goes --------------------------------------------------------------------------


def test_a_result_goes_through_a_link_and_into_a_fifo(tmp_path, capsys):
    link, fifo = tmp_path / "link.csv", tmp_path / "fifo"
    (tmp_path / "real.csv").write_text("old")
    link.symlink_to("real.csv")
    write("new", link)
    assert link.is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    assert capsys.readouterr().out == f"{link}\n"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    write(b"\x00\xff", fifo)
    reader.join(5)
    assert got == [b"\x00\xff"]
    assert fifo.is_fifo()
    assert capsys.readouterr().out == ""


def test_a_standard_stream_by_its_name_gets_the_bytes(tmp_path):
    done = pythia("config", "pythia-70m", "--output", "/dev/stdout")
    usual = pythia("config", "pythia-70m")
    assert (done.returncode, done.stdout) == (0, usual.stdout)
