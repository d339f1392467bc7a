"""What another seed's training reads: the tokenized Pile in the order of its index maps, by byte ranges.

`EleutherAI/pile-preshuffled-seeds` (van der Wal et al. 2025) has, for each of ten seeds, the three arrays
that GPT-NeoX stores (`order`), as NumPy files of 2.8 GB in all, and the index of the documents, 4.2 GB. They
are of `EleutherAI/pythia_pile_idxmaps`: the documents' tokens in 133 shards of 5 GB. A training sequence is
found by the arrays and put together from its documents' pieces, each a range of bytes. So a batch of another
seed is some 2,300 requests where one of the preshuffled sets is one.

The arrays and the index are fetched once, into the Hub's cache. What is cached of the rows needs neither.

That `pythia-160m-data-seed2` read by the maps of seed 2, as `pythia-160m-seed2` did, is what the names say; the
models' cards name the same data set and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.http import RangeReader
from pythia_utils.base.progress import Bar
from pythia_utils.suites.hub import api
from pythia_utils.suites.hub.files import HubFiles
from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.indexed_dataset import FileFormatError, Index, read_index
from pythia_utils.training_data.remote_shards import HubShards, pinned_commit
from pythia_utils.training_data.rows import TOKEN, Rows
from pythia_utils.training_data.shards import Layout

MAPS = "EleutherAI/pile-preshuffled-seeds"
TOKENS = "EleutherAI/pythia_pile_idxmaps"
STEM = "pile_20B_tokenizer_text_document"
LAYOUT = Layout(132, 5_000_000_000, 4_230_651_068, STEM)  # 332,115,325,534 tokens of two bytes
SEEDS = range(1, 10)  # whose maps are published, beside those of the usual seed
SAMPLES = 147_164_160  # that GPT-NeoX was asked for: `order.neox_num_samples(143_000, 1024)`
SEQ_LENGTH = 2048
_ARRAYS = ("doc_idx", "sample_idx", "shuffle_idx")
_AT_A_TIME = 8  # ranges of bytes
_WINDOW = 330.0  # seconds: the Hub counts requests in windows of five minutes, and may ask to wait for the next
_MANY = 256  # pieces from which a bar is shown


def map_files(seed: int, commit: str) -> HubFiles:
    """The files on the Hub that tell a seed's order: the index of the documents, and three arrays."""
    stem = f"{STEM}_train_0_indexmap_{SAMPLES}ns_{SEQ_LENGTH}sl_{seed}s"
    names = (f"{STEM}.idx", *(f"seed{seed}/{stem}_{array}.npy" for array in _ARRAYS))
    return HubFiles(MAPS, commit, names)


class Piece(NamedTuple):
    """Tokens of one document in a training sequence.

    Attributes:
        row: of those asked for.
        column: of its first token there.
        start: byte of that token in the documents' file.
        tokens: how many.
    """

    row: int
    column: int
    start: int
    tokens: int


@dataclass(frozen=True)
class Maps:
    """A seed's order over documents.

    Attributes:
        index: of the documents.
        doc_idx, sample_idx, shuffle_idx: as in `order.Order`.
    """

    index: Index
    doc_idx: np.ndarray
    sample_idx: np.ndarray
    shuffle_idx: np.ndarray

    def pieces(self, start: int, stop: int, width: int) -> Iterator[Piece]:
        """Of the training positions start..stop, in order; those of a row have `width` tokens together.

        Raises:
            UsageError: the arrays are not of these documents.
        """
        for row, sample in enumerate(self.shuffle_idx[start:stop].tolist()):
            column = 0
            for document, offset, tokens in self._of(sample):
                first = self.index.starts.item(document) + offset * TOKEN.itemsize
                if tokens:
                    yield Piece(row, column, first, tokens)
                column += tokens
            if column != width:
                raise UsageError(
                    f"sequence {start + row} has {column} tokens by its index maps; expected {width}: "
                    "they are not of these documents"
                )

    def _of(self, sample: int) -> Iterator[tuple[int, int, int]]:
        """Document, offset and number of the tokens of each of a sample's pieces."""
        (head, begin), (tail, end) = self.sample_idx[sample : sample + 2].tolist()
        end += 1  # the next sample's first token is this one's last
        for entry in range(head, tail):
            document = self.doc_idx.item(entry)
            yield document, begin, self.index.sizes.item(document) - begin
            begin = 0
        yield self.doc_idx.item(tail), begin, end - begin


