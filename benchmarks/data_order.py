"""How fast data order is, what it holds in memory, and what it moves: `python benchmarks/data_order.py`.

Each line is a measure of this machine, beside a plain alternative measured in the same run (best of
a few rounds that take turns). What bounds each:

- The order: both shuffles, which are NumPy's own and one random access an element, the same in
  both. The cuts alone: looking up the lengths in shuffled order.
- Memory: the arrays that are returned; cuts are made in blocks that fit the processor's cache.
- Reading: one copy of 4 kB, and a few calls for the order and for each piece of a document. The
  plain alternatives slice a `numpy.memmap`: the same pieces, joined; and one piece of as many bytes.
- HTTP: nothing but the network; here a server in the same process stands for it, so that bytes and
  requests count and speed does not.
- Repeats: drawing a place for each copy, one random number and one count each.

Needs the extra `bench` (numba). `--full` also builds the order of the whole deduplicated Pile, with
documents of equal length: 11 GB of memory and two minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.spans import spans_of

from pythia_utils.training_data.indexed_dataset import IndexedDataset, write_indexed_dataset
from pythia_utils.training_data.order import PackedDataset, _cuts, build_order, neox_num_samples
from pythia_utils.training_data.repeats import (
    DEDUPED_PILE,
    expected_shares,
    repeats_in_order,
    simulate_repeats,
)

SEQ_LENGTH = 2048
MEAN_TOKENS = 1542  # of a document of the deduplicated Pile
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=5_000_000, help="of the order to build")
    parser.add_argument(
        "--full", action="store_true", help="the deduplicated Pile's true counts too"
    )
    options = parser.parse_args()
    row("measure", "this project", "plain", "ratio")
    bench_order(options.documents)
    bench_memory()
    bench_reads()
    bench_http()
    bench_repeats(options.full)


def row(what: str, ours: object, plain: object = "", ratio: object = "") -> None:
    print(f"{what:<58} {ours!s:>14} {plain!s:>14} {ratio!s:>7}", flush=True)


def best(*measured: Callable[[], object]) -> list[float]:
    """Seconds of the fastest round of each; they take turns, so that a busy moment hits all."""
    seconds = [[] for _ in measured]
    for _ in range(ROUNDS):
        for times, function in zip(seconds, measured, strict=True):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return [min(times) for times in seconds]


def document_sizes(documents: int) -> np.ndarray:
    """Lengths as skewed as real text's."""
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(0.0, 1.3, documents)
    return np.maximum(1, sizes / sizes.mean() * MEAN_TOKENS).astype(np.int32)


# --- the order ------------------------------------------------------------------------------------


def plain_loop() -> Callable:
    """The definition as one would write it in C++: walk over the documents, cut, go on."""
    import numba

    @numba.njit
    def cut(sizes, doc_idx, seq_length, samples):
        rows = np.empty((samples + 1, 2), np.int32)
        entry, offset = 0, 0
        rows[0, 0], rows[0, 1] = entry, offset
        for sample in range(1, samples + 1):
            missing = seq_length + 1
            while missing > 0:
                left = sizes[doc_idx[entry]] - offset
                if left >= missing:
                    offset += missing - 1  # the last token is the next sample's first
                    missing = 0
                else:
                    missing -= left
                    entry += 1
                    offset = 0
            rows[sample, 0], rows[sample, 1] = entry, offset
        return rows

    return cut


def plain_order(cut: Callable, sizes: np.ndarray, epochs: int, samples: int, seed: int):
    rng = np.random.RandomState(seed)
    doc_idx = np.tile(np.arange(len(sizes), dtype=np.int32), epochs)
    rng.shuffle(doc_idx)
    sample_idx = cut(sizes, doc_idx, SEQ_LENGTH, samples)
    shuffle_idx = np.arange(samples, dtype=np.uint32)
    rng.shuffle(shuffle_idx)
    return doc_idx, sample_idx, shuffle_idx


def bench_order(documents: int) -> None:
    sizes = document_sizes(documents)
    cut = plain_loop()
    wanted = int(sizes.sum(dtype=np.int64)) // SEQ_LENGTH * 3 // 2  # two epochs
    order = build_order(sizes, SEQ_LENGTH, wanted, 1234)
    plain = plain_order(cut, sizes, order.epochs, len(order), 1234)  # compiles the loop, too
    for ours, theirs in zip(
        (order.doc_idx, order.sample_idx, order.shuffle_idx), plain, strict=True
    ):
        assert np.array_equal(ours, theirs)
    doc_idx, epochs, samples = order.doc_idx, order.epochs, len(order)
    whole = best(
        lambda: build_order(sizes, SEQ_LENGTH, wanted, 1234),
        lambda: plain_order(cut, sizes, epochs, samples, 1234),
    )
    cuts = best(
        lambda: [rows.shape for _, rows in _cuts(doc_idx, sizes, SEQ_LENGTH)],
        lambda: cut(sizes, doc_idx, SEQ_LENGTH, samples),
    )
    size = f"{documents / 1e6:.0f} M documents, {epochs} epochs, {samples / 1e6:.1f} M samples"
    for name, (ours, theirs) in {f"order of {size}": whole, "  of that, the cuts": cuts}.items():
        row(f"{name} (s)", f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}")


