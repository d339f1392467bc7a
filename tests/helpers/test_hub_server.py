"""The tests' Hub answers the real clients as the real one does."""

import json

import pytest
import requests
import torch
from helpers.hub_server import (
    checkpoint_files,
    dies_after,
    flipped,
    serve_hub,
    sha256,
    status,
    tiny_model,
    truncated,
)
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
from transformers import GPTNeoXForCausalLM, PreTrainedTokenizerFast

REPO = "EleutherAI/pythia-14m"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    forms = {"step0": "safetensors", "step1": "sharded", "step2": "bin", "step4": "bin-sharded"}
    revisions = {
        name: checkpoint_files(seed, form) for seed, (name, form) in enumerate(forms.items())
    }
    revisions["step8"] = revisions["step0"]  # a duplicate
    with serve_hub({REPO: revisions}) as server:
        server.use(monkeypatch, tmp_path)
        yield server


@pytest.mark.parametrize("revision", ["step0", "step1", "step2", "step4"])
def test_transformers_loads_each_form(hub, revision):
    seed = ["step0", "step1", "step2", "step4"].index(revision)
    loaded = GPTNeoXForCausalLM.from_pretrained(REPO, revision=revision, dtype=torch.float16)
    for name, expected in tiny_model(seed, "float16").state_dict().items():
        assert torch.equal(loaded.state_dict()[name], expected)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(REPO, revision=revision)
    assert tokenizer.decode(tokenizer("a cat.")["input_ids"]) == "a cat."


def test_metadata_of_revisions(hub):
    api = HfApi(endpoint=hub.url)
    names = {branch.name: branch.target_commit for branch in api.list_repo_refs(REPO).branches}
    assert set(names) == {"main", "step0", "step1", "step2", "step4", "step8"}
    info = api.model_info(REPO, revision="step0", files_metadata=True)
    assert info.sha == names["step0"] == hub.commit(REPO, "step0")
    files = {file.rfilename: file for file in info.siblings}
    weights = hub.repos[REPO]["step0"]["model.safetensors"]
    assert files["model.safetensors"].lfs.sha256 == sha256(weights)
    assert files["model.safetensors"].size == len(weights)
    assert files["config.json"].lfs is None
    assert files["config.json"].blob_id
    # A duplicate is another commit with the same files.
    other = api.model_info(REPO, revision="step8", files_metadata=True)
    assert other.sha != info.sha
    assert {f.rfilename: f.blob_id for f in other.siblings} == {
        f.rfilename: f.blob_id for f in info.siblings
    }
    [entry] = api.get_paths_info(REPO, ["model.safetensors", "none"], revision="step0")
    assert entry.lfs.sha256 == sha256(weights)
    assert {f.path for f in api.list_repo_tree(REPO, revision=info.sha)} == set(files)


def test_snapshot_and_byte_ranges(hub, tmp_path):
    folder = snapshot_download(REPO, revision="step1")
    index = json.loads((tmp_path / folder / "model.safetensors.index.json").read_text())
    shard = sorted(set(index["weight_map"].values()))[0]
    whole = hub.repos[REPO]["step1"][shard]
    url = f"{hub.url}/{REPO}/resolve/step1/{shard}"
    for asked, expected in {
        "bytes=8-15": whole[8:16],
        "bytes=100-": whole[100:],
        "bytes=-7": whole[-7:],
    }.items():
        reply = requests.get(url, headers={"Range": asked})
        assert (reply.status_code, reply.content) == (206, expected)
    assert requests.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


@pytest.mark.parametrize(
    ("repo", "revision", "file", "expected"),
    [
        ("EleutherAI/none", "step0", "config.json", errors.RepositoryNotFoundError),
        (REPO, "step3", "config.json", errors.RevisionNotFoundError),
        (REPO, "step0", "nothing.json", errors.EntryNotFoundError),
    ],
)
def test_what_is_missing_is_told_as_the_hub_tells_it(hub, repo, revision, file, expected):
    with pytest.raises(expected):
        hf_hub_download(repo, file, revision=revision)


def test_a_gated_repository_wants_a_token(monkeypatch, tmp_path):
    with serve_hub({REPO: {"main": {"a.json": b"{}"}}}, gated=[REPO], tokens=["hf_ok"]) as server:
        server.use(monkeypatch, tmp_path)
        for token in (False, "hf_wrong"):
            with pytest.raises(errors.GatedRepoError):
                hf_hub_download(REPO, "a.json", token=token)
        assert hf_hub_download(REPO, "a.json", token="hf_ok")


def test_faults_come_once_and_are_counted(hub):
    url = f"{hub.url}/{REPO}/resolve/step0/model.safetensors"
    whole = hub.repos[REPO]["step0"]["model.safetensors"]
    hub.inject(status(429, retry_after="7"), path="/resolve/")
    limited = requests.get(url)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    hub.inject(truncated, path="/cdn/")
    assert requests.get(url).content == whole[: len(whole) // 2]
    hub.inject(flipped, path="/cdn/")
    assert len(requests.get(url).content) == len(whole)
    hub.inject(dies_after(10), path="/cdn/")
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(url)
    before = hub.sent
    assert requests.get(url).content == whole
    assert hub.sent - before == len(whole)
    assert hub.sent_of("/cdn/") >= 2 * len(whole)
