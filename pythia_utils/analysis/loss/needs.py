"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.needs import Needs


def add(needs: Needs, suite: str, model: str, step: int, **_: object) -> None:
    """The checkpoint. The parameters are the notebook's."""
    needs.checkpoint(model, step, suite)