def bench_memory() -> None:
    """Peak bytes for each entry (a copy of a document) and each sample, from two shapes."""
    shapes, peaks = [], []
    for documents, length in ((6_000_000, 40), (3_000_000, 40), (30_000, 400_000)):
        sizes = np.full(documents, length, np.int32)
        tracemalloc.start()
        order = build_order(sizes, SEQ_LENGTH, documents * length * 3 // 2 // SEQ_LENGTH, 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        shapes.append((len(order.doc_idx), len(order), 1))
    entry, sample, constant = np.linalg.solve(np.array(shapes, float), np.array(peaks, float))
    row("peak memory of the order (bytes a document copy)", f"{entry:.1f}", "8 stated")
    row("peak memory of the order (bytes a sample)", f"{sample:.1f}", "12 stated")
    row("  and a constant (MB)", f"{constant / 1e6:.1f}")


# --- reading --------------------------------------------------------------------------------------


def bench_reads(documents: int = 130_000, reads: int = 20_000) -> None:
    """Random sequences a second, all of the file in memory: what the program costs, not the disk."""
    sizes = document_sizes(documents)
    tokens = np.random.default_rng(1).integers(50_000, size=sizes.sum(), dtype=np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        pieces = np.split(tokens, np.cumsum(sizes)[:-1])
        indexed = write_indexed_dataset(Path(folder) / "docs", pieces, np.uint16)
        order = build_order(indexed.sizes, SEQ_LENGTH, len(tokens) // SEQ_LENGTH - 1, 0)
        data = PackedDataset(indexed, order)
        chosen = np.random.default_rng(2).integers(len(data), size=reads).tolist()
        file = np.memmap(indexed.data_path, np.uint16, mode="r")
        spans = [slices(indexed, data, index) for index in chosen]
        places = [first.start % (len(file) - SEQ_LENGTH - 1) for first, *_ in spans]

        def same_pieces() -> None:
            for span in spans:
                np.concatenate([file[piece] for piece in span])

        def one_piece() -> None:
            for place in places:
                np.array(file[place : place + SEQ_LENGTH + 1])

        def ours() -> None:
            for index in chosen:
                data[index]

        mine, same, one = best(ours, same_pieces, one_piece)
        assert np.array_equal(data[chosen[0]], np.concatenate([file[p] for p in spans[0]]))
    for what, plain in (("the same pieces of a memmap, joined", same), ("one piece", one)):
        name = f"random sequences (1000/s), against {what}"
        row(name, f"{reads / mine / 1e3:.0f}", f"{reads / plain / 1e3:.0f}", f"{mine / plain:.2f}")


def slices(indexed: IndexedDataset, data: PackedDataset, index: int) -> list[slice]:
    """Where in the file a sequence's tokens lie."""
    spans = spans_of(data, index)
    begins = [int(indexed.starts[span.document]) // 2 + span.offset for span in spans]
    return [slice(at, at + span.length) for at, span in zip(begins, spans, strict=True)]


# --- over HTTP ------------------------------------------------------------------------------------


def bench_http() -> None:
    """The published set's layout, served by this process: bytes and requests of whole batches."""
    from helpers.range_server import serve

    from pythia_utils.training_data.preshuffled import Preshuffled
    from pythia_utils.training_data.remote_shards import HttpShards
    from pythia_utils.training_data.shards import HUB_SHARD_BYTES, shard_name

    sizes = [HUB_SHARD_BYTES] * 20 + [143_000 * 1024 * 2049 * 2 - 20 * HUB_SHARD_BYTES]
    files = {
        f"/set/{shard_name('document', shard, 20)}": (size, lambda start, stop: bytes(stop - start))
        for shard, size in enumerate(sizes)
    }
    batch_bytes = 1024 * 2049 * 2
    borders = [shard * HUB_SHARD_BYTES // batch_bytes for shard in range(1, 21)]
    steps = borders + np.random.default_rng(0).integers(143_000, size=40).tolist()
    with serve(files) as server:
        shards = HttpShards(f"{server.url}/set/")
        data, traffic = Preshuffled(shards), shards.reader.traffic
        start, most = time.perf_counter(), 0
        opening = traffic.bytes
        for step in steps:
            before = traffic.requests
            data.batch(step, 1024)
            most = max(most, traffic.requests - before)
        seconds = time.perf_counter() - start
    moved = (server.sent - opening) / (len(steps) * batch_bytes)
    row(f"HTTP, {len(steps)} batches: bytes moved / bytes of the batches", f"{moved:.6f}", "1.00")
    row("HTTP: most requests for one batch", most, "2")
    row("HTTP: MB/s from this very machine", f"{len(steps) * batch_bytes / seconds / 1e6:.0f}")


# --- repeats --------------------------------------------------------------------------------------


def bench_repeats(full: bool) -> None:
    start = time.perf_counter()
    drawn = simulate_repeats()
    seconds = time.perf_counter() - start
    row(f"repeats of {DEDUPED_PILE.documents / 1e6:.0f} M documents, drawn (s)", f"{seconds:.1f}")
    shares = {"drawn": drawn.shares}
    if full:
        start = time.perf_counter()
        shares["GPT-NeoX's order"] = shares_of_the_real_order()
        row("  the same from GPT-NeoX's own order (s)", f"{time.perf_counter() - start:.0f}")
    for name, found in shares.items():
        expected = expected_shares()
        for times, share in enumerate(found):
            what = f"  share of documents read {times} times, {name} | formula"
            row(what, f"{share:.5f}", f"{expected[times]:.5f}")
    row("  first step that reads a document again", drawn.first_repeat)


def shares_of_the_real_order() -> np.ndarray:
    run = DEDUPED_PILE
    sizes = np.full(run.documents, run.tokens // run.documents, np.int32)
    sizes[: run.tokens % run.documents] += 1  # so that the tokens are as many
    wanted = neox_num_samples(run.steps, run.batch_size)
    order = build_order(sizes, run.seq_length, wanted, 1234)
    assert (order.epochs, len(order)) == (run.epochs, run.samples)
    return repeats_in_order(order, sizes, run.steps, run.batch_size).shares


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    main()
