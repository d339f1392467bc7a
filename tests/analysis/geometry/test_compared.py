"""Which checkpoints one is compared with: no faulty ones, none that are not trained, relatives of each kind."""

from __future__ import annotations

import itertools

import pytest

from pythia_utils.analysis.geometry import compared, needs
from pythia_utils.analysis.needs import Needs
from pythia_utils.base.errors import UsageError
from pythia_utils.suites import folders
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import fault


def steps(found: dict) -> dict[str, int]:
    return {name: one.step for name, one in found.items()}


def test_what_weights_are_compared_with():
    at = find_model("pythia-160m").checkpoint
    assert steps(compared.earlier(at(512), "all")) == {"start": 0, "half": 256, "before": 256}
    assert steps(compared.earlier(at(5000), "all")) == {"start": 0, "half": 3000, "before": 4000}
    assert steps(compared.earlier(at(6000), "all"))["half"] == 3000
    assert steps(compared.earlier(at(1), "all")) == {"start": 0, "half": 0, "before": 0}
    assert steps(compared.earlier(at(6000), "start")) == {"start": 0}
    assert compared.earlier(at(0), "all") == compared.earlier(at(512), "none") == {}


def test_a_faulty_start_is_no_start():
    model = find_model("pythia-2.8b")
    assert fault(model.checkpoint(0))
    found = compared.earlier(model.checkpoint(100_000 + 1000), "all")
    assert "start" not in found
    assert not any(fault(one) for one in found.values())


def test_own_steps_are_few_and_spread_and_hold_the_ends_and_the_half():
    checkpoint = find_model("pythia-160m").checkpoint(64_000)
    found = compared.own_steps(checkpoint)
    assert {0, 32_000, 63_000, 143_000} <= set(found)
    assert 64_000 not in found
    assert len(found) <= compared.STEPS + 2
    assert found == sorted(set(found))


def test_relatives_differ_by_one_thing():
    found = compared.relatives(find_model("pythia-70m").checkpoint(512))
    names = [one.model.name for one in found]
    assert {one.step for one in found} == {512}
    kinds = [compared.relation("pythia-70m", name) for name in names]
    assert kinds == ["seed"] * compared.SEEDS + ["text", "size", "size"]
    assert names[-3:] == ["pythia-70m-deduped", "pythia-31m", "pythia-160m"]
    smallest = compared.relatives(find_model("pythia-14m").checkpoint(512))
    assert [one.model.size for one in smallest][-1] == "31m"


def test_one_of_the_seeds_is_of_another_order_alone(monkeypatch):
    monkeypatch.setattr(compared, "is_available", lambda checkpoint: True)
    found = compared.relatives(find_model("nano-57k").checkpoint(16))
    kinds = [compared.relation("nano-57k", one.model.name) for one in found]
    assert kinds[: compared.SEEDS] == ["seed"] * (compared.SEEDS - 1) + ["order"]


def test_what_two_models_differ_by():
    pairs = {
        ("pico-57k", "pico-57k-seed1"): "seed",
        ("pico-57k", "pico-57k-weight-seed1"): "seed",
        ("pico-57k", "pico-57k-data-seed1"): "order",
        ("pico-57k-seed1", "pico-57k-weight-seed1"): "order",
        ("pico-57k", "pico-57k-deduped"): "text",
        ("pico-57k", "pico-14k"): "size",
        ("pico-57k-seed1", "pico-14k"): "more",
    }
    assert {pair: compared.relation(*pair) for pair in pairs} == pairs


def test_ours_that_are_not_trained_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    for model, step in itertools.product(("pico-7k", "pico-14k", "pico-7k-deduped"), (0, 8, 16)):
        path = folders.checkpoint_path(find_model(model).checkpoint(step))
        path.mkdir(parents=True)
        (path / folders.WEIGHTS).touch()
    checkpoint = find_model("pico-7k").checkpoint(16)
    assert [one.model.name for one in compared.relatives(checkpoint)] == [
        "pico-7k-deduped",
        "pico-14k",
    ]
    assert compared.own_steps(checkpoint) == [0, 8]
    assert compared.own_steps(find_model("pico-57k").checkpoint(16)) == []


def test_what_is_compared_if_nothing_is_said():
    assert compared.chosen("", "pico") == "all"
    assert compared.chosen("", "pythia") == "start"
    assert compared.chosen("none", "pico") == "none"
    with pytest.raises(UsageError, match="unknown compare 'everything'; choose from: none, start"):
        compared.chosen("everything", "pico")


def needed(**changed) -> Needs:
    found = Needs()
    usual = {"compare": "", "tensors_only": False, "texts": "", "layers": 0}
    needs.add(found, "pythia", "pythia-70m", 512, **(usual | changed))
    return found


def test_what_is_fetched_ahead():
    assert [one.step for one in needed().checkpoints] == [512, 0]
    assert [files.repo_id for files in needed().files] == ["Salesforce/wikitext"]
    assert [one.step for one in needed(compare="none").checkpoints] == [512]
    every = needed(compare="all").checkpoints
    assert len(every) == len(set(every)) > 10
    assert {"pythia-160m", "pythia-70m-deduped"} <= {one.model.name for one in every}
    weights = needed(tensors_only=True, compare="all")
    assert {one.step for one in weights.checkpoints} == {512, 256, 0}
    assert weights.files == []
