"""Shapes: what fits, and the first place that does not, with what was expected there."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.base.schemas import (
    Choice,
    Only,
    Several,
    check,
    line,
    misfit,
    name,
    number,
    one_of,
    parse,
    whole,
)


@pytest.mark.parametrize(
    ("value", "schema", "fault"),
    [
        ({"a": 1, "b": 2}, {"a": int}, None),
        ({}, {"a?": int}, None),
        ({}, {"a": int}, "a is missing"),
        ({"a": {}}, {"a": {"b": int}}, "a.b is missing"),
        (True, int, "expected a whole number, not True"),
        (True, object, None),
        (None, object, None),
        (float("nan"), float, "expected a number, not nan"),
        (3, float, None),
        (["x", 1], [str], "[1]: expected text, not 1"),
        ({"x": 1, "y": "1"}, {str: int}, "y: expected a whole number, not '1'"),
        ({3: 1}, {str: int}, "3 is no name; expected text"),
        ("x", Choice([str], str), None),
        (3, Choice([str], str), "expected a list or text, not 3"),
        (["x", 3], Choice([str], str), "[1]: expected text, not 3"),
        (None, (str, type(None)), None),
        ({"a": 1, "bb": 2}, Only({"a": int, "bc?": int}), "unknown key 'bb'; nearest: bc"),
        ({"x": {"a": 1, 7: 2}}, {str: Only({"a": int})}, "x: unknown key 7; choose from: a"),
        ([1, 2], Several(int), None),
        ([], Several(int), "expected a list of at least one, not []"),
        ("ab", Several(str), "expected a list of at least one, not 'ab'"),
        ({"a": [1, 2, 1]}, {"a": Several(int)}, "a: 1 is twice in the list"),
        ([[1], [1]], Several([int]), "[1] is twice in the list"),
        ([1, "1"], Several(object), None),
    ],
)
def test_shapes(value, schema, fault):
    assert misfit(value, schema) == fault


@pytest.mark.parametrize(
    ("test", "good", "bad"),
    [
        (whole(1), [1, 7], [0, True, 1.0, "1", None]),
        (number(0, 1), [0, 0.5, 1], [-0.1, 2, True, "0.5", float("nan")]),
        (number(0), [0, 10**9], [float("nan"), -1, 10**400]),
        (line(5), ["a b"], ["", " ", 1, None, "a\nb", "abcdef"]),
        (one_of("a", "b"), ["a"], ["c", 1, None, ["a"]]),
        (name, ["a", "0-_z"], ["", "A", "-a", "a/b", "a\n", 3, "a" * 61]),
    ],
)
def test_tests(test, good, bad):
    for value in good:
        assert misfit(value, test) is None
    for value in bad:
        fault = misfit({"x": value}, {"x": test})
        assert fault.startswith("x: expected ")
        assert "\n" not in fault


def test_a_mistake_names_the_file_and_is_short():
    with pytest.raises(UsageError) as caught:
        check("f.yml", {"a": ["x" * 5000]}, {"a": [int]})
    assert str(caught.value).startswith("f.yml: a[0]: expected a whole number, not 'xxx")
    assert len(str(caught.value)) < 150


def test_long_lists_are_checked_in_no_time():
    assert misfit(list(range(90_000)), Several(int)) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json(content):
    with pytest.raises(ValueError, match=r"no JSON|no text|expected"):
        parse(content, dict)
