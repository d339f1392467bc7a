"""Which of several answers a scorer finds likeliest behind a prompt: multiple choice by likelihood.

The measure of lm-evaluation-harness for `multiple_choice` tasks, without its length normalisation: the
score of an answer is the sum of the log-probabilities of its tokens given the prompt. Questions are tokens
once, and answered by whatever gives log-probabilities of tokens: a network, an n-gram model, a known truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Sequences of token ids, each of at least two -> of each the log-probability of every token but the first.
Scorer = Callable[[list[list[int]]], Sequence[np.ndarray]]


@dataclass(frozen=True)
class PreparedChoices:
    """Questions as tokens. Made by `prepare_choices`.

    Attributes:
        ids: a sequence for each question and answer, in this order: end-of-text, prompt, answer.
        answer_tokens: how many at the end of each are the answer.
        n_answers: answers to each question.
    """

    ids: list[list[int]]
    answer_tokens: list[int]
    n_answers: int

    def score(self, token_logprobs: Scorer) -> np.ndarray:
        """The log-probability of each answer given its prompt, nats: float64 (questions, answers)."""
        logprobs = token_logprobs(self.ids)
        sums = [
            np.sum(values[-tokens:], dtype=np.float64)
            for values, tokens in zip(logprobs, self.answer_tokens, strict=True)
        ]
        return np.array(sums).reshape(-1, self.n_answers)


def prepare_choices(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], answers: Sequence[Sequence[str]]
) -> PreparedChoices:
    """Questions as tokens: each prompt, a space, and each of its answers.

    Args:
        tokenizer: the models'.
        prompts: text that the answers complete.
        answers: of each prompt, as many for all.

    Raises:
        UsageError: no prompts, prompts with different numbers of answers, an empty prompt or answer, or
            a prompt whose own tokens change with an answer behind it, so that no token is the answer's alone.
    """
    counts = {len(each) for each in answers}
    if len(counts) != 1 or min(counts) < 2:
        found = " and ".join(map(str, sorted(counts))) or "none"
        raise UsageError(f"questions with {found} answers; expected equally many, two or more")
    texts = [f"{p} {a}" for p, own in zip(prompts, answers, strict=True) for a in own]
    encoded = tokenizer([*prompts, *texts], add_special_tokens=False)["input_ids"]
    before, whole = encoded[: len(prompts)], encoded[len(prompts) :]
    (n,) = counts
    sizes = [
        _answer_tokens(before[place // n], ids, texts[place]) for place, ids in enumerate(whole)
    ]
    return PreparedChoices([[tokenizer.eos_token_id, *ids] for ids in whole], sizes, n)


def _answer_tokens(prompt: list[int], whole: list[int], text: str) -> int:
    if not prompt or len(whole) <= len(prompt) or whole[: len(prompt)] != prompt:
        raise UsageError(
            f"{text!r} cannot be asked: the prompt's tokens are not the beginning of the whole"
        )
    return len(whole) - len(prompt)


def right(scores: np.ndarray, answers: Sequence[int]) -> np.ndarray:
    """Whether the right answer is likelier than every other: bool (questions,).

    A tie is not a right answer, so a scorer that finds all answers equally likely is right on none.

    Args:
        scores: (questions, answers), higher is likelier.
        answers: index of each question's right answer.
    """
    rows, answers = np.arange(len(scores)), np.asarray(answers)
    others = scores.copy()
    others[rows, answers] = -np.inf
    return scores[rows, answers] > others.max(axis=1)
