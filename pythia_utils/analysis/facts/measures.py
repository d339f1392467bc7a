"""What a cell records: answers by the times told so far, beside shuffled answers and n-grams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.analysis.facts.questions import Question, in_one_sentence, in_two_sentences
from pythia_utils.evaluation.choices import PreparedChoices, prepare_choices, right
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.training_data.source import TrainingData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The least number of times told of each class. Text that is not ours has larger numbers, and fewer facts.
DOUBLING = (0, 1, 3, 5, 9, 17, 33, 65)
TENFOLD = (0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
Score = Callable[[PreparedChoices], np.ndarray]  # -> nats, (wordings, candidates)
ORDER = 5  # of the n-grams that answer beside the model


def class_name(told: float, least: Sequence[int] = DOUBLING) -> str:
    """The class of a number of times told, as a subset of the records: `told 9-16`, `told 65 or more`."""
    place = int(np.searchsorted(least, told, side="right")) - 1
    first = least[place]
    if place == len(least) - 1:
        return f"told {first} or more"
    last = least[place + 1] - 1
    return f"told {first}" if first == last else f"told {first}-{last}"


def answers(
    score: Score,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    told: np.ndarray,
) -> pd.DataFrame:
    """All wordings of all questions, answered (`answered`).

    Args:
        score: gives (wordings, candidates) log-probabilities: a network's, or an n-gram model's.
        tokenizer: of both.
        questions: with equally many candidates each.
        told: times of each question.
    """
    return answered(score(_prepared(tokenizer, questions)), questions, told)


def _prepared(tokenizer: PreTrainedTokenizerBase, questions: Sequence[Question]) -> PreparedChoices:
    """The wordings of one question side by side."""
    prompts = [prompt for each in questions for prompt in each.prompts]
    candidates = [each.candidates for each in questions for _ in each.prompts]
    return prepare_choices(tokenizer, prompts, candidates)


def answered(scores: np.ndarray, questions: Sequence[Question], told: np.ndarray) -> pd.DataFrame:
    """The answers to all questions, a row a wording.

    Args:
        scores: (wordings of all questions, candidates), from `PreparedChoices.score`.
        questions: in the same order.
        told: times of each question.

    Returns:
        Columns fact, subject, relation, wording (from 1), told, answer and chosen (places among the
        candidates), correct.
    """
    rows = [
        (each.name, each.subject, each.relation, wording, times, each.right)
        for each, times in zip(questions, told, strict=True)
        for wording in range(1, len(each.prompts) + 1)
    ]
    columns = ["fact", "subject", "relation", "wording", "told", "answer"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(chosen=scores.argmax(axis=1), correct=right(scores, table["answer"]))


def accuracies(
    table: pd.DataFrame, metric: str = "accuracy", least: Sequence[int] = DOUBLING
) -> list[dict]:
    """The share of right answers: of all, by the times told, and by wording where there are several.

    A subject's answers are one cluster of the error (`stats.ratio_and_stderr`); where all are alike it is
    that of as many independent facts (`stats.proportion_stderr`). `n` counts facts.

    Args:
        table: from `answered`.
        metric: the records'.
        least: the classes of times told (`class_name`).
    """
    rows = [_share(table, metric, "all")]
    classes = table["told"].map(lambda told: class_name(told, least))
    for name in (class_name(first, least) for first in least):
        rows += [_share(part, metric, name) for _, part in table[classes == name].groupby(classes)]
    if table["wording"].max() > 1:
        for wording, part in table.groupby("wording"):
            rows.append(_share(part, metric, f"wording {wording}"))
    return rows


def _share(table: pd.DataFrame, metric: str, subset: str) -> dict:
    cluster, _ = pd.factorize(table["subject"], sort=True)
    correct = np.bincount(cluster, table["correct"].astype(float))
    value, stderr = stats.ratio_and_stderr(correct, np.bincount(cluster))
    n = table["fact"].nunique()
    if not stderr > 0:  # one cluster, or all alike
        stderr = stats.proportion_stderr(value * n, n)
    return {"metric": metric, "subset": subset, "value": value, "stderr": stderr, "n": n}


def shuffled(table: pd.DataFrame) -> list[dict]:
    """The share of right answers if the true ones were dealt anew among the facts of their relation.

    The mean over all ways to deal, exactly: how often each answer is chosen, times how often it is true.
    A model that knows which answers are frequent, but not whose they are, gets no more than this. No error
    is given: nothing was drawn.
    """
    parts = [part for _, part in table.groupby(["relation", "wording"])]
    shares = [
        sum(
            part["chosen"].eq(answer).mean() * part["answer"].eq(answer).mean()
            for answer in part["answer"].unique()
        )
        for part in parts
    ]
    value = np.average(shares, weights=[len(part) for part in parts])
    n = table["fact"].nunique()
    return [{"metric": "shuffled", "subset": "all", "value": float(value), "n": n}]


def each_fact(table: pd.DataFrame) -> list[dict]:
    """Of each fact the share of its wordings that were answered right, and the times told, by its name."""
    facts = table.groupby("fact", sort=False).agg(
        correct=("correct", "mean"), told=("told", "first"), n=("wording", "size")
    )
    return [
        {"metric": metric, "subset": row.Index, "value": float(getattr(row, metric)), "n": row.n}
        for metric in ("correct", "told")
        for row in facts.itertuples()
    ]


def chance(questions: Sequence[Question]) -> list[dict]:
    """What guessing gets right: one of the candidates."""
    return [{"metric": "chance", "value": 1 / len(questions[0].candidates), "n": len(questions)}]


def put_together(
    score: Score,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    told: np.ndarray,
) -> list[dict]:
    """Shares of right answers after another fact of the person: as two told sentences, and as one new one."""
    rows = []
    for metric, made in (("two_sentences", in_two_sentences), ("one_sentence", in_one_sentence)):
        rows += accuracies(answers(score, tokenizer, made(questions), told), metric)
    return rows


def ngrams(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    data: TrainingData,
    steps: int,
    told: np.ndarray,
) -> list[dict]:
    """What an n-gram model of the same training text answers; nothing before the first step.

    Args:
        tokenizer: of the data.
        questions: of the suite's own corpus.
        data: what training reads.
        steps: the first `steps` steps are counted.
        told: times of each question.
    """
    if not steps:
        return []
    one = in_one_sentence(questions)
    score = _ngram_score(data, steps, _prepared(tokenizer, questions))
    rows = accuracies(answers(score, tokenizer, questions, told), "ngram")
    return rows + accuracies(answers(score, tokenizer, one, told), "one_sentence_ngram")


def _ngram_score(data: TrainingData, steps: int, choices: PreparedChoices) -> Score:
    """An n-gram model of what the first training steps read, as something that answers.

    Sequences that hold no answer after the word before it in a question are left out. They are most of the
    text, and no n-gram of two words or more tells one answer from another by them.
    """
    rows = data.sequences(0, steps * data.batch_size)
    vocab_size = data.model.vocab_size
    pairs = {
        ids[-tokens - 1] * vocab_size + ids[-tokens]
        for ids, tokens in zip(choices.ids, choices.answer_tokens, strict=True)
    }
    telling = np.isin(rows[:, :-1] * vocab_size + rows[:, 1:], list(pairs)).any(axis=1)
    # A row's first token is only an input: it is the target of another row.
    model = NgramModel.fit(rows[telling], ORDER, vocab_size, context_only=1)
    return lambda asked: asked.score_by(partial(_ends_logprobs, model, max(asked.answer_tokens)))


def _ends_logprobs(model: NgramModel, tokens: int, ids: list[list[int]]) -> list[np.ndarray]:
    """Log-probabilities of the last tokens of each sequence, of at least `tokens`."""
    width = model.order - 1 + tokens
    # Each begins with end-of-text, as a document does; before a short one stands more of it.
    rows = np.array([(own[:1] * width + own)[-width:] for own in ids])
    return list(model.token_logprobs(rows)[:, -tokens:])
