"""Sizes and durations: what people write, what is shown, and that the two belong together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.base.units import duration, parse_duration, parse_size, show_size

NONSENSE = ["", "GB", "-1GB", "0", "0.0 s", "20x", "nan", "inf", "1e3", "soon", "1 2", "h"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GB", 20 * 10**9),
        ("4GiB", 4 * 2**30),
        ("4 gib", 4 * 2**30),
        ("500 mb", 5 * 10**8),
        ("1.5tb", 15 * 10**11),
        (".5k", 500),
        ("3K", 3000),
        ("512KiB", 2**19),
        ("7", 7),
        (" 7 b ", 7),
        (9, 9),
        ("none", None),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [*NONSENSE, "5s", "1000000TB", ".1", "4GiBs"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match=r"^size '.*': .* a unit, as 800MB, 4GB, 4GiB, or none$"):
        parse_size(text)
    with pytest.raises(UsageError, match=r"^--disk-budget '"):
        parse_size(text, "--disk-budget")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("45 s", 45),
        ("15m", 900),
        ("15 min", 900),
        ("1.5h", 5400),
        ("2d", 172_800),
        (0.5, 0.5),
        ("None", None),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", [*NONSENSE, "5GB"])
def test_what_is_no_duration(text):
    with pytest.raises(UsageError, match=r"^duration '.*': .* a unit, as 90, 15m, 2h, or none$"):
        parse_duration(text)


@given(st.integers(1, 9 * 10**14))
def test_a_size_that_is_shown_is_understood_and_right_to_three_digits(size):
    shown = show_size(size)
    assert "e" not in shown.partition(" ")[0]
    assert parse_size(shown.removesuffix("ytes").removesuffix("yte")) == pytest.approx(size, 0.0051)


@given(st.floats(0.6, 10**7))
def test_a_duration_that_is_shown_is_understood(seconds):
    assert parse_duration(duration(seconds)) == pytest.approx(seconds, rel=0.05, abs=0.5)


def test_sizes_at_the_edges_of_their_units():
    shown = [show_size(n) for n in (1, 999, 1000, 999_499, 999_500, 4 * 2**30)]
    assert shown == ["1 byte", "999 bytes", "1 kB", "999 kB", "1 MB", "4.29 GB"]
