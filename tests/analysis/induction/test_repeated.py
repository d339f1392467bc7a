"""Which sequences are drawn: their names, their tokens, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.induction_network import induction_network

from pythia_utils.analysis.induction import repeated
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.repeats import ALPHABETS, alphabet
from pythia_utils.nano.documents import SUCCESSOR_SYMBOLS, SYMBOLS
from pythia_utils.suites import checkpoints


@pytest.fixture(scope="module")
def tokenizer(trained_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        return checkpoints.load("pico-7k", 16, "pico")[1]


@pytest.mark.parametrize("name", ["successors 6", "words 10+5", "vocabulary 100"])
def test_a_name_is_read_as_it_is_written(name):
    assert repeated.parse(name).name == name
    assert repeated.parse("words 9+0") == repeated.Test("words", 9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("words", "expected an alphabet and a period, such as 'words 10'"),
        ("words 10-5", "expected an alphabet and a period"),
        ("words ²", "expected an alphabet and a period"),
        ("", "expected an alphabet and a period"),
        ("word 10", "unknown alphabet 'word'; nearest: words"),
    ],
)
def test_a_name_of_nothing_is_refused(name, words):
    with pytest.raises(UsageError, match=words):
        repeated.parse(name)


def test_a_suite_has_its_usual_sequences():
    assert [test.name for test in repeated.chosen("nano")] == list(repeated.MADE_TEXT)
    for suite in ("english", "pythia"):
        assert [test.name for test in repeated.chosen(suite)] == list(repeated.OTHERS)
    assert [test.name for test in repeated.chosen("pythia", ["words 5"])] == ["words 5"]
    short = induction_network()  # reads 64 tokens
    assert [test.name for test in repeated.chosen("pythia", model=short)] == ["vocabulary 25"]
    assert len(repeated.chosen("pythia", ["words 100"], short)) == 1  # who names it is told why not
    with pytest.raises(UsageError, match="'words 5' are named twice"):
        repeated.chosen("pythia", ["words 5", "words 5+0"])
    assert repeated.named([]) == "random tokens"
    assert repeated.named(["words 5+0", "words 7"]) == "words 5, words 7"


def test_the_usual_sequences_can_be_drawn(tokenizer):
    for name in repeated.MADE_TEXT:
        test = repeated.parse(name)
        made = test.draw(tokenizer, 4)
        assert made.in_order.shape == (4, 1 + 2 * test.period + test.gap)
        assert (made.in_order[:, 0] == tokenizer.eos_token_id).all()
        assert np.isin(made.fresh[:, 1:], alphabet(tokenizer, test.alphabet)).all()
    with pytest.raises(UsageError, match="period 11 with gap 0 needs 22 different tokens"):
        repeated.parse("successors 11").draw(tokenizer, 4)


def test_alphabets_hold_what_they_are_called(tokenizer):
    ids = {name: alphabet(tokenizer, name) for name in ALPHABETS}
    shown = {name: {tokenizer.decode([i]) for i in own} for name, own in ids.items()}
    assert shown["symbols"] == {f" {symbol}" for symbol in SYMBOLS}
    assert shown["successors"] == {f" {symbol}" for symbol in SUCCESSOR_SYMBOLS}
    assert len(ids["words"]) > 200
    assert all(text[0] == " " and text[1:].isalpha() and len(text) > 3 for text in shown["words"])
    assert not set(tokenizer.all_special_ids) & set(ids["vocabulary"].tolist())
    assert len(ids["vocabulary"]) == len(tokenizer) - len(set(tokenizer.all_special_ids))
    for own in ids.values():
        assert (np.diff(own) > 0).all()
    with pytest.raises(UsageError, match="unknown alphabet 'symbol'; nearest: symbols"):
        alphabet(tokenizer, "symbol")


def test_echo_documents_say_twice_what_they_say(tokenizer):
    rows = repeated.echo(tokenizer, 14, 12, 30)
    assert rows.shape == (30, 1 + 14 + 12 + 14)
    assert (rows[:, 1:15] == rows[:, 27:]).all()
    assert any(len(set(row[1:15])) < 14 for row in rows)  # as in training, symbols come again
    assert np.isin(rows[:, 1:], alphabet(tokenizer, "symbols")).all()
