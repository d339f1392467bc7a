"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.memorization import measure, ordinary, sampling
from pythia_utils.analysis.needs import Needs


def add(
    needs: Needs,
    suite: str,
    model: str,
    step: int,
    prompt: int | None,
    continuation: int | None,
    sample: int,
    blocks: int,
    places: int,
    source: str,
    **others,
) -> None:
    """The checkpoint, the sequences tested, and what ordinary ones need. The parameters are the notebook's."""
    checkpoint = needs.checkpoint(model, step, suite)
    name = checkpoint.model.name
    data = needs.open(source or name, model=name if source else None)
    length = sum(sampling.lengths(suite, prompt, continuation))
    sampling.training_sample(data, checkpoint, sample, blocks, length, places)
    count = measure.ordinary_count(checkpoint.model, others.get("ordinary"))
    if count and (before := ordinary.baseline(checkpoint)):
        needs.checkpoints.append(before)
        ordinary.ordinary_sample(data, before, checkpoint, count)
