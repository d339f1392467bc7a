"""Preshuffled sets: from a folder and over HTTP the same tokens; from a bad server never wrong ones."""

from __future__ import annotations

import email.utils
import io
import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import requests
from helpers import range_server as bad
from helpers.hub_server import serve_hub
from helpers.range_server import serve
from hypothesis import given
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, RangeReader, Retry
from pythia_utils.suites.hub import api
from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.preshuffled import Preshuffled
from pythia_utils.training_data.remote_shards import HttpShards, HubShards
from pythia_utils.training_data.shards import (
    HUB_LAYOUT,
    HUB_SHARD_BYTES,
    Layout,
    LocalShards,
    shard_name,
)

SEQ_LENGTH, BATCH, STEPS = 4, 4, 10  # rows of 10 bytes, batches of 40
SHARD = 64  # so that rows and batches cross the borders; 6 shards and one of 16 bytes
LAST = 6
ROWS = np.arange(BATCH * STEPS * (SEQ_LENGTH + 1), dtype="<u2").reshape(-1, SEQ_LENGTH + 1) + 1000


def shard_files(stem: str = "document") -> dict[str, bytes]:
    data = ROWS.tobytes()
    return {
        shard_name(stem, number, LAST): data[number * SHARD : (number + 1) * SHARD]
        for number in range(LAST + 1)
    }


