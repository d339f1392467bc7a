"""What some code would read of training data: it is run on zeros, and the rows that it asks for are noted.

So what an experiment needs to have at hand is told by its own sampling code, not by a second list of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pythia_utils.training_data.indexed_dataset import OutOfRangeError, checked_index
from pythia_utils.training_data.rows import Rows
from pythia_utils.training_data.source import TrainingData, open_source

Opener = Callable[..., TrainingData]  # `open_source`, or what stands in its place


@dataclass(frozen=True)
class Span:
    """Rows that are far away.

    Attributes:
        rows: what they are of.
        start, stop: training positions.
    """

    rows: Rows
    start: int
    stop: int

    @property
    def size(self) -> int:
        """In bytes."""
        return (self.stop - self.start) * self.rows.row_bytes


@dataclass
class Reading:
    """What is read of far training data by code that opens it here.

    Attributes:
        spans: in the order asked for.
    """

    spans: list[Span] = field(default_factory=list)
    _opened: dict[str, TrainingData] = field(default_factory=dict, repr=False)

    def open(self, source: str | Path, **settings) -> TrainingData:
        """As `source.open_source`; the sequences are zeros. What is near is not noted.

        Raises:
            UsageError, FetchError: as there.
        """
        key = f"{source} {sorted(settings.items())}"
        if key not in self._opened:
            data = open_source(source, **settings)
            self._opened[key] = replace(data, rows=_Zeros(data, self.spans))
        return self._opened[key]


class _Zeros:
    """Rows of zeros that note which are asked for."""

    cache = None  # as of what is near

    def __init__(self, data: TrainingData, spans: list[Span]) -> None:
        self.rows, self.spans, self.width = data.rows, spans, data.seq_length + 1
        self.is_far = data.is_remote

    def __len__(self) -> int:
        return len(self.rows)

    def sequences(self, start: int, stop: int) -> np.ndarray:
        if not 0 <= start <= stop <= len(self):
            raise OutOfRangeError(
                f"sequences [{start}, {stop}) are out of range; there are {len(self)}"
            )
        if self.is_far and stop > start:
            self.spans.append(Span(self.rows, start, stop))
        return np.broadcast_to(np.int64(0), (stop - start, self.width))  # takes no memory

    def batch(self, step: int, batch_size: int) -> np.ndarray:
        step = checked_index(step, len(self) // batch_size, f"step (of batch size {batch_size})")
        return self.sequences(step * batch_size, (step + 1) * batch_size)
