"""Margins of minimal pairs by identities, and against a plain loop over transformers' logits."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import word_models
from helpers.word_models import plain_logprobs
from transformers import GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import likelihood, minimal_pairs


def pair(good, bad):
    return SimpleNamespace(phenomenon="agreement", good=good, bad=bad)


@pytest.fixture(scope="module")
def random_pairs():
    words = np.array(word_models.WORDS)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(160)]
    halves = zip(texts[::2], texts[1::2], strict=True)
    return [pair(good, bad) for good, bad in halves if good != bad]


def test_a_pair_and_its_mirror_have_opposite_margins(model, tokenizer):
    pairs = [pair("the dog sleeps", "the dog sleep"), pair("the dogs sleep", "the dogs sleeps")]
    mirrored = [pair(p.bad, p.good) for p in pairs]
    there = minimal_pairs.score_minimal_pairs(model, tokenizer, pairs)
    back = minimal_pairs.score_minimal_pairs(model, tokenizer, mirrored)
    assert there["margin"].to_numpy() == pytest.approx(-back["margin"].to_numpy(), abs=1e-5)
    assert (there["correct"] != back["correct"]).all()


def test_margins_equal_a_plain_loop(model, tokenizer):
    """With pairs that differ early, late, in length, not at all, and that share their beginnings."""
    texts = [
        "the dog sleeps",
        "the dog sleep",
        "the dog",
        "dogs sleep the cat",
        "cat",
        "sleeps the",
    ]
    pairs = [pair(good, bad) for good in texts for bad in texts if good != bad]
    found = minimal_pairs.score_minimal_pairs(model, tokenizer, pairs)
    plain = {t: sum(plain_logprobs(model, [0, *tokenizer(t)["input_ids"]])) for t in texts}
    assert found["margin"].tolist() == pytest.approx(
        [plain[p.good] - plain[p.bad] for p in pairs], abs=1e-4
    )


def test_margins_in_bfloat16_are_near_a_plain_loop(model, tokenizer):
    half = GPTNeoXForCausalLM(model.config).to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    pairs = [pair("the dog sleeps", "the cat sleep"), pair("dogs sleep the cat", "cat sleeps")]
    found = minimal_pairs.score_minimal_pairs(half, tokenizer, pairs)["margin"].tolist()
    for value, p in zip(found, pairs, strict=True):
        good, bad = (
            sum(plain_logprobs(half, [0, *tokenizer(t)["input_ids"]])) for t in (p.good, p.bad)
        )
        assert value == pytest.approx(good - bad, abs=0.05)


@pytest.mark.parametrize("batch_tokens", [1, 64, 10_000])
def test_batch_size_and_order_of_pairs_change_nothing(model, tokenizer, random_pairs, batch_tokens):
    reference = minimal_pairs.score_minimal_pairs(model, tokenizer, random_pairs)
    prepared = minimal_pairs.prepare_pairs(tokenizer, random_pairs[::-1])
    assert len(prepared.tree.ids) > 3, "several rows, so that batches differ"
    found = prepared.score(model, batch_tokens)[::-1].reset_index(drop=True)
    np.testing.assert_allclose(found["margin"], reference["margin"], atol=1e-5)
    assert found["good"].tolist() == reference["good"].tolist()


def test_prepared_pairs_serve_several_models(model, tokenizer, random_pairs):
    prepared = minimal_pairs.prepare_pairs(tokenizer, random_pairs)
    torch.manual_seed(1)
    other = GPTNeoXForCausalLM(model.config).eval()
    eager = GPTNeoXForCausalLM._from_config(model.config, attn_implementation="eager").eval()
    eager.load_state_dict(other.state_dict())
    sentences = [text for p in random_pairs for text in (p.good, p.bad)]
    for network in (model, other, eager):
        plain = likelihood.sentence_logprobs(network, tokenizer, sentences)
        np.testing.assert_allclose(
            prepared.score(network)["margin"], plain[::2] - plain[1::2], atol=1e-4
        )


def test_what_cancels_is_not_computed(tokenizer):
    """The pair differs in its second word of three: two logits and one normalizer a sentence remain."""
    prepared = minimal_pairs.prepare_pairs(tokenizer, [pair("the dog sleeps", "the cat sleeps")])
    assert prepared.scored.shape == (2, 4)
    assert len(prepared.normalized) == 2
    last = minimal_pairs.prepare_pairs(tokenizer, [pair("the dog sleeps", "the dog sleep")])
    assert last.scored.shape == (2, 2)
    assert len(last.normalized) == 0


def test_equal_sentences_and_beginnings_are_run_once(tokenizer):
    pairs = [pair("the dog sleeps", "the dog sleep"), pair("the dog sleeps", "the dog the")]
    prepared = minimal_pairs.prepare_pairs(tokenizer, pairs)
    assert (prepared.tree.depths > 0).sum() == 2  # after end-of-text: "the", "the dog"


def test_an_empty_sentence_is_refused(tokenizer):
    with pytest.raises(UsageError, match="pair 1: its bad sentence '' is empty"):
        minimal_pairs.prepare_pairs(tokenizer, [pair("the", "dog"), pair("the", "")])


def test_an_attention_without_masks_is_refused(model, tokenizer):
    prepared = minimal_pairs.prepare_pairs(tokenizer, [pair("the", "dog")])
    other = copy.deepcopy(model)
    other.config._attn_implementation = "flash_attention_2"
    with pytest.raises(UsageError, match="'flash_attention_2' takes no mask; expected 'sdpa'"):
        prepared.score(other)


def test_no_pairs_give_no_rows(model, tokenizer):
    frame = minimal_pairs.score_minimal_pairs(model, tokenizer, [])
    assert frame.columns.tolist() == ["phenomenon", "good", "bad", "margin", "correct"]
    assert frame.empty
