"""`load` from a Hub: the right weights or one clear line, and a clean cache, whatever goes wrong."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import pytest
import torch
from helpers.commands import ROOT
from helpers.hub_server import (
    Handler,
    checkpoint_files,
    close,
    dies_after,
    flipped,
    make_tiny,
    serve_hub,
    sha256,
    stall,
    status,
    tiny_model,
    truncated,
)
from huggingface_hub import constants, scan_cache_dir, snapshot_download
from transformers import GPTNeoXForCausalLM

import pythia_utils
from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write, file_digest
from pythia_utils.base.http import FetchError, Retry
from pythia_utils.engine import worker
from pythia_utils.grid.ledger import Outcome
from pythia_utils.suites import checkpoints, folders, shared_tokenizer
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import CheckpointWarning
from pythia_utils.suites.hub import api, commits, hugging_face
from pythia_utils.suites.hub import cache as hub_cache
from pythia_utils.suites.hub.download import content_hash
from pythia_utils.suites.identity import checkpoint_digest
from pythia_utils.suites.weights import WeightsError

MODEL, REPO = "pythia-14m", "EleutherAI/pythia-14m"
NEOX = "EleutherAI/gpt-neox-20b"  # whose tokenizer all of Pythia has
FORMS = {2: "safetensors", 4: "sharded", 8: "bin", 16: "bin-sharded", 32: "both"}
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def files():
    return {f"step{step}": checkpoint_files(step, form) for step, form in FORMS.items()}


@pytest.fixture
def server(files, monkeypatch, tmp_path):
    """A Hub with a checkpoint of each form, a cache and a home of its own, and little patience."""
    slept = []
    make_tiny(monkeypatch, MODEL)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    patience = Retry(attempts=3, wait=0.01, longest_wait=5, read_timeout=0.3, sleep=slept.append)
    monkeypatch.setattr(api, "RETRY", patience)
    with serve_hub({REPO: files}) as server:
        server.cache = server.use(monkeypatch, tmp_path / "hf")
        server.slept = slept
        server.hurry(monkeypatch, slept)
        yield server


def is_right(network, step: int) -> bool:
    expected = tiny_model(step, "float16").float().state_dict()
    found = network.state_dict()
    return found.keys() == expected.keys() and all(
        torch.equal(found[k], expected[k]) for k in found
    )


def cache_is_clean(cache) -> bool:
    """Every blob has the bytes that its name says, and nothing points into the void."""
    for blob in cache.glob("*/blobs/*"):
        if blob.suffix == ".incomplete":
            continue
        assert content_hash(blob, blob.name) == blob.name
    assert all(path.exists() for path in cache.glob("*/snapshots/*/*"))
    if cache.is_dir():
        assert not scan_cache_dir(cache).warnings
    return True


# --- what is loaded -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", FORMS)
def test_weights_equal_those_of_from_pretrained(server, step):
    network, tokenizer = pythia_utils.load(MODEL, step)
    assert is_right(network, step)
    assert not network.training
    theirs = GPTNeoXForCausalLM.from_pretrained(REPO, revision=f"step{step}", dtype=torch.float32)
    ids = torch.tensor([tokenizer("a cat sat")["input_ids"]])
    assert torch.equal(network(ids).logits, theirs(ids).logits)
    assert cache_is_clean(server.cache)


def test_safetensors_come_first_and_bin_stays(server):
    pythia_utils.load(MODEL, 32)
    assert server.sent_of(".bin") == 0


def test_old_files_with_masks_and_frequencies(server):
    for step, form in {64: "safetensors", 128: "bin"}.items():
        server.repos[REPO][f"step{step}"] = checkpoint_files(step, form, old_buffers=True)
        assert is_right(pythia_utils.load(MODEL, step)[0], step)


def test_the_cache_is_shared_with_other_tools(server):
    folder = snapshot_download(REPO, revision="step2")
    before = server.sent
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert server.sent == before  # theirs is used
    pythia_utils.load(MODEL, 4)
    server.requests.clear()
    GPTNeoXForCausalLM.from_pretrained(REPO, revision="step4")
    assert server.sent_of("/cdn/") == 0  # ours is used
    assert folder


def test_a_second_load_asks_nothing(server):
    pythia_utils.load(MODEL, 2)
    server.requests.clear()
    pythia_utils.load("EleutherAI/pythia-14m", 2)
    assert server.requests == []


def test_what_is_verified_is_not_read_again(server, files, monkeypatch):
    """Gigabytes, of the real suite; in another process too, and of what other tools fetched."""
    snapshot_download(REPO, revision="step4")
    pythia_utils.load(MODEL, 2)
    pythia_utils.load(MODEL, 4)

    def refuse(path):
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr("pythia_utils.base.files.file_digest", refuse)
    monkeypatch.setattr("pythia_utils.suites.hub.download.file_digest", refuse)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert is_right(pythia_utils.load(MODEL, 4)[0], 4)
    server.repos[REPO]["step64"] = files["step2"]
    assert is_right(pythia_utils.load(MODEL, 64)[0], 2)  # the same bytes under another name


@pytest.mark.parametrize(
    ("dtype", "expected"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)]
)
def test_dtype(server, dtype, expected):
    assert pythia_utils.load(MODEL, 2, dtype=dtype)[0].dtype == expected


def test_the_environment_says_what_auto_is(server, monkeypatch):
    monkeypatch.setenv("PYTHIA_DTYPE", "bfloat16")
    monkeypatch.setenv("PYTHIA_DEVICE", "cpu")
    assert pythia_utils.load(MODEL, 2)[0].dtype == torch.bfloat16
    assert pythia_utils.load(MODEL, 2, dtype="float16")[0].dtype == torch.float16
    (_, network), *_ = pythia_utils.sweep(MODEL, [2])
    assert network.dtype == torch.bfloat16
    monkeypatch.setenv("PYTHIA_DTYPE", "bfloat61")
    with pytest.raises(UsageError, match="unknown dtype 'bfloat61'; nearest: bfloat16"):
        pythia_utils.load(MODEL, 2)


def test_automatic_dtype_is_what_the_model_was_trained_in_on_a_gpu():
    def pick(device, trained):
        return checkpoints._pick_dtype("auto", device, trained)

    assert pick("cpu", "bfloat16") == pick("cpu", "float16") == torch.float32
    assert pick("cpu:0", "bfloat16") == pick("cpu:1", "float16") == torch.float32
    assert pick("cuda", "bfloat16") == pick("cuda:1", "bfloat16") == torch.bfloat16
    assert pick("cuda", "float16") == torch.float16


def test_a_numbered_cpu_is_the_cpu(server):
    assert pythia_utils.load(MODEL, 2, device="cpu:0")[0].dtype == torch.float32
    ((_, swept),) = pythia_utils.sweep(MODEL, [2], device="cpu:0")
    assert swept.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float15"}, "unknown dtype 'float15'; nearest: float16"),
        ({"device": "gpu"}, "device 'gpu' cannot be used here"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
    ],
)
def test_a_wrong_wish_is_told_before_anything_is_fetched(server, options, message):
    with pytest.raises(UsageError, match=message):
        pythia_utils.load(MODEL, 2, **options)
    assert server.requests == []


def test_a_model_that_fits_nowhere_is_refused_before_anything_is_fetched(server, monkeypatch):
    model = find_model(MODEL)
    needed = 4 * model.total_params
    told = f"{MODEL} does not fit: its weights in float32 are {needed:,} bytes; 1,000 are free in memory"
    monkeypatch.setattr(checkpoints, "free_memory", lambda: 1000)
    for call in (pythia_utils.load, lambda *given, **options: pythia_utils.sweep(MODEL, [2])):
        with pytest.raises(UsageError, match=told) as error:
            call(MODEL, 2, device="cpu")
        one_line(error)
    half = {"dtype": "bfloat16"}
    with pytest.raises(UsageError, match=f"in bfloat16 are {needed // 2:,} bytes"):
        pythia_utils.load(MODEL, 2, **half)
    assert server.requests == []
    monkeypatch.setattr(checkpoints, "free_memory", lambda: needed // 2)
    assert pythia_utils.load(MODEL, 2, **half)[0].dtype == torch.bfloat16


def test_memory_of_gpus_counts_where_a_model_may_be_there(monkeypatch):
    model = find_model(MODEL)
    half = 2 * model.total_params
    monkeypatch.setattr(checkpoints, "free_memory", lambda: half // 2)
    monkeypatch.setattr(checkpoints, "pick_device", lambda device: device.replace("auto", "cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (half // 4, half))
    checkpoints.check_memory(model, "auto", "float16")  # a quarter on each, a half in memory
    with pytest.raises(UsageError, match=r"bytes; [0-9,]+ are free on GPUs and in memory"):
        checkpoints.check_memory(model, "auto", "float32")
    with pytest.raises(UsageError, match=f"; {half // 4:,} are free on cuda:1"):
        checkpoints.check_memory(model, "cuda:1", "float16")


def test_a_model_that_outgrows_the_gpu_is_spread(server, monkeypatch):
    pytest.importorskip("accelerate")
    network = find_model("pythia-12b")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (24 * 10**9, 24 * 10**9))
    assert checkpoints._outgrows_gpu(network, torch.float16)
    assert not checkpoints._outgrows_gpu(find_model("pythia-6.9b"), torch.float16)
    # Without a GPU accelerate puts everything on the CPU: the weights are the same.
    monkeypatch.setattr(checkpoints, "_outgrows_gpu", lambda *_: True)
    monkeypatch.setattr(checkpoints, "pick_device", lambda device: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    network, _ = pythia_utils.load(MODEL, 2)
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    expected = tiny_model(2, "float16").state_dict()
    assert all(torch.equal(network.state_dict()[name], expected[name]) for name in expected)


def test_spreading_without_accelerate_says_what_to_install(server, monkeypatch):
    import transformers.utils

    monkeypatch.setattr(checkpoints, "_outgrows_gpu", lambda *_: True)
    monkeypatch.setattr(checkpoints, "pick_device", lambda device: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(transformers.utils, "is_accelerate_available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install .pythia-book.gpu"):
        pythia_utils.load(MODEL, 2)


# --- what a result is traced to -------------------------------------------------------------------


def test_commit_and_hashes_are_kept(server, files):
    checkpoint = find_model(MODEL).checkpoint(4)
    assert checkpoints.resolved(checkpoint)["commit"] is None
    assert checkpoint_digest(checkpoint) == f"{REPO}@step4"
    pythia_utils.load(MODEL, 4)
    found = checkpoints.resolved(checkpoint)
    assert found["source"] == f"{REPO}@step4"
    assert found["commit"] == server.commit(REPO, "step4")
    shards = {name: content for name, content in files["step4"].items() if name.endswith("tensors")}
    assert len(shards) == 2
    assert {name: found["files"][name] for name in shards} == {
        name: sha256(content) for name, content in shards.items()
    }
    assert found["commit"][:12] in checkpoints.stamp(checkpoint)
    assert checkpoint_digest(checkpoint) == f"{REPO}@step4@{found['commit']}"


def test_an_executed_notebook_says_which_bytes_it_measured(server, files):
    pythia_utils.load(MODEL, 2)
    cell = SimpleNamespace(id="a", parameters={}, checkpoint=find_model(MODEL).checkpoint(2))
    notebook = nbformat.v4.new_notebook()
    worker._describe(notebook, cell, Outcome("a", "done"))
    found = notebook.metadata["pythia"]["weights"]
    assert found["commit"] == server.commit(REPO, "step2")
    assert found["files"][WEIGHTS] == sha256(files["step2"][WEIGHTS])


def test_ours_is_opened_by_the_same_call_and_traced_to_its_file(files, monkeypatch, tmp_path):
    make_tiny(monkeypatch, "pico-7k")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    folder = tmp_path / "suites" / "pico" / "pico-7k" / "step16"
    folder.mkdir(parents=True)
    for name, content in files["step2"].items():
        (folder / name).write_bytes(content)
    assert is_right(pythia_utils.load("pico-7k", 16)[0], 2)
    checkpoint = find_model("pico-7k").checkpoint(16)
    digest = file_digest(folder / WEIGHTS)
    found = checkpoints.resolved(checkpoint)
    assert found == {"source": "pico-7k@step16", "commit": None, "files": {WEIGHTS: digest}}
    assert checkpoints.stamp(checkpoint) == digest[:12]


def test_a_revision_that_was_repaired_is_fetched_anew_and_its_shared_files_are_not(server, files):
    checkpoint = find_model(MODEL).checkpoint(2)
    pythia_utils.load(MODEL, 2)
    before = checkpoints.resolved(checkpoint)["commit"]
    server.repos[REPO]["step2"] = server.repos[REPO]["step4"]
    assert hugging_face.cached_commit(REPO, "step2") == before
    told = commits.current_commits([REPO, "EleutherAI/nothing"])
    assert told[REPO, "step2"] == server.commit(REPO, "step2") != before
    checkpoints.renew(checkpoint, None)
    checkpoints.renew(checkpoint, before)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)  # the cache's, without asking
    checkpoints.renew(checkpoint, told[REPO, "step2"])
    assert is_right(pythia_utils.load(MODEL, 2)[0], 4)
    assert checkpoints.resolved(checkpoint)["commit"] == told[REPO, "step2"]


def test_a_hub_that_does_not_answer_tells_no_commits(server, monkeypatch):
    server.inject(status(503), path="/refs")
    assert commits.current_commits([REPO]) == {}
    server.inject(close, path="/refs")
    assert commits.current_commits([REPO]) == {}
    assert (REPO, "step2") in commits.current_commits([REPO])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(server.requests)
    assert commits.current_commits([REPO]) == {}
    assert len(server.requests) == asked


# --- offline --------------------------------------------------------------------------------------


def test_offline_uses_the_cache_and_says_what_is_missing(server, monkeypatch):
    pythia_utils.load(MODEL, 2)
    pythia_utils.load(MODEL, 4)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    with pytest.raises(
        FetchError, match=r"pythia-14m@step8 in .*: not in the cache; HF_HUB_OFFLINE"
    ):
        pythia_utils.load(MODEL, 8)
    next(server.cache.glob("*/snapshots/*/model-00002-of-00002.safetensors")).unlink()
    with pytest.raises(FetchError, match="the cache lacks its weights; HF_HUB_OFFLINE"):
        pythia_utils.load(MODEL, 4)
    assert server.requests == []
    with pytest.raises(FetchError, match="offline"):
        api.describe(REPO, "step2")


def test_a_hub_that_is_down_does_not_matter_for_what_is_cached(server):
    pythia_utils.load(MODEL, 2)
    server.inject(close, times=None)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


# --- trouble that passes --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/", "/resolve/", "/cdn/"])
@pytest.mark.parametrize(
    "fault",
    [status(429, retry_after="2"), status(503), close, stall],
    ids=["429", "503", "close", "stall"],
)
def test_what_passes_is_waited_for(server, path, fault, monkeypatch):
    server.inject(fault, path=path, times=1)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert cache_is_clean(server.cache)
    at_once = path == "/resolve/"  # the library asks again for a file's head before it waits
    assert at_once or fault is close or min(server.slept) > 0


def test_retry_after_is_heeded(server):
    server.inject(status(429, retry_after="4"), path="/api/")
    server.inject(status(429, retry_after="3"), path="/cdn/")
    pythia_utils.load(MODEL, 2)
    assert server.slept == [4, 3 + 1]  # the library's own margin


def test_a_hub_that_asks_to_wait_long_while_bytes_come_is_waited_for(server):
    """Of a download's pauses the library decides, not we."""
    server.inject(status(429, retry_after="3600"), path="/cdn/")
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert server.slept == [3601]