def patient_reader() -> RangeReader:
    """A way to the Hub for thousands of requests."""
    return api.reader(replace(api.RETRY, longest_wait=max(_WINDOW, api.RETRY.longest_wait)))


def read_maps(folder: Path, seed: int, layout: Layout = LAYOUT) -> Maps:
    """A seed's maps in a folder of their files, memory-mapped.

    Raises:
        UsageError: a file is missing or foreign, or they do not belong together.
    """
    index_file, *arrays = (folder / name for name in map_files(seed, "").patterns)
    maps = Maps(read_index(index_file), *map(_read_array, arrays))
    documents, samples = len(maps.index.sizes), len(maps.shuffle_idx)
    if maps.index.end != layout.bytes() or maps.index.dtype != TOKEN:
        expected = f"documents of {layout.bytes()} bytes, as the shards of tokens have"
        raise FileFormatError(index_file, 17, expected, maps.index.end)
    shapes = (maps.doc_idx.ndim, maps.sample_idx.shape)
    if shapes != (1, (samples + 1, 2)) or not documents or len(maps.doc_idx) % documents:
        found = f"{maps.doc_idx.shape}, {maps.sample_idx.shape} and {maps.shuffle_idx.shape}"
        raise UsageError(
            f"{arrays[0].parent}: arrays of {found} are no order of {documents} documents"
        )
    return maps


def _read_array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        assert found.dtype.kind in "iu"
    except Exception as failure:  # of a header, of a file: each has its own
        raise UsageError(f"{path} is no array of whole numbers: {first_line(failure)}") from None
    return found.view(np.ndarray)


@dataclass
class SeedOrder:
    """Where another seed's rows are from: its maps, and the documents' tokens.

    Attributes:
        seed: of the order.
        shards: the tokens.
    """

    seed: int
    shards: HubShards

    @cached_property
    def commit(self) -> str:
        """Of the maps. Raises FetchError if it is not remembered, and the Hub does not tell it."""
        return pinned_commit(MAPS, "main", self.shards.folder, self.shards.reader)

    @property
    def name(self) -> str:
        return f"{MAPS}/seed{self.seed}"

    @property
    def files(self) -> HubFiles:
        """The maps on the Hub."""
        return map_files(self.seed, self.commit)

    @cached_property
    def maps(self) -> Maps:
        """Fetched and verified if they are not in the Hub's cache."""
        return read_maps(self.files.bring(), self.seed, self.shards.layout)

    @property
    def identity(self) -> str:
        return f"{MAPS}@{self.commit} seed {self.seed} of {self.shards.identity}"

    def provenance(self) -> dict[str, str]:
        tokens = f"{self.shards.repo_id}@{self.shards.commit}"
        return {"source": self.name, "revision": self.commit, "tokens": tokens}


class Reordered(Rows):
    """Training sequences by a seed's maps. A read has several requests under way, so one goes on at a time.

    Args:
        origin: the maps and the tokens.
        rows: sequences of the run.
        cache: for what is read.
        seq_length: tokens of a row but one.
    """

    at_a_time = 1

    def __init__(
        self, origin: SeedOrder, rows: int, cache: BatchCache, seq_length: int = SEQ_LENGTH
    ) -> None:
        super().__init__(origin, seq_length, rows, cache)
        self.origin: SeedOrder = origin

    def _read(self, start: int, stop: int) -> bytes:
        pieces = list(self.origin.maps.pieces(start, stop, self.width))
        tokens = np.empty((stop - start, self.width), TOKEN)
        what = f"seed {self.origin.seed}, {stop - start} sequences"
        with (
            Bar(
                tokens.nbytes, what, "B", quiet=len(pieces) < _MANY, lines=False, keep=False
            ) as bar,
            ThreadPoolExecutor(_AT_A_TIME) as pool,
        ):
            for piece, data in zip(pieces, pool.map(self._bytes_of, pieces), strict=True):
                place = slice(piece.column, piece.column + piece.tokens)
                tokens[piece.row, place] = np.frombuffer(data, TOKEN)
                bar.advance(len(data))
        return tokens.tobytes()

    def _bytes_of(self, piece: Piece) -> bytes:
        shards = self.origin.shards
        stop = piece.start + piece.tokens * TOKEN.itemsize
        return b"".join(shards.read(*part) for part in shards.layout.pieces(piece.start, stop))
