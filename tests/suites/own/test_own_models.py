"""Models of one's own: found in folders and on the Hub, counted, opened, and told from others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from helpers import architectures
from helpers.hub_server import checkpoint_files, serve_hub

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.likelihood import token_logprobs
from pythia_utils.suites import catalog, identity
from pythia_utils.suites.checkpoints import load, resolved, stamp
from pythia_utils.suites.own.config import count_parameters
from pythia_utils.suites.sweep import sweep
from pythia_utils.suites.weights import WeightsError
from pythia_utils.training_data.source import open_source

from .conftest import KINDS, STEPS


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_the_trainer(mine, kind):
    """What is loaded gives the logits of the very network that was saved."""
    model = catalog.find_model(f"TINY-{kind}")
    expected = architectures.network(kind, seed=1)
    assert (model.steps, model.repo_id, model.trained_on) == (STEPS, None, "unknown")
    assert model.checkpoint(100).revision == "checkpoint-100"
    assert model.checkpoint("checkpoint-100").tokens_seen == 100 * 128
    assert model.total_params == sum(p.numel() for p in expected.parameters())
    assert (model.n_layers, model.d_model, model.n_heads) == (2, 16, 2)
    network, tokenizer = load(model.name, 100)
    assert type(network) is type(expected)
    assert tokenizer("abc")["input_ids"] == architectures.tokenizer()("abc")["input_ids"]
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        logs = expected(ids).logits.log_softmax(dim=-1)[0, :-1]
    known = logs.gather(1, ids[0, 1:, None])[:, 0]
    np.testing.assert_allclose(token_logprobs(network, ids)[0], known, atol=1e-5)


def test_parameters_of_shapes_that_are_known():
    """GPT-NeoX's by the formula of the suites; a tied matrix counts once; positions are an embedding."""
    neox = architectures.network("gpt_neox")
    d, words, inner = 16, architectures.WORDS, 32
    layer = (3 * d * d + 3 * d) + (d * d + d) + (2 * d * inner + inner + d) + 4 * d
    without = 2 * layer + 2 * d
    assert count_parameters(neox) == (without, without + 2 * words * d)
    gpt2 = architectures.network("gpt2")
    layer = (3 * d * d + 3 * d) + (d * d + d) + (8 * d * d + 5 * d) + 4 * d
    without = 2 * layer + 2 * d
    assert count_parameters(gpt2) == (without, without + (words + 48) * d)


def test_a_sweep_gives_what_loading_gives(mine):
    for kind in ("gpt2", "llama"):
        for step, network in sweep(f"tiny-{kind}", "all"):
            own, _ = load(f"tiny-{kind}", step)
            for name, tensor in own.state_dict().items():
                torch.testing.assert_close(network.state_dict()[name], tensor, rtol=0, atol=0)


def test_folders_that_hold_no_checkpoint_are_none(mine):
    runs = mine.parent / "runs" / "llama"
    (runs / "checkpoint-300").mkdir()  # the Trainer is about to write it
    (runs / "checkpoint-best").mkdir()
    shutil.copytree(runs / "checkpoint-200", runs / "checkpoint-000250")
    assert catalog.find_model("tiny-llama").steps == (0, 100, 200, 250)
    assert catalog.find_model("tiny-llama").checkpoint(250).revision == "checkpoint-000250"
    shutil.copytree(runs / "checkpoint-200", runs / "checkpoint-250")
    with pytest.raises(UsageError, match="checkpoint-000250 and checkpoint-250 are both step 250"):
        catalog.find_model("tiny-llama")


def change(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_fingerprint_holds_what_the_file_says_of_the_model_and_its_files(mine):
    def digests(name: str = "tiny-llama"):
        one = catalog.find_model(name).checkpoint(100)
        return identity.description_digest(one), identity.checkpoint_digest(one)

    before = digests()
    runs = mine.parent / "runs" / "llama"
    shutil.copytree(runs / "checkpoint-200", runs / "checkpoint-300")  # training goes on
    change(mine, "runs/gpt2", "runs/llama")  # another model of the suite
    assert digests() == before
    change(mine, "training_data: unknown", "training_data: my texts")
    assert digests()[0] != before[0]
    assert digests()[1] == before[1]
    tokenizer = runs / "checkpoint-100" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert digests()[1] != before[1]
    assert stamp(catalog.find_model("tiny-llama").checkpoint(100)) != ""
    assert [*resolved(catalog.find_model("tiny-llama").checkpoint(100))["files"]] == [
        "model.safetensors"
    ]


def test_training_data_are_never_taken_for_others(mine):
    for name in ("tiny-gpt_neox", "pythia-intervention-70m-deduped"):
        with pytest.raises(
            UsageError, match=f"what {name} read in training is .*expected a source of its own"
        ):
            open_source(name)
    change(mine, "training_data: unknown", "training_data: the Dolma corpus")
    with pytest.raises(UsageError, match="is the Dolma corpus, which cannot be opened here"):
        open_source("tiny-llama")


# --- what is wrong with what lies there -------------------------------------------------------------


def configured(mine, **changed: object) -> None:
    for step in STEPS:
        path = mine.parent / "runs" / "llama" / f"checkpoint-{step}" / "config.json"
        source = {**json.loads(path.read_text()), **changed}
        path.write_text(json.dumps({k: v for k, v in source.items() if v is not None}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"model_type": "mine", "auto_map": {"AutoModel": "x.Y"}},
            "no architecture 'mine'; code beside",
        ),
        ({"model_type": "mine"}, "transformers has no architecture 'mine'$"),
        ({"model_type": "vit"}, "no causal language model of class 'vit'"),
        ({"model_type": None}, "config.json: model_type is missing"),
        ({"num_attention_heads": "many"}, "mine.yml: tiny-llama: config.json: "),
    ],
)
def test_configurations_that_are_no_models(mine, changed, message):
    configured(mine, **changed)
    with pytest.raises(UsageError, match=message) as error:
        catalog.find_model("tiny-llama")
    assert "\n" not in str(error.value)


