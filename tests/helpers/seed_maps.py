"""The tokenized Pile and index maps of some seeds as the Hub has them, small: 25 documents, 12 steps of 3."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from helpers.hub_server import Files, make_tiny

from pythia_utils.training_data import source
from pythia_utils.training_data.indexed_dataset import IndexedDataset, write_indexed_dataset
from pythia_utils.training_data.order import Order, build_order, neox_num_samples
from pythia_utils.training_data.reordered import LAYOUT, MAPS, TOKENS, map_files
from pythia_utils.training_data.shards import Layout, shard_name

SEQ_LENGTH, BATCH, STEPS, SHARD = 8, 3, 12, 100
SEEDED = {
    "pythia-160m-seed3": 3,
    "pythia-160m-data-seed2": 2,
}  # models, and by whose maps they read


def write_documents(folder: Path) -> IndexedDataset:
    """Some are empty, some longer than a sequence, and many lie across two shards."""
    rng = np.random.default_rng(0)
    texts = [rng.integers(60, size=size) for size in rng.integers(0, 40, size=25)]
    return write_indexed_dataset(folder / "docs", texts, np.uint16)


def order_of(documents: IndexedDataset, seed: int) -> Order:
    return build_order(documents.sizes, SEQ_LENGTH, neox_num_samples(STEPS, BATCH), seed)


def maps_of(documents: IndexedDataset, seed: int) -> Files:
    """The files of a seed's maps as they are published."""
    order = order_of(documents, seed)
    arrays = (order.doc_idx, order.sample_idx, order.shuffle_idx)
    index, *names = map_files(seed, "").patterns
    files = {name: as_file(array) for name, array in zip(names, arrays, strict=True)}
    return {index: documents.index_path.read_bytes()} | files


def as_file(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def repositories(documents: IndexedDataset, seeds: Iterable[int]) -> dict[str, dict[str, Files]]:
    """For `serve_hub`."""
    tokens, layout = documents.data_path.read_bytes(), layout_of(documents)
    shards = {
        layout.name(number): tokens[number * SHARD : (number + 1) * SHARD]
        for number in range(layout.last + 1)
    }
    maps: Files = {}
    for seed in seeds:
        maps |= maps_of(documents, seed)
    return {f"datasets/{MAPS}": {"main": maps}, f"datasets/{TOKENS}": {"main": shards}}


def layout_of(documents: IndexedDataset) -> Layout:
    size = documents.data_path.stat().st_size
    last = (size - 1) // SHARD
    return Layout(last, SHARD, size - last * SHARD, LAYOUT.stem)


def believe(monkeypatch, documents: IndexedDataset) -> None:
    """Let the package know these documents as the Pile, and short runs over them."""
    monkeypatch.setattr(source, "LAYOUT", layout_of(documents))
    shape = {"batch_size": BATCH, "total_steps": STEPS, "seq_length": SEQ_LENGTH}
    make_tiny(monkeypatch, *SEEDED, **shape)
    assert shard_name(LAYOUT.stem, 0, 132) == LAYOUT.name(0)