@pytest.fixture
def folder(tmp_path):
    for name, data in shard_files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def server():
    with serve({f"/set/{name}": data for name, data in shard_files().items()}) as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The pauses that a reader made, none of which took any time."""
    return []


@pytest.fixture
def reader(waits) -> RangeReader:
    return RangeReader(Retry(attempts=3, sleep=waits.append))


def opened(server, reader, **options) -> Preshuffled:
    """The set on the server, open; what opening asked for is forgotten."""
    shards = HttpShards(f"{server.url}/set/{shard_name('document', 0, LAST)}", reader)
    data = Preshuffled(shards, SEQ_LENGTH, **options)
    server.requests.clear()
    server.sent, reader.traffic.bytes, reader.traffic.requests = 0, 0, 0
    return data


# --- layout ---------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.integers(0, 6), st.integers(1, 50), st.data())
def test_pieces_are_the_bytes_asked_for(shard_bytes, last, last_bytes, data):
    layout = Layout(last, shard_bytes, min(last_bytes, shard_bytes))
    whole = os.urandom(layout.bytes())
    start, stop = sorted(data.draw(st.tuples(*2 * [st.integers(0, len(whole))])))
    pieces = layout.pieces(start, stop)
    read = [whole[shard * shard_bytes + at :][:length] for shard, at, length in pieces]
    assert b"".join(read) == whole[start:stop]
    assert all(at + length <= layout.size_of(shard) for shard, at, length in pieces)
    assert [shard for shard, _, _ in pieces] == sorted({shard for shard, _, _ in pieces})


def test_the_published_layout():
    batch = 1024 * 2049 * 2
    pieces = [HUB_LAYOUT.pieces(step * batch, (step + 1) * batch) for step in range(143_000)]
    assert sum(len(piece) == 2 for piece in pieces) == 20  # one for each border
    assert max(map(len, pieces)) == 2
    shard, start, length = pieces[-1][-1]
    assert (shard, start + length) == (20, 143_000 * batch - 20 * HUB_SHARD_BYTES)
    assert HUB_LAYOUT.name(20) == "document-00020-of-00020.bin"


# --- a folder -------------------------------------------------------------------------------------


def test_every_batch_from_a_folder(folder):
    data = Preshuffled(LocalShards(folder), SEQ_LENGTH)
    assert len(data) == BATCH * STEPS
    batches = [data.batch(step, BATCH) for step in range(STEPS)]
    assert batches[0].dtype == np.int64
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)
    np.testing.assert_array_equal(data.sequences(0, len(data)), ROWS)  # across all shards
    assert data.sequences(3, 3).shape == (0, 5)


def test_shards_merged_to_one_file(tmp_path):
    (tmp_path / "document.bin").write_bytes(ROWS.tobytes())
    (tmp_path / "document.idx").write_bytes(b"not needed")
    data = Preshuffled(LocalShards(tmp_path), SEQ_LENGTH)
    np.testing.assert_array_equal(data.batch(9, BATCH), ROWS[36:])


def test_some_shards_of_the_published_set(tmp_path):
    """One shard of 30 GB (sparse) is enough to read the batches in it."""
    path = tmp_path / shard_name("document", 1, 20)
    with open(path, "wb") as file:
        file.truncate(HUB_SHARD_BYTES)
        file.seek(7150 * 4_196_352 - HUB_SHARD_BYTES)  # the first batch that lies in it as a whole
        file.write(b"\7\0" * 2049)
    data = Preshuffled(LocalShards(tmp_path), rows=143_000 * 1024)
    assert data.sequences(7150 * 1024 - 1, 7150 * 1024 + 2)[:, 0].tolist() == [0, 7, 0]
    with pytest.raises(UsageError, match=r"document-00000-of-00020.bin is missing"):
        data.batch(7149, 1024)
    with open(path, "r+b") as file:
        file.truncate(10_000)
    with pytest.raises(
        UsageError, match=r"00001-of-00020.bin has 10000 bytes; expected 30000000000"
    ):
        LocalShards(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: (d / shard_name("document", 2, LAST)).unlink(), "00002-of-00006.bin is missing"),
        (lambda d: (d / shard_name("document", LAST, LAST)).unlink(), "00006-of-00006.bin is miss"),
        (
            lambda d: (d / shard_name("document", 3, LAST)).write_bytes(b"short"),
            r"00003-of-00006.bin has 5 bytes; expected 64",
        ),
        (
            lambda d: (d / shard_name("document", LAST, LAST)).write_bytes(b"odd"),
            r"00006-of-00006.bin, byte 3: expected rows of 10 bytes .5 tokens.*7 bytes over",
        ),
        (lambda d: (d / "other-00000-of-00001.bin").touch(), "more than one set: document"),
        (lambda d: [path.unlink() for path in d.iterdir()], "holds no shard; expected files like"),
    ],
)
def test_a_folder_that_is_not_whole(folder, change, says):
    change(folder)
    with pytest.raises(UsageError, match=says) as error:
        Preshuffled(LocalShards(folder), SEQ_LENGTH)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: data.batch(-1, BATCH),
        lambda data: data.batch(STEPS, BATCH),
        lambda data: data.sequences(-1, 2),
        lambda data: data.sequences(0, BATCH * STEPS + 1),
    ],
)
def test_out_of_range_is_one_line(folder, ask):
    with pytest.raises(UsageError, match=r"^.* out of range; .*$"):
        ask(Preshuffled(LocalShards(folder), SEQ_LENGTH))


def test_rows_of_a_shorter_run(folder):
    data = Preshuffled(LocalShards(folder), SEQ_LENGTH, rows=9)
    assert len(data) == 9
    with pytest.raises(
        UsageError, match=r"step .of batch size 4. 2 is out of range; expected 0 to 1"
    ):
        data.batch(2, BATCH)


# --- a web server ---------------------------------------------------------------------------------


def test_every_batch_over_http_in_at_most_two_requests(server, reader):
    data = opened(server, reader)
    for step in range(STEPS):
        server.requests.clear()
        np.testing.assert_array_equal(data.batch(step, BATCH), ROWS[step * 4 : step * 4 + 4])
        crosses = step * 40 // SHARD != (step * 40 + 39) // SHARD
        assert len(server.requests) == 1 + crosses
    # Not a byte more than the batches have.
    assert server.sent == reader.traffic.bytes == ROWS.nbytes


def test_a_few_sequences_take_no_whole_batch(server, reader):
    data = opened(server, reader)
    np.testing.assert_array_equal(data.sequences(5, 6), ROWS[5:6])
    assert (len(server.requests), server.sent) == (1, 10)


def test_opening_asks_for_two_bytes(server, reader):
    HttpShards(f"{server.url}/set/{shard_name('document', 3, LAST)}", reader)
    names = [path.removeprefix("/set/") for path, _ in server.requests]
    assert names == [shard_name("document", number, LAST) for number in (0, LAST)]
    assert server.sent == 2


FAILS_AT_ONCE = [
    (bad.whole_file, "ignores byte ranges .status 200 instead of 206"),
    (bad.another_range, r"Content-Range is 'bytes 2-41/64', asked for bytes 0-39"),
    (bad.no_content_range, "Content-Range is 'none'"),
    (bad.other_size, "has 74 bytes, expected 64: it is cut into other shards, or has changed"),
    (bad.compressed, "compressed .gzip"),
    (bad.status(404), "00000-of-00006.bin is missing on the server"),
    (bad.status(416), r"ends before byte 40"),
    (bad.status(403), "status 403, expected 206"),
    (bad.redirected("file:///etc/passwd"), "what it redirects to, cannot be read .InvalidSchema"),
    (bad.redirected(""), "status 302, expected 206"),
    (bad.status(429, retry_after="3600"), "status 429; the server asks to wait 3600 s"),
]


@pytest.mark.parametrize(("fault", "says"), FAILS_AT_ONCE)
def test_what_cannot_be_mended_fails_at_once(server, reader, waits, fault, says):
    data = opened(server, reader)
    server.faults = [fault]
    with pytest.raises((FetchError, UsageError), match=says) as error:
        data.batch(0, BATCH)
    assert "\n" not in str(error.value)
    assert waits == []
    assert len(server.requests) == 1
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])  # and the next reply is good


PASSES = {
    "broke off": [bad.cut_short, bad.close],
    "of 40 bytes": [bad.short_but_consistent],
    "more than the 40 bytes": [bad.too_long],
    "in time": [bad.stall, bad.stall_in_the_middle],
    "of 40 bytes after 0 s": [bad.trickle],
    "status 429": [bad.status(429)],
    "status 500": [bad.status(500)],
    "status 503": [bad.status(503, retry_after="soon")],
}


SLOW = (bad.stall, bad.stall_in_the_middle, bad.trickle)


@pytest.mark.parametrize(
    ("says", "fault"), [(says, fault) for says, faults in PASSES.items() for fault in faults]
)
def test_what_may_pass_is_tried_again(server, reader, waits, says, fault):
    data = opened(server, reader)
    if fault in SLOW:
        reader.retry = replace(reader.retry, read_timeout=0.3, deadline=0.3)
    server.faults = [fault, fault]
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    assert len(waits) == 2
    assert 1 <= waits[0] <= 1.5  # doubled, and up to half as much again at random
    assert 2 <= waits[1] <= 3

    server.faults = [fault, fault, fault]
    with pytest.raises(FetchError, match=f"({says}).*gave up after 3 tries"):
        data.batch(0, BATCH)
    assert len(waits) == 4


def test_the_server_says_how_long_to_wait(server, reader, waits):
    data = opened(server, reader)
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    server.faults = [bad.status(429, retry_after="7"), bad.status(503, retry_after=date)]
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    assert waits[0] == 7
    assert 50 < waits[1] <= 60


def test_chunks_are_allowed(server, reader):
    data = opened(server, reader)
    server.faults = [bad.chunked]
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_keep_the_range(server, reader, code):
    data = opened(server, reader)
    server.faults = [bad.redirected("/elsewhere/set/document-00000-of-00006.bin", code)]
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    assert [asked for _, asked in server.requests] == ["bytes=0-39"] * 2


def test_endless_redirects(server, reader):
    data = opened(server, reader)
    server.faults = [bad.redirected("/set/document-00000-of-00006.bin")] * 20
    with pytest.raises(FetchError, match=r"cannot be read .TooManyRedirects"):
        data.batch(0, BATCH)


@pytest.mark.parametrize(
    "hops", [["https://a/x", "http://b/x"], ["https://a/x", "http://b/x", "https://c/x"]]
)
def test_bytes_that_came_over_plain_http_are_not_believed(reader, monkeypatch, hops):
    def respond(session, url, **_):
        *history, response = [requests.Response() for _ in hops]
        for one, at in zip([*history, response], hops, strict=True):
            one.url, one.status_code, one.raw = at, 206, io.BytesIO(b"1234")
        response.history = history
        response.headers["Content-Range"] = "bytes 0-3/4"
        return response

    monkeypatch.setattr(requests.Session, "get", respond)
    with pytest.raises(FetchError, match="redirects from https to plain http"):
        reader.read("https://a/x", 0, 4)


def test_no_server(reader, waits):
    with serve({}) as server:
        url = server.url
    with pytest.raises(
        FetchError, match="the connection failed or broke off; gave up after 3 tries"
    ):
        HttpShards(f"{url}/set/", reader)
    assert len(waits) == 2


def test_a_missing_shard_is_named(server, reader):
    data = opened(server, reader)
    del server.files["/set/document-00002-of-00006.bin"]
    np.testing.assert_array_equal(data.batch(2, BATCH), ROWS[8:12])
    with pytest.raises(UsageError, match=r"document-00002-of-00006.bin is missing on the server"):
        data.batch(3, BATCH)


@pytest.mark.parametrize("url", ["ftp://host/x/", "file:///etc/", "http:///x", "document.bin"])
def test_only_http(reader, url):
    with pytest.raises(UsageError, match="expected http:// or https://"):
        HttpShards(url, reader)


# --- the cache ------------------------------------------------------------------------------------


def test_a_batch_is_fetched_once(server, reader, tmp_path):
    data = opened(server, reader, cache=BatchCache(tmp_path))
    first = data.batch(1, BATCH)
    server.requests.clear()
    np.testing.assert_array_equal(data.batch(1, BATCH), first)
    assert server.requests == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".batch"]


def test_a_changed_set_is_not_read_from_the_cache(server, reader, tmp_path):
    cache = BatchCache(tmp_path)
    opened(server, reader, cache=cache).batch(0, BATCH)
    path = f"/set/{shard_name('document', LAST, LAST)}"
    server.files[path] = (26, lambda start, stop: bytes(stop - start))
    data = opened(server, reader, cache=cache)
    data.batch(0, BATCH)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:40] + b"\1" + b[41:], lambda b: b""]
)
def test_a_damaged_file_is_fetched_again(server, reader, tmp_path, damage):
    data = opened(server, reader, cache=BatchCache(tmp_path))
    data.batch(1, BATCH)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(data.batch(1, BATCH), ROWS[4:8])
    np.testing.assert_array_equal(data.batch(1, BATCH), ROWS[4:8])


def test_another_batch_under_this_name_is_no_hit(tmp_path):
    cache = BatchCache(tmp_path)
    cache.put("a", b"of a")
    cache.put("b", b"of b")
    os.replace(cache._path("a"), cache._path("b"))
    assert cache.get("b") is None


def test_the_least_recently_used_go_first(tmp_path):
    cache = BatchCache(tmp_path, limit=3 * (100 + 32))
    for number, key in enumerate("abc"):
        cache.put(key, bytes(100))
        os.utime(cache._path(key), ns=(number, number))
    assert cache.get("a") == bytes(100)  # used again, so `b` is the oldest now
    cache.put("d", bytes(100))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    cache.put("e", bytes(1000))  # larger than all of it
    assert cache.get("e") is None
    assert cache.get("d")


def test_without_a_cache_to_write_to(server, reader, tmp_path, caplog):
    (tmp_path / "file").touch()
    data = opened(server, reader, cache=BatchCache(tmp_path / "file"))
    np.testing.assert_array_equal(data.batch(1, BATCH), ROWS[4:8])
    assert "is not cached" in caplog.text
    off = BatchCache(tmp_path / "off", limit=0)
    opened(server, reader, cache=off).batch(1, BATCH)
    assert not off.folder.exists()


# --- the Hub --------------------------------------------------------------------------------------

REPO = "EleutherAI/pile-standard-pythia-preshuffled"
LAYOUT = Layout(LAST, SHARD)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub that redirects every file to where its bytes lie, as the real one does."""
    with serve_hub({f"datasets/{REPO}": {"main": shard_files()}}) as running:
        running.use(monkeypatch, tmp_path / "hf")
        running.head = running.commit(f"datasets/{REPO}")
        yield running


