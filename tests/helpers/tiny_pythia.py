"""What the Hub has of Pythia, small in weights, true in form: checkpoints, shuffled Pile, BLiMP, WikiText.

    with serve_hub(pythia_repositories(["pythia-14m"], [0, 512])) as hub: ...

Weights are random, of the true shape; the preshuffled sets have their true size, and tokens that follow from
their place in training; BLiMP has its 67,000 pairs, of sentences of one letter for a word.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from helpers.hub_server import Files, LargeFile, checkpoint_files, shape_of
from helpers.texts import wikitext_repository

from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.evaluation.sets import BLIMP_PAIRS, BLIMP_REPOSITORY, BLIMP_REVISION
from pythia_utils.suites.catalog import Model, find_model
from pythia_utils.training_data.remote_shards import HUB_DATASETS
from pythia_utils.training_data.shards import HUB_LAYOUT, HUB_SHARD_BYTES

LETTERS = 29  # tokens that the tokenizer of `checkpoint_files` has
ROW = 2049
SIZE = 143_000 * 1024 * ROW * 2


def pythia_repositories(models: Iterable[str], steps: Iterable[int]) -> dict[str, dict[str, Files]]:
    """Repositories for `serve_hub`: of each model these steps, and the data sets."""
    steps = list(steps)
    repos = {}
    for number, name in enumerate(models):
        model = find_model(name)
        files = {f"step{step}": weights(model, 100 * number + step) for step in steps}
        repos[str(model.repo_id)] = files
    for number, name in enumerate(HUB_DATASETS.values()):
        repos[f"datasets/{name}"] = {"main": preshuffled(number)}
    repos[f"datasets/{BLIMP_REPOSITORY}"] = {BLIMP_REVISION: blimp()}
    return repos | wikitext_repository()


def weights(model: Model, seed: int) -> Files:
    """The files of a checkpoint of a model's true shape."""
    return checkpoint_files(seed, **shape_of(model))


def token_at(place: np.ndarray, variant: int) -> np.ndarray:
    """The token at a place of a preshuffled set: letters, and now and then an end of text."""
    return ((place % 8191) * 7919 + (place // 8191) * 31 + variant) % LETTERS


def preshuffled(variant: int) -> dict[str, LargeFile]:
    """The shards of a preshuffled set."""

    def reader(shard: int):
        def read(start: int, stop: int) -> bytes:
            place = np.arange(start // 2, (stop + 1) // 2) + shard * (HUB_SHARD_BYTES // 2)
            return token_at(place, variant).astype("<u2").tobytes()[start % 2 :][: stop - start]

        return read

    last = HUB_LAYOUT.last
    sizes = [HUB_SHARD_BYTES] * last + [SIZE - last * HUB_SHARD_BYTES]
    return {HUB_LAYOUT.name(n): LargeFile(size, reader(n)) for n, size in enumerate(sizes)}


def blimp() -> Files:
    """BLiMP's Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = {}
    for name, (term, field) in blimp_paradigms().items():
        rows = []
        for number in range(BLIMP_PAIRS):
            word = chr(97 + number % 26) + chr(97 + number // 26 % 26)
            sentences = {"sentence_good": f"a {word} b.", "sentence_bad": f"a {word} c."}
            rows.append(
                sentences
                | {"UID": name, "linguistics_term": term, "field": field, "pairID": str(number)}
            )
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        files[f"{name}/train-00000-of-00001.parquet"] = file.getvalue()
    return files
