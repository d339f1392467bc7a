"""Training sequences that lie far away, or in files: rows of tokens in the order of training, read and cached.

What was read over the network is kept (`batch_cache`): the same rows again cost nothing, and none of them
is asked for where the network is forbidden.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.indexed_dataset import OutOfRangeError, checked_index

TOKEN = np.dtype("<u2")


class Origin(Protocol):
    """Where rows are from."""

    @property
    def name(self) -> str:
        """What messages call it. Nothing is asked for it."""
        ...

    @property
    def identity(self) -> str:
        """Names these very rows, for the cache; empty if they need none."""
        ...

    def provenance(self) -> dict[str, str]:
        """The same, to be recorded beside a result."""
        ...


class Rows:
    """Rows of `seq_length + 1` tokens in the order of training. `_read` is the subclass's.

    `at_a_time` says how many reads may go on at once.

    Args:
        origin: where they are from.
        seq_length: tokens of a row but one.
        rows: how many there are.
        cache: for what is read; None where it is near.
    """

    at_a_time = 8

    def __init__(
        self, origin: Origin, seq_length: int, rows: int, cache: BatchCache | None
    ) -> None:
        self.origin, self.cache, self.rows = origin, cache, rows
        self.width = seq_length + 1
        self.row_bytes = self.width * TOKEN.itemsize

    def __len__(self) -> int:
        """Number of sequences."""
        return self.rows

    def sequences(self, start: int, stop: int) -> np.ndarray:
        """int64 (stop - start, seq_length + 1): training positions start..stop, from the cache or fetched.

        Raises:
            OutOfRangeError: some of them do not exist.
            UsageError: a shard is missing.
            FetchError: the server does not deliver.
        """
        if not 0 <= start <= stop <= self.rows:
            asked = f"sequences [{start}, {stop})"
            raise OutOfRangeError(f"{asked} are out of range; there are {self.rows}")
        data = self._through_cache(start, stop) if stop > start else b""
        return np.frombuffer(data, TOKEN).reshape(-1, self.width).astype(np.int64)

    def batch(self, step: int, batch_size: int) -> np.ndarray:
        """int64 (batch_size, seq_length + 1): what training step `step` reads. Raises as `sequences`."""
        step = checked_index(step, self.rows // batch_size, f"step (of batch size {batch_size})")
        return self.sequences(step * batch_size, (step + 1) * batch_size)

    def key(self, start: int, stop: int) -> str:
        """What the cache calls these rows.

        Raises:
            FetchError: their origin has to be asked for its version, and does not answer.
        """
        return f"{self.origin.identity} rows {start}-{stop} of {self.row_bytes} bytes"

    def keep(self, start: int, stop: int) -> None:
        """Bring rows into the cache, to stay there. Raises as `sequences`."""
        assert self.cache is not None
        key = self.key(start, stop)
        if not self.cache.keep(key):
            self.cache.put(key, self._read(start, stop), keep=True)

    def _through_cache(self, start: int, stop: int) -> bytes:
        if self.cache is None:
            return self._read(start, stop)
        key = self.key(start, stop)
        data = self.cache.get(key)
        if data is None:
            data = self._read(start, stop)
            self.cache.put(key, data)
        return data

    def _read(self, start: int, stop: int) -> bytes:
        raise NotImplementedError
