"""Things to fetch that are more than a file: rows of training data by a seed's maps."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.hub_server import serve_hub, status
from helpers.seed_maps import SEEDED, believe, repositories, write_documents

from pythia_utils.base.http import Retry
from pythia_utils.cli.fetch_items import add_rows
from pythia_utils.cli.fetching import FILE, RANGE, Plan
from pythia_utils.suites.hub import api
from pythia_utils.training_data.noted import Reading
from pythia_utils.training_data.reordered import LAYOUT, MAPS, map_files
from pythia_utils.training_data.source import open_source

MODEL, SEED = next(iter(SEEDED.items()))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr(api, "RETRY", Retry(attempts=1, wait=0.01))
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    documents = write_documents(tmp_path)
    believe(monkeypatch, documents)
    with serve_hub(repositories(documents, [SEED])) as server:
        server.use(monkeypatch, tmp_path / "hf")
        yield server


def planned() -> Plan:
    """A plan for what someone reads who looks at two batches, at one of them twice."""
    reading, plan = Reading(), Plan()
    for step in (0, 5, 0):
        reading.open(MODEL).batch(step)
    add_rows(plan, reading.spans)
    return plan


def test_rows_of_a_seed_bring_its_maps_first_and_then_need_nothing(hub, monkeypatch):
    plan = planned()
    maps, rows = plan.items
    files = hub.repos[f"datasets/{MAPS}"]["main"]
    assert (maps.kind, set(maps.missing.values())) == (FILE, set(map(len, files.values())))
    assert (rows.kind, list(rows.missing.values())) == (RANGE, [3 * 9 * 2] * 2)
    assert plan.to_fetch == sum(map(len, files.values())) + 2 * 54
    assert len(plan.bring(quiet=True)) == 2
    assert plan.failed == []
    expected = [open_source(MODEL).batch(step) for step in (0, 5)]

    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for step, batch in zip((0, 5), expected, strict=True):
        np.testing.assert_array_equal(open_source(MODEL).batch(step), batch)
    again = planned()
    assert [item.kind for item in again.items] == [RANGE]  # the maps are of no more use
    assert again.to_fetch == 0
    assert hub.requests == []


def test_what_fails_of_it_is_told_and_the_rest_is_there_for_the_next_try(hub):
    hub.inject(status(404), path=LAYOUT.stem + "-0", times=None)
    plan = planned()
    plan.bring(quiet=True)
    ((what, why),) = plan.failed
    assert what == f"{MAPS}/seed{SEED}"
    assert "is missing on the server (status 404)" in why
    hub.faults.clear()
    hub.requests.clear()
    plan = planned()
    plan.bring(quiet=True)
    assert plan.failed == []
    assert not [r for r in hub.requests if map_files(SEED, "").patterns[1] in r.path]
