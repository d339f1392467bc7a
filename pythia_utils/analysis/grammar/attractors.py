"""Pairs whose attractor tempts to an error, and the same pairs where it tempts to none.

In "The key near the boxes today is/*are old" the nearest noun has the other number than the subject.
With "box" instead, agreement with the nearest noun gives the right verb. The difference in accuracy is
what the attractor does: the attraction effect (Bock and Miller 1991; for language models Linzen,
Dupoux and Goldberg 2016). All else is the same, word for word.

A table of word pairs gains as well where attractor and verb stand side by side ("boxes are"), without any
rule. So a word or more stands between them, training combines the two in no sentence, and what is left of
counting's gain is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis.grammar import baselines
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.evaluation.minimal_pairs import score_minimal_pairs
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.nano.attractors import has_attractor, without_temptation
from pythia_utils.nano.minimal_pair import MinimalPair

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def attraction(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scores: pd.DataFrame,
    pairs: Sequence[MinimalPair],
    ngrams: NgramModel | None = None,
) -> pd.DataFrame:
    """Accuracy gained when the attractor tempts to nothing: the same pairs, one noun changed.

    A paired difference: the error is that of the mean of differences of pairs (`baselines.by_phenomenon`).

    Args:
        model, tokenizer: what scored the pairs.
        scores: of `controls.with_controls`.
        pairs: nano's, as scored; none of another set.
        ngrams: of the training text, if it was counted.

    Returns:
        A row for each phenomenon with an attractor and each metric: attraction, the network's gain; and where
        n-grams were counted attraction_of_ngrams, the gain of the order that gains most, and
        attraction_above_ngrams, the first less the second. Columns phenomenon, metric, value, stderr, n
        (pairs), low, high (95%, normal).
    """
    changed = without_temptation(pairs)
    own = scores[scores["phenomenon"].isin({pair.phenomenon for pair in changed})]
    others = score_minimal_pairs(model, tokenizer, changed) if changed else own
    gain = others["correct"].to_numpy(float) - own["correct"].to_numpy(float)
    kinds = {"attraction": gain}
    if ngrams is not None and changed:
        tempted = [pair for pair in pairs if has_attractor(pair)]
        both = (baselines.answers(ngrams, tokenizer, part) for part in (changed, tempted))
        counting = baselines.best(own, np.subtract(*both))
        kinds |= {"attraction_of_ngrams": counting, "attraction_above_ngrams": gain - counting}
    tables = [
        baselines.by_phenomenon(own, values).assign(metric=metric)
        for metric, values in kinds.items()
    ]
    return with_normal_interval(pd.concat(tables, ignore_index=True))