def from_hub(reader, folder, revision="main", **options) -> Preshuffled:
    shards = HubShards(REPO, revision, LAYOUT, folder, reader)
    return Preshuffled(shards, SEQ_LENGTH, BATCH * STEPS, **options)


def test_the_hub_is_read_at_a_commit_that_is_remembered(hub, reader, tmp_path):
    data = from_hub(reader, tmp_path)
    assert hub.requests == []  # opening asks for nothing
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    assert reader.traffic.requests == 1
    assert data.shards.provenance() == {"source": REPO, "revision": hub.head}
    assert json.loads((tmp_path / "pins.json").read_text()) == {f"{REPO}@main": hub.head}

    hub.requests.clear()
    np.testing.assert_array_equal(from_hub(reader, tmp_path).batch(1, BATCH), ROWS[4:8])
    assert len(hub.requests) == 2 + 2  # two shards, and a redirect each
    assert all(hub.head in request.path for request in hub.requests)


def test_a_commit_needs_no_resolving(hub, reader, tmp_path):
    data = from_hub(reader, tmp_path, revision=hub.head)
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    assert not any("/api/" in request.path for request in hub.requests)


def test_offline_only_the_cache_answers(hub, reader, tmp_path, monkeypatch):
    cache = BatchCache(tmp_path)
    from_hub(reader, tmp_path, cache=cache).batch(0, BATCH)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data = from_hub(reader, tmp_path, cache=cache)
    np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])
    with pytest.raises(UsageError, match="not in the cache, but HF_HUB_OFFLINE is set"):
        data.batch(1, BATCH)
    with pytest.raises(FetchError, match=r"offline .HF_HUB_OFFLINE"):
        from_hub(reader, tmp_path, revision="other").batch(1, BATCH)


