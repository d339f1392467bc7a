"""Log-likelihoods by identities, and against a plain loop over transformers' logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.word_models import plain_logprobs
from transformers import GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import inference, likelihood

SEQUENCES = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12], [1, 2, 3, 4], [9, 8]]


def test_token_logprobs_equal_a_plain_loop(model):
    found = likelihood.token_logprobs(model, SEQUENCES)
    for row, values in zip(SEQUENCES, found, strict=True):
        assert values == pytest.approx(plain_logprobs(model, row), abs=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 8, 1000])
def test_batch_size_and_order_change_nothing(model, batch_tokens):
    reference = likelihood.token_logprobs(model, SEQUENCES)
    found = likelihood.token_logprobs(model, SEQUENCES[::-1], batch_tokens)[::-1]
    for a, b in zip(reference, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("rows", "words"), [(1, 7), (3, 50), (100, 1)])
def test_blocks_of_the_vocabulary_change_nothing(model, monkeypatch, rows, words):
    reference = likelihood.token_logprobs(model, SEQUENCES)
    monkeypatch.setattr(inference, "CPU_BLOCK", (rows, words))
    for a, b in zip(reference, likelihood.token_logprobs(model, SEQUENCES), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_large_logits_do_not_overflow(model):
    sharp = GPTNeoXForCausalLM(model.config).eval()
    sharp.get_output_embeddings().weight.data.mul_(1e4)
    (values,) = likelihood.token_logprobs(sharp, [[1, 2, 3, 4]])
    expected = plain_logprobs(sharp, [1, 2, 3, 4])
    assert min(expected) < -100
    assert values == pytest.approx(expected, rel=1e-4)


def test_results_are_float32_for_a_half_precision_model(model):
    """Bfloat16 has 8 bits: logits near 1 are known to about 0.005, and so are their log-softmax."""
    half = GPTNeoXForCausalLM(model.config).to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    for row, values in zip(SEQUENCES, likelihood.token_logprobs(half, SEQUENCES), strict=True):
        assert values.dtype == np.float32
        assert values == pytest.approx(plain_logprobs(half, row), abs=0.02)


def test_perplexity_of_a_uniform_model_is_the_vocabulary_size(model):
    uniform = GPTNeoXForCausalLM(model.config).eval()
    torch.nn.init.zeros_(uniform.get_output_embeddings().weight)
    assert likelihood.perplexity(likelihood.token_logprobs(uniform, SEQUENCES)) == pytest.approx(
        model.config.vocab_size
    )


def test_a_sequence_of_one_token_is_refused(model):
    with pytest.raises(UsageError, match="sequence 1 has 1 tokens"):
        likelihood.token_logprobs(model, [[1, 2], [3]])


def test_no_sequences_give_no_results(model):
    assert likelihood.token_logprobs(model, []) == []


def test_the_first_word_is_scored_after_the_end_of_text_token(model, tokenizer):
    (found,) = likelihood.sentence_logprobs(model, tokenizer, ["dog sleeps"])
    ids = [0, *tokenizer("dog sleeps")["input_ids"]]
    assert found == pytest.approx(sum(plain_logprobs(model, ids)), abs=1e-4)


def test_document_losses_count_tokens_and_bytes(model, tokenizer):
    frame = likelihood.document_losses(model, tokenizer, ["the dog", "the cats é"])
    assert frame["tokens"].tolist() == [2, 3]
    assert frame["bytes"].tolist() == [7, 11]
    assert frame["nats"].to_numpy() == pytest.approx(
        -likelihood.sentence_logprobs(model, tokenizer, ["the dog", "the cats é"])
    )
