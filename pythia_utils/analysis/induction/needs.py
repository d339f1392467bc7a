"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.needs import Needs
from pythia_utils.evaluation import text_sets, validation


def add(needs: Needs, suite: str, model: str, step: int, texts: str, **_: object) -> None:
    """The checkpoint, and the validation text where it is the Hub's. The parameters are the notebook's."""
    needs.checkpoint(model, step, suite)
    if files := text_sets.hub_files(validation.chosen(suite, texts)):
        needs.files.append(files)
