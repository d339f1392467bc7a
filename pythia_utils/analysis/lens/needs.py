"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.needs import Needs
from pythia_utils.evaluation import text_sets, validation
from pythia_utils.evaluation.sets import blimp_files


def add(
    needs: Needs, suite: str, model: str, step: int, texts: str, pairs_from: str, **_: object
) -> None:
    """The checkpoint, the texts where they are the Hub's, and BLiMP. The parameters are the notebook's."""
    needs.checkpoint(model, step, suite)
    if files := text_sets.hub_files(validation.chosen(suite, texts)):
        needs.files.append(files)
    if pairs_from == "blimp":
        needs.files.append(blimp_files())
