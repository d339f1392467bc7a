"""What a cell of this experiment measures: one checkpoint on training sequences, planted and ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pythia_utils.analysis.memorization import ordinary as read_once
from pythia_utils.analysis.memorization import planted as planted_texts
from pythia_utils.analysis.memorization import sampling, texts
from pythia_utils.evaluation import likelihood
from pythia_utils.evaluation.memorization import memorized
from pythia_utils.suites import checkpoints, find_model
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.training_data.seen import seen_by
from pythia_utils.training_data.source import TrainingData, open_source
from pythia_utils.training_data.spans import count_spans

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ORDINARY = 64  # sequences of each class of ages in our own suites


@dataclass(frozen=True, eq=False)
class Test:
    """A checkpoint opened, with what it read and how it is asked.

    Attributes:
        checkpoint, network, tokenizer: the model at its step.
        data: what it reads in training.
        prompt, continuation: tokens that are given, and that must follow.
        suppressed: ids that are never generated.
        known: whether it is recorded which documents the data hold, and what was planted among them.
    """

    __test__ = False  # for pytest: this is no class of tests

    checkpoint: Checkpoint
    network: PreTrainedModel
    tokenizer: Any
    data: TrainingData
    prompt: int
    continuation: int
    suppressed: tuple[int, ...]
    known: bool

    @property
    def length(self) -> int:
        """Tokens of a sequence that are looked at."""
        return self.prompt + self.continuation

    @property
    def progress(self) -> float:
        """How much of training the checkpoint has behind it, 0 to 1."""
        return self.checkpoint.true_step / self.checkpoint.model.total_steps

    def memorized(self, tokens: np.ndarray, matched: bool = False) -> pd.DataFrame:
        """Which sequences the model recites: `evaluation.memorization.memorized`."""
        how = {"matched": matched, "suppressed": self.suppressed}
        return memorized(self.network, tokens, self.prompt, self.continuation, **how)

    def in_words(self, tested: sampling.Sample) -> str:
        """What is tested, and of Pythia what to expect; a line each."""
        table, model = tested.table, self.checkpoint.model
        end = "never generated" if self.suppressed else "a token like any other"
        lines = [
            f"{model.name}, step {self.checkpoint.step:,}: {table['seen'].sum():,} of {len(table):,} "
            f"sequences seen, of {table['text'].nunique():,} texts; end-of-text is {end}"
        ]
        if model.repo_id and not model.own:
            lines.append(sampling.expectation(model.name, len(table)))
        return "\n".join(lines)


def open_test(
    suite: str,
    model: str,
    step: int,
    prompt: int | None = None,
    continuation: int | None = None,
    suppress: bool | None = None,
    source: str = "",
) -> Test:
    """Open a checkpoint and what it reads. The arguments are the parameters of the notebook.

    Raises:
        UsageError: no such checkpoint or source.
    """
    network, tokenizer = checkpoints.load(model, step, suite)
    checkpoint = find_model(model, suite).checkpoint(step)
    name = checkpoint.model.name
    data = open_source(source or name, model=name if source else None)
    both = sampling.lengths(suite, prompt, continuation)
    suppress = sampling.usually_suppressed(suite) if suppress is None else suppress
    suppressed = (tokenizer.eos_token_id,) if suppress else ()
    known = data.packed is not None and not source
    opened = (checkpoint, network, tokenizer, data)
    return Test(*opened, *both, suppressed, known)


def sequences(test: Test, sample: int, blocks: int, places: int) -> sampling.Sample:
    """Training sequences, tested.

    Returns:
        The sample; its table has the columns of `sampling.Sample`, and memorized, text (a label: the same
        for sequences of one text), chosen (whether the lot made it stand for its text), copying (whether
        a rule gives its continuation); and where all of training is at hand, times: how often training
        had read the very continuation before this checkpoint.
    """
    data = test.data
    length = test.length
    tested = sampling.training_sample(data, test.checkpoint, sample, blocks, length, places)
    table, spans = tested.table, tested.tokens[:, test.prompt :]
    contents = None
    if test.known:
        where = (table["position"], test.prompt, length)
        contents = texts.contents_at(data, *where)
        read = seen_by(test.checkpoint).sequences.stop
        rows = data.sequences(0, data.total_steps * data.batch_size)
        table["times"] = count_spans(rows, spans, [read])[0]
    table["text"] = texts.groups(spans, contents)
    table["chosen"] = texts.by_lot(table["text"].to_numpy())
    table["copying"] = texts.goes_on_by_copying(tested.tokens, test.prompt)
    table["memorized"] = test.memorized(tested.tokens)["memorized"].to_numpy()
    return tested


def planted(test: Test) -> planted_texts.Planted | None:
    """Planted documents, tested: columns memorized, matched and loss; None where nothing is known of them."""
    if not test.known:
        return None
    found = planted_texts.planted(test.data)
    verdicts = test.memorized(found.tokens, matched=True)
    found.table[["memorized", "matched"]] = verdicts[["memorized", "matched"]]
    tokens = found.tokens[:, : test.length]
    found.table["loss"] = losses(test.network, tokens, test.prompt)
    return found


def ordinary(test: Test, count: int | None = None) -> pd.DataFrame:
    """Sequences read once, at this checkpoint and at an earlier one.

    Args:
        test: the checkpoint.
        count: sequences of each class of ages; by default 64 of our own suites, and none of Pythia, where
            each is a request, and the earlier checkpoint has to be fetched.

    Returns:
        Columns position, age and change (`ordinary.gains_by_age`); no rows for a count of 0, and at step 0.
    """
    model = test.checkpoint.model
    count = ordinary_count(model, count)
    before = read_once.baseline(test.checkpoint)
    if not count or before is None:
        return pd.DataFrame(columns=["position", "age", "change"])
    sample = read_once.ordinary_sample(test.data, before, test.checkpoint, count)
    earlier, _ = checkpoints.load(model.name, before.step, model.suite)
    change = losses(earlier, sample.tokens) - losses(test.network, sample.tokens)
    return sample.table.assign(change=change)


def ordinary_count(model: Model, count: int | None) -> int:
    """How many sequences of each class of ages: as given, else 64 of our own suites, and none of the Hub's."""
    return (ORDINARY if model.is_trained_here else 0) if count is None else count


def losses(model: PreTrainedModel, tokens: np.ndarray, prompt: int = 1) -> np.ndarray:
    """Mean negative log-likelihood of each row's tokens after the prompt: float64 (rows,), nats a token."""
    logprobs = likelihood.token_logprobs(model, tokens)
    return np.array([-row[prompt - 1 :].mean(dtype=np.float64) for row in logprobs])


def examples(test: Test, tokens: np.ndarray) -> pd.DataFrame:
    """What greedy decoding makes of a few sequences, as text: columns prompt, truth, model."""
    how = (test.prompt, test.suppressed)
    return sampling.examples(test.network, test.tokenizer, tokens[:, : test.length], *how)


def to_show(tested: sampling.Sample, documents: planted_texts.Planted | None) -> np.ndarray:
    """Tokens of four sequences as examples: planted documents, matched more and less, if there are any."""
    if documents is None:
        first = tested.table["memorized"].sort_values(ascending=False, kind="stable").index[:4]
        return tested.tokens[first]
    order = documents.table.sort_values(["matched", "copies"], ascending=False).index
    return documents.tokens[order[:20:5]]
