"""Single tensors by ranges: the same as safetensors reads, exact bytes moved, and every fault told."""

from __future__ import annotations

import json

import pytest
import torch
from helpers import hub_server as bad
from helpers import range_server
from helpers.hub_server import checkpoint_files, serve_hub
from safetensors.torch import load, save

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, MissingFileError, Retry
from pythia_utils.suites import folders
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.remote_tensors import HubTensors, MissingWeightsError, RangedFile
from pythia_utils.suites.hub.weight_files import CorruptFileError
from pythia_utils.suites.tensors import LocalTensors, open_tensors, read_tensors

MODEL = "pythia-14m"
REPO = f"EleutherAI/{MODEL}"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
EMBED, BIAS = "gpt_neox.embed_in.weight", "gpt_neox.layers.0.mlp.dense_h_to_4h.bias"
TOKEN = "hf_thisisatoken"


@pytest.fixture(scope="module")
def revisions() -> dict[str, dict[str, bytes]]:
    return {
        "step0": checkpoint_files(0),
        "step1": checkpoint_files(1, "sharded", old_buffers=True),
        "step2": checkpoint_files(2, "bin"),
        "step4": checkpoint_files(4, dtype="bfloat16"),
        "main": checkpoint_files(9),
    }


@pytest.fixture
def server(revisions, monkeypatch, tmp_path):
    gated = {f"{REPO}-deduped": {"step0": revisions["step0"]}}
    with serve_hub({REPO: revisions, **gated}, gated=gated, tokens=[TOKEN]) as running:
        running.use(monkeypatch, tmp_path / "cache")
        yield running


@pytest.fixture
def reader(server):
    return api.reader(Retry(attempts=5, sleep=lambda seconds: None))


