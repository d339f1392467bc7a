"""A network that accelerate has spread over places gives what it gives in one place."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.evaluation import inference, likelihood, memorization, minimal_pairs, patching
from pythia_utils.evaluation.inference import NotFiniteError

accelerate = pytest.importorskip("accelerate")
VOCAB, PROMPT = 40, 5
LAYERS = [f"gpt_neox.layers.{n}" for n in range(3)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=VOCAB, intermediate_size=32, **shape)
    return GPTNeoXForCausalLM(config).eval()


@pytest.fixture(scope="module")
def rows(model):
    """Some that the network recites, some of them with one token changed, and some it does not."""
    rows = np.random.default_rng(0).integers(VOCAB, size=(12, 14))
    rows[:8, PROMPT:] = memorization.greedy(model, rows[:8, :PROMPT], 14 - PROMPT)
    rows[np.arange(4), PROMPT + 2 * np.arange(4)] += 1
    return rows % VOCAB


@pytest.fixture(scope="module")
def tokenizer():
    words = {f"w{i}": i for i in range(VOCAB)}
    core = Tokenizer(models.WordLevel(words, unk_token="w0"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="w0", unk_token="w0")


def all_in_memory_fetched(model, folder):
    return accelerate.cpu_offload(model, execution_device=torch.device("cpu"))


def all_on_disk(model, folder):
    return accelerate.disk_offload(model, str(folder), execution_device=torch.device("cpu"))


def head_on_disk(model, folder):
    return in_two_parts(model, folder, ["lm_head", "gpt_neox.final_layer_norm"])


def beginning_on_disk(model, folder):
    return in_two_parts(model, folder, ["gpt_neox.embed_in", LAYERS[0]])


def in_two_parts(model, folder, on_disk):
    names = ["gpt_neox.embed_in", "gpt_neox.rotary_emb", "gpt_neox.emb_dropout", *LAYERS]
    names += ["gpt_neox.final_layer_norm", "lm_head"]
    places = {name: "disk" if name in on_disk else "cpu" for name in names}
    return accelerate.dispatch_model(model, places, main_device="cpu", offload_dir=str(folder))


WAYS = [all_in_memory_fetched, all_on_disk, head_on_disk, beginning_on_disk]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def spread(request, model, tmp_path):
    network = request.param(copy.deepcopy(model), tmp_path)
    assert any(parameter.is_meta for parameter in network.parameters())
    return network


@pytest.mark.parametrize(("matched", "batch_tokens"), [(False, 60), (True, None)])
def test_memorized(model, spread, rows, matched, batch_tokens):
    expected = memorization.memorized(model, rows, PROMPT, 9, matched, batch_tokens)
    assert expected["memorized"].sum() == 4
    found = memorization.memorized(spread, rows, PROMPT, 9, matched, batch_tokens)
    assert found.equals(expected)


def test_log_likelihoods(model, spread, rows):
    expected = likelihood.token_logprobs(model, rows)
    np.testing.assert_allclose(likelihood.token_logprobs(spread, rows), expected, atol=1e-5)
    assert likelihood.token_logprobs(spread, []) == []


def test_minimal_pairs(model, spread, tokenizer):
    texts = ["w1 w2 w3", "w1 w2 w4", "w5 w6", "w7", "w1 w8 w9 w10"]
    pairs = [SimpleNamespace(phenomenon="x", good=a, bad=b) for a in texts for b in texts if a != b]
    prepared = minimal_pairs.prepare_pairs(tokenizer, pairs)
    expected = prepared.score(model)["margin"]
    np.testing.assert_allclose(prepared.score(spread)["margin"], expected, atol=1e-5)


def test_patching(model, spread, rows):
    texts = patching.Texts(rows[:5, :6], rows[5:10, :6], good=[1] * 5, bad=[2] * 5)
    parts = [*patching.head_patches(model).values(), *patching.mlp_patches(model).values()]
    parts += [patching.Patch(residual=frozenset([1])), patching.Patch(embedding=True)]
    expected = patching.patched_margins(model, texts, parts)
    assert np.ptp(expected, axis=0).min() > 1e-3
    np.testing.assert_allclose(patching.patched_margins(spread, texts, parts), expected, atol=1e-5)


def test_what_is_not_finite_is_told(model, rows, tmp_path):
    broken = copy.deepcopy(model)
    broken.get_output_embeddings().weight.data[3, 3] = np.nan
    broken = head_on_disk(broken, tmp_path)
    with pytest.raises(NotFiniteError):
        likelihood.token_logprobs(broken, rows)
    with pytest.raises(NotFiniteError):
        memorization.memorized(broken, rows, PROMPT, 9)


def test_the_head_is_fetched_once_for_many_positions(model, rows, tmp_path, monkeypatch):
    """Not once for each of a CPU's small blocks."""
    network, calls = head_on_disk(copy.deepcopy(model), tmp_path), []
    forward = network.lm_head.forward
    monkeypatch.setattr(network.lm_head, "forward", lambda x: calls.append(len(x)) or forward(x))
    monkeypatch.setattr(inference, "CPU_BLOCK", (2, 5))
    likelihood.token_logprobs(network, rows)
    assert calls == [12 * 13] * 2  # for the targets, and for the normalizers
