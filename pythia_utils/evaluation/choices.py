"""Which of several answers a model finds likeliest after a prompt: multiple choice by likelihood.

The measure of lm-evaluation-harness for `multiple_choice` tasks, without its length normalisation: the
score of an answer is the sum of the log-probabilities of its tokens given the prompt. Questions are made
tokens once. A network answers all of them in few passes, since what questions begin with in common goes
through it once (`prefix_tree`); an n-gram model, or a known truth, gives log-probabilities of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.inference import (
    device_of,
    log_normalizers,
    measuring,
    require_context,
    run_in_batches,
    target_logits,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.evaluation.likelihood import first_token
from pythia_utils.evaluation.prefix_tree import PrefixTree, build_tree, require_mask, within

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Sequences of token ids -> of each the log-probability of every token but the first.
TokenLogprobs = Callable[[list[list[int]]], Sequence[np.ndarray]]


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

    def score_by(self, token_logprobs: TokenLogprobs) -> np.ndarray:
        """The log-probability of each answer given its prompt, nats: float64 (questions, answers).

        Args:
            token_logprobs: of the sequences, such as `likelihood.token_logprobs` of a network. The entries
                that count are the last ones, of the answers.
        """
        own = zip(token_logprobs(self.ids), self.answer_tokens, strict=True)
        sums = [np.sum(values[-tokens:], dtype=np.float64) for values, tokens in own]
        return np.array(sums).reshape(-1, self.n_answers)

    @torch.inference_mode()
    def score(self, model: PreTrainedModel, batch_tokens: int | None = None) -> np.ndarray:
        """As `score_by` with the token log-probabilities of a network, to rounding, in fewer passes.

        Args:
            model: a causal network of the tokenizer that the questions were prepared with.
            batch_tokens: tokens in one forward pass; from the memory if None. Changes no result.

        Raises:
            UsageError: a question longer than the model's context, what is no token of the model, a model
                of another class, an attention that takes no mask.
            NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
        """
        _check(model, self.ids)
        tree, paths = build_tree([row[:-1] for row in self.ids])
        own = list(zip(paths, self.ids, self.answer_tokens, strict=True))
        nodes, place = np.unique(
            np.concatenate([path[-size:] for path, _, size in own]), return_inverse=True
        )
        tokens = torch.tensor([token for _, row, size in own for token in row[-size:]])
        with measuring("multiple choice", model):
            hidden = _hidden_at(model, tree, nodes, batch_tokens or tokens_that_fit(model))
            place = torch.from_numpy(place).to(hidden.device)
            values = target_logits(model, hidden[place], tokens.to(hidden.device))
            values -= log_normalizers(model, hidden)[place]
        answer = np.repeat(np.arange(len(own)), self.answer_tokens)
        sums = np.bincount(answer, weights=values.double().cpu().numpy())
        return sums.reshape(-1, self.n_answers)


def _check(model: PreTrainedModel, ids: list[list[int]]) -> None:
    require_mask(model)
    token_ids(model, ids, "question")
    require_context(model, [len(row) - 1 for row in ids], "question")


def _hidden_at(
    model: PreTrainedModel, tree: PrefixTree, nodes: np.ndarray, batch_tokens: int
) -> torch.Tensor:
    """Hidden states of some nodes of a tree, which are sorted: (nodes, d_model)."""
    device = device_of(model)
    found = torch.empty(len(nodes), model.config.hidden_size, dtype=model.dtype, device=device)

    def fill(rows: list[int]) -> None:
        hidden = tree.states(model, rows)  # all rows are as wide: a batch is a run of nodes
        first = rows[0] * tree.width
        part = within(nodes, first, first + len(hidden))
        found[part] = hidden[torch.from_numpy(nodes[part] - first).to(device)]

    run_in_batches([tree.width] * len(tree.ids), batch_tokens, fill)
    return found


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
            a prompt whose own tokens change with an answer after it, so that no token is the answer's alone.
    """
    counts = {len(each) for each in answers}
    if len(counts) != 1 or min(counts) < 2:
        found = " and ".join(map(str, sorted(counts))) or "no"
        raise UsageError(f"questions with {found} answers; expected equally many, two or more")
    texts = [f"{p} {a}" for p, own in zip(prompts, answers, strict=True) for a in own]
    encoded = tokenizer([*prompts, *texts], add_special_tokens=False)["input_ids"]
    before, whole = encoded[: len(prompts)], encoded[len(prompts) :]
    (n,) = counts
    sizes = [
        _answer_tokens(before[place // n], ids, texts[place]) for place, ids in enumerate(whole)
    ]
    first = first_token(tokenizer)
    return PreparedChoices([[first, *ids] for ids in whole], sizes, n)


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
