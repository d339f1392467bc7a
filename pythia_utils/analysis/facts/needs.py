"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.facts.telling import counted_steps
from pythia_utils.analysis.needs import Needs


def add(
    needs: Needs, suite: str, model: str, step: int, batches: int, source: str, **_: object
) -> None:
    """The checkpoint, and the batches in which facts are counted. The parameters are the notebook's."""
    checkpoint = needs.checkpoint(model, step, suite)
    name = checkpoint.model.name
    data = needs.open(source or name, model=name if source else None)
    for counted in counted_steps(data, checkpoint.true_step, batches):
        data.batch(counted)