def test_a_broken_download_goes_on_where_it_stopped(server, files):
    size = len(files["step2"][WEIGHTS])
    for _ in range(3):
        server.inject(dies_after(size // 4), path=f"/{WEIGHTS}?signed")
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    asked = [r.range for r in server.requests if f"/{WEIGHTS}?signed" in r.path]
    assert len(asked) == 4
    assert all(int(later[6:-1]) > int(early[6:-1] or 0) for early, later in pairwise(asked[1:]))
    assert server.sent_of(f"/{WEIGHTS}?signed") < 1.2 * size


def test_an_interrupted_fetch_goes_on_with_the_files_that_are_missing(server, files):
    first, second = sorted(name for name in files["step4"] if name.endswith("tensors"))
    server.inject(close, path=f"/{second}?signed", times=None)
    with pytest.raises(FetchError, match=f"{second}: .* gave up after 3 tries"):
        pythia_utils.load(MODEL, 4)
    assert not list(server.cache.glob("*/blobs/*.incomplete"))
    assert cache_is_clean(server.cache)
    with pytest.raises(FetchError, match="not in the cache"):
        checkpoints.hub_cache().cached(REPO, "step4")
    server.faults.clear()
    server.requests.clear()
    assert is_right(pythia_utils.load(MODEL, 4)[0], 4)
    assert server.sent_of(f"/{first}?signed") == 0
    assert server.sent_of(f"/{second}?signed") == len(files["step4"][second])


def test_what_killed_processes_left_goes(server, files):
    content = files["step2"][WEIGHTS]
    blobs = server.cache / "models--EleutherAI--pythia-14m" / "blobs"
    blobs.mkdir(parents=True)
    for name in (f"{sha256(content)}.1234abcd.incomplete", f"{sha256(content)}.incomplete"):
        (blobs / name).write_bytes(content[:100])
    (blobs / f"{'0' * 64}.1234abcd.incomplete").touch()  # of another file
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert [path.name[:3] for path in blobs.glob("*.incomplete")] == ["000"]


def test_a_process_that_is_killed_leaves_nothing_wrong(server, files, tmp_path):
    size = len(files["step2"][WEIGHTS])
    server.bytes_per_second = size / 5
    environment = os.environ | server.env(server.cache.parent)
    code = f"import pythia_utils; pythia_utils.load({MODEL!r}, 2)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 60
    while not list(server.cache.glob("*/blobs/*.incomplete")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(1)
    process.kill()
    process.wait()
    assert cache_is_clean(server.cache)
    server.bytes_per_second = None
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert not list(server.cache.glob("*/blobs/*.incomplete"))


def test_what_comes_corrupt_is_fetched_once_more(server, files):
    server.inject(flipped, path=f"/{WEIGHTS}?signed")
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert server.sent_of(f"/{WEIGHTS}?signed") == 2 * len(files["step2"][WEIGHTS])
    assert cache_is_clean(server.cache)


# --- trouble that does not pass -------------------------------------------------------------------


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("fault", "path", "message"),
    [
        (status(429, retry_after="3600"), "/api/", "the server asks to wait 3600 s"),
        (status(500), "/cdn/", "status 500; gave up after 3 tries"),
        (status(500), "/api/", "status 500; gave up after 3 tries"),
        (status(401), "/api/", "status 401"),
        (status(403), "/resolve/", "status 403"),
        (status(404), f"/{WEIGHTS}", f"{WEIGHTS}: the Hub answers with status 404"),
        (close, "/api/", "cannot be reached"),
        (dies_after(0), "/cdn/", "gave up after 3 tries"),
        (truncated, "/cdn/", "what came is not whole"),
        (flipped, "/cdn/", "is corrupt"),
        (flipped, "/resolve/", "is corrupt"),
    ],
)
def test_what_does_not_pass_is_one_line_and_leaves_nothing_wrong(server, fault, path, message):
    server.inject(fault, path=path, times=None)
    with pytest.raises((FetchError, UsageError), match=message) as error:
        pythia_utils.load(MODEL, 2)
    one_line(error)
    assert cache_is_clean(server.cache)
    server.faults.clear()
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


def test_a_hub_that_is_not_there(server, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"http://127.0.0.1:9 cannot be reached \(ConnectError\)"):
        pythia_utils.load(MODEL, 2)


def test_an_address_that_is_no_hub(server):
    def page(handler, answer):
        handler.send(answer._replace(body=b"<html>log in</html>"))

    server.inject(page, path="/api/", times=None)
    with pytest.raises(FetchError, match="does not answer as a Hub does"):
        pythia_utils.load(MODEL, 2)


@pytest.mark.parametrize(
    ("model", "step", "message"),
    [
        ("pythia-31m", 2, "pythia-31m@step2: no such repository"),
        (MODEL, 64, "pythia-14m@step64: the repository has no such revision"),
        (MODEL, 128, "pythia-14m@step128 has no complete weights"),
        (MODEL, 256, "pythia-14m@step256 has no complete weights"),
        (MODEL, 512, "pythia-14m@step512 has no config.json"),
    ],
)
def test_what_the_hub_lacks_is_named(server, files, model, step, message):
    server.repos[REPO]["step128"] = {"config.json": b"{}"}
    server.repos[REPO]["step256"] = {
        name: content for name, content in files["step4"].items() if "00002-of" not in name
    }
    server.repos[REPO]["step512"] = {WEIGHTS: b"x"}
    with pytest.raises(FetchError, match=message) as error:
        pythia_utils.load(model, step)
    one_line(error)


def test_without_a_tokenizer_that_of_the_family_is_opened_and_said(
    server, files, monkeypatch, capsys
):
    bare = {name: content for name, content in files["step2"].items() if "tokenizer" not in name}
    server.repos[REPO] = {"step2": bare}
    with pytest.raises(FetchError, match=r"gpt-neox-20b.*no such repository on the Hub") as error:
        pythia_utils.load(MODEL, 2)
    one_line(error)
    [(_, network)] = pythia_utils.sweep(MODEL, [2])
    assert is_right(network, 2)
    text = files["step2"]["tokenizer.json"]
    server.repos[NEOX] = {"main": {"tokenizer.json": text, "model.safetensors": b"large"}}
    network, tokenizer = pythia_utils.load(MODEL, 2)
    assert is_right(network, 2)
    assert tokenizer("abc")["input_ids"] == [1, 2, 3]
    assert tokenizer.eos_token == "<|endoftext|>"
    assert f"{REPO}@step2 has no tokenizer; all pythia models share" in capsys.readouterr().err
    assert server.sent_of("model.safetensors") == len(bare[WEIGHTS])
    # Now the cache has it, and the Hub is not asked.
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    pythia_utils.load(MODEL, 2)
    assert server.requests == []


def test_who_wants_a_tokenizer_alone_gets_it_from_wherever_it_is(server, files):
    """The repositories of some seeds have nothing on `main`."""
    model, text = find_model("pythia-160m-data-seed2"), files["step2"]["tokenizer.json"]
    with pytest.raises(FetchError, match="gpt-neox-20b"):
        shared_tokenizer.tokenizer_file(model)
    server.repos[NEOX] = {"main": {"tokenizer.json": text}}
    server.repos[model.repo_id] = {"main": {".gitattributes": b"x"}}
    assert shared_tokenizer.tokenizer_file(model).read_bytes() == text
    server.requests.clear()
    assert shared_tokenizer.tokenizer_file(find_model(MODEL)).read_bytes() == text
    assert server.requests == []


def test_a_tokenizer_of_another_model_of_the_family_does(server, files, capsys):
    other = "EleutherAI/pythia-31m"
    server.repos[other] = {"step2": files["step2"]}
    checkpoints.hub_cache().open(other, "step2")
    bare = {name: content for name, content in files["step2"].items() if "tokenizer" not in name}
    server.repos[REPO] = {"step2": bare}
    _, tokenizer = pythia_utils.load(MODEL, 2)
    assert "models--EleutherAI--pythia-31m" in capsys.readouterr().err
    assert tokenizer("abc")["input_ids"] == [1, 2, 3]


def test_a_gated_repository_wants_a_token(files, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    make_tiny(monkeypatch, MODEL)
    with serve_hub({REPO: files}, gated=[REPO], tokens=["hf_ok"]) as server:
        cache = server.use(monkeypatch, tmp_path / "hf")
        for token in (None, "hf_wrong"):
            if token:
                monkeypatch.setenv("HF_TOKEN", token)
            with pytest.raises(
                FetchError, match="gated; ask for access on its page and set HF_TOKEN"
            ):
                pythia_utils.load(MODEL, 2)
        monkeypatch.setenv("HF_TOKEN", "hf_ok")
        assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
        assert cache_is_clean(cache)


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(files, monkeypatch, tmp_path):
    seen = []

    def watched(self):
        seen.append((self.headers["Host"], self.path, self.headers.get("Authorization")))
        return original(self)

    original = Handler.answer
    monkeypatch.setattr(Handler, "answer", watched)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    make_tiny(monkeypatch, MODEL)
    with serve_hub({REPO: files}, gated=[REPO], tokens=["hf_ok"]) as server:
        server.use(monkeypatch, tmp_path / "hf")
        monkeypatch.setenv("HF_TOKEN", "hf_ok")
        for step in (2, 4):  # 4 has an index, which is read by ranges
            assert is_right(pythia_utils.load(MODEL, step)[0], step)
    tokens = {
        url: {t for host, _, t in seen if url.endswith(host)} for url in (server.url, server.cdn)
    }
    assert tokens == {server.url: {"Bearer hf_ok"}, server.cdn: {None}}


def test_files_that_are_what_the_hub_says_and_yet_no_weights(server, files):
    whole = files["step2"]
    cases = {
        64: whole | {WEIGHTS: whole[WEIGHTS][:1000]},
        128: files["step8"] | {"pytorch_model.bin": files["step8"]["pytorch_model.bin"][:3000]},
        256: checkpoint_files(0, num_hidden_layers=1) | {"config.json": whole["config.json"]},
        512: checkpoint_files(0, hidden_size=32) | {"config.json": whole["config.json"]},
        1000: whole | {"config.json": b"{"},
    }
    for step, content in cases.items():
        server.repos[REPO][f"step{step}"] = content
        with pytest.raises(WeightsError) as error:
            pythia_utils.load(MODEL, step)
        one_line(error)


def test_a_pickle_that_runs_code_is_not_run(server, files, tmp_path):
    import pickle

    target = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(target), "w"))

    evil = files["step8"] | {"pytorch_model.bin": pickle.dumps(Evil(), protocol=2)}
    server.repos[REPO]["step64"] = evil
    with pytest.raises(WeightsError) as error:
        pythia_utils.load(MODEL, 64)
    one_line(error)
    assert not target.exists()


def test_a_full_disk(server, monkeypatch):
    real = hub_cache.free_space
    monkeypatch.setattr(hub_cache, "free_space", lambda _: 100)
    with pytest.raises(FetchError, match="to fetch, 100 bytes free on the disk"):
        pythia_utils.load(MODEL, 2)
    monkeypatch.setattr(hub_cache, "free_space", real)

    def full(url, temp_file, **_):
        temp_file.write(b"begin")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.file_download.http_get", full)
        with pytest.raises(OSError, match="No space left on device"):
            pythia_utils.load(MODEL, 2)
    assert not list(server.cache.glob("*/blobs/*.incomplete"))
    assert cache_is_clean(server.cache)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


# --- what others left in the cache ----------------------------------------------------------------


@pytest.mark.parametrize("journal", [True, False])
def test_a_file_that_went_bad_in_the_cache_is_fetched_again(server, monkeypatch, journal):
    pythia_utils.load(MODEL, 2) if journal else snapshot_download(REPO, revision="step2")
    blob = next(server.cache.glob(f"*/snapshots/*/{WEIGHTS}")).resolve()
    blob.write_bytes(blob.read_bytes()[:-100])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        FetchError, match=r"model\.safetensors in the cache is corrupt; HF_HUB_OFFLINE"
    ):
        pythia_utils.load(MODEL, 2)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert cache_is_clean(server.cache)


