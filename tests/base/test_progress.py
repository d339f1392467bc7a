"""The one bar: lines where there is no terminal, a bar where there is, silence if asked for."""

from __future__ import annotations

import sys

import pytest

from pythia_utils.base.progress import Bar


@pytest.fixture
def lines(capsys):
    return lambda: capsys.readouterr().err.splitlines()


def on_a_terminal(monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")


def test_lines_come_now_and_then(lines, monkeypatch):
    monkeypatch.setattr(Bar, "every", 3600)
    with Bar(10, "digs", "hole") as bar:
        bar.advance()
        assert lines() == []
        bar.every = 0
        bar.advance(2, "1 failed")
        (line,) = lines()
        assert line.startswith("digs: 3/10 · 1 failed · ")
        assert " a minute · " in line
        assert line.endswith(" left")
        bar.every = 3600
        bar.advance(3)
        assert lines() == []
        bar.advance(4, now=True)
        assert lines()[0].endswith(" · complete")


def test_bytes_and_shares_are_told_in_their_own_way(lines):
    Bar(3 * 10**9, "file", "B").advance(15 * 10**8, now=True)
    (line,) = lines()
    assert line.startswith("file: 1.5 GB of 3 GB · ")
    assert "B/s · " in line
    bar = Bar(200.0, "trains  ", warm_up=0.02)
    bar.advance(4, now=True)
    bar.advance(96, "loss 2.1", now=True)
    first, second = lines()
    assert first == "trains: 2%"  # no forecast from the first steps
    assert second.startswith("trains: 50% · loss 2.1 · ")
    assert second.endswith(" left")


def test_work_may_turn_out_to_be_more(lines):
    bar = Bar(2, "digs", "hole")
    bar.expect(4)
    bar.advance(2, now=True)
    assert lines()[0].startswith("digs: 2/4 · ")


def test_so_may_that_of_a_bar(monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    with Bar(2, "digs", "hole") as bar:
        bar.expect(4)
        bar.advance(2)
    assert "2/4" in capsys.readouterr().err


def test_a_sum_of_parts_is_complete(lines):
    bar = Bar(0.3, "trains")
    for _ in range(3):
        bar.advance(0.1, now=True)
    assert lines()[-1] == "trains: 100% · complete"


def test_a_new_label_and_notes_in_between(lines):
    bar = Bar(2, "one", "file")
    bar.advance(now=True)
    bar.label = "two"
    bar.note("a word")
    bar.advance(now=True)
    assert [line.partition(":")[0] for line in lines()] == ["one", "a word", "two"]


def test_items_count_when_they_are_done_with(lines):
    bar = Bar(3, "all", "item")
    seen = [(item, bar.done) for item in bar.over("abc")]
    assert seen == [("a", 0), ("b", 1), ("c", 2)]
    assert bar.done == 3


@pytest.mark.parametrize("options", [{"quiet": True}, {"lines": False}])
def test_nothing_where_nothing_is_wanted(lines, options):
    bar = Bar(2, "x", "y", **options)
    bar.every = 0
    bar.advance(now=True)
    bar.note("said") if "quiet" in options else None
    assert lines() == []


def test_a_terminal_gets_bars_and_notes_above_them(monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    with (
        Bar(10, "digs", "hole") as first,
        Bar(2**20, "file", "B") as second,
        Bar(1, "part") as third,
    ):
        first.advance(4, "1 failed")
        second.advance(2**20)
        third.advance(0.5, "so far")
        first.note("a word")
    text = capsys.readouterr().err
    assert "digs:" in text
    assert "a word\n" in text
    assert "4/10" in text
    assert "1 failed" in text
    assert "1.05M/1.05M" in text
    assert "part:  50%|" in text


def test_a_quiet_bar_is_none_on_a_terminal_too(monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    with Bar(10, "digs", "hole", quiet=True) as bar:
        bar.advance(10, now=True)
        bar.note("a word")
    assert capsys.readouterr().err == ""


def test_a_bar_that_need_not_stay_is_wiped(monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    with Bar(1, "digs", "hole", keep=False) as bar:
        bar.advance()
    assert capsys.readouterr().err.rpartition("\r")[0].endswith(" ")
