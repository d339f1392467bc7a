"""The weights that are opened: those that the index names, of the shape that the suite knows."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.hub_server import Files, checkpoint_files, make_tiny, serve_hub, sha256, tiny_model
from safetensors.torch import load, save

import pythia_utils
from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import Retry
from pythia_utils.suites import checkpoints, folders, weights
from pythia_utils.suites.audit import audit
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.hub import api
from pythia_utils.suites.tensors import read_tensors
from pythia_utils.suites.weights import WeightsError

MODEL, REPO = "pythia-31m", "EleutherAI/pythia-31m"
INDEX = "model.safetensors.index.json"
OLD = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
NAMES = {
    "numbered": [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)],
    "as many": [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)],
    "odd": ["attention.safetensors", "Rest-of_it.v2.safetensors"],
}


def two_sets(names: list[str]) -> Files:
    """The weights of seed 1 in files of these names, with their index, and an older set of seed 9.

    Where the sets have names in common the older one is in the way under other names. Each of the new
    files has, besides, a tensor of seed 9 that the index places elsewhere.
    """
    stale = checkpoint_files(9, "sharded")
    files = {name: stale[name] for name in OLD if name not in names}
    files |= {f"model-0000{n}-of-00004.safetensors": stale[OLD[0]] for n in (1, 2, 3, 4)}
    files |= {name: content for name, content in stale.items() if name not in (*OLD, INDEX)}
    state = load(checkpoint_files(1)["model.safetensors"])
    places = {key: names[at % len(names)] for at, key in enumerate(sorted(state))}
    other = load(checkpoint_files(9)["model.safetensors"])
    for name in names:
        elsewhere = next(key for key in sorted(state) if places[key] != name)
        part = {key: state[key] for key in state if places[key] == name}
        files[name] = save(part | {elsewhere: other[elsewhere]})
    return files | {INDEX: json.dumps({"metadata": {}, "weight_map": places}).encode()}


@pytest.fixture
def server(monkeypatch, tmp_path):
    make_tiny(monkeypatch, MODEL, "pico-14k")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(api, "RETRY", Retry(attempts=2, wait=0.01))
    with serve_hub({REPO: {"step0": checkpoint_files(0)}}) as server:
        server.use(monkeypatch, tmp_path / "hf")
        yield server


def is_right(state: dict) -> bool:
    expected = tiny_model(1, "float16").state_dict()
    return state.keys() == expected.keys() and all(
        torch.equal(state[key].half(), expected[key]) for key in expected
    )


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_all_that_opens_weights_opens_those_of_the_index(server, monkeypatch, names):
    server.repos[REPO]["step1"] = files = two_sets(names)
    network, _ = pythia_utils.load(MODEL, 1)
    assert is_right(network.state_dict())
    for steps in ([1], [0, 1]):
        *_, (_, network) = pythia_utils.sweep(MODEL, steps)
        assert is_right(network.state_dict())
    expected = load(checkpoint_files(1)["model.safetensors"])
    online = read_tensors(MODEL, 1, expected)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    offline = read_tensors(MODEL, 1, expected)
    assert all(torch.equal(online[key], expected[key]) for key in expected)
    assert all(torch.equal(offline[key], expected[key]) for key in expected)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    one = next(one for one in audit(MODEL, [1]).facts if one.step == 1)
    assert one.hashes == {name: sha256(files[name]) for name in names}
    assert torch.equal(
        torch.from_numpy(one.sample), expected["gpt_neox.embed_in.weight"][:32].float().ravel()
    )


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_ours_too(server, names):
    folder = folders.checkpoint_path(find_model("pico-14k").checkpoint(4))
    folder.mkdir(parents=True)
    for name, content in two_sets(names).items():
        (folder / name).write_bytes(content)
    assert is_right(weights.read(folder))
    network = weights.build(folder, find_model("pico-14k"), torch.float16)
    assert is_right(network.state_dict())
    (one,) = audit("pico-14k", [4]).facts
    assert sorted(one.hashes) == sorted(names)


def test_an_index_that_is_not_of_these_files(server):
    files = two_sets(NAMES["odd"])
    places = json.loads(files[INDEX])["weight_map"]
    key = "embed_out.weight"
    less = {name: file for name, file in places.items() if name != key}
    cases = {
        "lacks 1 weights, such as lm_head.weight": less,
        f"{NAMES['odd'][0]} lacks more, which the index places": places | {"more": NAMES["odd"][0]},
    }
    for says, weight_map in cases.items():
        changed = json.dumps({"weight_map": weight_map}).encode()
        server.repos[REPO]["step1"] = files | {INDEX: changed}
        checkpoints.hub_cache().fetch(api.describe(REPO, "step1"))
        with pytest.raises(WeightsError, match=says):
            pythia_utils.load(MODEL, 1)
        with pytest.raises(WeightsError, match=says):
            list(pythia_utils.sweep(MODEL, [0, 1]))


# --- the shape ------------------------------------------------------------------------------------


def config(**changed) -> Files:
    """A good checkpoint with another configuration; None drops a setting."""
    files = checkpoint_files(1)
    source = json.loads(files["config.json"]) | changed
    kept = {key: value for key, value in source.items() if value is not None}
    return files | {"config.json": json.dumps(kept).encode()}


ROPE = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
WRONG = {
    "num_attention_heads is 4, and pythia-31m has 2": config(num_attention_heads=4),
    "hidden_size is 6144, and pythia-31m has 16": config(hidden_size=None),
    "vocab_size is 50304, and": config(vocab_size=50304),
    "intermediate_size is 32, and": config(intermediate_size=32),
    "num_hidden_layers is 1, and": config(num_hidden_layers=1),
    "rope_parameters is .*1.0}, and pythia-31m has .*0.25": config(rope_parameters=ROPE),
    "use_parallel_residual is False, and": config(use_parallel_residual=False),
    "max_position_embeddings is 2048, and pythia-31m has 32": config(max_position_embeddings=2048),
    "hidden_act is relu, and": config(hidden_act="relu"),
    "of class 'gpt2'; expected 'gpt_neox'": config(model_type="gpt2"),
    "of class None; expected 'gpt_neox'": config(model_type=None),
    "weights cannot be read .*hidden_size": config(hidden_size="many"),
    "weights cannot be read .AttributeError": config() | {"config.json": b"[]"},
    "weights cannot be read .JSONDecodeError": config() | {"config.json": b"{"},
}


@pytest.mark.parametrize(("says", "files"), WRONG.items(), ids=WRONG)
def test_another_shape_is_told_before_anything_is_allocated(server, monkeypatch, says, files):
    server.repos[REPO]["step1"] = files
    swept = pythia_utils.sweep(MODEL, [0, 1])
    assert next(swept)[0] == 0
    with pytest.raises(WeightsError, match=says):
        next(swept)

    def refuse(*_, **__):
        raise AssertionError("something was built")

    monkeypatch.setattr("transformers.GPTNeoXForCausalLM.__init__", refuse)
    with pytest.raises(WeightsError, match=says) as error:
        pythia_utils.load(MODEL, 1)
    assert "\n" not in str(error.value)
    with pytest.raises(WeightsError, match=says):
        next(pythia_utils.sweep(MODEL, [1]))


def test_a_folder_of_ours_without_a_configuration(server):
    folder = folders.checkpoint_path(find_model("pico-14k").checkpoint(4))
    folder.mkdir(parents=True)
    for name, content in checkpoint_files(1).items():
        (folder / name).write_bytes(content)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"step4/config\.json is missing"):
        pythia_utils.load("pico-14k", 4)


def test_a_weight_of_another_shape_is_named_with_both(server):
    files = checkpoint_files(1)
    state = load(files["model.safetensors"])
    state["gpt_neox.embed_in.weight"] = torch.zeros(60, 16, dtype=torch.float16)
    server.repos[REPO]["step1"] = files | {"model.safetensors": save(state)}
    says = r"embed_in\.weight has the shape \(60, 16\), the model's \(64, 16\)"
    with pytest.raises(WeightsError, match=says):
        pythia_utils.load(MODEL, 1)
    with pytest.raises(WeightsError, match=says):
        list(pythia_utils.sweep(MODEL, [0, 1]))


def test_old_configurations_of_the_hub_are_understood(server):
    old = {"rotary_pct": 0.25, "rotary_emb_base": 10000, "rope_parameters": None}
    server.repos[REPO]["step1"] = config(**old, torch_dtype="float16", attention_bias=None)
    assert is_right(pythia_utils.load(MODEL, 1)[0].state_dict())


def test_frequencies_that_follow_from_the_shape_are_no_weights(server):
    """Some releases of transformers keep them beside the layers, others within each."""
    state = load(checkpoint_files(1)["model.safetensors"])
    extra = {"gpt_neox.rotary_emb.inv_freq": torch.ones(2)}
    server.repos[REPO]["step1"] = checkpoint_files(1) | {"model.safetensors": save(state | extra)}
    network, _ = pythia_utils.load(MODEL, 1)
    assert is_right(network.state_dict())
    *_, (_, network) = pythia_utils.sweep(MODEL, [0, 1])
    assert is_right(network.state_dict())


def test_a_tokenizer_without_its_settings_ends_texts_as_the_suite_does(server):
    files = checkpoint_files(1)
    alone = {name: files[name] for name in files if "tokenizer_config" not in name}
    server.repos[REPO]["step1"] = alone
    _, tokenizer = pythia_utils.load(MODEL, 1)
    assert tokenizer.eos_token == "<|endoftext|>"
    assert tokenizer.eos_token_id == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"model": {"type": "BPE"}}'])
def test_what_is_no_tokenizer(server, content):
    server.repos[REPO]["step1"] = checkpoint_files(1) | {"tokenizer.json": content}
    with pytest.raises(UsageError, match=r"tokenizer\.json is not a tokenizer"):
        pythia_utils.load(MODEL, 1)
