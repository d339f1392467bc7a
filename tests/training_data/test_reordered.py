"""Another seed's batches by its index maps: the same as the order itself gives, over documents at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.hub_server import serve_hub, status
from helpers.seed_maps import (
    BATCH,
    SEEDED,
    STEPS,
    as_file,
    believe,
    order_of,
    repositories,
    write_documents,
)

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, Retry
from pythia_utils.base.units import show_size
from pythia_utils.suites.hub import api
from pythia_utils.training_data import reordered
from pythia_utils.training_data.indexed_dataset import IndexedDataset, write_indexed_dataset
from pythia_utils.training_data.order import PackedDataset, neox_num_samples
from pythia_utils.training_data.reordered import LAYOUT, MAPS, SAMPLES, SEEDS, TOKENS, map_files
from pythia_utils.training_data.source import open_source, read_batch

ONE, OTHER = SEEDED


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> IndexedDataset:
    return write_documents(tmp_path_factory.mktemp("pile"))


@pytest.fixture
def hub(documents, monkeypatch, tmp_path):
    monkeypatch.setattr(api, "RETRY", Retry(attempts=2, wait=0.01))
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    believe(monkeypatch, documents)
    with serve_hub(repositories(documents, SEEDED.values())) as server:
        server.cache = server.use(monkeypatch, tmp_path / "hf")
        yield server


@pytest.mark.parametrize(("model", "seed"), SEEDED.items())
def test_every_batch_is_that_of_the_seeds_order(hub, documents, model, seed):
    packed = PackedDataset(documents, order_of(documents, seed))
    usual = PackedDataset(documents, order_of(documents, 1234))
    data = open_source(model)
    for step in range(STEPS):
        np.testing.assert_array_equal(data.batch(step), packed.batch(step, BATCH))
    assert not np.array_equal(data.batch(0), usual.batch(0, BATCH))
    np.testing.assert_array_equal(data.sequences(4, 11), packed.sequences(4, 11))
    np.testing.assert_array_equal(data.sequences(5, 5), packed.sequences(5, 5))
    assert data.is_remote
    assert data.provenance() == {
        "source": f"{MAPS}/seed{seed}",
        "revision": hub.commit(f"datasets/{MAPS}"),
        "tokens": f"{TOKENS}@{hub.commit(f'datasets/{TOKENS}')}",
    }


def test_opening_asks_for_nothing_and_what_was_read_is_not_asked_for_again(hub, monkeypatch):
    data = open_source(ONE)
    assert hub.requests == []
    first = data.batch(1)
    asked = len(hub.requests)
    other = open_source(OTHER)
    other.batch(1)  # another order: nothing of it is known
    assert len(hub.requests) > asked
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    np.testing.assert_array_equal(read_batch(ONE, 1), first)
    with pytest.raises(UsageError, match="not in the cache, but HF_HUB_OFFLINE is set"):
        data.batch(2)
    assert hub.requests == []


def test_the_maps_are_verified_and_fetched_once(hub):
    open_source(ONE).batch(0)
    fetched = {path.name for path in hub.cache.glob("datasets--*/snapshots/*/seed*/*")}
    assert fetched == {Path(name).name for name in map_files(3, "").patterns[1:]}
    hub.requests.clear()
    open_source(ONE).batch(1)
    assert hub.requests
    assert all(f"/{LAYOUT.stem}-" in request.path for request in hub.requests)


def test_maps_that_are_not_to_be_had(hub, monkeypatch):
    hub.hurry(monkeypatch, [])
    hub.inject(status(503), path="seed3/", times=None)
    with pytest.raises(FetchError, match=f"{MAPS}@.*gave up after 2 tries"):
        open_source(ONE).batch(0)
    del hub.repos[f"datasets/{MAPS}"]["main"][map_files(2, "").patterns[2]]
    (open_source(OTHER).rows.cache.folder / "pins.json").unlink()
    with pytest.raises(FetchError, match=r"has no seed2/pile_.*_2s_sample_idx.npy on the Hub"):
        open_source(OTHER).batch(0)


def test_maps_of_other_documents_are_refused(hub, documents):
    index, doc, sample, shuffle = map_files(3, "").patterns
    files = hub.repos[f"datasets/{MAPS}"]["main"]
    good = dict(files)
    order = order_of(documents, 3)
    shifted = np.roll(order.doc_idx, 1)
    cases = {
        "by its index maps; expected 9": {doc: as_file(shifted)},
        "are no order of 25 documents": {sample: as_file(order.sample_idx[:-1])},
        "is no array of whole numbers": {shuffle: b"no array"},
        "documents of .* bytes, as the shards": {index: _index_of(documents, 24)},
    }
    for revision, (says, change) in enumerate(cases.items()):
        hub.repos[f"datasets/{MAPS}"]["main"] = good | change | {"n": str(revision).encode()}
        (Path(open_source(ONE).rows.cache.folder) / "pins.json").unlink(missing_ok=True)
        with pytest.raises(UsageError, match=says) as error:
            open_source(ONE).sequences(0, STEPS * BATCH)
        assert "\n" not in str(error.value)


def _index_of(documents: IndexedDataset, count: int) -> bytes:
    place = documents.index_path.with_name("fewer")
    return write_indexed_dataset(
        place, [documents[n] for n in range(count)], np.uint16
    ).index_path.read_bytes()


def test_who_read_what(hub):
    """Seeds of the weights alone read the usual order; of seeds without maps nothing is made up."""
    weights = open_source("pythia-160m-weight-seed1")
    assert weights.rows.shards.repo_id == "EleutherAI/pile-standard-pythia-preshuffled"
    assert open_source("pythia-410m-seed9").rows.origin.seed == 9


def test_the_published_sizes_are_those_of_the_order():
    """What the Hub's pages list for each file, against the numbers of documents and tokens of the Pile."""
    documents, tokens = 210_607_728, LAYOUT.bytes() // 2
    samples = (tokens - 1) // 2048
    assert tokens == 332_115_325_534
    assert neox_num_samples(143_000, 1024) == SAMPLES
    assert samples >= SAMPLES  # one epoch
    header = 128
    listed = {
        "842 MB": header + 4 * documents,
        "1.3 GB": header + 8 * (samples + 1),
        "649 MB": header + 4 * samples,
        "4.21 GB": 34 + 12 * documents + 8 * (documents + 1),
    }
    assert [show_size(size) for size in listed.values()] == list(listed)
    assert list(SEEDS) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert map_files(3, "").patterns[1].endswith("indexmap_147164160ns_2048sl_3s_doc_idx.npy")
    assert reordered.LAYOUT.name(132) == "pile_20B_tokenizer_text_document-00132-of-00132.bin"
