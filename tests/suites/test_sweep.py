"""A sweep: one model object, the right weights in it at each step, read ahead, within a disk budget."""

import threading
import time

import pytest
import torch
from helpers.hub_server import (
    checkpoint_files,
    close,
    flipped,
    make_tiny,
    serve_hub,
    sha256,
    status,
    tiny_model,
)
from huggingface_hub import scan_cache_dir, snapshot_download
from transformers import GPTNeoXForCausalLM

import pythia_utils
from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, Retry
from pythia_utils.suites import checkpoints, weights
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import CheckpointWarning
from pythia_utils.suites.hub import api
from pythia_utils.suites.sweep import choose
from pythia_utils.suites.weights import WeightsError

MODEL, REPO = "pythia-14m", "EleutherAI/pythia-14m"
STEPS = (0, 1, 2, 4, 8, 16)
FORMS = ("safetensors", "sharded", "bin", "bin-sharded", "both", "safetensors")
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def files():
    return {
        f"step{step}": checkpoint_files(step, form, old_buffers=step in (1, 2))
        for step, form in zip(STEPS, FORMS, strict=True)
    }


@pytest.fixture
def server(files, monkeypatch, tmp_path):
    make_tiny(monkeypatch, MODEL)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(api, "RETRY", Retry(attempts=3, wait=0.01, longest_wait=30, read_timeout=1))
    with serve_hub({REPO: files}) as server:
        server.cache = server.use(monkeypatch, tmp_path / "hf")
        server.hurry(monkeypatch, [])
        yield server


def state_of(network) -> dict:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def revisions(cache) -> set[str]:
    """The branches whose files the cache has."""
    return {r for repo in scan_cache_dir(cache).repos for rev in repo.revisions for r in rev.refs}


# --- the weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_each_step_equals_from_pretrained_in_one_object(server, dtype):
    seen, places = [], set()
    for step, network in pythia_utils.sweep(MODEL, STEPS, dtype=dtype):
        seen.append(step)
        places.add((id(network), *(p.data_ptr() for p in network.parameters())))
        theirs = GPTNeoXForCausalLM.from_pretrained(
            REPO, revision=f"step{step}", dtype=getattr(torch, dtype)
        )
        assert equal(network.state_dict(), theirs.state_dict())
        assert equal(dict(network.named_buffers()), dict(theirs.named_buffers()))
        ids = torch.arange(12)[None]
        assert torch.equal(network(ids).logits, theirs(ids).logits)
        assert not network.training
    assert tuple(seen) == STEPS
    assert len(places) == 1  # the same model, in the same memory


def test_any_order_and_again(server):
    found = {}
    for step, network in pythia_utils.sweep(MODEL, [8, 0, 8]):
        state = state_of(network)
        assert equal(found.setdefault(step, state), state)
    assert not equal(found[8], found[0])


def test_ours_are_swept_by_the_same_call(files, monkeypatch, tmp_path):
    make_tiny(monkeypatch, "pico-7k")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    for step in (1, 2):
        folder = tmp_path / "suites" / "pico" / "pico-7k" / f"step{step}"
        folder.mkdir(parents=True)
        for name, content in checkpoint_files(step).items():
            (folder / name).write_bytes(content)
    for step, network in pythia_utils.sweep("pico-7k", [1, 2]):
        assert equal(network.state_dict(), tiny_model(step, "float16").float().state_dict())
    with pytest.raises(UsageError, match="pico-7k step 4 is not trained yet"):
        pythia_utils.sweep("pico-7k", [1, 2, 4])  # at once, not after two steps


def test_tied_embeddings_stay_tied():
    def tied(seed):
        return tiny_model(seed, tie_word_embeddings=True)

    network, other = tied(0), tied(1)
    state = {k: v for k, v in other.state_dict().items() if k != "lm_head.weight"}
    weights.swap(network, state)
    assert equal(network.state_dict(), other.state_dict())
    assert network.lm_head.weight is network.gpt_neox.embed_in.weight


def test_a_state_that_does_not_fit_changes_nothing():
    network = tiny_model(0)
    before, good = state_of(network), tiny_model(1).state_dict()
    name = "gpt_neox.embed_in.weight"
    bad = {
        f"lacks 1 weights, such as {name}": {k: v for k, v in good.items() if k != name},
        "has 1 unknown weights, such as more": good | {"more": torch.ones(1)},
        rf"{name} has the shape \(64, 8\), the model's \(64, 16\)": good
        | {name: good[name][:, :8]},
    }
    for message, state in bad.items():
        with pytest.raises(WeightsError, match=message):
            weights.swap(network, state)
        assert equal(network.state_dict(), before)
    with torch.device("meta"):
        elsewhere = GPTNeoXForCausalLM(network.config)
    with pytest.raises(WeightsError, match="is not in memory"):
        weights.swap(elsewhere, good)


# --- ahead ----------------------------------------------------------------------------------------


def test_the_next_checkpoint_comes_while_the_caller_works(server):
    for step, _ in pythia_utils.sweep(MODEL, [0, 16]):
        if step == 0:
            deadline = time.monotonic() + 20
            while "step16" not in revisions(server.cache) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert "step16" in revisions(server.cache)
            server.inject(close, times=None)  # nothing more is needed from now on


def sweeping() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("pythia-sweep")]


def test_leaving_early_stops_the_download(server, files):
    checkpoints.load(MODEL, 0)
    server.bytes_per_second = 2000  # the next checkpoint would take 10 seconds
    started = time.monotonic()
    for _ in pythia_utils.sweep(MODEL, [0, 16]):
        while not list(server.cache.glob("*/blobs/*.incomplete")):
            time.sleep(0.01)
        break
    assert time.monotonic() - started < 5
    assert not sweeping()
    server.bytes_per_second = None
    server.requests.clear()
    assert len(list(pythia_utils.sweep(MODEL, [0, 16]))) == 2
    assert server.sent_of(f"/{WEIGHTS}?signed") == len(files["step16"][WEIGHTS])


