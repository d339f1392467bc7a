"""What a cell records: what two lenses read at every depth of one network, of text and of minimal pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis.clusters import as_of_a_normal, linked_mean, linked_proportion
from pythia_utils.analysis.lens.names import ALL, CONSTANT, LENSES, name
from pythia_utils.analysis.lens.sequences import Sequences
from pythia_utils.analysis.stats import ratio_and_stderr
from pythia_utils.evaluation import lens_answers, tuned_lens
from pythia_utils.evaluation.lens import LOGIT_LENS, Lens
from pythia_utils.evaluation.lens_answers import MEASURES
from pythia_utils.evaluation.minimal_pairs import answerable, prepare_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pythia_utils.nano.minimal_pair import MinimalPair

_COLUMNS = ["metric", "subset", "value", "stderr", "n"]
_LEAST = 1e-6  # nats: answers that differ less from their mean are all the same, to rounding


def trained(
    model: PreTrainedModel, text: Sequences, steps: int
) -> tuple[dict[str, Lens], tuned_lens.Trained, np.ndarray]:
    """Both lenses of a network by name, how the training went, and the answer that does not see the text.

    Args:
        model: a GPT-NeoX network.
        text: of `sequences.cut`.
        steps: of training.

    Raises:
        UsageError: another architecture, sequences longer than its context, or fewer than 0 steps.
        NotFiniteError: the network gives NaN or infinity.
    """
    read = tuned_lens.read(model, text.fit)
    found = tuned_lens.train(model, read, tuned_lens.Settings(steps=steps))
    both = dict(zip(LENSES, (LOGIT_LENS, found.lens), strict=True))
    return both, found, tuned_lens.mean_answer(model, read)


def of_text(
    model: PreTrainedModel, both: Mapping[str, Lens], text: Sequences, constant: np.ndarray
) -> pd.DataFrame:
    """What lenses say of held-out text at every depth.

    Args:
        model, both, constant: as `trained` gives them.
        text: of `sequences.cut`.

    Returns:
        Columns metric, subset, value, stderr (over documents) and n (documents). Metrics `kl` (nats, from the
        final answer to the lens'), `entropy` (nats), `loss` (nats a token) and `agreement` (share of positions
        where both have the same likeliest token), by lens and depth (`name`); `kl` of `constant`, the best
        answer that does not see the text; and `formation_depth` (`formation`).
    """
    found = lens_answers.answers(model, list(both.values()), text.held_out, constant)
    documents, index = np.unique(text.documents, return_inverse=True)
    sums = _grouped(found.sums, index, len(documents))
    known = _grouped(found.constant, index, len(documents))
    sizes = _grouped(found.positions.astype(float), index, len(documents))
    rows = []
    for which, lens in enumerate(both):
        for measure, metric in enumerate(MEASURES):
            for depth, values in enumerate(sums[which, measure]):
                rows.append((metric, name(lens, depth), *ratio_and_stderr(values, sizes)))
    rows.append(("kl", CONSTANT, *ratio_and_stderr(known, sizes)))
    tuned = sums[list(both).index("tuned"), MEASURES.index("kl")]
    rows.append(("formation_depth", ALL, *formation(tuned, known, sizes)))
    return pd.DataFrame(rows, columns=_COLUMNS[:-1]).assign(n=len(documents))


def _grouped(values: np.ndarray, index: np.ndarray, groups: int) -> np.ndarray:
    """Sums (..., groups) of values (..., sequences)."""
    return values @ np.eye(groups)[index]


def formation(kl: np.ndarray, constant: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Where the answer forms, from 0, the embedding, to 1, after the last layer: a mean depth.

    Let m(x) be the share of the answer that is missing at the relative depth x = layer / layers: the lens'
    divergence from the final answer over that of the best constant answer. Where m falls from 1 to 0, as a
    distribution function rises, the mean depth at which it falls is the area below it (of a depth X, E[X] is
    the integral of P(X > x)); here by the trapezoid rule.

    Args:
        kl: of a lens, summed over each document's positions: float64 (depths, documents).
        constant: of the constant answer, likewise: float64 (documents,).
        sizes: positions, float64 (documents,).

    Returns:
        The mean depth and its error over documents; nan where all answers are the same one.
    """
    if constant.sum() < _LEAST * sizes.sum():
        return float("nan"), float("nan")
    return ratio_and_stderr(np.trapezoid(kl, dx=1 / (len(kl) - 1), axis=0), constant)


def of_pairs(
    model: PreTrainedModel,
    both: Mapping[str, Lens],
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[MinimalPair],
) -> pd.DataFrame:
    """What lenses say of minimal pairs at every depth.

    Args:
        model, both: as `trained` gives them.
        tokenizer: the model's.
        pairs: any; those that no model can answer are left out.

    Returns:
        Columns metric, subset (`name`; of each phenomenon, and of `all`, their mean), value, stderr and n
        (pairs). Metrics `accuracy`, the share of pairs whose good sentence is the likelier one, and `margin`,
        log p(good) - log p(bad), nats. Twins and pairs about one word are linked (`clusters`).
    """
    asked, _ = answerable(tokenizer, pairs)
    margins = lens_answers.margins(model, list(both.values()), prepare_pairs(tokenizer, asked))
    names = [(lens, depth) for lens in both for depth in range(margins.shape[1])]
    found = _by_phenomenon(asked, margins.reshape(len(names), -1))
    rows = [
        (metric, name(*where, of), value, error, n)
        for of, metric, values, errors, n in found
        for where, value, error in zip(names, values, errors, strict=True)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _by_phenomenon(pairs: Sequence[MinimalPair], margins: np.ndarray) -> list[tuple]:
    """Phenomenon, metric, values, errors, n of margins (ways, pairs): of each phenomenon and of all."""
    phenomena = np.array([pair.phenomenon for pair in pairs])
    rows = []
    for phenomenon in dict.fromkeys(phenomena.tolist()):
        own = np.flatnonzero(phenomena == phenomenon)
        links = _links([pairs[i] for i in own])
        accuracy, stderr, *_ = linked_proportion(margins[:, own] > 0, *links)
        mean, error, dof = linked_mean(margins[:, own], *links)
        rows.append((phenomenon, "accuracy", accuracy, stderr, len(own)))
        rows.append((phenomenon, "margin", mean, as_of_a_normal(error, dof), len(own)))
    for metric in ("accuracy", "margin"):
        values, errors = zip(*(row[2:4] for row in rows if row[1] == metric), strict=True)
        mean, error = np.mean(values, axis=0), np.sqrt(np.sum(np.square(errors), axis=0))
        rows.append((ALL, metric, mean, error / len(values), len(pairs)))
    return rows


def _links(pairs: Sequence[MinimalPair]) -> tuple[np.ndarray, list[list[str]]]:
    """The twin of each pair and the words that it is about, of our program's; others stand alone."""
    numbers = np.arange(len(pairs))
    if any(pair.combination is None for pair in pairs):
        return numbers, []
    about = zip(*(pair.combination for pair in pairs), strict=True)
    return numbers // 2, [list(column) for column in about]
