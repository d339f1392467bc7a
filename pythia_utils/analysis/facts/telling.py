"""How often training had told each fact when a checkpoint was saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.analysis.facts.questions import Question
from pythia_utils.analysis.training_ngrams import spread
from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.mentions import rows_with_both, times_read
from pythia_utils.training_data.source import TrainingData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def count(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    data: TrainingData,
    steps: int,
    batches: int | None = None,
) -> np.ndarray:
    """How often the first steps told each fact: `times_told`, or from some batches `times_together`."""
    if batches is None:
        return times_told(tokenizer, questions, data, steps)
    return times_together(tokenizer, questions, data, steps, batches)


def times_told(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    data: TrainingData,
    steps: int,
) -> np.ndarray:
    """Count the sentences that tell each fact, in any of its wordings: int64 (questions,).

    Exact, from the batches themselves, so the count is that of the model's own variant and data order. A
    sentence that the end of a sequence cuts in two was never read as one, and does not count.

    Args:
        tokenizer: of the data.
        questions: of the suite's own corpus.
        data: what training reads.
        steps: the first `steps` steps are counted.
    """
    texts = [f"{prompt} {each.answer}" for each in questions for prompt in each.prompts]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    counts = times_read(data, ids, steps)
    owners = np.repeat(np.arange(len(questions)), [len(each.prompts) for each in questions])
    return np.bincount(owners, weights=counts, minlength=len(questions)).astype(np.int64)


def counted_steps(data: TrainingData, steps: int, batches: int) -> list[int]:
    """The training steps whose batches `times_together` reads: none where nothing was told yet."""
    return spread(data.total_steps, batches) if steps else []


def times_together(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    data: TrainingData,
    steps: int,
    batches: int,
) -> np.ndarray:
    """Estimate in how many sequences subject and answer stand together: float64 (questions,).

    Text that we did not write tells a fact in a thousand wordings, so what counts is that both names
    occur, each after a space, in one sequence of the model's context. That is nearly the measure of
    Kandpal et al. (2023), who count documents. Counted in some batches of the whole training, and scaled
    to the steps: the order is a shuffle, so what is read later tells the rate as well. All checkpoints
    of one data order are thus asked of the same few batches.

    Args:
        tokenizer: of the data.
        questions: of a file.
        data: what training reads.
        steps: the first `steps` steps are estimated.
        batches: that are read for it, evenly over training (`spread`); all of them if there are fewer.

    Raises:
        UsageError: no batches.
        FetchError: the server does not deliver.
    """
    if batches < 1:
        raise UsageError(f"{batches} batches to count in; expected 1 or more")
    chosen = counted_steps(data, steps, batches)
    names = [f" {text}" for each in questions for text in (each.subject, each.answer)]
    ids = tokenizer(names, add_special_tokens=False)["input_ids"]
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    found = np.zeros(len(questions))
    for step in chosen:
        found += rows_with_both(data.batch(step), pairs)
    return found * (steps / max(1, len(chosen)))
