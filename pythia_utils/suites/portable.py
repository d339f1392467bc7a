"""Which models travel with the site, to run in a reader's browser: whole ones, as many as 12 MB hold.

A model is there with each of its checkpoints or not at all. They are taken in the order of the suite's file,
standard ones by size first, and one that does not fit in what is left is passed over: so another size, variant
or seed may follow it. Only models that are trained here, and are trained, are small enough to be meant.
"""

from __future__ import annotations

from pythia_utils.suites.catalog import Checkpoint, Model, Suite
from pythia_utils.suites.folders import is_available

ROOM = 12_000_000  # bytes of weights on a site
BYTES_A_WEIGHT = 2


def portable(suite: Suite, room: int = ROOM) -> dict[str, list[Checkpoint]]:
    """The models whose weights a site brings, each with its checkpoints in the order of training.

    Args:
        suite: that the site shows.
        room: bytes that all weights may take, at two a weight.
    """
    chosen: dict[str, list[Checkpoint]] = {}
    for model in suite.models.values():
        points = _trained(model)
        size = BYTES_A_WEIGHT * model.total_params * len(points)
        if points and size <= room:
            chosen[model.name] = points
            room -= size
    return chosen


def _trained(model: Model) -> list[Checkpoint]:
    """Checkpoints of a whole run of ours; none of a run that goes on from another's middle."""
    if not model.is_trained_here or model.fork:
        return []
    return [point for point in model.checkpoints if is_available(point)]


def usual(chosen: dict[str, list[Checkpoint]]) -> str:
    """The name of the model to begin with: the largest, of these the first.

    Args:
        chosen: as `portable` gives it, not empty.
    """
    return max(chosen, key=lambda name: chosen[name][0].model.total_params)
