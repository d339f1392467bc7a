"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis import training_ngrams
from pythia_utils.analysis.needs import Needs
from pythia_utils.analysis.ngrams import measures


def add(
    needs: Needs,
    suite: str,
    model: str,
    step: int,
    rows: int,
    length: int,
    batches: int,
    **_: object,
) -> None:
    """The checkpoint, the batches that are counted, and held-out text. The parameters are the notebook's."""
    own = needs.checkpoint(model, step, suite).model
    data = needs.open(measures.reference(own).name)
    many = training_ngrams.how_many(own, batches or None)
    for _batch in training_ngrams.some_batches(data, data.total_steps, many or 0):
        pass
    measures.last_sequences(data, rows, length)