def test_code_beside_weights_is_never_run(mine):
    """Of an architecture that transformers has, its own class is taken, whatever the folder brings."""
    configured(mine, auto_map={"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Config"})
    for step in STEPS:
        folder = mine.parent / "runs" / "llama" / f"checkpoint-{step}"
        (folder / "evil.py").write_text("raise SystemExit('it ran')")
    network, _ = load("tiny-llama", 100)
    assert type(network).__module__.startswith("transformers.models.llama")


def test_weights_of_another_shape_are_refused(mine):
    runs = mine.parent / "runs"
    weights = runs / "gpt2" / "checkpoint-0" / "model.safetensors"
    shutil.copy(weights, runs / "llama" / "checkpoint-0" / "model.safetensors")
    with pytest.raises(WeightsError, match=r"checkpoint-0: \d+ missing weights, such as "):
        load("tiny-llama", 0)


def test_a_tokenizer_may_lie_with_the_run_or_elsewhere(mine):
    runs = mine.parent / "runs" / "llama"
    for step in STEPS:
        for path in (runs / f"checkpoint-{step}").glob("tokenizer*"):
            path.rename(runs / path.name)
    assert len(load("tiny-llama", 0)[1]) == len(architectures.tokenizer())
    (mine.parent / "words").mkdir()
    for path in runs.glob("tokenizer*"):
        path.rename(mine.parent / "words" / path.name)
    with pytest.raises(UsageError, match=r"has no tokenizer; say in mine\.yml where it is"):
        load("tiny-llama", 0)
    change(mine, "folder: runs/llama,", "folder: runs/llama, tokenizer: words,")
    assert len(load("tiny-llama", 0)[1]) == len(architectures.tokenizer())


# --- on the Hub -------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A repository with revisions as OLMo names them, one with the Trainer's names, and a file for both."""
    files = {seed: checkpoint_files(seed, dtype="float32") for seed in range(3)}
    stages = {
        f"stage1-step{s}-tokens{n}B": files[i] for i, (s, n) in enumerate([(1000, 3), (2000, 5)])
    }
    repos = {"me/olmo": stages | {"stage2-step50-tokens1B": files[2], "main": files[2]}}
    repos |= {"me/plain": {"step0": files[0], "step10": files[1]}}
    path = tmp_path / "mine.yml"
    path.write_text(
        "name: mine\ntraining_data: unknown\nmodels:\n"
        "  - {name: olmo, repo: me/olmo, revisions: 'stage1-step{step}-tokens{n}B'}\n"
        "  - {name: plain, repo: me/plain, revisions: 'step{step}', steps: [10], tokens_per_step: 4}\n"
    )
    monkeypatch.setenv("PYTHIA_SUITES", str(path))
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    with serve_hub(repos) as server:
        server.use(monkeypatch, tmp_path / "cache")
        yield server


def test_revisions_of_the_hub_are_asked_for_once(hub):
    model = catalog.find_model("olmo")
    assert model.steps == (1000, 2000)
    assert model.checkpoint(2000).revision == "stage1-step2000-tokens5B"
    assert model.checkpoint(2000).tokens_seen == 5_000_000_000
    asked = len(hub.requests)
    assert catalog.find_model("olmo").steps == (1000, 2000)
    assert len(hub.requests) == asked
    assert hub.sent_of("model.safetensors") == 0
    network, _ = load("olmo", 1000)
    state = checkpoint_files(0, dtype="float32")["model.safetensors"]
    from safetensors.torch import load as read

    embedding = network.get_input_embeddings().weight
    torch.testing.assert_close(embedding, read(state)["gpt_neox.embed_in.weight"], rtol=0, atol=0)


def test_steps_that_are_listed_need_no_question(hub):
    assert catalog.find_model("plain").steps == (10,)
    assert not [request for request in hub.requests if "refs" in request.path]


def test_without_a_network_what_is_known_holds(hub, monkeypatch):
    assert load("olmo", 1000)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    assert catalog.find_model("olmo").steps == (1000, 2000)
    load("olmo", 1000)
    assert len(hub.requests) == asked


def test_a_repository_that_is_not_there_is_one_line(hub, tmp_path, monkeypatch):
    path = tmp_path / "mine.yml"
    path.write_text(path.read_text().replace("me/olmo", "me/gone"))
    with pytest.raises(
        UsageError, match=r"which revisions me/gone has is not known .*no such repository"
    ):
        catalog.find_model("olmo")