def test_an_index_that_went_bad_in_the_cache_is_fetched_again(server):
    pythia_utils.load(MODEL, 4)
    index = next(server.cache.glob("*/snapshots/*/*.index.json")).resolve()
    index.write_bytes(b"{}" + index.read_bytes()[2:])
    assert is_right(pythia_utils.load(MODEL, 4)[0], 4)
    assert cache_is_clean(server.cache)


def test_what_a_link_out_of_the_cache_leads_to_stays(server, tmp_path):
    """As a file that is corrupt and is not ours to delete."""
    pythia_utils.load(MODEL, 2)
    link = next(server.cache.glob(f"*/snapshots/*/{WEIGHTS}"))
    precious = tmp_path / "precious"
    precious.write_text("no weights")
    link.unlink()
    link.symlink_to(precious)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert precious.read_text() == "no weights"


@pytest.mark.parametrize("levels", [1, 2])
def test_dropping_a_revision_leaves_what_its_links_lead_to(server, tmp_path, levels):
    """Also where the link is one of another repository's files."""
    for step in (2, 4):
        pythia_utils.load(MODEL, step)
    precious = tmp_path / "precious"
    if levels == 2:
        precious = server.cache / "models--an--other" / "blobs" / "precious"
        (server.cache / "models--an--other" / "snapshots" / ("0" * 40)).mkdir(parents=True)
        precious.parent.mkdir()
    precious.write_text("mine")
    folder = next(server.cache.glob(f"*EleutherAI*/snapshots/{server.commit(REPO, 'step2')}"))
    (folder / "extra.json").symlink_to(precious)
    journal = checkpoints.hub_cache().journal
    journal.drop([entry for entry in journal.fetched() if entry.revision == "step2"])
    assert not folder.exists()
    assert precious.read_text() == "mine"
    assert is_right(pythia_utils.load(MODEL, 4)[0], 4)


