"""What the experiments' notebooks will ask of the Hub: told without asking it for anything."""

from __future__ import annotations

import importlib

import pytest
from helpers.commands import ROOT

from pythia_utils.analysis.needs import Needs
from pythia_utils.grid.config import load_config
from pythia_utils.grid.notebooks import defaults

EXPERIMENTS = load_config(ROOT).experiments
WHERE = {"suite": "pythia", "model": "pythia-160m-deduped", "step": 2000}
BATCH = 1024
DEDUPED = "EleutherAI/pile-deduped-pythia-preshuffled"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """A Hub that cannot be asked."""
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def needs_of(name: str, **given) -> Needs:
    needs = Needs()
    module = importlib.import_module(f"pythia_utils.analysis.{name}.needs")
    module.add(needs, **defaults(EXPERIMENTS[name].notebook) | WHERE | given)
    return needs


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_what_it_needs(name):
    needs = needs_of(name)
    steps = [checkpoint.step for checkpoint in needs.checkpoints]
    more = {"training_data": [], "geometry": [2000, 0]}  # which compares with the start
    assert steps == more.get(name, [2000])
    assert {span.rows.origin.name for span in needs.reading.spans} <= {DEDUPED}
    assert [model.name for model in needs.tokenizers] == [WHERE["model"]] * (not steps)


def spans_of(needs: Needs) -> list[tuple[int, int]]:
    return [(span.start, span.stop) for span in needs.reading.spans]


def test_grammar_needs_blimp_where_it_asks_it_and_the_first_batches():
    needs = needs_of("grammar", pairs_from="blimp", counted=2_097_153)
    assert spans_of(needs) == [(0, 2 * BATCH)]  # one token more than a batch has
    assert [files.repo_id for files in needs.files] == ["nyu-mll/blimp"]
    assert spans_of(needs_of("grammar", pairs_from="nano", counted=0)) == []
    assert needs_of("grammar", pairs_from="nano").files == []


def test_ngrams_needs_the_batches_it_counts_and_the_last_of_training():
    *counted, last = spans_of(needs_of("ngrams", batches=3))
    assert [start // BATCH for start, _ in counted] == [23_833, 71_500, 119_166]
    assert last == (142_999 * BATCH, 143_000 * BATCH)


def test_training_data_needs_the_batch_that_a_checkpoint_reads_next():
    assert spans_of(needs_of("training_data")) == [(2000 * BATCH, 2001 * BATCH)]
    last = needs_of("training_data", step=143_000, tokenizer_file="t.json")
    assert spans_of(last) == [(142_999 * BATCH, 143_000 * BATCH)]
    assert last.tokenizers == []


def test_memorization_needs_its_places_and_for_ordinary_sequences_an_earlier_checkpoint():
    few = spans_of(needs_of("memorization", sample=40, blocks=4, places=8))
    assert [stop - start for start, stop in few] == [5] * 8
    needs = needs_of("memorization", sample=40, blocks=4, places=8, ordinary=3)
    assert [checkpoint.step for checkpoint in needs.checkpoints] == [2000, 1000]
    ordinary = spans_of(needs)[8:]
    assert {stop - start for start, stop in ordinary} == {1}
    assert sum(start >= 2000 * BATCH for start, _ in ordinary) == 6  # still to be read


def test_a_seeds_own_order_is_needed_where_it_is_read():
    needs = needs_of("memorization", model="pythia-160m-seed3", sample=8, blocks=2, places=4)
    assert {span.rows.origin.name for span in needs.reading.spans} == {
        "EleutherAI/pile-preshuffled-seeds/seed3"
    }
    counted = needs_of("ngrams", model="pythia-160m-seed3", batches=1)
    assert {span.rows.origin.name for span in counted.reading.spans} == {
        "EleutherAI/pile-standard-pythia-preshuffled"
    }
