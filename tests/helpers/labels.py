"""Labels of a drawn figure that lie on one another: what a reader sees where an axis holds too much."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
from matplotlib.axis import Axis
from matplotlib.figure import Figure


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of neighbouring labels of one axis that share room, of all axes of a figure, which is drawn."""
    figure.canvas.draw()
    found = []
    for axes in figure.axes:
        if axes.get_visible():
            found += [*_on_one_another(axes.xaxis), *_on_one_another(axes.yaxis)]
    return found


def _on_one_another(axis: Axis) -> list[tuple[str, str]]:
    labels = [label for label in axis.get_ticklabels() if label.get_visible() and label.get_text()]
    labels = [
        label for label in labels if label.get_rotation() % 90 == 0
    ]  # of a slanted one the box tells nothing
    low, high = sorted(axis.get_view_interval())
    inside = [label for label in labels if low <= _place(label, axis) <= high]
    boxes = [(label.get_text(), label.get_window_extent()) for label in inside]
    return [
        (a, b)
        for (a, one), (b, other) in itertools.pairwise(boxes)
        if one.shrunk(0.98, 0.98).overlaps(other)
    ]


def _place(label, axis: Axis) -> float:
    return label.get_position()[0 if axis.axis_name == "x" else 1]


@contextmanager
def watched(monkeypatch) -> Iterator[list[tuple[str, str]]]:
    """Collect what overlaps in each figure before it is closed."""
    found: list[tuple[str, str]] = []
    close = plt.close

    def look(*which: object) -> None:
        for number in plt.get_fignums():
            found.extend(overlapping(plt.figure(number)))
        close(*which)

    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", look)
        yield found
