"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.needs import Needs
from pythia_utils.evaluation.sets import blimp_files


def add(needs: Needs, suite: str, model: str, step: int, pairs_from: str, **_: object) -> None:
    """The checkpoint, and BLiMP if that is asked. The parameters are the notebook's."""
    needs.checkpoint(model, step, suite)
    if pairs_from == "blimp":
        needs.files.append(blimp_files())
