"""NaN or infinity in a network is told with measure and checkpoint, and never taken for an answer."""

from __future__ import annotations

import copy
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import pythia_utils
from pythia_utils.analysis.memorization import sampling
from pythia_utils.analysis.memorization.measure import losses
from pythia_utils.evaluation import likelihood, memorization, minimal_pairs
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.suites import folders
from pythia_utils.suites.catalog import find_model

PAIRS = [
    SimpleNamespace(phenomenon="agreement", good="The dog sleeps.", bad="The dog sleep."),
    SimpleNamespace(phenomenon="order", good="The dog sleeps", bad="The sleeps dog"),
]
ROWS = np.random.default_rng(0).integers(2, 1000, (5, 12))
MEASURES = {
    "log-likelihood": [
        lambda network, tokenizer: likelihood.token_logprobs(network, ROWS),
        lambda network, tokenizer: likelihood.document_losses(network, tokenizer, ["A dog."]),
        lambda network, tokenizer: losses(network, ROWS, 6),
    ],
    "minimal pairs": [
        lambda network, tokenizer: minimal_pairs.score_minimal_pairs(network, tokenizer, PAIRS)
    ],
    "memorization": [
        lambda network, tokenizer: memorization.memorized(network, ROWS, 6, 6),
        lambda network, tokenizer: memorization.memorized(network, ROWS, 6, 6, matched=True),
        lambda network, tokenizer: sampling.examples(network, tokenizer, ROWS, 6),
    ],
}
CALLS = [(name, call) for name, calls in MEASURES.items() for call in calls]


@pytest.fixture(scope="module")
def sound(trained_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        return pythia_utils.load("pico-7k", 16)


@pytest.mark.parametrize(("measure", "call"), CALLS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["gpt_neox.final_layer_norm.weight", "lm_head.weight"])
def test_one_such_weight_ends_every_measure(sound, measure, call, value, name):
    network, tokenizer = copy.deepcopy(sound[0]), sound[1]
    call(network, tokenizer)
    network.get_parameter(name).data.view(-1)[5] = value
    with pytest.raises(NotFiniteError, match=rf"^{measure} of pico-7k step 16: a logit is not fin"):
        call(network, tokenizer)


def test_of_a_network_of_ones_own_the_measure_alone_is_told(sound):
    network = copy.deepcopy(sound[0])
    network.name_or_path = ""
    network.get_output_embeddings().weight.data[:] = np.nan
    with pytest.raises(NotFiniteError, match=r"^memorization of the model: a logit is not finite"):
        memorization.memorized(network, ROWS, 6, 6)


def test_overflow_in_half_precision_is_no_answer_either(sound):
    """The weights are finite; what float16 cannot hold becomes infinite on the way."""
    network, tokenizer = copy.deepcopy(sound[0]).to(torch.float16), sound[1]
    network.get_output_embeddings().weight.data.fill_(6e4)
    network.gpt_neox.final_layer_norm.bias.data.fill_(100)
    with pytest.raises(NotFiniteError, match=r"^log-likelihood of pico-7k step 16"):
        likelihood.sentence_logprobs(network, tokenizer, ["The dog sleeps."])


def test_a_sweep_names_the_checkpoint_that_is_wrong(trained_home, tmp_path, monkeypatch):
    shutil.copytree(trained_home / "suites" / "pico" / "pico-7k", tmp_path / "suites/pico/pico-7k")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    file = folders.checkpoint_path(find_model("pico-7k").checkpoint(4)) / "model.safetensors"
    tensors = load_file(file)
    tensors["gpt_neox.layers.1.mlp.dense_h_to_4h.bias"][0] = np.nan
    save_file(tensors, file, {"format": "pt"})
    checkpoints = pythia_utils.sweep("pico-7k", [2, 4, 8])
    memorization.memorized(next(checkpoints)[1], ROWS, 6, 6)
    _, network = next(checkpoints)
    with pytest.raises(NotFiniteError, match=r"^memorization of pico-7k step 4: "):
        memorization.memorized(network, ROWS, 6, 6)


def test_a_perplexity_of_nan_is_refused():
    with pytest.raises(NotFiniteError, match="perplexity"):
        likelihood.perplexity([np.array([-1.0, np.nan])])
