"""Who has seen what, and when: the batches of a checkpoint, the steps of a document or a text.

Training step s reads the sequences `[s * batch_size, (s + 1) * batch_size)`. A checkpoint `stepN` was
saved after N steps, so it has seen the steps 0 to N - 1, and step N is the first that it has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import Checkpoint, find_model
from pythia_utils.training_data.indexed_dataset import checked_index
from pythia_utils.training_data.order import document_occurrences
from pythia_utils.training_data.source import TrainingData


class Seen(NamedTuple):
    """What a checkpoint has been trained on.

    Attributes:
        steps: the run's own steps. Fewer than the checkpoint's name says where names count batches
            of another size (v0 models of 4M-token batches).
        sequences: training positions.
        tokens: trained on, repeats counted.
    """

    steps: range
    sequences: range
    tokens: int


def seen_by(model: str | Checkpoint, step: int | None = None) -> Seen:
    """Tell what a checkpoint has been trained on: `seen_by("pythia-70m", 3000)`.

    Args:
        model: a model's name, or a checkpoint.
        step: of the checkpoint, where `model` is a name.

    Returns:
        The training steps, the training positions and the number of tokens that it has read.

    Raises:
        UsageError: there is no such model or checkpoint.
    """
    checkpoint = model if isinstance(model, Checkpoint) else find_model(model).checkpoint(step)
    steps = range(checkpoint.true_step)
    sequences = range(len(steps) * checkpoint.model.batch_size)
    return Seen(steps, sequences, checkpoint.tokens_seen)


class DocumentSteps(NamedTuple):
    """When documents are read: int64 arrays, an element a copy and sequence, in training order.

    Attributes:
        document: id in the data set.
        entry: tells the copies apart: the place of this one in the shuffled documents.
        step: training step.
        row: sequence in the batch.
        at: where in the sequence the document's part begins.
        offset: the part's first token in the document.
        length: tokens of the part.
    """

    document: np.ndarray
    entry: np.ndarray
    step: np.ndarray
    row: np.ndarray
    at: np.ndarray
    offset: np.ndarray
    length: np.ndarray


def document_steps(data: TrainingData, documents: Iterable[int] | None = None) -> DocumentSteps:
    """The steps that read some documents, or all. Memory grows with the whole order: see `training_data.order`.

    Raises:
        OutOfRangeError: there is no such document.
        UsageError: a preshuffled set, which does not tell where documents are from.
    """
    if data.packed is None:
        raise UsageError(
            f"{data.name} does not know its documents; expected a source with an index, "
            "or a search for the document's tokens (find_tokens)"
        )
    indexed, order = data.packed.indexed, data.packed.order
    if documents is not None:
        what = f"document of {data.name}:"
        documents = [checked_index(document, len(indexed), what) for document in documents]
    occurrences = document_occurrences(order, np.asarray(indexed.sizes), documents)
    read = (
        occurrences.position < data.total_steps * data.batch_size
    )  # the order goes on, the run ends
    step, row = np.divmod(occurrences.position[read], data.batch_size)
    kept = (column[read] for column in (occurrences.at, occurrences.offset, occurrences.length))
    return DocumentSteps(occurrences.document[read], occurrences.entry[read], step, row, *kept)


class Occurrences(NamedTuple):
    """Where a token sequence stands: int64 arrays, in training order.

    Attributes:
        step: training step.
        row: sequence in the batch.
        offset: of its first token in the sequence.
    """

    step: np.ndarray
    row: np.ndarray
    offset: np.ndarray


def find_tokens(
    data: TrainingData, tokens: Iterable[int], steps: Iterable[int] | None = None
) -> Iterator[Occurrences]:
    """Step by step, the places where training reads `tokens` one after another.

    Exact, within sequences: what is cut in two by the end of a sequence was never read as one. A
    sequence's last token is also the first of another, so a single token may be found in both.
    Reads every batch once; over HTTP that is 4 MB a step (`data.batch_bytes`).

    Args:
        data: what training reads.
        tokens: at least one.
        steps: in the order in which they are searched; by default all of the run.

    Yields:
        The occurrences in each step, none in most: step, row in its batch and offset in the row.

    Raises:
        UsageError: no tokens, more than a sequence holds, one that the model does not know, or steps
            that do not exist; at once.
        FetchError: the server does not deliver.
    """
    wanted = np.asarray(list(tokens))
    width = data.seq_length + 1
    if not 1 <= len(wanted) <= width or wanted.dtype.kind not in "iu":
        raise UsageError(f"cannot search for {len(wanted)} tokens; expected 1 to {width} integers")
    if wanted.min() < 0:
        raise UsageError(f"cannot search for token {wanted.min()}; no token is below 0")
    if data.model and wanted.max() >= data.model.vocab_size:
        known = f"{data.model.name} knows tokens 0 to {data.model.vocab_size - 1}"
        raise UsageError(f"cannot search for token {wanted.max()}; {known}")
    what = f"step of {data.name}:"
    every = range(data.total_steps) if steps is None else steps
    return _searched(data, wanted, [checked_index(s, data.total_steps, what) for s in every])


def _searched(data: TrainingData, wanted: np.ndarray, steps: list[int]) -> Iterator[Occurrences]:
    for step in steps:
        row, offset = find_in_rows(data.batch(step), wanted)
        yield Occurrences(np.full(len(row), step), row, offset)


def find_in_rows(rows: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and offset of every place in `rows`, (n, width), where `wanted`, (m,), stands."""
    # One pass over all places for the first token; each further one is looked up where hope is left.
    row, offset = np.nonzero(rows[:, : rows.shape[1] - len(wanted) + 1] == wanted[0])
    for ahead in range(1, len(wanted)):
        if not len(row):
            break
        still = rows[row, offset + ahead] == wanted[ahead]
        row, offset = row[still], offset[still]
    return row, offset
