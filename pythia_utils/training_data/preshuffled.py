"""Data sets that are stored in the order of training: rows of 2049 tokens, cut into shards by bytes.

Row i is what training reads at position i, so batch s lies at byte `s * batch_size * 4098` of the
shards laid end to end: one range of bytes, or two where it crosses from one shard to the next.
EleutherAI published the Pile so, 600 GB a variant; a batch of it is 4 MB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.indexed_dataset import (
    FileFormatError,
    OutOfRangeError,
    checked_index,
)
from pythia_utils.training_data.shards import Shards

TOKEN = np.dtype("<u2")


class Preshuffled:
    """Training sequences from shards.

    Args:
        shards: where they lie.
        seq_length: tokens of a row but one.
        rows: at most so many, if the shards' sizes do not tell; or if the run ended before.
        cache: for whole batches; None for shards that are near.

    Raises:
        FileFormatError: the shards do not hold whole rows.
    """

    def __init__(
        self,
        shards: Shards,
        seq_length: int = 2048,
        rows: int | None = None,
        cache: BatchCache | None = None,
    ) -> None:
        self.shards, self.cache = shards, cache
        self.width = seq_length + 1
        self.row_bytes = self.width * TOKEN.itemsize
        size = shards.layout.bytes()
        if size is None and rows is None:
            raise UsageError("the last shard's size is not known; expected the number of steps")
        if size is not None and size % self.row_bytes:
            last = Path(shards.layout.name(shards.layout.last))
            expected = f"rows of {self.row_bytes} bytes ({self.width} tokens) to the end of the set"
            raise FileFormatError(
                last, shards.layout.last_bytes, expected, f"{size % self.row_bytes} bytes over"
            )
        held = None if size is None else size // self.row_bytes
        self.rows = min(n for n in (held, rows) if n is not None)

    def __len__(self) -> int:
        """Number of sequences."""
        return self.rows

    def sequences(self, start: int, stop: int) -> np.ndarray:
        """int64 (stop - start, seq_length + 1): training positions start..stop.

        Takes one read for each shard that they lie in.

        Raises:
            OutOfRangeError: some of them do not exist.
            UsageError: a shard is missing.
            FetchError: the server does not deliver.
        """
        if not 0 <= start <= stop <= self.rows:
            asked = f"sequences [{start}, {stop})"
            raise OutOfRangeError(f"{asked} are out of range; there are {self.rows}")
        return self._tokens(self._read(start, stop))

    def batch(self, step: int, batch_size: int) -> np.ndarray:
        """int64 (batch_size, seq_length + 1): what training step `step` reads, from the cache or fetched.

        Raises:
            OutOfRangeError: the run, or what is known of it, ends before.
            UsageError: a shard is missing.
            FetchError: the server does not deliver.
        """
        step = checked_index(step, self.rows // batch_size, f"step (of batch size {batch_size})")
        start, stop = step * batch_size, (step + 1) * batch_size
        key = f"{self.shards.identity} rows {start}-{stop} of {self.row_bytes} bytes"
        if self.cache is None:
            return self._tokens(self._read(start, stop))
        data = self.cache.get(key)
        if data is None:
            data = self._read(start, stop)
            self.cache.put(key, data)
        return self._tokens(data)

    def _read(self, start: int, stop: int) -> bytes:
        pieces = self.shards.layout.pieces(start * self.row_bytes, stop * self.row_bytes)
        return b"".join(self.shards.read(*piece) for piece in pieces)

    def _tokens(self, data: bytes) -> np.ndarray:
        return np.frombuffer(data, TOKEN).reshape(-1, self.width).astype(np.int64)
