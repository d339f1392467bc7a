"""What is longer than a model's context is refused by name, or read in windows where the measure says so."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import likelihood, memorization, minimal_pairs

CONTEXT, VOCAB = 8, 30


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(
        vocab_size=VOCAB, intermediate_size=32, max_position_embeddings=CONTEXT, **shape
    )
    network = GPTNeoXForCausalLM(config).eval()
    network.get_output_embeddings().weight.data.mul_(20)  # else all tokens are about as likely
    return network


@pytest.fixture(scope="module")
def tokenizer():
    words = {"<eos>": 0} | {f"w{i}": i for i in range(1, VOCAB)}
    core = Tokenizer(models.WordLevel(words, unk_token="<eos>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<eos>")


def text(*tokens):
    return " ".join(f"w{token}" for token in tokens)


def rows(n, length):
    return np.random.default_rng(n).integers(1, VOCAB, (n, length))


def harness_loss(model, tokens):
    """`loglikelihood_rolling` of lm-evaluation-harness, by its own definition: context by context."""
    before, total = [0, *tokens], 0.0
    for place, token in enumerate(tokens):
        end = min((place // CONTEXT + 1) * CONTEXT, len(tokens))  # of the window that scores it
        begin = max(0, end - CONTEXT)
        logits = model(input_ids=torch.tensor([before[begin : place + 1]])).logits[0, -1]
        total -= torch.log_softmax(logits.double(), -1)[token].item()
    return total


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 40])
def test_a_long_document_is_read_in_the_harness_windows(model, tokenizer, length):
    tokens = rows(3, length)[1].tolist()
    frame = likelihood.document_losses(model, tokenizer, ["w1 w2", text(*tokens), text(5)])
    assert frame["tokens"].tolist() == [2, length, 1]
    assert frame["nats"][1] == pytest.approx(harness_loss(model, tokens), abs=1e-3)
    assert frame["nats"][0] == pytest.approx(harness_loss(model, [1, 2]), abs=1e-3)


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(1, 20))
def test_windows_score_each_token_once_and_fit(length, context):
    row, scored = list(range(length)), []
    for tokens, count in likelihood.windows(row, context):
        assert len(tokens) - 1 <= context
        assert tokens == row[tokens[0] : tokens[-1] + 1]
        scored += tokens[-count:]
    assert scored == row[1:]


def test_an_empty_document_is_refused(model, tokenizer):
    with pytest.raises(UsageError, match="document 1 is empty"):
        likelihood.document_losses(model, tokenizer, ["w1", ""])


def test_the_longest_that_fits_is_scored_and_one_more_is_named(model, tokenizer):
    fits = rows(2, CONTEXT + 1)
    assert len(likelihood.token_logprobs(model, fits)[1]) == CONTEXT
    with pytest.raises(
        UsageError, match="sequence 1: 9 tokens to read; the context of the model is 8"
    ):
        likelihood.token_logprobs(model, [fits[0], rows(2, CONTEXT + 2)[0]])
    sentences = [text(*range(1, CONTEXT + 1)), text(*range(1, CONTEXT + 2))]
    assert np.isfinite(likelihood.sentence_logprobs(model, tokenizer, sentences[:1])).all()
    with pytest.raises(UsageError, match="sequence 1: 9 tokens to read"):
        likelihood.sentence_logprobs(model, tokenizer, sentences)


@pytest.mark.parametrize("half", ["good", "bad"])
def test_a_pair_that_does_not_fit_is_named(model, tokenizer, half):
    other = "bad" if half == "good" else "good"
    short = SimpleNamespace(phenomenon="x", good=text(1, 2), bad=text(1, 3))
    fits, long = (
        SimpleNamespace(phenomenon="x", **{half: text(*range(1, n + 1)), other: text(1, 3)})
        for n in (CONTEXT, CONTEXT + 1)
    )
    assert len(minimal_pairs.score_minimal_pairs(model, tokenizer, [short, fits])) == 2
    with pytest.raises(UsageError, match="pair 2: 9 tokens to read; the context of the model is 8"):
        minimal_pairs.score_minimal_pairs(model, tokenizer, [short, fits, long])


@pytest.mark.parametrize("matched", [False, True])
def test_a_prompt_and_continuation_that_do_not_fit_are_refused(model, matched):
    assert len(memorization.memorized(model, rows(3, 20), 5, 4, matched)) == 3
    with pytest.raises(
        UsageError, match="sequence 0: 9 tokens to read; the context of the model is 8"
    ):
        memorization.memorized(model, rows(3, 20), 5, 5, matched)
    with pytest.raises(UsageError, match="sequence 0: 10 tokens to read"):
        memorization.greedy(model, rows(3, 5), 6)
