"""Addresses: which can be read from, and what of them is shown."""

from __future__ import annotations

import base64
import logging

import pytest
from helpers import range_server as bad
from helpers.range_server import serve

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import (
    FetchError,
    RangeReader,
    Retry,
    checked_url,
    holds_password,
    shown_url,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/set/", "https://host/set/"),
        ("https://user:secret@host:81/set", "https://host:81/set"),
        ("https://secret@host/a@b/c", "https://host/a@b/c"),
        ("http://u:p%40w@[::1]:80/x", "http://[::1]:80/x"),
        ("https://host/x?token=secret&a=1", "https://host/x?..."),
        ("https://host/at@home", "https://host/at@home"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert shown_url(url) == shown
    assert "secret" not in shown_url(url)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("https://user:secret@host/x", True),
        ("['a', 'ftp://u@host']", True),
        ("https://host/a@b", False),
        ("someone@example.org", False),
        ("a://b c@d", False),
    ],
)
def test_which_texts_hold_a_password(text, holds):
    assert holds_password(text) is holds


@pytest.mark.parametrize(
    "url",
    [
        "host/x", "ftp://host/x", "http://", "http://[::1", "http://host:99999/", "http://host:0/",
        "https://user:sec/ret@host/x", "http://u:secret@[::1", "http://\n" + "x" * 5000 + ":y",
    ],
)  # fmt: skip
def test_what_is_no_address_is_one_line_without_its_password(url):
    with pytest.raises(UsageError, match="is no address to read from") as caught:
        checked_url(url)
    assert len(str(caught.value)) < 200
    assert not [part for part in ("\n", "secret", "sec/ret", "ret@") if part in str(caught.value)]


def test_a_failure_shows_no_password(caplog):
    caplog.set_level(logging.DEBUG, "pythia_utils")
    caplog.set_level(logging.WARNING, "urllib3")
    reader = RangeReader(Retry(attempts=2, sleep=lambda seconds: None))
    with serve({"/file": b"x" * 10}) as server:
        url = server.url.replace("http://", "http://user:secret@")
        server.faults += [bad.status(503), bad.status(500)]
        for name, error in (("file", FetchError), ("none", UsageError)):
            with pytest.raises(error) as caught:
                reader.read(f"{url}/{name}?key=secret", 0, 4)
            assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text
    assert "trying again" in caplog.text


def test_a_password_of_the_address_or_of_netrc_is_sent(tmp_path, monkeypatch):
    """So that none need stand in a parameter."""
    seen = []

    def note(handler, start, stop):
        seen.append(handler.headers.get("Authorization"))
        handler.answer(start, stop)

    with serve({"/file": b"x" * 10}) as server:
        server.faults += [note, note]
        RangeReader().read(server.url.replace("http://", "http://user:secret@") + "/file", 0, 4)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        RangeReader().read(f"{server.url}/file", 0, 4)
    assert seen == ["Basic " + base64.b64encode(b"user:secret").decode()] * 2
