"""Questions of our own corpus and of files, and how often training told them."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from pythia_utils.analysis.facts import questions, telling
from pythia_utils.base.errors import UsageError
from pythia_utils.suites import checkpoints
from pythia_utils.training_data.source import TrainingData, open_source

HEAD = "subject,prompt,answer,candidates\n"


@pytest.fixture
def own(home):
    return questions.open_questions("pico")


def test_each_person_has_a_fact_of_each_relation_and_the_answer_is_a_candidate(own):
    assert len(own) == 192 == len({each.name for each in own})
    assert len({each.subject for each in own}) == 64
    for each in own:
        assert each.candidates[each.right] == each.answer
        assert len(each.candidates) == 8
        assert all(each.subject in prompt for prompt in each.prompts)


def test_two_facts_stand_behind_each_other_as_told_and_in_one_sentence(own):
    known = {(each.subject, each.relation): each for each in own}
    for fact, two, one in zip(
        own, questions.in_two_sentences(own), questions.in_one_sentence(own), strict=True
    ):
        assert (
            (two.answer, two.candidates)
            == (one.answer, one.candidates)
            == (fact.answer, fact.candidates)
        )
        others = [known[fact.subject, r] for r in ("city", "job", "colour") if r != fact.relation]
        (first,) = [o for o in others if two.prompts[0].startswith(f"{o.prompts[0]} {o.answer}. ")]
        told = f"{first.prompts[0]} {first.answer}"
        assert two.prompts == (f"{told}. {fact.prompts[0]}",)
        assert two.prompts[0].count(fact.subject) == 2
        assert one.prompts[0].startswith(f"{told} and ")
        assert one.prompts[0].count(fact.subject) == 1


def test_training_tells_no_two_facts_in_one_sentence(own):
    _, tokenizer = checkpoints.load("pico-7k", 0, "pico")
    data = open_source("pico-7k")
    told = telling.count(tokenizer, questions.in_one_sentence(own), data, data.total_steps)
    assert told.tolist() == [0] * len(own)
    alone = telling.count(tokenizer, own, data, data.total_steps)
    assert alone.min() >= 1
    assert alone.max() > 1000
    half = telling.count(tokenizer, own, data, data.total_steps // 2)
    assert (half <= alone).all()
    assert telling.count(tokenizer, own, data, 0).tolist() == [0] * len(own)


def test_a_data_order_of_its_own_has_its_own_counts(own):
    _, tokenizer = checkpoints.load("pico-7k", 0, "pico")
    usual, other = (
        telling.count(tokenizer, own, open_source(name), 200)
        for name in ("pico-57k", "pico-57k-data-seed1")
    )
    assert (usual != other).any()
    weights = telling.count(tokenizer, own, open_source("pico-57k-weight-seed1"), 200)
    assert (usual == weights).all()


def test_pythia_needs_a_file_and_says_which_columns():
    with pytest.raises(UsageError, match="subject, prompt, answer, candidates"):
        questions.open_questions("pythia")


def test_a_file_is_read(tmp_path):
    path = tmp_path / "capitals.csv"
    path.write_text("\ufeff" + HEAD + 'France,"The capital of France is",Paris,Paris | Rome|Bonn\n')
    (found,) = questions.open_questions("pythia", str(path))
    assert found.candidates == ("Paris", "Rome", "Bonn")
    assert found.right == 0
    assert found.name == "France: The capital of France is"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject,prompt,answer\nA,B,C\n", "no column candidates"),
        (HEAD, "holds no facts"),
        (HEAD + "A,B,C,D|E\n", "row 1: the answer 'C'"),
        (HEAD + "A,B,C,C|D|D\n", "each there once"),
        (HEAD + "A,,C,C|D\n", "row 1: a subject, a prompt or a candidate is empty"),
        (HEAD + "A,B,C,C|D|\n", "is empty"),
        (HEAD + "A,B,C\n", "line 2: expected 4 columns"),
        (
            HEAD + "A,Of A, the B,C,C|D\n",
            "line 2: expected 4 columns",
        ),  # a prompt without its quotes
        (f"answer,{HEAD}X,A,B,C,C|D\n", "line 1: the column 'answer' is there twice"),
        (HEAD + 'A,"B,C,C|D\n', "not CSV"),
        (HEAD + "A,B,C,C|D\n" * 2, "asks twice"),
    ],
)
def test_a_file_that_asks_nothing_is_refused(tmp_path, text, message):
    path = tmp_path / "facts.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        questions.read_questions(path)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read facts"):
        questions.read_questions(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read facts"):
        questions.read_questions(tmp_path / "bytes.csv")


class Words:
    """A tokenizer of numbers: the text ` 4 5` is the tokens 4 and 5."""

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[int(word) for word in text.split()] for text in texts]}


class Rows:
    def __init__(self, tokens):
        self.tokens = tokens

    def batch(self, step, size):
        return self.tokens[step * size : (step + 1) * size]


def test_a_files_facts_are_counted_in_some_batches_and_scaled_up():
    """Subject 4 5 and answer 6 stand together in the first of two sequences of every batch."""
    tokens = np.tile([[1, 4, 5, 2, 6, 1], [4, 5, 1, 1, 1, 1]], (20, 1))
    data = TrainingData("run", Rows(tokens), 2, 5, 20)
    asked = [
        questions.Question("4 5", "", ("4 5",), "6", ("6", "7")),
        questions.Question("4 5", "", ("5 4",), "7", ("6", "7")),
    ]
    for batches in (1, 4, 20, 100):
        assert telling.count(Words(), asked, data, 20, batches).tolist() == [20, 0]
        assert telling.count(Words(), asked, data, 5, batches).tolist() == [5, 0]
    assert telling.count(Words(), asked, data, 0, 5).tolist() == [0, 0]
    with pytest.raises(UsageError, match="0 batches"):
        telling.count(Words(), asked, data, 20, 0)


def test_every_checkpoint_is_counted_in_the_same_batches_of_the_whole_training():
    """Told in the last batch alone: whoever counts it knows the rate, whatever the checkpoint has read."""
    tokens = np.zeros((20, 6), np.int64)
    tokens[19, :3] = [4, 5, 6]
    data, opened = TrainingData("run", Rows(tokens), 1, 5, 20), []
    monitored = dataclasses.replace(data, rows=Watched(tokens, opened))
    asked = [questions.Question("4 5", "", ("4 5",), "6", ("6", "7"))]
    assert telling.count(Words(), asked, monitored, 10, 4).tolist() == [0]
    seen, opened[:] = list(opened), []
    assert telling.count(Words(), asked, monitored, 2, 4).tolist() == [0]
    assert opened == seen == [2, 7, 12, 17]
    assert telling.count(Words(), asked, data, 10, 20).tolist() == [0.5]


class Watched(Rows):
    def __init__(self, tokens, opened):
        super().__init__(tokens)
        self.opened = opened

    def batch(self, step, size):
        self.opened.append(step)
        return super().batch(step, size)


def test_the_capitals_ask_in_sets_in_which_each_answer_is_right_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capitals = questions.open_questions("pythia", "data/capitals.csv")
    assert len(capitals) == 64
    sets = Counter(each.candidates for each in capitals)
    assert set(sets.values()) == {8}
    for candidates in sets:
        answers = [each.answer for each in capitals if each.candidates == candidates]
        assert sorted(answers) == list(candidates)
    assert len({each.subject for each in capitals}) == 64
    assert len({each.answer for each in capitals}) == 64
    for each in capitals:
        assert each.prompts == (f"The capital of {each.subject} is",)
        assert each.answer.lower() not in each.prompts[0].lower()
    assert questions.asked_in_words("data/capitals.csv").startswith("capitals.csv ")
    assert questions.asked_in_words("") == "own"
