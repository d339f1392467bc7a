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
    reference = measures.reference(own)
    training_ngrams.counted_rows(reference, batches=batches or None, opened=needs.open)
    measures.last_sequences(own, rows, length, needs.open)
