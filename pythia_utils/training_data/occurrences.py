"""What a local suite's training reads, piece by piece, with the ground truth of what is a repeat.

A *piece* is the part of one copy of a document that stands in one sequence. A document that stands on a
cut is read in several pieces, at different steps; these are no repeats of one another. A repeat is another
copy of the same text: a duplicate in the corpus, or the same document in another epoch.

A copy counts as read when the sequence that holds its first token is. Counting it from whichever piece
comes first would put long documents, which are cut more often, too early in training.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.seen import document_steps
from pythia_utils.training_data.source import TrainingData


def occurrences(data: TrainingData) -> pd.DataFrame:
    """Every piece that training reads, in training order, a row each.

    Args:
        data: what a model of a local suite reads, by `open_source(model)`.

    Returns:
        Columns, all counted from 0:
          step, row: the batch, and the sequence in it
          at, length: where the piece stands in the sequence, in tokens
          document, entry: the document, and which copy of it (its place in the shuffled documents)
          offset: the piece's first token, in the document
          begins: whether this is where the copy is read (True once a copy, at most)
          domain, content: where the text comes from, and which distinct text it is
          earlier: other copies of this text that were read before this piece
          others: other copies of this text that training reads in all

    Raises:
        UsageError: the model's suite is not trained here.
    """
    truth = open_corpus(data.model.suite).documents(data.model.reads).set_index("document")
    pieces = pd.DataFrame(document_steps(data)._asdict())
    pieces = pieces.join(truth[["domain", "content"]], on="document")
    # A sequence's last token is only a label there; it comes again as the first of another.
    pieces["begins"] = (pieces["offset"] == 0) & (pieces["at"] < data.seq_length)
    return pieces.assign(**_other_copies(pieces))


def _other_copies(pieces: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns `earlier` and `others`."""
    n, now = len(pieces), np.arange(len(pieces))
    content, entry = pieces["content"].to_numpy(np.int64), pieces["entry"].to_numpy()
    begun = np.flatnonzero(pieces["begins"])
    own = np.full(entry.max() + 1, n)  # when this very copy is read; n is never
    own[entry[begun]] = begun
    # Copies as numbers that sort by text, then by time.
    copies = np.sort(content[begun] * n + begun)
    first, last = np.searchsorted(copies, [content * n, (content + 1) * n])
    before = np.searchsorted(copies, content * n + now) - first
    return {
        "earlier": before - (own[entry] < now),
        "others": last - first - (own[entry] < n),
    }