def stored(files: dict[str, bytes]) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, as the library reads them."""
    found = {}
    for name, data in files.items():
        if name.endswith(".safetensors"):
            found |= load(data)
    return found


# --- what is right --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1, 4])
def test_every_tensor_of_single_and_sharded_files_equals_the_librarys(
    server, reader, revisions, step
):
    expected = stored(revisions[f"step{step}"])
    assert sorted(open_tensors(MODEL, step, reader=reader).places) == sorted(expected)
    found = read_tensors(MODEL, step, sorted(expected), reader=reader)
    assert list(found) == sorted(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_the_bytes_moved_are_those_of_the_header_and_of_the_tensor(server, reader, revisions):
    file = revisions["step0"][SINGLE]
    header = int.from_bytes(file[:8], "little")
    found = read_tensors(MODEL, 0, [BIAS], reader=reader)
    expected = 8 + header + found[BIAS].numel() * 2
    assert reader.traffic.bytes == server.sent_of("/cdn/") == expected < len(file) / 5
    assert reader.traffic.requests == 3
    rows = read_tensors(MODEL, 0, [EMBED], rows=slice(10, 13), reader=reader)
    assert torch.equal(rows[EMBED], stored(revisions["step0"])[EMBED][10:13])
    assert reader.traffic.bytes - expected == 8 + header + 3 * 16 * 2


def test_of_a_sharded_checkpoint_only_the_shard_asked_for_is_opened(server, reader, revisions):
    files = revisions["step1"]
    shard = json.loads(files[INDEX])["weight_map"][EMBED]
    header = int.from_bytes(files[shard][:8], "little")
    read_tensors(MODEL, 1, [EMBED], rows=slice(0, 1), reader=reader)
    assert reader.traffic.bytes == len(files[INDEX]) + 8 + header + 16 * 2
    others = {name for name in files if name.endswith(".safetensors")} - {shard}
    assert all(server.sent_of(name) == 0 for name in others)


def test_no_rows_move_no_bytes(server, reader):
    source = HubTensors(api.describe(REPO, "step0", reader))
    assert source.places
    before = reader.traffic.bytes
    assert source.read(EMBED, slice(5, 5)).shape == (0, 16)
    assert reader.traffic.bytes == before


def test_all_is_read_from_one_commit(server, reader):
    source = HubTensors(api.describe(REPO, "step0", reader))
    names = sorted(source.places)
    kept = server.repos[REPO]["step0"]
    server.repos[REPO]["step0"] = server.repos[REPO]["step4"]
    with pytest.raises(MissingFileError):  # the commit is gone here, and nothing else is taken
        source.read(names[0])
    server.repos[REPO]["step0"] = kept
    assert source.read(names[0]).dtype == torch.float16


def test_local_checkpoints_by_the_same_call(monkeypatch, tmp_path, revisions):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="pico-7k step 16 is not trained yet"):
        read_tensors("pico-7k", 16, [EMBED])
    folder = folders.checkpoint_path(find_model("pico-7k").checkpoint(16))
    folder.mkdir(parents=True)
    (folder / SINGLE).write_bytes(revisions["step0"][SINGLE])
    expected = stored(revisions["step0"])
    assert sorted(open_tensors("pico-7k", 16).places) == sorted(expected)
    found = read_tensors("pico-7k", 16, [EMBED, BIAS])
    assert all(torch.equal(found[name], expected[name]) for name in (EMBED, BIAS))
    part = read_tensors("pico-7k", 16, EMBED, rows=slice(-2, None))
    assert torch.equal(part[EMBED], expected[EMBED][-2:])
    with pytest.raises(UsageError, match="rows are of a matrix"):
        read_tensors("pico-7k", 16, [BIAS], rows=slice(0, 1))


def test_a_folder_of_shards_a_damaged_one_and_an_empty_one(tmp_path, revisions):
    with pytest.raises(MissingWeightsError, match=f"{tmp_path} has neither"):
        assert LocalTensors(tmp_path).places
    for name, data in revisions["step1"].items():
        (tmp_path / name).write_bytes(data)
    source, expected = LocalTensors(tmp_path), stored(revisions["step1"])
    assert all(torch.equal(source.read(name), expected[name]) for name in source.places)
    shard = source.places[EMBED]
    (tmp_path / shard).write_bytes(revisions["step1"][shard][:-1])
    with pytest.raises(CorruptFileError, match=f"{shard} is damaged"):
        source.read(EMBED)
    (tmp_path / shard).unlink()
    with pytest.raises(UsageError, match=f"{shard} is missing"):
        source.read(EMBED)


def test_offline_the_hubs_cache_is_read(server, monkeypatch, tmp_path, revisions):
    from huggingface_hub import snapshot_download

    snapshot_download(REPO, revision="step0", cache_dir=server.use(monkeypatch, tmp_path / "c"))
    asked = len(server.requests)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert torch.equal(read_tensors(MODEL, 0, EMBED)[EMBED], stored(revisions["step0"])[EMBED])
    with pytest.raises(FetchError, match=f"{REPO}@step4 .* not in the cache; HF_HUB_OFFLINE"):
        read_tensors(MODEL, 4, EMBED)
    assert len(server.requests) == asked


# --- tokens ---------------------------------------------------------------------------------------


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(server, monkeypatch):
    seen = []

    def watched(self):
        seen.append((self.headers["Host"], self.headers.get("Authorization")))
        return original(self)

    original = bad.Handler.answer
    monkeypatch.setattr(bad.Handler, "answer", watched)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    reader = api.reader()
    assert HubTensors(api.describe(f"{REPO}-deduped", "step0", reader)).places
    hosts = {host: {token for h, token in seen if h == host} for host, _ in seen}
    assert hosts[server.url.removeprefix("http://")] == {f"Bearer {TOKEN}"}
    assert hosts[server.cdn.removeprefix("http://")] == {None}
    assert TOKEN not in repr(reader)


def test_a_netrc_file_does_not_replace_the_token(server, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert HubTensors(api.describe(f"{REPO}-deduped", "step0")).places


# --- what is wrong --------------------------------------------------------------------------------


def test_an_unknown_tensor_offers_the_nearest(server, reader):
    with pytest.raises(UsageError, match=r"'gpt_neox.embed.weight' of pythia-14m step 0; nearest"):
        read_tensors(MODEL, 0, ["gpt_neox.embed.weight"], reader=reader)
    with pytest.raises(UsageError, match="unknown step 3 of pythia-14m"):
        read_tensors(MODEL, 3, [EMBED], reader=reader)


def test_missing_weights_revisions_and_repositories(server, reader):
    with pytest.raises(MissingWeightsError, match=f"{REPO} at step2 has neither"):
        assert open_tensors(MODEL, 2, reader=reader).places
    with pytest.raises(FetchError, match=f"{REPO}@step8: the repository has no such revision"):
        assert open_tensors(MODEL, 8, reader=reader).places
    with pytest.raises(FetchError, match="pythia-31m@step0: no such repository"):
        assert open_tensors("pythia-31m", 0, reader=reader).places
    index = json.loads(server.repos[REPO]["step1"][INDEX])
    index["weight_map"][EMBED] = "other.safetensors"
    server.repos[REPO]["step1"][INDEX] = json.dumps(index).encode()
    with pytest.raises(MissingWeightsError, match="nor an index of it with all its files"):
        read_tensors(MODEL, 1, [EMBED], reader=reader)


def test_what_passes_is_tried_again_and_the_right_bytes_come(server, reader, revisions):
    server.inject(bad.status(429, retry_after="1"), "/resolve/", times=2)
    server.inject(bad.dies_after(3), "/cdn/")
    server.inject(bad.close, "/cdn/")
    found = read_tensors(MODEL, 0, [EMBED], reader=reader)
    assert torch.equal(found[EMBED], stored(revisions["step0"])[EMBED])


def test_a_server_that_stays_down_is_told_in_one_line(server, reader):
    server.inject(bad.status(503), "/cdn/", times=None)
    with pytest.raises(FetchError, match="status 503; gave up after 5 tries") as error:
        read_tensors(MODEL, 0, [EMBED], reader=reader)
    assert "\n" not in str(error.value)


def test_a_truncated_file_is_not_read(server, reader):
    file = server.repos[REPO]["step0"][SINGLE]
    for size in (len(file) - 1, 100, 8, 3):
        server.repos[REPO]["step0"][SINGLE] = file[:size]
        with pytest.raises(CorruptFileError, match=r"cut short|its header tells of"):
            read_tensors(MODEL, 0, [BIAS], reader=reader)
    server.repos[REPO]["step0"][SINGLE] = file
    server.inject(bad.truncated, "/cdn/", times=None)
    with pytest.raises(FetchError, match="Content-Range"):
        read_tensors(MODEL, 0, [BIAS], reader=reader)


def test_a_damaged_header_and_a_damaged_index(server, reader):
    server.inject(bad.flipped, "/cdn/", times=2)
    with pytest.raises(CorruptFileError):
        read_tensors(MODEL, 0, [BIAS], reader=reader)
    server.repos[REPO]["step1"][INDEX] = b"{}"
    with pytest.raises(CorruptFileError, match="has no weight_map"):
        read_tensors(MODEL, 1, [BIAS], reader=reader)


def test_an_index_that_names_a_shard_without_the_tensor(server, reader):
    index = json.loads(server.repos[REPO]["step1"][INDEX])
    shards = sorted(set(index["weight_map"].values()))
    index["weight_map"][EMBED] = shards[1 - shards.index(index["weight_map"][EMBED])]
    server.repos[REPO]["step1"][INDEX] = json.dumps(index).encode()
    with pytest.raises(CorruptFileError, match=f"lacks {EMBED}, which the index places there"):
        read_tensors(MODEL, 1, [EMBED], reader=reader)


def test_a_large_index_is_refused(server, reader, monkeypatch):
    monkeypatch.setattr("pythia_utils.suites.hub.api.INDEX_LIMIT", 100)
    with pytest.raises(CorruptFileError, match="an index has fewer"):
        assert open_tensors(MODEL, 1, reader=reader).places


def test_an_index_that_breaks_off_is_asked_for_again(server, reader):
    server.inject(bad.dies_after(10), INDEX)
    assert EMBED in open_tensors(MODEL, 1, reader=reader).places


def test_a_file_that_is_not_the_one_described(reader):
    file = save({"a": torch.zeros(4)})
    with range_server.serve({"/x.safetensors": file}) as server:
        with pytest.raises(FetchError, match=f"has {len(file)} bytes, expected 70"):
            RangedFile(f"{server.url}/x.safetensors", reader, 70).entries  # noqa: B018
        remote = RangedFile(f"{server.url}/x.safetensors", reader, len(file))
        assert list(remote.entries) == ["a"]
        server.faults.append(range_server.other_size)
        with pytest.raises(FetchError, match=f"has {len(file) + 10} bytes, expected {len(file)}"):
            remote.read("a")
        server.faults.append(range_server.whole_file)
        with pytest.raises(FetchError, match="the server ignores byte ranges"):
            remote.read("a")
