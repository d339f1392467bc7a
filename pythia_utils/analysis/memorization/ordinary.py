"""What reading an ordinary training sequence once leaves in a model, and how that fades.

Planted documents are read many times. Here are sequences of the training data as they are, each read
once, in an order that was drawn by lot. So two questions have clean answers at any checkpoint:

- *By how much* is the loss of a sequence lower for having been read so many steps ago? The change of its
  loss since an earlier checkpoint, less the change of sequences that are still to be read: the difference
  in differences of Lesci et al. (2024, section 4).
- *Is there any trace of the order at all?* The rank correlation of a sequence's improvement with its place
  in training. If the order left no trace, all orders would be equally likely, so the test needs no model
  of the loss (Kuditipudi et al. 2025, section 3).

Sequences that hold a planted document are left out: their places were not drawn by lot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pythia_utils.analysis import stats
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.seen import document_steps, seen_by
from pythia_utils.training_data.source import TrainingData

TOKENS = 64  # of each sequence, from its start, that are scored
NEWEST = 8  # steps of the class of what was read last; each older class reaches twice as far back
UNREAD = 0  # the class of what is still to be read
_UNREAD_TIMES = 2  # as many of these as of each class: every class is compared with them
_PAST = 0.75  # how much of the way a baseline may have behind it


@dataclass(frozen=True, eq=False)
class Ordinary:
    """Ordinary sequences, by when a checkpoint has read them.

    Attributes:
        table: a row a sequence, in the order of training: position (in training), age (the class: read at
            most so many training steps ago, or `UNREAD`).
        tokens: int64 (rows, `TOKENS`), their beginnings.
    """

    table: pd.DataFrame
    tokens: np.ndarray


def baseline(checkpoint: Checkpoint) -> Checkpoint | None:
    """The last stored checkpoint with at most three quarters of the steps behind it; None at step 0."""
    limit = _PAST * checkpoint.step
    earlier = [each for each in checkpoint.model.checkpoints if each.step <= limit]
    return max(earlier, key=lambda each: each.step) if earlier and checkpoint.step else None


def ordinary_sample(
    data: TrainingData, before: Checkpoint, now: Checkpoint, count: int
) -> Ordinary:
    """Up to `count` sequences of each class of ages, and twice as many that are still to be read.

    Classes reach 8, 16, 32 ... steps back, as far as the baseline `before`. Positions are spread evenly
    within a class. Over HTTP each sequence is a request.

    Raises:
        FetchError: the server does not deliver.
    """
    begun, read = (seen_by(at).sequences.stop for at in (before, now))
    taken, end = _planted_positions(data), data.total_steps * data.batch_size
    classes = [
        (age, _evenly(taken, max(begun, start), stop, count))
        for age, start, stop in _classes(begun, read, data.batch_size)
    ]
    classes.append((UNREAD, _evenly(taken, read, end, _UNREAD_TIMES * count)))
    table = pd.DataFrame(
        {
            "position": np.concatenate([positions for _, positions in classes]),
            "age": np.repeat([age for age, _ in classes], [len(own) for _, own in classes]),
        }
    ).sort_values("position", ignore_index=True)
    width = min(TOKENS, data.seq_length)
    rows = [data.sequences(at, at + 1)[0, :width] for at in table["position"].tolist()]
    return Ordinary(table, np.array(rows, np.int64).reshape(len(rows), width))


def _classes(begun: int, read: int, batch_size: int) -> list[tuple[int, int, int]]:
    """Age, first position and the one after the last of each class between two checkpoints."""
    found, age, stop = [], NEWEST, read
    while stop > begun:
        start = read - age * batch_size
        found.append((age, start, stop))
        age, stop = 2 * age, start
    return found


def _evenly(taken: np.ndarray, start: int, stop: int, count: int) -> np.ndarray:
    """At most `count` positions in start..stop but those `taken` (ascending), spread evenly: int64."""
    taken = taken[(taken >= start) & (taken < stop)]
    free = stop - start - len(taken)
    if free <= 0:
        return np.zeros(0, np.int64)
    nth = np.unique((2 * np.arange(count) + 1) * free // (2 * count))
    # As many free positions lie before each taken one; the n-th free one lies after those with n or fewer.
    before = taken - start - np.arange(len(taken))
    return start + nth + np.searchsorted(before, nth, side="right")


def _planted_positions(data: TrainingData) -> np.ndarray:
    """Positions of the sequences that hold a part of a planted document; none where nothing was planted."""
    if data.packed is None or data.model is None or not data.model.is_trained_here:
        return np.zeros(0, np.int64)
    documents = open_corpus(data.model.suite).documents(data.model.reads)
    planted = documents["document"][documents["domain"] == "memorization"]
    read = document_steps(data, planted)
    return np.unique(read.step * data.batch_size + read.row)


def gains_by_age(table: pd.DataFrame) -> pd.DataFrame:
    """How much lower the loss of a sequence is for having been read, by how long ago.

    Args:
        table: of `Ordinary`, with column change: the loss at the baseline less that at the checkpoint,
            in nats a token.

    Returns:
        Columns age, value (mean change of the class less that of what is still to be read), stderr (of
        independent means), n (sequences of the class). Empty where nothing is still to be read.
    """
    control = table["change"][table["age"] == UNREAD]
    if len(control) < 2:
        return pd.DataFrame(columns=["age", "value", "stderr", "n"])
    mean, error = stats.mean_and_stderr(control)
    rows = []
    for age, part in table[table["age"] != UNREAD].groupby("age"):
        value, own = stats.mean_and_stderr(part["change"])
        rows.append((age, value - mean, float(np.hypot(own, error)), len(part)))
    return pd.DataFrame(rows, columns=["age", "value", "stderr", "n"])


def order_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation of the place in training with the change, of what was read and of what was not.

    Positive if what was read later improved more. What is still to be read is the placebo: its order can
    have left no trace.

    Returns:
        Columns which (`read`, `unread`), value, n; only of parts of ten sequences or more.
    """
    parts = {"read": table[table["age"] != UNREAD], "unread": table[table["age"] == UNREAD]}
    rows = [
        (which, float(spearmanr(part["position"], part["change"])[0]), len(part))
        for which, part in parts.items()
        if len(part) >= 10 and np.ptp(part["change"]) > 0
    ]
    return pd.DataFrame(rows, columns=["which", "value", "n"])
