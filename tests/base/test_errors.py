"""One line that names the value and the nearest valid choices."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import (
    UsageError,
    first_line,
    nearest,
    one_line,
    quoted,
    unknown,
    without_logins,
)


@pytest.mark.parametrize(
    ("value", "valid", "expected"),
    [
        ("nanno", ["nano", "pico"], ["nano"]),
        ("NANO", ["nano", "pico"], ["nano"]),
        (600, [0, 256, 512, 1000], ["256", "512", "1000"]),
        (10_000, range(0, 5), ["2", "3", "4"]),
        ("zzz", ["nano", "pico"], []),
        ("nano", [], []),
    ],
)
def test_nearest(value, valid, expected):
    assert nearest(value, valid) == expected


def test_unknown_offers_what_is_near_and_says_where():
    error = unknown("step", 500, [0, 256, 512], where="of pico-7k")
    assert str(error) == "unknown step 500 of pico-7k; nearest: 0, 256, 512"


def test_unknown_offers_some_choices_when_nothing_is_near():
    assert str(unknown("suite", "zzz", ["nano", "pico"])) == (
        "unknown suite 'zzz'; choose from: nano, pico"
    )


def test_a_value_is_told_in_short_and_in_one_line():
    assert one_line("plain caf\u00e9") == "plain caf\u00e9"
    assert one_line("a\nb\x1b[1m") == "a b\\x1b[1m"
    assert quoted("a\nb\x1b[1m") == r"'a\nb\x1b[1m'"
    assert len(one_line("x" * 5000)) == 80
    assert len(str(unknown("suite", "nano\n" * 5000, ["nano"]))) < 150


@pytest.mark.parametrize(
    "address", ["https://me:secret@host/x", "ftp://secret@host", "tls://u:p%40secret@[::1]:1/a"]
)
def test_no_message_names_a_password(address):
    for told in (one_line, quoted, first_line, without_logins):
        assert "secret" not in told(f"{address} cannot be reached")
    assert "secret" not in first_line(OSError(2, "No such file", address))
    assert "secret" not in str(unknown("scheduler", address, [address]))


@pytest.mark.parametrize("text", ["https://host/x@y", "EleutherAI/pythia-70m@step3", "a@b: c://d"])
def test_what_is_no_login_stays(text):
    assert one_line(text) == text


def test_unknown_without_any_choice_says_so():
    assert str(unknown("experiment", "loss", [])) == "unknown experiment 'loss'; there is none"


def test_a_usage_error_is_a_value_error_for_programs_that_do_not_know_it():
    assert issubclass(UsageError, ValueError)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no luck"), "no luck"),
        (ValueError("no luck\nat all"), "no luck"),
        (OSError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
        (ValueError(), "ValueError"),
        (KeyboardInterrupt("  "), "KeyboardInterrupt"),
        (RuntimeError("\r\n \n"), "RuntimeError"),
        (RuntimeError("\n  the reason \nmore"), "the reason"),
    ],
)
def test_the_first_line_of_an_error_is_never_empty(error, line):
    assert first_line(error) == line
