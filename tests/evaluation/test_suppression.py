"""Memorization with end-of-text never generated, as the suite's own evaluations have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.analysis.memorization import sampling
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import inference, memorization
from pythia_utils.evaluation.memorization import memorized

VOCAB, PROMPT, CONTINUATION, END = 12, 4, 8, 3


@pytest.fixture(scope="module")
def model():
    """A network of few words, that says `END` often and not always."""
    torch.manual_seed(3)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=VOCAB, intermediate_size=32, eos_token_id=None, **shape)
    network = GPTNeoXForCausalLM(config).eval()
    network.get_output_embeddings().weight.data[END] *= 0.8
    return network


@pytest.fixture(scope="module")
def prompts():
    return np.random.default_rng(0).integers(VOCAB, size=(40, PROMPT))


def generated(model, prompts, **options):
    """What transformers' own greedy decoding says, prompts included."""
    rows = torch.as_tensor(prompts)
    return model.generate(
        rows,
        attention_mask=torch.ones_like(rows),
        max_new_tokens=CONTINUATION,
        do_sample=False,
        pad_token_id=0,
        **options,
    ).numpy()


@pytest.fixture(scope="module")
def own(model, prompts):
    """What the network says where nothing is suppressed: often `END` among it."""
    rows = generated(model, prompts)
    says_end = (rows[:, PROMPT:] == END).any(axis=1)
    assert 8 < says_end.sum() < 36
    return rows, says_end


def both(model, rows, suppressed):
    """Whether each row is memorized, by both of the ways that `memorized` has."""
    found = memorized(model, rows, PROMPT, CONTINUATION, suppressed=suppressed)["memorized"]
    decoded = memorized(model, rows, PROMPT, CONTINUATION, True, suppressed=suppressed)
    assert decoded["memorized"].tolist() == found.tolist()
    return found.to_numpy()


def test_a_continuation_with_it_is_never_memorized_and_others_are_as_before(model, own):
    rows, says_end = own
    assert both(model, rows, []).all()
    assert both(model, rows, [END]).tolist() == (~says_end).tolist()


@pytest.mark.parametrize("suppressed", [[END], [END, 0, 7], [VOCAB - 1]])
def test_verdicts_are_those_of_greedy_generation_with_suppressed_tokens(
    model, prompts, own, suppressed
):
    says = generated(model, prompts, suppress_tokens=suppressed)
    assert both(model, says, suppressed).all()
    rows = np.concatenate([own[0], says])
    expected = (generated(model, rows[:, :PROMPT], suppress_tokens=suppressed) == rows).all(axis=1)
    assert both(model, rows, suppressed).tolist() == expected.tolist()
    assert 0 < expected.sum() < len(rows)


def test_the_suites_minimum_length_is_this_suppression(model, prompts):
    """Their way of it: `min_length`, which keeps end-of-text back until all tokens are there."""
    length = PROMPT + CONTINUATION
    says = generated(model, prompts, eos_token_id=END, min_length=length)
    assert says.shape[1] == length
    assert both(model, says, [END]).all()


@pytest.mark.parametrize("block", [(2, 5), (100, 1)])
def test_blocks_of_the_vocabulary_change_no_verdict(model, own, monkeypatch, block):
    expected = both(model, own[0], [END, VOCAB - 1])
    monkeypatch.setattr(inference, "CPU_BLOCK", block)
    assert both(model, own[0], [END, VOCAB - 1]).tolist() == expected.tolist()


def test_close_leads_are_decoded_with_it_too(model, own, monkeypatch):
    monkeypatch.setitem(memorization.CLOSE, torch.float32, 1e9)
    assert both(model, own[0], [END]).tolist() == (~own[1]).tolist()


def test_greedy_never_says_it(model, prompts):
    said = memorization.greedy(model, prompts, CONTINUATION, [END])
    expected = generated(model, prompts, bad_words_ids=[[END]])
    assert said.tolist() == expected[:, PROMPT:].tolist()


def test_a_token_that_is_none_is_refused(model, own):
    for token in (-1, VOCAB):
        with pytest.raises(UsageError, match=f"suppressed 0 holds token {token}"):
            memorized(model, own[0], PROMPT, CONTINUATION, suppressed=[token])


def test_pythia_suppresses_it_and_ours_do_not():
    assert [sampling.usually_suppressed(name) for name in ("pythia", "nano", "pico")] == [
        True,
        False,
        False,
    ]
    with pytest.raises(UsageError, match="unknown suite"):
        sampling.usually_suppressed("nanno")