@pytest.mark.parametrize("part", ["snapshots", "refs"])
def test_nothing_is_fetched_to_where_a_link_leads_out_of_the_cache(server, tmp_path, part):
    outside = tmp_path / "outside"
    outside.mkdir()
    repository = server.cache / "models--EleutherAI--pythia-14m"
    repository.mkdir(parents=True)
    (repository / part).symlink_to(outside)
    with pytest.raises(FetchError, match=r"leads out of the cache .*; remove the link") as error:
        pythia_utils.load(MODEL, 2)
    one_line(error)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("text", ["../../../../evil", "A" * 40, "0" * 39, ""])
def test_a_ref_that_is_no_commit_is_none(server, tmp_path, text):
    pythia_utils.load(MODEL, 2)
    ref = server.cache / "models--EleutherAI--pythia-14m" / "refs" / "step2"
    ref.write_text(text)
    assert hugging_face.cached_commit(REPO, "step2") is None
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    assert ref.read_text() == server.commit(REPO, "step2")


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "../../../victim"},
        {"repo_id": "../victim"},
        {"files": {WEIGHTS: "../../../../victim"}},
        {"files": {WEIGHTS: "*"}},
        {"files": {WEIGHTS: 7}},
    ],
)
def test_a_journal_that_names_files_elsewhere_is_not_followed(server, tmp_path, change):
    pythia_utils.load(MODEL, 2)
    victim = tmp_path / "victim0.incomplete"
    victim.write_text("mine")
    blob = next(server.cache.glob("*/blobs/*"))
    other = blob.with_name(f"{'f' * 64}.incomplete")
    other.write_text("another program's")
    [entry] = (folders.home() / "hub").glob("*/*/*.json")
    entry.write_text(json.dumps(json.loads(entry.read_text()) | change))
    journal = checkpoints.hub_cache().journal
    assert list(journal.fetched()) == []
    assert journal.read(REPO, entry.stem) is None
    assert (victim.read_text(), other.read_text()) == ("mine", "another program's")


