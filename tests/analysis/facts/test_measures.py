"""What a cell records of answers whose truth is known, and of n-grams that read a text of ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.facts import measures
from pythia_utils.analysis.facts.questions import Question, own_questions
from pythia_utils.suites import checkpoints
from pythia_utils.training_data.source import open_source

COLOURS = ("red", "blue", "green", "grey")


def asked(n: int = 40, wordings: int = 2) -> list[Question]:
    """Facts of n persons, each colour true of a quarter of them."""
    return [
        Question(
            f"P{i}",
            "colour",
            tuple(f"P{i} {w}" for w in range(wordings)),
            COLOURS[i % 4],
            COLOURS,
        )
        for i in range(n)
    ]


def knowing(questions, known) -> np.ndarray:
    """Scores that favour the true answer of the known ones, and the next candidate of the others."""
    scores = np.zeros((2 * len(questions), 4))
    for row in range(len(scores)):
        fact = row // 2
        scores[row, (questions[fact].right + (not known[fact])) % 4] = 1
    return scores


def value(rows, metric, subset="all"):
    return {(row["metric"], row["subset"]): row["value"] for row in rows}[metric, subset]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (0, "told 0"),
        (1, "told 1-2"),
        (2, "told 1-2"),
        (8, "told 5-8"),
        (9, "told 9-16"),
        (64, "told 33-64"),
        (65, "told 65 or more"),
        (2238, "told 65 or more"),
    ],
)
def test_classes_of_times_told(told, name):
    assert measures.class_name(told) == name


def test_classes_of_estimated_counts_have_no_gaps():
    assert measures.class_name(9.5, measures.TENFOLD) == "told 1-9"
    assert measures.class_name(0.4, measures.TENFOLD) == "told 0"
    assert measures.class_name(2e6, measures.TENFOLD) == "told 1000000 or more"


def test_accuracy_is_counted_by_times_told_and_by_wording():
    questions, told = asked(), np.repeat([4, 12, 100, 0], 10)
    known = told >= 12
    table = measures.answered(knowing(questions, known), questions, told)
    rows = measures.accuracies(table)
    assert value(rows, "accuracy") == 0.5
    names = ["told 0", "told 3-4", "told 9-16", "told 65 or more"]
    assert [r["subset"] for r in rows] == ["all", *names, "wording 1", "wording 2"]
    assert [value(rows, "accuracy", name) for name in names] == [0, 0, 1, 1]
    assert {row["subset"]: row["n"] for row in rows}["told 9-16"] == 10
    assert all(row["stderr"] > 0 for row in rows)


def test_the_error_takes_persons_as_independent():
    """Two wordings that always agree are one observation: the error is that of 40 facts, not 80."""
    questions, told = asked(), np.ones(40)
    table = measures.answered(knowing(questions, np.arange(40) % 2 == 0), questions, told)
    (row,) = [r for r in measures.accuracies(table) if r["subset"] == "all"]
    assert row["stderr"] == pytest.approx(0.5 / np.sqrt(39))


def test_shuffled_answers_give_chance_to_a_model_that_knows_all():
    questions = asked()
    table = measures.answered(knowing(questions, np.ones(40)), questions, np.ones(40))
    assert table["correct"].all()
    assert value(measures.shuffled(table), "shuffled") == pytest.approx(1 / 4)


def test_shuffled_is_the_mean_over_deals():
    rng, questions = np.random.default_rng(0), asked(13)
    table = measures.answered(rng.random((26, 4)), questions, np.ones(13))
    deals = []
    for _ in range(4000):
        order = rng.permutation(13)
        dealt = np.array([questions[i].right for i in order])[np.repeat(np.arange(13), 2)]
        deals.append((table["chosen"] == dealt).mean())
    exact = value(measures.shuffled(table), "shuffled")
    assert exact == pytest.approx(np.mean(deals), abs=0.01)


def test_each_fact_has_its_share_of_wordings_and_its_times():
    questions = asked(3)
    scores = knowing(questions, [True, False, True])
    scores[0] = scores[0][::-1] if questions[0].right else [0, 0, 0, 1]  # one wording is wrong
    rows = measures.each_fact(measures.answered(scores, questions, np.array([5, 6, 7])))
    found = pd.DataFrame(rows).pivot_table(index="subset", columns="metric", values="value")
    assert found.loc["P0: colour"].tolist() == [0.5, 5]
    assert found.loc["P1: colour"].tolist() == [0, 6]
    assert found.loc["P2: colour"].tolist() == [1, 7]


@pytest.fixture
def own(home):
    _, tokenizer = checkpoints.load("pico-7k", 0, "pico")
    return own_questions("pico"), tokenizer, open_source("pico-7k")


def test_ngrams_know_what_was_told_where_they_see_the_name_and_no_new_sentence(own):
    questions, tokenizer, data = own
    told = np.full(len(questions), 9)
    rows = measures.ngrams(tokenizer, questions, data, data.total_steps, told)
    assert value(rows, "ngram", "wording 1") > 0.85
    assert value(rows, "ngram", "wording 2") < value(rows, "ngram", "wording 1")
    assert value(rows, "one_sentence_ngram") < 0.3
    assert measures.ngrams(tokenizer, questions, data, 0, told) == []


def test_ngrams_that_leave_sequences_out_answer_as_those_of_all(own):
    from pythia_utils.evaluation.ngrams import NgramModel

    questions, tokenizer, data = own
    prepared = measures._prepared(tokenizer, questions)
    rows = data.sequences(0, 100 * data.batch_size)
    whole = NgramModel.fit(rows, measures.ORDER, data.model.vocab_size, context_only=1)
    expected = prepared.score_by(
        lambda ids: [whole.token_logprobs(np.array(row))[1:] for row in ids]
    )
    found = measures._ngram_score(data, 100, prepared)(prepared)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95
