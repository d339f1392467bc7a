"""Multiple choice by likelihood: against the definition, and by identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.word_models import WORDS, plain_logprobs
from transformers import GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import likelihood
from pythia_utils.evaluation.choices import prepare_choices, right

PROMPTS = ["the dog", "the dog sleeps the", "cat"]
ANSWERS = [["sleeps", "sleep the cat", "dogs"]] * 3


@pytest.fixture
def choices(tokenizer):
    return prepare_choices(tokenizer, PROMPTS, ANSWERS)


def test_scores_are_the_sum_over_the_answers_tokens(model, tokenizer, choices):
    expected = []
    for prompt, own in zip(PROMPTS, ANSWERS, strict=True):
        given = [0, *tokenizer(prompt)["input_ids"]]
        for answer in own:
            ids = tokenizer(answer)["input_ids"]
            expected.append(sum(plain_logprobs(model, [*given, *ids])[-len(ids) :]))
    found = choices.score(model)
    assert found.shape == (3, 3)
    assert found.ravel().tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("batch_tokens", [64, 640])
def test_the_tree_gives_what_whole_sequences_give(model, tokenizer, batch_tokens):
    rng = np.random.default_rng(1)
    prompts = [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(60)]
    answers = [[f"{word} {rng.choice(WORDS)}" for word in WORDS[:4]] for _ in prompts]
    many = prepare_choices(tokenizer, prompts, answers)
    whole = many.score_by(lambda ids: likelihood.token_logprobs(model, ids))
    np.testing.assert_allclose(many.score(model, batch_tokens), whole, atol=2e-5)


def test_a_uniform_scorer_finds_an_answer_by_its_length_alone(choices):
    found = choices.score_by(lambda ids: [np.full(len(row) - 1, -math.log(8)) for row in ids])
    assert (found / -math.log(8)).tolist() == [pytest.approx([1, 3, 1])] * 3


def test_a_tie_is_not_right():
    scores = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, -2.0], [0.0, 0.0, 1.0]])
    assert right(scores, [0, 0, 2]).tolist() == [False, True, True]
    assert scores[0, 0] == 0  # the scores themselves stay


@pytest.mark.parametrize(
    ("prompts", "answers", "message"),
    [
        (["the"], [["dog"]], "with 1 answers"),
        (["the", "the"], [["dog", "cat"], ["dog", "cat", "dogs"]], "with 2 and 3 answers"),
        ([], [], "with no answers"),
        (["the"], [["dog", ""]], "cannot be asked"),
        ([""], [["dog", "cat"]], "cannot be asked"),
    ],
)
def test_what_cannot_be_asked_is_refused(tokenizer, prompts, answers, message):
    with pytest.raises(UsageError, match=message):
        prepare_choices(tokenizer, prompts, answers)


def test_a_prompt_that_an_answer_changes_is_refused(tokenizer):
    class Merging:
        eos_token_id = 0

        def __call__(self, texts, add_special_tokens):
            return {"input_ids": [[9] if text == "a b" else [2] for text in texts]}

    with pytest.raises(UsageError, match="'a b' cannot be asked"):
        prepare_choices(Merging(), ["a"], [["b", "c"]])


def test_an_attention_without_masks_and_a_long_question_are_refused(model, tokenizer, choices):
    other = GPTNeoXForCausalLM(model.config)
    other.config._attn_implementation = "flash_attention_2"
    try:
        with pytest.raises(UsageError, match="takes no mask"):
            choices.score(other)
    finally:
        other.config._attn_implementation = "sdpa"
    long = prepare_choices(tokenizer, ["the " * 3000], [["dog", "cat"]])
    with pytest.raises(UsageError, match="question 0"):
        long.score(model)