@pytest.mark.parametrize(
    "name", ["../../../../victim", "VICTIM", "..", "", "a/../../../../../victim"]
)
def test_files_that_a_journal_says_were_added_are_dropped_of_the_revision_alone(
    server, tmp_path, name
):
    folder = snapshot_download(REPO, revision="step2")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    name = name.replace("VICTIM", str(victim))
    pythia_utils.load(MODEL, 2)
    [path] = (folders.home() / "hub").glob("*/*/*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"brought": [name, WEIGHTS]}))
    journal = checkpoints.hub_cache().journal
    journal.drop(list(journal.fetched()))
    assert victim.read_text() == "mine"
    assert sorted(os.listdir(folder)) == sorted(set(server.repos[REPO]["step2"]) - {WEIGHTS})
    assert cache_is_clean(server.cache)


def test_a_writer_killed_at_a_ref_leaves_every_tool_a_sound_cache(server, monkeypatch):
    """And what former versions left there goes, when it is old."""
    old = server.cache / "models--EleutherAI--pythia-14m" / "refs" / ".partial-1"
    old.parent.mkdir(parents=True)
    old.write_text("half")
    os.utime(old, (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(hugging_face, "atomic_write", killed_writer)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.hub_cache().fetch(api.describe(REPO, "step2"))
    assert list(server.cache.glob("*/*/.partial-*"))
    assert cache_is_clean(server.cache)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


@contextmanager
def killed_writer(*place):
    with atomic_write(*place) as temporary:
        yield temporary
        temporary.rename(temporary.with_name(".partial-0a1b2c3d4e5f"))
        raise KeyboardInterrupt


def test_a_revision_that_moved_is_followed_by_fetch_and_not_by_load(server):
    pythia_utils.load(MODEL, 2)
    server.repos[REPO]["step2"] = checkpoint_files(99)
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)  # what was read yesterday is read today
    checkpoints.hub_cache().fetch(api.describe(REPO, "step2"))
    assert is_right(pythia_utils.load(MODEL, 2)[0], 99)


def test_equal_revisions_share_their_bytes(server, files):
    server.repos[REPO]["step64"] = files["step2"]
    pythia_utils.load(MODEL, 2)
    server.requests.clear()
    assert is_right(pythia_utils.load(MODEL, 64)[0], 2)
    assert server.sent_of("/resolve/") == server.sent_of("/cdn/") == 0


def test_two_at_a_time_fetch_once(server, files):
    server.bytes_per_second = 2 * len(files["step2"][WEIGHTS])
    threads = [threading.Thread(target=pythia_utils.load, args=(MODEL, 2)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.sent_of(f"/{WEIGHTS}?signed") == len(files["step2"][WEIGHTS])
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    tied = tiny_model(0, tie_word_embeddings=True)  # two builds at a time used to break this
    assert tied.lm_head.weight is tied.gpt_neox.embed_in.weight


def test_without_symbolic_links(server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.are_symlinks_supported", lambda _: False)
    for _ in range(2):
        assert is_right(pythia_utils.load(MODEL, 2)[0], 2)
    weights = next(server.cache.glob(f"*/snapshots/*/{WEIGHTS}"))
    weights.write_bytes(weights.read_bytes()[:-1])
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


# --- errata ---------------------------------------------------------------------------------------


@pytest.fixture
def bad(server, files, monkeypatch):
    """The checkpoints that are known to be wrong, on the tests' Hub."""
    make_tiny(monkeypatch, "pythia-2.8b", "pythia-12b")
    for name in ("pythia-2.8b", "pythia-12b", "pythia-410m-seed9"):
        server.repos[f"EleutherAI/{name}"] = {
            f"step{n}": files["step2"] for n in (1000, 40000, 50000, 66000, 143000)
        }
    return server


@pytest.mark.parametrize(
    ("model", "step", "message"),
    [
        (
            "pythia-2.8b",
            1000,
            r"pythia-2.8b step 1000: holds the same weights as `main`.*\(P#205\)",
        ),
        (
            "pythia-12b",
            50000,
            r"pythia-12b step 50000: serves the final model's first shard \(P#206\)",
        ),
    ],
)
def test_a_known_bad_checkpoint_warns_or_is_refused(bad, model, step, message):
    with pytest.warns(CheckpointWarning, match=message):
        pythia_utils.load(model, step)
    bad.requests.clear()
    with pytest.raises(UsageError, match=f"{message}; refused"):
        pythia_utils.load(model, step, strict=True)
    assert bad.requests == []


def test_missing_weights_are_told_without_a_request(bad):
    with pytest.raises(
        UsageError, match=r"are missing \(P#202\); nearest: 38000, 39000, 41000"
    ) as error:
        pythia_utils.load("pythia-410m-seed9", 40000)
    one_line(error)
    assert bad.requests == []


def test_good_checkpoints_do_not_warn(bad, recwarn):
    pythia_utils.load("pythia-2.8b", 66000)
    server_files = bad.repos[REPO]["step2"]
    bad.repos[REPO] |= {"step0": server_files, "step1": server_files}
    pythia_utils.load(MODEL, 0, strict=True)  # equals step 1, and ought to
    assert not [w for w in recwarn if issubclass(w.category, CheckpointWarning)]


def test_every_error_is_one_that_the_command_line_knows():
    assert issubclass(FetchError, OSError)
    assert issubclass(WeightsError, OSError)


def test_the_journal_survives_nonsense(server):
    pythia_utils.load(MODEL, 2)
    [entry] = (folders.home() / "hub").glob("*/*/*.json")
    assert json.loads(entry.read_text())["fetched"]
    entry.write_text("{")
    assert is_right(pythia_utils.load(MODEL, 2)[0], 2)


def test_a_hub_cannot_name_files_outside_the_cache(server, tmp_path):
    def evil(handler, answer):
        body = answer.body.replace(server.commit(REPO, "step2").encode(), b"../../../../evil")
        handler.send(answer._replace(body=body))

    server.inject(evil, path="/api/")
    with pytest.raises(FetchError, match=r"gives '\.\./.*evil' for a commit"):
        pythia_utils.load(MODEL, 2)
    assert not list(tmp_path.rglob("evil*"))
