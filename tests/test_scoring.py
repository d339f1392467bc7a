"""Scores by identities, and against a plain loop over transformers' logits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils import scoring
from pythia_utils.errors import UsageError

VOCAB = 50
SEQUENCES = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12], [1, 2, 3, 4], [9, 8]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return GPTNeoXForCausalLM(config).eval()


@pytest.fixture(scope="module")
def tokenizer():
    words = {"<eos>": 0, "<unk>": 1} | {
        word: i + 2 for i, word in enumerate(["the", "dog", "cat", "dogs", "sleeps", "sleep"])
    }
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<unk>")


def plain_logprobs(model, row):
    """The definition, one prefix at a time."""
    values = []
    for t in range(1, len(row)):
        logits = model(input_ids=torch.tensor([row[:t]])).logits[0, -1].double()
        values.append(torch.log_softmax(logits, -1)[row[t]].item())
    return values


def test_token_logprobs_equal_a_plain_loop(model):
    found = scoring.token_logprobs(model, SEQUENCES)
    for row, values in zip(SEQUENCES, found, strict=True):
        assert values == pytest.approx(plain_logprobs(model, row), abs=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 8, 1000])
def test_batch_size_and_order_change_nothing(model, batch_tokens):
    reference = scoring.token_logprobs(model, SEQUENCES)
    found = scoring.token_logprobs(model, SEQUENCES[::-1], batch_tokens)[::-1]
    for a, b in zip(reference, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_results_are_float32_for_a_half_precision_model(model):
    half = GPTNeoXForCausalLM(model.config).to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    (values,) = scoring.token_logprobs(half, [[1, 2, 3]])
    assert values.dtype == np.float32
    assert values == pytest.approx(plain_logprobs(model, [1, 2, 3]), abs=0.05)


def test_perplexity_of_a_uniform_model_is_the_vocabulary_size(model):
    uniform = GPTNeoXForCausalLM(model.config).eval()
    torch.nn.init.zeros_(uniform.get_output_embeddings().weight)
    assert scoring.perplexity(scoring.token_logprobs(uniform, SEQUENCES)) == pytest.approx(VOCAB)


def test_a_sequence_of_one_token_is_refused(model):
    with pytest.raises(UsageError, match="sequence 1 has 1 tokens"):
        scoring.token_logprobs(model, [[1, 2], [3]])


def test_no_sequences_give_no_results(model):
    assert scoring.token_logprobs(model, []) == []


def pair(good, bad):
    return SimpleNamespace(phenomenon="agreement", good=good, bad=bad)


def test_a_pair_and_its_mirror_have_opposite_margins(model, tokenizer):
    pairs = [pair("the dog sleeps", "the dog sleep"), pair("the dogs sleep", "the dogs sleeps")]
    mirrored = [pair(p.bad, p.good) for p in pairs]
    there = scoring.score_minimal_pairs(model, tokenizer, pairs)
    back = scoring.score_minimal_pairs(model, tokenizer, mirrored)
    assert there["margin"].to_numpy() == pytest.approx(-back["margin"].to_numpy(), abs=1e-5)
    assert (there["correct"] != back["correct"]).all()


def test_a_tie_is_not_correct(model, tokenizer):
    scores = scoring.score_minimal_pairs(model, tokenizer, [pair("the dog", "the dog")])
    assert scores["margin"].item() == 0
    assert not scores["correct"].item()


def test_the_first_word_is_scored_after_the_end_of_text_token(model, tokenizer):
    (found,) = scoring.sentence_logprobs(model, tokenizer, ["dog sleeps"])
    ids = [0, *tokenizer("dog sleeps")["input_ids"]]
    assert found == pytest.approx(sum(plain_logprobs(model, ids)), abs=1e-4)


def test_document_losses_count_tokens_and_bytes(model, tokenizer):
    frame = scoring.document_losses(model, tokenizer, ["the dog", "the cats é"])
    assert frame["tokens"].tolist() == [2, 3]
    assert frame["bytes"].tolist() == [7, 11]
    assert frame["nats"].to_numpy() == pytest.approx(
        -scoring.sentence_logprobs(model, tokenizer, ["the dog", "the cats é"])
    )
