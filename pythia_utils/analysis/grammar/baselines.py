"""What counting alone answers: minimal pairs asked of the n-gram models of the training text.

Knowing grammar is to be right where no table of word sequences is. So every accuracy stands beside that of
the best n-gram model, n from 1 to 5, chosen with hindsight for each phenomenon, and the claim is the
difference of the two on the very pairs. The same goes for attraction: a table of word pairs follows the
nearest noun too, where that noun and the verb stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis.stats import ratio_and_stderr, weighted_mean, with_normal_interval
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.nano.minimal_pair import MinimalPair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TIE = 1e-9  # nats: sums of equal logarithms in another order differ by less
_COLUMNS = ["phenomenon", "value", "stderr", "n"]


def answers(
    ngrams: NgramModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[MinimalPair]
) -> np.ndarray:
    """Whether the n-gram models of order 1, 2, ... find each acceptable sentence the likelier one.

    The sentences stand behind an end-of-text token, as for a network.

    Args:
        ngrams: the model of the highest order; the lower ones are asked as well.
        tokenizer: whose tokens were counted.
        pairs: any.

    Returns:
        float64 (pairs, orders): 1 for yes, 0 for no, and one half for a tie, which counting has by its
        nature where it knows nothing.
    """
    sentences = [text for pair in pairs for text in (pair.good, pair.bad)]
    tokens = tokenizer(sentences, add_special_tokens=False)["input_ids"] if sentences else []
    rows = [[tokenizer.eos_token_id, *row] for row in tokens]
    likelihoods = np.empty((len(rows), ngrams.order))
    lengths = np.array([len(row) for row in rows])
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        block = np.array([rows[index] for index in same])
        for order in range(1, ngrams.order + 1):
            found = ngrams.lower(order).token_logprobs(block)
            likelihoods[same, order - 1] = found[:, 1:].sum(axis=1)
    margins = likelihoods[::2] - likelihoods[1::2]
    return np.where(np.abs(margins) < _TIE, 0.5, margins > 0)


def best(scores: pd.DataFrame, found: np.ndarray) -> np.ndarray:
    """The answers of the order that has most right in each phenomenon, the lowest of equals.

    Args:
        scores: a row a pair: column phenomenon.
        found: of `answers`.

    Returns:
        float64 (pairs,).
    """
    chosen = np.empty(len(found))
    for rows in scores.groupby("phenomenon", sort=False).indices.values():
        means = found[rows].mean(axis=0)
        chosen[rows] = found[rows, np.argmax(np.round(means, 9))]
    return chosen


def by_phenomenon(scores: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """The mean of a number of each pair, by phenomenon, with an error for which twins are one answer.

    Args:
        scores: of `controls.with_controls`: columns phenomenon and twin.
        values: (pairs,), such as a right answer less that of counting.

    Returns:
        A row a phenomenon: phenomenon, value, stderr (`stats.ratio_and_stderr` over twins), n (pairs), low,
        high (95%, normal).
    """
    rows = []
    for name, part in scores.assign(number=values).groupby("phenomenon", sort=False):
        twins = part.groupby("twin")["number"]
        rows.append((name, *ratio_and_stderr(twins.sum(), twins.size()), len(part)))
    return with_normal_interval(pd.DataFrame(rows, columns=_COLUMNS))


def above(scores: pd.DataFrame, counting: np.ndarray) -> pd.DataFrame:
    """A network's accuracy less that of counting, on the same pairs.

    Args:
        scores: of `controls.with_controls`.
        counting: (pairs,) answers of `best`.

    Returns:
        As `by_phenomenon`.
    """
    return by_phenomenon(scores, scores["correct"].to_numpy(float) - counting)


def mean(table: pd.DataFrame) -> dict[str, float]:
    """The mean over phenomena of a table of `by_phenomenon`, each with the same weight: value, stderr, n."""
    value, stderr = weighted_mean(table["value"], table["stderr"])
    return {"value": value, "stderr": stderr, "n": int(table["n"].sum())}
