"""How often training has read some token sequences: exact counts, many sequences in one pass.

`seen.find_tokens` tells where one sequence stands; here are hundreds of them, and only the numbers count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pythia_utils.training_data.seen import find_in_rows
from pythia_utils.training_data.source import TrainingData

CHUNK = 1 << 20  # tokens that are looked through at once


def count_in_rows(rows: np.ndarray, wanted: Sequence[Sequence[int]]) -> np.ndarray:
    """Count the places where each token sequence stands within a row.

    Args:
        rows: token ids, int (n, width).
        wanted: sequences of one token or more.

    Returns:
        int64 (len(wanted),). What is cut in two by the end of a row does not count.
    """
    counts = np.zeros(len(wanted), np.int64)
    row, offset = np.divmod(np.arange(rows.size), rows.shape[1])
    _descend(rows, wanted, list(range(len(wanted))), 0, row, offset, counts)
    return counts


def _descend(
    rows: np.ndarray,
    wanted: Sequence[Sequence[int]],
    group: list[int],
    depth: int,
    row: np.ndarray,
    offset: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Count the sequences of a group, which begin alike, at the places where that beginning stands.

    What sequences begin with in common is looked up once for all of them.
    """
    for index in group:
        if len(wanted[index]) == depth:
            counts[index] = len(row)
    longer = [index for index in group if len(wanted[index]) > depth]
    inside = offset + depth < rows.shape[1]
    if not (longer and inside.any()):
        return
    row, offset = row[inside], offset[inside]
    here = rows[row, offset + depth]
    for token in {wanted[index][depth] for index in longer}:
        still = np.flatnonzero(here == token)
        if len(still):
            own = [index for index in longer if wanted[index][depth] == token]
            _descend(rows, wanted, own, depth + 1, row[still], offset[still], counts)


def rows_with_both(
    rows: np.ndarray, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]
) -> np.ndarray:
    """Count the rows in which both token sequences of a pair stand, in whatever order: int64 (pairs,).

    Kandpal et al. (2023, section 3.1) count documents in which question and answer occur together; a row
    of training data is a sequence of the model's context, and may hold several documents.
    """
    return np.array([len(_holding(rows, a) & _holding(rows, b)) for a, b in pairs], np.int64)


def _holding(rows: np.ndarray, wanted: Sequence[int]) -> set[int]:
    """The rows in which a token sequence stands."""
    return set(find_in_rows(rows, np.asarray(wanted))[0].tolist())


def times_read(data: TrainingData, wanted: Sequence[Sequence[int]], steps: int) -> np.ndarray:
    """How often the first training steps read each token sequence: int64 (len(wanted),).

    Exact, within sequences: what is cut in two by the end of a sequence was never read as one. Sequences
    of one token may be counted twice, since a sequence's last token is also the first of another.

    Args:
        data: what training reads.
        wanted: sequences of one token or more.
        steps: the steps 0 to steps - 1 are read, which are those that checkpoint `steps` has seen.
    """
    counts = np.zeros(len(wanted), np.int64)
    last, size = steps * data.batch_size, max(1, CHUNK // (data.seq_length + 1))
    for start in range(0, last, size):
        counts += count_in_rows(data.sequences(start, min(start + size, last)), wanted)
    return counts
