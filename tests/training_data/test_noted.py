"""What code would read is what it reads: far rows are noted, and nothing is fetched."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.hub_server import serve_hub
from helpers.tiny_pythia import LETTERS, ROW, preshuffled, token_at

from pythia_utils.analysis import training_ngrams
from pythia_utils.analysis.memorization import sampling
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset
from pythia_utils.training_data.noted import Reading
from pythia_utils.training_data.remote_shards import HUB_DATASETS
from pythia_utils.training_data.source import open_source

MODEL = "pythia-70m"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    with serve_hub({f"datasets/{HUB_DATASETS['standard']}": {"main": preshuffled(0)}}) as server:
        server.use(monkeypatch, tmp_path / "hf")
        yield server


def test_kept_rows_are_all_that_sampling_reads(hub):
    checkpoint, reading = find_model(MODEL).checkpoint(512), Reading()
    wanted = (checkpoint, 24, 3, 64, 6)
    zeros = sampling.training_sample(reading.open(MODEL), *wanted)
    assert not zeros.tokens.any()
    assert hub.requests == []
    assert [span.stop - span.start for span in reading.spans] == [4] * 6
    assert sum(span.size for span in reading.spans) == 24 * ROW * 2
    for span in reading.spans:
        span.rows.keep(span.start, span.stop)
    hub.requests.clear()
    found = sampling.training_sample(open_source(MODEL), *wanted)
    assert hub.requests == []
    places = found.table["position"].to_numpy()[:, None] * ROW + np.arange(64)
    np.testing.assert_array_equal(found.tokens, token_at(places, 0))
    assert found.tokens.max() < LETTERS
    np.testing.assert_array_equal(found.table["position"], zeros.table["position"])


def test_batches_to_be_counted_are_noted(hub):
    reading = Reading()
    rows = training_ngrams.training_rows(reading.open(MODEL), batches=2)
    assert rows.shape == (2048, ROW)
    steps = training_ngrams.spread(143_000, 2)
    assert [(s.start, s.stop) for s in reading.spans] == [
        (1024 * step, 1024 * (step + 1)) for step in steps
    ]
    assert hub.requests == []


def test_what_is_near_is_not_noted_and_mistakes_are_as_ever(tmp_path):
    write_indexed_dataset(tmp_path / "docs", [np.arange(50)] * 9, np.uint16)
    settings = {"seq_length": 7, "batch_size": 3, "steps": 12, "seed": 5}
    reading = Reading()
    data = reading.open(tmp_path / "docs", **settings)
    assert data.batch(11).shape == (3, 8)
    assert reading.spans == []
    with pytest.raises(UsageError, match=r"step .* 12 is out of range"):
        data.batch(12)
    with pytest.raises(UsageError, match="out of range"):
        data.sequences(0, 10_000)
    with pytest.raises(UsageError, match="unknown source"):
        reading.open("pythia-71m")
