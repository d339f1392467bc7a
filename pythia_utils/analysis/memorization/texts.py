"""Which tested sequences are one text, how often training has read it, and what may explain its recital.

Sequences of one text are memorized together, so the unit of every count is the text. How often a text is
read is not how often its document is: a sentence of one document may stand in many others. So we count
the occurrences of the very continuation that is to be recited.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pythia_utils.analysis.memorization.kinds import OFTEN, RECITE, RECOLLECT, RECONSTRUCT
from pythia_utils.training_data.occurrences import occurrences
from pythia_utils.training_data.source import TrainingData

SHARED = 0.75  # of a continuation, in a row: what makes two of them one text


def groups(spans: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
    """A label for each continuation; those of one text have the same.

    Two are one text if they share three quarters of their tokens in a row, wherever these stand in
    them, or if they come from copies of one document. The relation is carried on: friends of friends
    are one text, too.

    Args:
        spans: (n, length) tokens.
        contents: (n,) which distinct document fills most of each, where that is known.

    Returns:
        int64 (n,), from 0.
    """
    n, length = spans.shape
    shared = max(1, round(SHARED * length))
    windows = np.lib.stride_tricks.sliding_window_view(spans, shared, axis=1)
    each = windows.shape[1]
    features = np.unique(windows.reshape(-1, shared), axis=0, return_inverse=True)[1].ravel()
    span = np.repeat(np.arange(n), each)
    if contents is not None:
        own = np.unique(contents, return_inverse=True)[1] + features.max() + 1
        span, features = np.concatenate([span, np.arange(n)]), np.concatenate([features, own])
    shape = (n + features.max() + 1,) * 2
    edges = coo_array((np.ones(len(span), np.int8), (span, n + features)), shape=shape)
    labels = connected_components(edges, directed=False)[1][:n]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def by_lot(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """One sequence of each text, drawn by lot, stands for it: bool (n,).

    The first would bring texts too early in training. The lot is the same at every checkpoint.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[np.unique(labels[order], return_index=True)[1]]] = True
    return chosen


def goes_on_by_copying(tokens: np.ndarray, prompt: int) -> np.ndarray:
    """Whether a repetition in the prompt, carried on, gives the whole continuation: bool (n,).

    There is a distance of at most `prompt` at which every token of the continuation equals an earlier
    one. It is one of the two templates by which Prashanth et al. (2025, section 3) tell what can be
    reconstructed without memory; the other, counting up, does not occur in our corpora.

    Args:
        tokens: (n, prompt + continuation).
        prompt: tokens that are given.
    """
    ahead = tokens[:, prompt:]
    width = ahead.shape[1]
    starts = range(prompt)  # of the window that the continuation copies
    alike = [(tokens[:, start : start + width] == ahead).all(axis=1) for start in starts]
    return np.any(alike, axis=0)


def kinds(times: np.ndarray, copying: np.ndarray) -> np.ndarray:
    """What explains the recital of texts that were read, after Prashanth et al. (2025, section 3): str (n,).

    `recite` where the continuation was read more than five times; of the others `reconstruct` where a
    rule gives it, and `recollect` where nothing does.
    """
    return np.select([times >= OFTEN, copying], [RECITE, RECONSTRUCT], RECOLLECT)


def contents_at(data: TrainingData, positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Which distinct document fills most of the tokens start..stop of some sequences: int64.

    Args:
        data: what a model of a local suite reads.
        positions: of the sequences, in training.
        start: first token.
        stop: after the last.
    """
    pieces = occurrences(data)
    pieces["position"] = pieces["step"] * data.batch_size + pieces["row"]
    pieces = pieces[pieces["position"].isin(positions)]
    ends = (pieces["at"] + pieces["length"]).clip(upper=stop)
    pieces = pieces.assign(inside=ends - pieces["at"].clip(lower=start))
    largest = pieces.sort_values("inside").drop_duplicates("position", keep="last")
    return largest.set_index("position")["content"].loc[positions].to_numpy(np.int64)