def test_leaving_early_ends_a_pause_between_tries(server):
    checkpoints.load(MODEL, 0)
    server.inject(status(429, retry_after="25"), path="/api/", times=None)
    started = time.monotonic()
    for _ in pythia_utils.sweep(MODEL, [0, 16]):
        while not server.requests[-1].path.startswith("/api/"):
            time.sleep(0.01)
        break
    assert time.monotonic() - started < 10
    assert not sweeping()


def test_a_failure_comes_after_the_good_steps(server):
    server.inject(flipped, path=f"/cdn/{REPO}/{server.commit(REPO, 'step16')}", times=None)
    seen = []
    with pytest.raises(FetchError, match=r"step16: model.safetensors: what came is corrupt"):
        seen.extend(step for step, _ in pythia_utils.sweep(MODEL, [0, 8, 16]))
    assert seen == [0, 8]
    assert not sweeping()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": [0, 3]}, "unknown step 3 of pythia-14m; nearest"),
        ({"steps": []}, "no steps"),
        ({"steps": "most"}, "expected a list of steps, or 'all'"),
        ({"steps": "step3"}, "unknown step 3 of pythia-14m; nearest"),
        ({"steps": [0], "dtype": "half"}, "unknown dtype 'half'"),
        ({"steps": [0], "disk_budget": "much"}, "disk budget 'much': expected a number"),
    ],
)
def test_mistakes_are_told_before_the_first_step(server, options, message):
    with pytest.raises(UsageError, match=message):
        pythia_utils.sweep(MODEL, **options)
    assert server.requests == []


def test_revisions_stand_for_steps():
    model = find_model("pythia-14m")
    assert [c.step for c in choose(model, ["step8", 16, "main"])] == [8, 16, 143_000]
    assert choose(model, "main") == [model.checkpoints[-1]]
    assert choose(model, "step8") == [model.checkpoint(8)]


def test_all_leaves_out_what_has_no_weights_and_strict_refuses():
    with pytest.warns(CheckpointWarning, match=r"step 40000: .*missing.* left out"):
        chosen = choose(find_model("pythia-410m-seed9"), "all")
    assert len(chosen) == 153
    assert 40000 not in [checkpoint.step for checkpoint in chosen]
    with pytest.warns(CheckpointWarning, match=r"steps 0-512, .*76 in all|steps? 54000") as told:
        pythia_utils.sweep("pythia-2.8b", "all")
    assert len(told) == 2  # one line an erratum
    with pytest.raises(UsageError, match="refused"):
        pythia_utils.sweep("pythia-2.8b", "all", strict=True)


# --- the disk -------------------------------------------------------------------------------------


def size_of(files: dict) -> int:
    return sum(len(content) for content in files.values())


def test_the_budget_drops_what_was_not_used_for_longest_and_never_others(server, files):
    snapshot_download(REPO, revision="step8")  # somebody else's
    budget = int(2.5 * size_of(files["step0"]))
    most = 0
    for _ in pythia_utils.sweep(MODEL, [0, 16, 8, 0, 16], disk_budget=budget):
        most = max(most, sum(entry.size_on_disk for entry in scan_cache_dir(server.cache).repos))
    assert most <= budget + size_of(files["step8"])
    assert revisions(server.cache) == {"step0", "step8", "step16"}
    checkpoints.load(MODEL, 0)  # now 16 is the one not used for longest
    for _ in pythia_utils.sweep(MODEL, [1], disk_budget=budget):
        pass
    assert revisions(server.cache) == {"step0", "step1", "step8"}
    assert not scan_cache_dir(server.cache).warnings


def test_what_revisions_share_is_counted_once_and_stays(server, files):
    server.repos[REPO] |= {"step32": files["step0"], "step64": files["step0"]}
    budget = int(1.2 * size_of(files["step0"]))
    steps = [0, 32, 64]
    list(pythia_utils.sweep(MODEL, steps, disk_budget=budget))
    assert revisions(server.cache) == {"step0", "step32", "step64"}
    for step, network in pythia_utils.sweep(MODEL, [16, 64], disk_budget=budget):
        expected = tiny_model(16 if step == 16 else 0, "float16").float()
        assert equal(network.state_dict(), expected.state_dict())
    assert revisions(server.cache) == {"step64"}


def test_a_budget_below_one_checkpoint_is_a_mistake(server):
    with pytest.raises(UsageError, match=r"a disk budget of 5 kB is too small: .* needed"):
        list(pythia_utils.sweep(MODEL, [0, 1], disk_budget="5kB"))
    list(pythia_utils.sweep(MODEL, [0]))
    with pytest.raises(UsageError, match="too small"):
        list(pythia_utils.sweep(MODEL, [0, 1], disk_budget="5kB"))


def test_what_a_killed_download_left_counts_and_goes_too(server, files):
    server.inject(close, path="?signed", times=None)
    with pytest.raises(FetchError):
        checkpoints.load(MODEL, 0)
    content = files["step0"][WEIGHTS]  # as a process that was killed leaves it
    left = (
        server.cache / "models--EleutherAI--pythia-14m/blobs" / f"{sha256(content)}.12.incomplete"
    )
    left.write_bytes(content[:-10])
    server.faults.clear()
    list(pythia_utils.sweep(MODEL, [16], disk_budget=int(1.2 * size_of(files["step16"]))))
    assert revisions(server.cache) == {"step16"}
    assert len(list(server.cache.glob("*/snapshots/*"))) == 1
    assert not left.exists()
