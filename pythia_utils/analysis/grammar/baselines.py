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

from pythia_utils.analysis.clusters import as_of_a_normal, linked_mean
from pythia_utils.analysis.stats import weighted_mean, with_normal_interval
from pythia_utils.analysis.training_ngrams import fitted
from pythia_utils.evaluation.minimal_pairs import pair_tokens
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import find_model, suite

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TIE = 1e-9  # nats: sums of equal logarithms in another order differ by less
_COLUMNS = ["phenomenon", "value", "stderr", "n"]


def counted(model: str) -> NgramModel | None:
    """The n-gram models of what training reads, of a suite trained here; None for others.

    All sizes and seeds of a variant read the same text, and its n-grams are counted once. Of Pythia's text
    a page of one checkpoint would have to download a sample first: nothing is counted.

    Raises:
        UsageError: the suite has no corpus here.
    """
    own = find_model(model)
    if not own.is_trained_here:
        return None
    models = suite(own.suite).models.values()
    like = (m.name for m in models if m.variant == own.variant and m.has_usual_seed)
    return fitted(next(like, own.name))


def answers(
    ngrams: NgramModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[MinimalPair]
) -> np.ndarray:
    """Whether the n-gram models of order 1, 2, ... find each acceptable sentence the likelier one.

    The sentences stand after an end-of-text token, as for a network.

    Args:
        ngrams: the model of the highest order; the lower ones are asked as well.
        tokenizer: whose tokens were counted.
        pairs: any.

    Returns:
        float64 (pairs, orders): 1 for yes, 0 for no, and one half for a tie, which counting has by its
        nature where it knows nothing.
    """
    sentences = (row for halves in pair_tokens(tokenizer, pairs) for row in halves)
    end_of_text = tokenizer.eos_token_id  # which takes its time, for one of many thousand rows
    rows = [[end_of_text, *row] for row in sentences]
    likelihoods = np.empty((len(rows), ngrams.order))
    lengths = np.array([len(row) for row in rows])
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        block = np.array([rows[index] for index in same])
        for column, found in enumerate(ngrams.logprobs_of_orders(block)):
            likelihoods[same, column] = found[:, 1:].sum(axis=1)
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
    """The mean of a number of each pair, by phenomenon.

    Args:
        scores: of `controls.with_controls`.
        values: (pairs,), such as a right answer less that of counting.

    Returns:
        A row a phenomenon: phenomenon, value, stderr (pairs of one twin or about one word being linked:
        `clusters.linked_mean`; that of a normal interval as wide as Student's), n (pairs).
    """
    rows = []
    for name, part in scores.assign(number=values).groupby("phenomenon", sort=False):
        words = [part["first_word"], part["second_word"]]
        value, stderr, dof = linked_mean(part["number"], part["twin"], words)
        rows.append((name, value, as_of_a_normal(stderr, dof), len(part)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def table(
    scores: pd.DataFrame,
    ngrams: NgramModel | None,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[MinimalPair],
) -> pd.DataFrame:
    """The accuracy of counting, and a network's less it on the same pairs.

    Args:
        scores: of `controls.with_controls`.
        ngrams: of `counted`; None where nothing was.
        tokenizer, pairs: as in `answers`.

    Returns:
        For each metric, accuracy_of_ngrams and accuracy_above_ngrams, a row a phenomenon, then one of
        `all`, their mean: columns phenomenon, metric, value, stderr, n (pairs), low, high (95%, normal).
        Empty where nothing was counted.
    """
    if ngrams is None:
        return with_normal_interval(pd.DataFrame(columns=[*_COLUMNS, "metric"]))
    counting = best(scores, answers(ngrams, tokenizer, pairs))
    difference = scores["correct"].to_numpy(float) - counting
    kinds = {"accuracy_of_ngrams": counting, "accuracy_above_ngrams": difference}
    tables = [
        _with_mean(by_phenomenon(scores, values)).assign(metric=metric)
        for metric, values in kinds.items()
    ]
    return with_normal_interval(pd.concat(tables, ignore_index=True))


def _with_mean(table: pd.DataFrame) -> pd.DataFrame:
    value, stderr = weighted_mean(table["value"], table["stderr"])
    row = {"phenomenon": "all", "value": value, "stderr": stderr, "n": table["n"].sum()}
    return pd.concat([table, pd.DataFrame([row])], ignore_index=True)