def test_an_unknown_revision(hub, reader, tmp_path):
    with pytest.raises(FetchError, match=f"{REPO}@../mian: the repository has no such revision"):
        from_hub(reader, tmp_path, revision="../mian").batch(0, BATCH)


def test_an_endpoint_that_is_no_address(reader, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "huggingface.co")
    with pytest.raises(UsageError, match=r"'huggingface.co' is no address"):
        from_hub(reader, tmp_path).batch(0, BATCH)


def test_a_gated_set_is_read_with_the_users_token(monkeypatch, tmp_path):
    name = f"datasets/{REPO}"
    with serve_hub({name: {"main": shard_files()}}, gated=[name], tokens=["hf_ok"]) as running:
        running.use(monkeypatch, tmp_path / "hf")
        with pytest.raises(FetchError, match="gated"):
            from_hub(api.reader(), tmp_path).batch(0, BATCH)
        monkeypatch.setenv("HF_TOKEN", "hf_ok")
        data = Preshuffled(HubShards(REPO, "main", LAYOUT, tmp_path), SEQ_LENGTH, BATCH * STEPS)
        np.testing.assert_array_equal(data.batch(0, BATCH), ROWS[:4])


def test_the_token_goes_to_the_hub_and_to_no_other(monkeypatch, tmp_path):
    """Not to where the Hub redirects, and not to another server that batches are read from."""
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    first = shard_name("document", 0, LAST)
    with serve_hub({f"datasets/{REPO}": {"main": shard_files()}}) as hub:
        hub.use(monkeypatch, tmp_path / "hf")
        monkeypatch.setenv("HF_TOKEN", "hf_ok")
        url = f"{hub.url}/datasets/{REPO}/resolve/main/{first}"
        data = Preshuffled(HttpShards(url), SEQ_LENGTH)
        np.testing.assert_array_equal(data.batch(3, BATCH), ROWS[12:16])
        commit = hub.commit(f"datasets/{REPO}")
        source = f"{hub.url}/datasets/{REPO}/resolve/{commit}/"
        assert data.shards.provenance() == {"source": source, "revision": commit}
        to_hub = [r for r in hub.requests if "/cdn/" not in r.path]
        to_cdn = [r for r in hub.requests if "/cdn/" in r.path]
        assert {r.token for r in to_hub} == {"Bearer hf_ok"}
        assert {r.token for r in to_cdn} == {""}
        assert len(to_cdn) >= 3
        with serve({f"/set/{name}": data for name, data in shard_files().items()}) as other:
            seen = []

            def note(handler, start, stop):
                seen.append(handler.headers.get("Authorization"))
                handler.answer(start, stop)

            other.faults = [note, note]
            HttpShards(f"{other.url}/set/{first}")
        assert seen == [None, None]
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        hub.requests.clear()
        with pytest.raises(UsageError, match="HF_HUB_OFFLINE is set"):
            HttpShards(url)
        assert hub.requests == []


def test_what_is_to_be_kept_stays_whatever_else_is_read(server, reader, tmp_path):
    cache = BatchCache(tmp_path, limit=150)  # of three batches
    data = opened(server, reader, cache=cache)
    data.batch(0, BATCH)
    data.keep(0, BATCH)  # there already
    assert len(server.requests) == 1
    data.keep(8, 12)
    for step in range(STEPS):
        data.batch(step, BATCH)
    server.requests.clear()
    np.testing.assert_array_equal(data.sequences(0, BATCH), ROWS[:4])
    np.testing.assert_array_equal(data.batch(2, BATCH), ROWS[8:12])
    assert server.requests == []
    data.batch(1, BATCH)
    assert len(server.requests) == 2  # dropped; it crosses a border
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(b"damaged")
    data.keep(0, BATCH)
    data.keep(8, 12)
    assert len(server.requests) == 3


def test_a_few_sequences_are_cached_too(server, reader, tmp_path):
    data = opened(server, reader, cache=BatchCache(tmp_path))
    np.testing.assert_array_equal(data.sequences(5, 7), ROWS[5:7])
    server.requests.clear()
    np.testing.assert_array_equal(data.sequences(5, 7), ROWS[5:7])
    assert server.requests == []
