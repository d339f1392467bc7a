"""The notebook `training_data`, on our own suite with ground truth and on Pythia's format without."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from helpers.commands import pythia

from pythia_utils.analysis.training_data.batches import pieces
from pythia_utils.analysis.training_data.mix import DOMAINS
from pythia_utils.grid import records
from pythia_utils.training_data.source import open_source

MODELS = ("pico-7k", "pico-7k-deduped")


def outputs(path) -> list[dict]:
    cells = json.loads(path.read_text())["cells"]
    return [out for cell in cells for out in cell.get("outputs", ())]


def text_of(path) -> str:
    shown = [out["data"] for out in outputs(path) if "data" in out]
    kinds = ("text/html", "text/markdown")
    return "".join("".join(data.get(kind, "")) for data in shown for kind in kinds)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("step", [0, 16])
def test_cells_show_the_batch_of_their_step(tiny_run, home, model, step):
    path = tiny_run / "runs" / "pico" / "training_data" / model / f"step{step:06d}.ipynb"
    assert not [
        o for o in outputs(path) if o["output_type"] == "error" or o.get("name") == "stderr"
    ]
    assert sum("image/svg+xml" in out.get("data", {}) for out in outputs(path)) == 3
    data = open_source(model)
    cut = pieces(data.batch(step))
    text = text_of(path)
    assert text.count("end of text</span>") == cut.loc[cut["row"] < 3, "ends"].sum()
    assert f"Sequence {step * data.batch_size:,}<" in text


def test_records_are_whole_and_sensible(tiny_run, home):
    frame = records.read("training_data", "pico", runs=tiny_run / "runs")
    assert len(frame) == 4 * (5 + len(DOMAINS))
    for (model, step), cell in frame.groupby(["model", "step"]):
        shares = cell[cell["metric"] == "token_share"]
        assert set(shares["subset"]) == set(DOMAINS)
        assert shares["value"].sum() == pytest.approx(1)
        value = cell.set_index("metric")["value"]
        assert 0 <= value["read_before"] <= value["has_other_copies"] <= 1
        assert value["distinct_tokens"] == len(np.unique(open_source(model).batch(step)))


@pytest.fixture(scope="session")
def pile(tmp_path_factory):
    """Two of Pythia's batches in its published format, of made-up tokens, none an end of text."""
    folder = tmp_path_factory.mktemp("pile")
    tokens = np.random.default_rng(0).integers(2, 1024, (2 * 1024, 2049)).astype("<u2").tobytes()
    size = 5_000_000
    for number in range(2):
        name = folder / f"document-{number:05d}-of-00001.bin"
        name.write_bytes(tokens[number * size : (number + 1) * size])
    return folder


def test_pythias_batches_need_no_ground_truth(project, trained_home, pile, tmp_path):
    own = shutil.copytree(
        project, tmp_path / "own", ignore=shutil.ignore_patterns("runs", "_build")
    )
    tokenizer = trained_home / "suites" / "pico" / "corpus" / "tokenizer.json"
    grid = ("--suite", "pythia", "--model", "pythia-70m", "--step", "1", "-p", "rows=1")
    files = ("-p", f"source={pile}", "-p", f"tokenizer_file={tokenizer}")
    done = pythia("run", "training_data", *grid, *files, cwd=own, home=trained_home)
    assert done.returncode == 0, done.stderr
    (path,) = own.glob("runs/pythia/training_data/pythia-70m/step000001@rows=1*.ipynb")
    assert "Sequence 1,024<" in text_of(path)
    assert "no end-of-text token" in text_of(path)
    assert '"### Its domains' not in path.read_text()
    (record,) = records.read("training_data", "pythia", runs=own / "runs").itertuples()
    assert record.measured_on == str(pile)
    assert (record.metric, record.value) == ("distinct_tokens", 1022)


def test_the_chapter_ran_over_the_records(built_site, tiny_run):
    path = tiny_run / "runs" / "pico" / "training_data" / "chapter.ipynb"
    assert not json.loads(path.read_text())["metadata"]["papermill"]["exception"]
    assert sum("image/svg+xml" in out.get("data", {}) for out in outputs(path)) == 5
    assert "Cramér" in text_of(path)
    assert (built_site / "experiments" / "training_data.html").is_file()
