"""Accuracy on minimal pairs, and whether something duller than grammar explains it.

A sentence with a rare word or with more tokens is less likely, whatever its grammar; and a rare word
has more tokens, so frequency is looked at where lengths are equal. Pairs carry
two differences, acceptable minus unacceptable: in tokens, and in log-likelihood under a model that
knows word frequencies only. The frequencies are counted in what the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pythia_utils.analysis.clusters import linked_proportion, rank_correlation
from pythia_utils.analysis.grammar.pair_words import critical_words, words_of
from pythia_utils.analysis.stats import (
    mean_and_stderr,
    proportion_stderr,
    weighted_mean,
    wilson_interval,
    with_normal_interval,
    with_student_interval,
)
from pythia_utils.evaluation.minimal_pairs import pair_tokens
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.training_data.source import TrainingData, open_source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def token_counts(
    model: str, tokens: int, opened: Callable[..., TrainingData] | None = None
) -> np.ndarray | None:
    """How often each token stands in the first `tokens` tokens of a model's training, whole batches.

    Args:
        model: its name. The counts of another seed's order are those of the suite's own: the same
            corpus.
        tokens: how many at least, or all of training if it is shorter. Of a suite on the Hub a
            batch, 2.1 million tokens, is a download of 4 MB. 0 for none.
        opened: opens what training reads; `open_source` if None.

    Returns:
        int64 (vocab_size,); None for 0 tokens, and of a model whose data nobody can open here.

    Raises:
        UsageError: the suite has no corpus here.
        FetchError: the Hub does not deliver.
    """
    own = find_model(model)
    if tokens == 0 or own.trained_on:
        return None
    same_data = (
        m
        for m in suite(own.suite).models.values()
        if m.variant == own.variant and not m.version and m.has_usual_seed
    )
    source = next(same_data, own)
    batches = min(-(-tokens // source.tokens_per_step), source.total_steps)
    read = (opened or open_source)(source.name).sequences(0, batches * source.batch_size)
    return np.bincount(read[:, :-1].ravel(), minlength=own.vocab_size)


def with_controls(
    scores: pd.DataFrame,
    pairs: Sequence[MinimalPair],
    tokenizer: PreTrainedTokenizerBase,
    counts: np.ndarray | None = None,
) -> pd.DataFrame:
    """Scored pairs with what they are and how they differ besides grammar.

    Args:
        scores: of `minimal_pairs.score_minimal_pairs`.
        pairs: the same pairs.
        tokenizer: the model's.
        counts: of `token_counts`; without them there is no frequency difference.

    Returns:
        A copy with paradigm, field; length_difference (tokens) and frequency_difference (nats,
        log-likelihood under add-one smoothed token frequencies; nan without counts), good minus
        bad; twin (pairs that exchange the same two words share a number); exchanged (the two words,
        in one order for both twins); good_word, bad_word; first_word, second_word (of the combination
        that a pair is about, the exchanged ones where none is told).
    """
    tokens = pair_tokens(tokenizer, pairs)
    lengths = [len(good) - len(bad) for good, bad in tokens]
    frequencies = np.full(len(pairs), np.nan)
    if counts is not None:
        logs = np.log(counts + 1) - np.log(counts.sum() + len(counts))
        sums = [[float(logs[row].sum()) for row in halves] for halves in tokens]
        frequencies = -np.diff(np.reshape(sums, (-1, 2)))[:, 0]
    return scores.assign(
        paradigm=[pair.paradigm for pair in pairs],
        field=[pair.field for pair in pairs],
        length_difference=lengths,
        frequency_difference=frequencies,
        twin=_twins(pairs),
        **words_of(pairs),
    )


def _twins(pairs: Sequence[MinimalPair]) -> np.ndarray:
    """A number for each pair; that of its predecessor if the two exchange the same words."""
    words = [critical_words(pair) for pair in pairs]
    numbers = np.arange(len(pairs))
    for i in range(1, len(pairs)):
        if words[i] == words[i - 1][::-1] and numbers[i - 1] == i - 1:
            numbers[i] = i - 1
    return numbers


def accuracy(scores: pd.DataFrame, by: str = "phenomenon") -> pd.DataFrame:
    """Accuracy by phenomenon or paradigm.

    Within a paradigm the interval is Wilson's, for as many pairs as they are worth: twins belong together,
    and so do pairs about one word (`clusters.effective_n`). Over several paradigms the mean gives
    each the same weight (Warstadt et al. 2020, table 3) and there are two intervals: over pairs,
    these paradigms being what they are; and over paradigms, by Student's t of their accuracies,
    for what other constructions of the kind may give. Few paradigms make the second one wide.

    Args:
        scores: columns phenomenon, paradigm, correct, and those of `with_controls`; without twins and
            words each pair stands for itself.
        by: `phenomenon` or `paradigm`.

    Returns:
        A row each, in order of appearance: that name, phenomenon; paradigms (how many); n; value,
        stderr, low, high (over pairs); wide_low, wide_high (over paradigms; nan for one).
    """
    rows = []
    for name, part in scores.groupby(by, sort=False):
        row = {by: name, "phenomenon": part["phenomenon"].iloc[0]}
        rows.append(row | _mean_of_paradigms([p for _, p in part.groupby("paradigm", sort=False)]))
    table = pd.DataFrame(rows)
    normal = with_normal_interval(table)
    table = table.fillna({"low": normal["low"], "high": normal["high"]})
    of_paradigms = {"stderr": table["paradigm_stderr"], "n": table["paradigms"]}
    wide = with_student_interval(table.assign(**of_paradigms))[["low", "high"]]
    table[["wide_low", "wide_high"]] = wide
    ends = ["low", "high", "wide_low", "wide_high"]
    table[ends] = table[ends].clip(0, 1)
    return table.drop(columns="paradigm_stderr")


def _mean_of_paradigms(parts: list[pd.DataFrame]) -> dict[str, float]:
    """The mean of paradigms' accuracies, its error over pairs, and that over paradigms (nan for one).

    The ends of its interval are those of a proportion for one paradigm, nan for several.
    """
    found = np.array([_linked(part) for part in parts])
    value, stderr = weighted_mean(found[:, 0], found[:, 1])
    low, high = found[0, 2:] if len(parts) == 1 else (np.nan, np.nan)
    row = {"paradigms": len(parts), "n": sum(map(len, parts)), "value": value, "stderr": stderr}
    row |= {"low": low, "high": high}
    return row | {"paradigm_stderr": mean_and_stderr(found[:, 0])[1]}


def _linked(part: pd.DataFrame) -> tuple[float, float, float, float]:
    """Accuracy, error, low and high of pairs of one paradigm, of which some belong together."""
    units = part["twin"] if "twin" in part else np.arange(len(part))
    labels = [part[name] for name in ("first_word", "second_word") if name in part]
    return linked_proportion(part["correct"], units, labels)


def margins(scores: pd.DataFrame) -> pd.DataFrame:
    """The mean margin of each phenomenon: phenomenon, value, stderr (nats, over pairs), n."""
    groups = scores.groupby("phenomenon", sort=False)["margin"]
    rows = [(name, *mean_and_stderr(part), len(part)) for name, part in groups]
    return pd.DataFrame(rows, columns=["phenomenon", "value", "stderr", "n"])


def controls(scores: pd.DataFrame) -> pd.DataFrame:
    """Whether length or word frequency explains which pairs are right, by phenomenon and in all.

    Args:
        scores: of `with_controls`.

    Returns:
        For each metric a row a phenomenon, then one of `all`. The metrics:
        accuracy_equal_length, the accuracy on pairs of equal length; accuracy_of_frequencies, that of
        a model of token frequencies alone, a tie counting half; frequency_correlation and
        length_correlation, the rank correlation of being right with that difference, of frequency on
        pairs of equal length (`clusters.rank_correlation` within paradigms, pairs that exchange the same
        words or share one of them being linked: a liking for *is* is one accident, not fifty).
        Columns phenomenon, metric, value, stderr, n (pairs), low, high (95%; of accuracies Wilson's).
        The stderr of a correlation is its interval's half-width over that of a normal one. nan where
        there is nothing to tell, such as no pair wrong, or too few words to tell it by.
    """
    parts = [*scores.groupby("phenomenon", sort=False), ("all", scores)]
    rows = [{"phenomenon": name} | row for name, part in parts for row in _controls(part)]
    return pd.DataFrame(rows).sort_values("metric", kind="stable", ignore_index=True)


def _controls(part: pd.DataFrame) -> list[dict]:
    equal = part[part["length_difference"] == 0]
    advantage = part["frequency_difference"].dropna()
    right = (np.sign(advantage) + 1).sum() / 2
    return [
        {"metric": "accuracy_equal_length"} | _share(equal),
        {"metric": "accuracy_of_frequencies"} | _proportion(right, len(advantage)),
        {"metric": "frequency_correlation"} | _correlation(equal, "frequency_difference"),
        {"metric": "length_correlation"} | _correlation(part, "length_difference"),
    ]


def _correlation(pairs: pd.DataFrame, difference: str) -> dict[str, float]:
    known = pairs[pairs[difference].notna()]
    columns = (known[c] for c in ("correct", difference, "paradigm", "exchanged"))
    words = [known["good_word"], known["bad_word"]]
    r, low, high = rank_correlation(*columns, words) if len(known) else (np.nan,) * 3
    stderr = (high - low) / (2 * ndtri(0.975))
    return {"value": r, "stderr": stderr, "n": len(known), "low": low, "high": high}


def _share(pairs: pd.DataFrame) -> dict[str, float]:
    if pairs.empty:
        return _proportion(0, 0)
    names = ("value", "stderr", "low", "high")
    return dict(zip(names, _linked(pairs), strict=True)) | {"n": len(pairs)}


def _proportion(successes: float, n: int) -> dict[str, float]:
    if n == 0:
        return {"n": 0} | dict.fromkeys(("value", "stderr", "low", "high"), np.nan)
    low, high = map(float, wilson_interval(successes, n))
    stderr = proportion_stderr(successes, n)
    return {"value": successes / n, "stderr": stderr, "n": n, "low": low, "high": high}


def hardest(scores: pd.DataFrame, n: int) -> pd.DataFrame:
    """The pairs of which the model is most sure of the wrong sentence, up to `n` of each phenomenon.

    Args:
        scores: columns phenomenon, good, bad, margin.
        n: pairs of each; fewer where the model gets fewer wrong.

    Returns:
        These columns, by phenomenon and margin.
    """
    wrong = scores[scores["margin"] < 0].sort_values(["phenomenon", "margin"])
    return wrong.groupby("phenomenon").head(n)[["phenomenon", "good", "bad", "margin"]]


def as_records(
    frame: pd.DataFrame, metric: str | None = None, subset: str = "phenomenon"
) -> list[dict]:
    """Rows for `records.record` of a table's columns value, stderr and n, those without a value left out.

    Args:
        frame: of one of the functions above.
        metric: its rows' metric; by default that of their own column.
        subset: the column that names them.
    """
    known = frame.dropna(subset="value").rename(columns={subset: "subset"})
    known = known if metric is None else known.assign(metric=metric)
    return known[["metric", "subset", "value", "stderr", "n"]].to_dict("records")
