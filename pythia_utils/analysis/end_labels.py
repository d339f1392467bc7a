"""Names at the ends of lines, moved apart so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float] | None:
    """The places nearest to those wanted, `gap` apart, between `low` and `high`; None if they do not fit.

    Neighbours that would touch make a block, which stands where its members want to be on average.

    >>> apart([5, 5, 9], gap=2, low=0, high=10)
    [4.0, 6.0, 9.0]
    """
    if (len(places) - 1) * gap > high - low:
        return None
    blocks: list[list[int]] = []
    for index in sorted(range(len(places)), key=lambda i: places[i]):
        blocks.append([index])
        while len(blocks) > 1 and _touch(blocks[-2], blocks[-1], places, gap, low, high):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    moved = [0.0] * len(places)
    for block in blocks:
        first = _first(block, places, gap, low, high)
        for rank, index in enumerate(block):
            moved[index] = float(first + rank * gap)
    return moved


def _touch(
    below: list[int], above: list[int], places: Sequence[float], gap: float, low: float, high: float
) -> bool:
    top = _first(below, places, gap, low, high) + (len(below) - 1) * gap
    return top + gap > _first(above, places, gap, low, high)


def _first(block: list[int], places: Sequence[float], gap: float, low: float, high: float) -> float:
    """Where the lowest of a block stands."""
    wanted = sum(places[i] - rank * gap for rank, i in enumerate(block)) / len(block)
    return min(max(wanted, low), high - (len(block) - 1) * gap)
