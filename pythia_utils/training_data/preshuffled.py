"""Data sets that are stored in the order of training: rows of 2049 tokens, cut into shards by bytes.

Row i is what training reads at position i, so batch s lies at byte `s * batch_size * 4098` of the
shards laid end to end: one range of bytes, or two where it crosses from one shard to the next.
EleutherAI published the Pile so, 600 GB a variant; a batch of it is 4 MB.
"""

from __future__ import annotations

from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.indexed_dataset import FileFormatError
from pythia_utils.training_data.rows import TOKEN, Rows
from pythia_utils.training_data.shards import Shards


class Preshuffled(Rows):
    """Training sequences from shards. Takes one read for each shard that they lie in.

    Args:
        shards: where they lie.
        seq_length: tokens of a row but one.
        rows: at most so many, if the shards' sizes do not tell; or if the run ended before.
        cache: for what is read; None for shards that are near.

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
        self.shards = shards
        width = seq_length + 1
        row_bytes, size = width * TOKEN.itemsize, shards.layout.bytes()
        if size is None and rows is None:
            raise UsageError("the last shard's size is not known; expected the number of steps")
        if size is not None and size % row_bytes:
            last = Path(shards.layout.name(shards.layout.last))
            expected = f"rows of {row_bytes} bytes ({width} tokens) to the end of the set"
            raise FileFormatError(
                last, shards.layout.last_bytes, expected, f"{size % row_bytes} bytes over"
            )
        held = None if size is None else size // row_bytes
        super().__init__(shards, seq_length, min(n for n in (held, rows) if n is not None), cache)

    def _read(self, start: int, stop: int) -> bytes:
        pieces = self.shards.layout.pieces(start * self.row_bytes, stop * self.row_bytes)
        return b"".join(self.shards.read(*piece) for piece in pieces)
