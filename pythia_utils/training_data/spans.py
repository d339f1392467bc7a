"""How often the very same tokens stand in training: exact counts of many spans in one pass.

`seen.find_tokens` looks one span up in batches that may come over the network. Here all of training is
in memory, and every window of it gets a number that only equal windows share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pythia_utils.base.errors import UsageError


def count_spans(rows: np.ndarray, spans: np.ndarray, stops: Sequence[int]) -> np.ndarray:
    """How often each span stands, within a row, in the first rows.

    What the end of a row cuts in two was never read as one, and is not counted.

    Args:
        rows: (n, width) tokens, in the order of training.
        spans: (m, length) tokens, length at most width.
        stops: numbers of rows, from the first, that are searched.

    Returns:
        int64 (len(stops), m).

    Raises:
        UsageError: spans that are longer than a row, or empty.
    """
    (count, width), (spans_in_all, length) = rows.shape, spans.shape
    if not 1 <= length <= width:
        raise UsageError(f"cannot count spans of {length} tokens in rows of {width}")
    names = _names(np.concatenate([rows.ravel(), spans.ravel()]), length)
    own = names[rows.size :: length][:spans_in_all]
    windows = names[: rows.size].reshape(count, width)[:, : width - length + 1]
    wanted, which = np.unique(own, return_inverse=True)
    place = np.full(names.max() + 1, -1)
    place[wanted] = np.arange(len(wanted))
    found = place[windows]
    row, offset = np.nonzero(found >= 0)
    hit = found[row, offset]
    counts = [np.bincount(hit[row < stop], minlength=len(wanted))[which] for stop in stops]
    return np.array(counts, dtype=np.int64).reshape(len(stops), spans_in_all)


def _names(tokens: np.ndarray, length: int) -> np.ndarray:
    """A number for each place, which two share exactly if their next `length` tokens are the same.

    By naming of doubled windows (Karp, Miller and Rosenberg 1972): two numbers of shorter windows make
    one of a longer. The last places, from which `length` tokens do not follow, have number 0.
    """
    names, have = tokens.astype(np.int64), 1
    while have < length:
        shift = min(have, length - have)
        pairs = names[:-shift] * (names.max() + 1) + names[shift:]
        names, have = pd.factorize(pairs)[0], have + shift
    return np.concatenate([names, np.zeros(length - 1, np.int64)])
