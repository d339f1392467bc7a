"""Experiments on models of one's own, by the command, and what is said of data that nobody knows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.bad_inputs import ending
from helpers.commands import pythia

from pythia_utils.analysis import origin
from pythia_utils.analysis.geometry import measures, reading
from pythia_utils.base.errors import UsageError
from pythia_utils.cli.options import name_suites
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.site.tables import own_table
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset

from .conftest import KINDS, STEPS

PAIRS = "phenomenon,good,bad\n" + "".join(
    f"number,{c} is a word,{c} are a word\n" for c in "abcdefgh"
)


@pytest.fixture
def run(mine, project, tmp_path, monkeypatch):
    """`pythia ...` in the book's folder, with the suite file named on the command alone."""
    monkeypatch.delenv("PYTHIA_SUITES")

    def of(*arguments: str):
        return pythia("--suites", str(mine), *arguments, cwd=project, home=tmp_path / "home")

    return of


def test_the_three_experiments_run_on_it(run, mine, project):
    mine.write_text(
        mine.read_text().replace("tokens_per_step: 128", "batch_size: 4, seq_length: 32")
    )
    rows = np.random.default_rng(0).integers(0, 32, (800, 33)).astype(np.uint16)
    write_indexed_dataset(mine.parent / "rows", rows, np.uint16)
    (mine.parent / "pairs.csv").write_text(PAIRS)
    (mine.parent / "texts").mkdir()
    for name in "ab":
        (mine.parent / "texts" / f"{name}.txt").write_text(
            f"the cat {name} is here, and a dog is there. " * 4
        )
    where = ("--suite", "mine", "--model", "tiny-llama", "--steps", "100", "--quiet")
    given = {
        "loss": [f"texts={mine.parent / 'texts'}"],
        "grammar": [f"pairs_from={mine.parent / 'pairs.csv'}"],
        "memorization": [f"source={mine.parent / 'rows'}", "prompt=8", "sample=100", "blocks=10"],
    }
    for experiment, parameters in given.items():
        options = [word for one in parameters for word in ("-p", one)]
        done = run("run", experiment, *where, *options)
        assert done.returncode == 0, done.stderr
        found = records.read_all(experiment, "mine", project / "runs")
        assert set(found["model"]) == {"tiny-llama"}
        assert set(found["tokens_seen"]) == {100 * 4 * 32}
        assert (found["n_params"] == 4_688).all()  # a Llama of this shape without its embeddings
    given_texts = given["loss"][0]
    status = run(
        "status", "loss", "--suite", "mine", "--model", "tiny-llama", "-p", given_texts, "--json"
    )
    assert json.loads(status.stdout)["totals"] == {"done": 1, "stale": 0, "failed": 0, "missing": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_geometry_of_weights_is_of_any_architecture(mine, kind):
    """Every matrix by name and layer, read alone; only GPT-NeoX's have names of ours."""
    at = find_model(f"tiny-{kind}").checkpoint
    now, past = (reading.opened(at(step), tensors_only=True) for step in (100, 0))
    rows, spectra = measures.weights(now, {"start": past})
    layers = {name.partition(", layer ")[2] for name in spectra}
    assert {"0", "1"} <= layers
    assert ("MLP in, layer 0" in spectra) == (kind == "gpt_neox")
    (turned,) = (
        row for row in rows if (row["metric"], row["subset"]) == ("cosine_to_start", "all")
    )
    assert abs(turned["value"]) < 0.5  # two seeds


def test_a_grid_without_a_profile_is_all_that_there_is(mine, project):
    config = load_config(project)
    cells = expand(config, ["loss"], "mine")
    assert len(cells) == len(KINDS) * len(STEPS)
    assert {cell.parameters["step"] for cell in expand(config, ["loss"], models=["tiny-gpt2"])} == {
        *STEPS
    }
    assert not expand(config, ["grammar"], "mine")[0].explicit
    with pytest.raises(
        UsageError, match="suite 'mine' has no profile; name the experiments, of loss"
    ):
        expand(config, suite="mine")
    with pytest.raises(UsageError, match="unknown suite 'mina'; nearest: mine"):
        expand(config, ["loss"], "mina")


def test_what_asks_for_training_data_fails_in_one_line(run):
    done = run("run", "training_data", "--model", "tiny-gpt2", "--steps", "0", "--quiet")
    assert done.returncode == 1
    assert (
        "UsageError: what tiny-gpt2 read in training is not known; expected a source" in done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fetch", "tiny-llama", "--steps", "0"), "tiny-llama is in the folder "),
        (("config", "tiny-llama"), "how tiny-llama was trained is not known here"),
        (("audit", "tiny-llama"), "tiny-llama is of a suite of your own"),
        (
            ("batch", "--model", "tiny-llama", "--step", "0"),
            "what tiny-llama read in training is not known",
        ),
        (("train", "mine"), "suite mine is not trained here; expected english or nano or pico"),
        (("suites", "tiny-lama"), "unknown suite or model 'tiny-lama'; nearest: tiny-llama"),
        (("suites", "tiny-llama", "--steps", "7"), "unknown step 7 of tiny-llama; "),
    ],
)
def test_commands_that_cannot_be_asked_of_it(mine, arguments, message):
    code, out, err = ending([*arguments])
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_command_lists_them(mine, monkeypatch):
    monkeypatch.delenv("PYTHIA_SUITES")
    monkeypatch.setenv("PYTHIA_SUITES", "")  # what the option sets is undone behind the test
    named = ["--suites", str(mine), "suites"]
    rows = json.loads(ending([*named, "mine", "--json"])[1])
    assert [row["name"] for row in rows] == [f"tiny-{kind}" for kind in KINDS]
    assert {row["trained_on"] for row in rows} == {"unknown"}
    assert "suites of your own, by name: mine" in ending(named)[2]


def test_a_file_that_is_not_there_is_one_line():
    code, _, err = ending(["--suites", "nowhere.yml", "suites"])
    assert (code, err.count("\n")) == (2, 1)
    assert "nowhere.yml: there is no such file or folder" in err


def test_named_files_stay_named_in_another_folder(mine, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_SUITES", "")
    monkeypatch.chdir(mine.parent)
    name_suites(["mine.yml"])
    monkeypatch.chdir(tmp_path)
    assert suite("mine").title == "My models"


def test_the_book_says_what_is_known_of_the_text(mine):
    assert "What the models of *My models* read in training is not known." in origin.in_words(
        "mine"
    )
    assert "Pile" not in origin.in_words("mine")
    mine.write_text(
        mine.read_text().replace("training_data: unknown", "training_data: <b>my</b> texts")
    )
    told = origin.in_words("mine")
    assert "were trained on " in told
    assert "<b>" not in told
    table = own_table(suite("mine"))
    assert "olmo2" in table
    assert "<b>" not in table
