"""Text from data: its bytes in a pipe, made visible on a terminal."""

from __future__ import annotations

import io

import pytest

from pythia_utils.base import progress
from pythia_utils.base.terminal import aligned, show, visible

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\x9b2J\r\x08\tb\u202e\u2066caf\u00e9\n"


class Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_bytes_in_a_pipe_are_the_text(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    stream.write("before ")
    show(HOSTILE, stream, end="")
    assert stream.buffer.getvalue() == b"before " + HOSTILE.encode()


@pytest.mark.parametrize(("encoding", "accent"), [("utf-8", "\u00e9"), ("ascii", "\\xe9")])
def test_on_a_terminal_orders_are_spelled_out(encoding, accent):
    stream = Screen(io.BytesIO(), encoding=encoding, newline="")
    show(HOSTILE, stream)
    spelled = "a\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\r\\x08\tb\\u202e\\u2066caf"
    assert stream.buffer.getvalue().decode(encoding) == f"{spelled}{accent}\n\n"


def test_half_a_character_is_no_error():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    show("\ud83d", stream)
    assert stream.buffer.getvalue() == b"\\ud83d\n"


def test_plain_text_is_left_alone():
    text = "naïve \U0001f600 日本\t1\n2"
    assert visible(text) == text


def test_what_is_said_goes_to_stderr_so_too(capfdbinary):
    progress.say("\x1b[31mred")
    progress.Bar(3, "work").note("\x07bell")
    assert capfdbinary.readouterr().err == b"\x1b[31mred\n\x07bell\n"


def test_columns_stand_below_one_another():
    rows = [("model", "layers", "was"), ("pico-7k", "1", ""), ("x", "12", "y")]
    told = ["model    layers  was", "pico-7k       1", "x            12  y"]
    assert aligned(rows, right=[1]).splitlines() == told
    assert aligned(rows).splitlines()[2] == "x        12      y"
