"""Checkpoints that do not lie on their model's way through training.

Training moves weights a little at a time, so a checkpoint lies between its neighbours: the detour

    r(k) = (|x[k-1] - x[k]| + |x[k] - x[k+1]|) / |x[k-1] - x[k+1]|

is 1 on a straight line, at most √2 where the changes before and after k are independent (a random
walk, whatever the distances between the checkpoints), and 2 / √(1 + c) where the weights wander
about a fixed point and neighbours correlate by c: it reaches 2 only where nothing of one checkpoint
is left in the next. Above 2, a checkpoint is on average further from its neighbours than they are from
one another. That is the rule here. It has no scale, so checkpoints at 1, 2, 4, ... 512, 1000,
2000 ... and any learning rate are judged alike.

What it cannot see: the first and the last checkpoint, which have one neighbour; a checkpoint that
was replaced by another from between its neighbours; and, among the early steps that are powers of
two, one replaced by an earlier one: from the start all of them look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LIMIT = 2.0
LONGEST = 3  # consecutive checkpoints that may be off the way together


class Break(NamedTuple):
    """Consecutive checkpoints that are off the way.

    Attributes:
        indices: of the points, ascending.
        detour: their r, with the nearest points before and after them; above the limit.
    """

    indices: tuple[int, ...]
    detour: float


def breaks(points: np.ndarray, limit: float = LIMIT, longest: int = LONGEST) -> list[Break]:
    """The points that no smooth way passes through, those furthest off first.

    The worst is taken out and the rest is judged anew, so that it does not spoil its neighbours'
    ratios. Single points come first, then pairs, and so on.

    Args:
        points: float array (checkpoints, numbers), in training order.
        limit: of r.
        longest: points in a row that may be wrong together.
    """
    kept, found = list(range(len(points))), []
    for length in range(1, longest + 1):
        while len(kept) >= length + 2:
            ratios = detours(points[kept], length)
            worst = int(np.argmax(ratios))
            if ratios[worst] <= limit:
                break
            off = kept[worst + 1 : worst + 1 + length]
            found.append(Break(tuple(off), float(ratios[worst])))
            kept = [index for index in kept if index not in off]
    return found


def detours(points: np.ndarray, length: int = 1) -> np.ndarray:
    """r of each run of `length` points that has a point before and after it: of n, n - length - 1.

    A run between two equal points has an infinite r, unless it is equal to them too.
    """
    before, after = points[: -length - 1], points[length + 1 :]
    there = _distances(before, points[1:-length]) + _distances(points[length:-1], after)
    straight = _distances(before, after)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(there == 0, 1.0, there / straight)


def _distances(one: Sequence, other: Sequence) -> np.ndarray:
    return np.linalg.norm(np.asarray(one, float) - np.asarray(other, float), axis=1)
