"""YAML without surprises: what is read, and the one line for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_utils.base import yaml
from pythia_utils.base.errors import UsageError


def refusal(text: str, where: str = "f.yml") -> str:
    with pytest.raises(UsageError) as caught:
        yaml.parse(text, where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200),
        ("+5", 5),
        ("-0", 0),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("007.5", 7.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("'0200'", "0200"),
        ("!!str 0200", "0200"),
        ("no-op", "no-op"),
        ("y", "y"),
        ("\u00b2", "\u00b2"),
        ("=", "="),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
        ("- &x [1]\n- *x", [[1], [1]]),
    ],
)
def test_plain_data(text, value):
    found = yaml.parse(text, "f.yml")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["2024-01-01", "1:30", "12:00:00", "190:20:30.15"])
def test_dates_and_times_are_text(text):
    """A cluster's `walltime: 12:00:00` is no number of seconds."""
    assert yaml.parse(f"walltime: {text}", "f.yml") == {"walltime": text}


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("0200", "200"),
        ("-007", "-7"),
        ("08", "8"),
        ("0o17", "15"),
        ("0x1F", "31"),
        ("0b11", "3"),
        ("1_000", "1000"),
        ("1_0.5", "10.5"),
        ("yes", "true"),
        ("OFF", "false"),
        ("~", "null"),
        (".inf", "a number"),
    ],
)
def test_what_readers_understand_differently_is_refused(text, write):
    message = refusal(f"a: 1\nb: [1, {text}]")
    assert (
        message
        == f'f.yml line 2: {text} is ambiguous in YAML; write {write}, or "{text}" for a text'
    )


@pytest.mark.parametrize(
    "text",
    [
        "!!binary aGk=",
        "!!int x",
        "!!set {a}",
        "!!python/object:os.system x",
        "!!timestamp 1",
        "!x 1",
    ],
)
def test_tags_are_refused(text):
    tag = text.split()[0]
    assert refusal(text) == f"f.yml: the tag {tag} is not read; remove it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "f.yml line 2: 'c' is twice in the block that begins here"),
        ("? [a]\n: b", "f.yml line 1: a key is a block of its own; expected a name"),
        ("&a [*a]", "f.yml: a block that holds itself, by an alias"),
        ("a: *b", "f.yml: found undefined alias 'b'"),
        ("9" * 5000, "f.yml: a number of 5,000 digits; expected at most 100"),
        ("1e999", "f.yml: 1e999 is too large for a number"),
        ("[" * 5000, "f.yml: blocks in blocks without end"),
        ("a\0b", "f.yml: it holds the character 0x0, which is none of a text"),
        ("a: b: c", "f.yml: mapping values are not allowed here"),
        ("--- 1\n--- 2", "f.yml line 2: but found another document"),
    ],
)
def test_what_is_no_plain_data_is_one_line(text, message):
    assert refusal(text) == message


def test_aliases_that_unfold_without_end():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for one, other in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{other}: &{other} [{', '.join([f'*{one}'] * 10)}]")
    assert refusal("\n".join(lines)).endswith("aliases make more than 100,000 values of this block")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "cp1252"])
def test_a_file_in_another_encoding_is_one_line(tmp_path, encoding):
    path = tmp_path / "f.yml"
    path.write_bytes("a: 1\ntitle: caf\u00e9\n".encode(encoding))
    with pytest.raises(
        UsageError, match=r"^f line \d: not UTF-8; save the file as UTF-8$"
    ) as caught:
        yaml.read(path, "f")
    assert "\n" not in str(caught.value)


def test_wide_characters_without_a_mark(tmp_path):
    path = tmp_path / "f.yml"
    path.write_bytes("a: 1\n".encode("utf-16-le"))
    with pytest.raises(
        UsageError, match=r"^f: it holds the character 0x0, which is none of a text$"
    ):
        yaml.read(path, "f")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_whatever_the_locale(tmp_path, encoding):
    path = tmp_path / "f.yml"
    path.write_bytes("title: caf\u00e9\n".encode(encoding))
    assert yaml.read(path) == {"title": "caf\u00e9"}


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "f.yml").write_text("a: 1", encoding="utf-8")
    assert yaml.read(Path("~/f.yml")) == {"a": 1}


def test_files_that_are_too_large_or_not_there(tmp_path):
    large = tmp_path / "large.yml"
    large.write_bytes(b"x" * (yaml.LARGEST + 1))
    for path, message in (
        (large, "at most 1 MB"),
        (tmp_path, "directory"),
        (tmp_path / "no", "No such"),
    ):
        with pytest.raises(UsageError, match=message):
            yaml.read(path)
