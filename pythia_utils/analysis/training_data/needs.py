"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.needs import Needs
from pythia_utils.analysis.training_data import batches
from pythia_utils.suites.catalog import find_model


def add(
    needs: Needs,
    suite: str,
    model: str,
    step: int,
    source: str,
    tokenizer_file: str,
    **_: object,
) -> None:
    """A batch and a tokenizer, and no checkpoint. The parameters are the notebook's."""
    trained = find_model(model, suite)
    data = needs.open(source or trained.name, model=trained.name if source else None)
    data.batch(batches.shown_step(trained.checkpoint(step)))
    if not tokenizer_file:
        needs.tokenizers.append(trained)
