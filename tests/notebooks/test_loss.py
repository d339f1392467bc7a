"""The loss notebook on a model of the Hub: WikiText if nothing is said, another text by its path."""

from __future__ import annotations

import json

import pytest
from helpers import made_records
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, make_tiny, serve_hub
from helpers.texts import wikitext_repository

from pythia_utils.grid import records


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the notebook on a tiny network in the place of pythia-14m's, with parameters; what it shows."""
    pytest.importorskip("matplotlib").use("agg")
    make_tiny(monkeypatch, "pythia-14m")
    repos = {"EleutherAI/pythia-14m": {"step512": checkpoint_files(0)}} | wikitext_repository()
    source = json.loads((ROOT / "notebooks" / "loss.ipynb").read_text(encoding="utf-8"))
    (cell,) = (c for c in source["cells"] if "parameters" in c["metadata"].get("tags", ()))

    def run(**parameters: object) -> list[dict]:
        given = {"suite": "pythia", "model": "pythia-14m", "step": 512} | parameters
        usual = [line for line in cell["source"] if line.split(":")[0] not in given]
        lines = [*usual, "\n", *(f"{name} = {value!r}\n" for name, value in given.items())]
        cells = [c | {"source": lines} if c is cell else c for c in source["cells"]]
        path = tmp_path / "loss.ipynb"
        path.write_text(json.dumps(source | {"cells": cells}), encoding="utf-8")
        return made_records.run_chapter("loss", tmp_path, source=path, suite="pythia")

    with serve_hub(repos) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        yield run


def recorded(shown: list[dict]) -> dict[tuple[str, str], float]:
    ((rows),) = (data[records.MIME]["rows"] for data in shown if records.MIME in data)
    return {(row["metric"], row["measured_on"]): row["value"] for row in rows}


def test_a_model_of_the_hub_is_measured_on_wikitext(run):
    shown = run()
    found = recorded(shown)
    assert {on for _, on in found} == {"wikitext b08601e0"}
    metrics = {"loss", "bits_per_byte", "word_perplexity", "byte_perplexity", "tokens", "empty"}
    assert {metric for metric, _ in found} == metrics
    words = "\n".join(data.get("text/markdown", "") for data in shown)
    assert "the test set of WikiText-2" in words
    assert "2 documents" in words
    assert "Echo" not in words


def test_its_parameters_name_another_text_and_how_it_is_read(run, tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"text": "the dog sleeps. " * 20}, {"text": ""}, {"text": "a cat."}]
    path.write_text("\n".join(map(json.dumps, lines)))
    whole = recorded(run(texts=str(path)))
    ((_, on), *_) = whole
    assert on.startswith("mine.jsonl ")
    assert (whole["tokens", on], whole["empty", on]) == (326, 1)
    assert recorded(run(texts=str(path), tokens=100))["tokens", on] == 100
    assert recorded(run(texts=str(path), stride=8))["loss", on] != whole["loss", on]
    own = recorded(run(texts="nano", documents=1))
    assert {key[1] for key in own} == {"nano"}
    assert "excess" in {metric for metric, _ in own}
