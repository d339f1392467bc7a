"""The documents planted in a local corpus to be memorized: an experiment whose truth is known.

Each is a sequence of random words, so that only memory can tell how it goes on. How often and where in
training it is read was set by us (`corpus`): 1 to 64 copies anywhere, or 16 within one decile. Such
sequences are known as canaries (Carlini et al. 2019, "The secret sharer"), and what a model does better
on them than on sequences that it never read as counterfactual memorization (Zhang et al. 2023).

The deciles were made for the suite's own order. A model of another data seed reads the same file in
another order, which scatters these copies over all of training; a deduplicated corpus holds only one of
them. Both are placebos: the same texts, without the treatment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.base.errors import UsageError
from pythia_utils.nano.corpus import DECILE_COPIES
from pythia_utils.training_data.corpus import MEMORIZATION_LENGTH, open_corpus
from pythia_utils.training_data.seen import document_steps
from pythia_utils.training_data.source import TrainingData

CONTROLS = 100  # sequences of the same words that training never reads
_WITHIN = 0.75  # share of a text's copies that must be read in its decile


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted documents, and controls that never were.

    Attributes:
        table: a row a document: content (the number of this text in both corpora; -1 for a control),
            copies (in the standard corpus; 0 for a control), placement: `anywhere`; `decile-0` ..
            `decile-9` if this very model reads its copies within that decile of training;
            `scattered-0` .. `scattered-9` if they were made for it, but this model does not; or `never`.
        tokens: int64 (rows, 32), without the end-of-text token.
    """

    table: pd.DataFrame
    tokens: np.ndarray


def planted(data: TrainingData) -> Planted:
    """All planted documents of a local suite's corpus, each once, and `CONTROLS` controls.

    A deduplicated corpus holds each document once. `copies` tells how many the standard one holds, so
    that the two can be compared document by document.

    Args:
        data: what a model of a local suite reads, by `open_source(model)`.

    Raises:
        UsageError: the model's suite is not trained here, or on a text from elsewhere.
    """
    if data.model is None or data.packed is None:
        raise UsageError(f"{data.name} has no planted documents; expected a model trained here")
    corpus = open_corpus(data.model.suite)
    if corpus.suite.is_of_text:
        raise UsageError(f"{data.name} read no planted documents: its text was not made by us")
    table = corpus.documents(data.model.reads)
    table = table[table["domain"] == "memorization"]
    scattered = ~_in_their_deciles(data, table)
    table = table.drop_duplicates("content")
    standard = corpus.documents("standard").drop_duplicates("content").set_index("content")
    placement = table["placement"].mask(
        table["content"].map(scattered), table["placement"].str.replace("decile", "scattered")
    )
    table = table.assign(copies=table["content"].map(standard["copies"]), placement=placement)
    indexed = data.packed.indexed
    tokens = np.stack([indexed[document][:MEMORIZATION_LENGTH] for document in table["document"]])
    never = {"content": -1, "copies": 0, "placement": "never"}
    controls = pd.DataFrame([never] * CONTROLS)
    table = pd.concat([table[list(never)], controls], ignore_index=True)
    return Planted(table, np.vstack([tokens, _controls(tokens)]).astype(np.int64))


def _in_their_deciles(data: TrainingData, documents: pd.DataFrame) -> pd.Series:
    """Whether the model reads most copies of each text in the decile that it was planted in: bool, by content.

    A copy that is cut counts as read where most of it is, as it was planted. A text of one copy, as in a
    deduplicated corpus, is read in no decile.
    """
    reads = pd.DataFrame(document_steps(data, documents["document"])._asdict())
    reads = reads.sort_values(["entry", "length"]).drop_duplicates("entry", keep="last")
    truth = documents.set_index("document").loc[reads["document"]]
    planned = truth["placement"].str.extract(r"decile-(\d)", expand=False).astype(float)
    hit = reads["step"].to_numpy() * 10 // data.total_steps == planned.to_numpy()
    hits = pd.Series(hit).groupby(truth["content"].to_numpy()).sum()
    return hits.reindex(documents["content"].unique(), fill_value=0) >= _WITHIN * DECILE_COPIES


def _controls(tokens: np.ndarray) -> np.ndarray:
    """Other sequences of the words that the planted ones are made of."""
    return np.random.default_rng(0).choice(np.unique(tokens), (CONTROLS, tokens.shape[1]))
