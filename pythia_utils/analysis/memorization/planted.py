"""The documents planted in a local corpus to be memorized: an experiment whose truth is known.

Each is a sequence of random words, so that only memory can tell how it goes on. How often and where in
training it is read was set by us (`corpus`): 1 to 64 copies anywhere, or 16 within one decile. Such
sequences are known as canaries (Carlini et al. 2019, "The secret sharer"), and what a model does better
on them than on sequences that it never read as counterfactual memorization (Zhang et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.corpus import MEMORIZATION_LENGTH, open_corpus
from pythia_utils.training_data.occurrences import occurrences
from pythia_utils.training_data.source import TrainingData

CONTROLS = 100  # sequences of the same words that training never reads


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted documents, and controls that never were.

    Attributes:
        table: a row a document: document (its first number in the corpus; -1 for a control),
            copies (in the standard corpus; 0 for a control), placement (`anywhere`, `decile-0` ..
            `decile-9`, or `never`).
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
    table = corpus.documents(data.model.variant)
    table = table[table["domain"] == "memorization"].drop_duplicates("content")
    standard = corpus.documents("standard").drop_duplicates("content").set_index("content")
    table = table.assign(copies=table["content"].map(standard["copies"]))
    indexed = data.packed.indexed
    tokens = np.stack([indexed[document][:MEMORIZATION_LENGTH] for document in table["document"]])
    never = {"document": -1, "copies": 0, "placement": "never"}
    controls = pd.DataFrame([never] * CONTROLS)
    table = pd.concat([table[list(never)], controls], ignore_index=True)
    return Planted(table, np.vstack([tokens, _controls(tokens)]).astype(np.int64))


def _controls(tokens: np.ndarray) -> np.ndarray:
    """Other sequences of the words that the planted ones are made of."""
    return np.random.default_rng(0).choice(np.unique(tokens), (CONTROLS, tokens.shape[1]))


def copies_at(data: TrainingData, positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """How often training reads the text in the tokens start..stop of some sequences: int64.

    Of several documents in these tokens the one that fills most of them counts.

    Args:
        data: what a model of a local suite reads.
        positions: of the sequences.
        start: first token.
        stop: behind the last.
    """
    pieces = occurrences(data)
    pieces["position"] = pieces["step"] * data.batch_size + pieces["row"]
    pieces = pieces[pieces["position"].isin(positions)]
    ends = (pieces["at"] + pieces["length"]).clip(upper=stop)
    pieces = pieces.assign(inside=ends - pieces["at"].clip(lower=start))
    largest = pieces.sort_values("inside").drop_duplicates("position", keep="last")
    return (largest.set_index("position")["others"].loc[positions] + 1).to_numpy(np.int64)
