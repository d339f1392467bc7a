"""Counting's answers: known ones, chance on nano's pairs, and more where words were not held out."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.grammar import baselines, recorded
from pythia_utils.evaluation import sets
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.nano.attractors import without_temptation
from pythia_utils.nano.combinations import is_trainable
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.nano.held_out import TRAINING
from pythia_utils.nano.minimal_pair import MinimalPair


class Letters:
    """A tokenizer of the alphabet: a token a letter; 0 is end-of-text."""

    eos_token_id = 0

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[ord(c) - 96 for c in t if c.isalpha()] for t in texts]}


def letters(text: str) -> np.ndarray:
    return np.array([ord(c) - 96 if c.isalpha() else 0 for c in text])


def pair(good: str, bad: str, phenomenon: str = "p") -> MinimalPair:
    return MinimalPair(phenomenon, good, bad, paradigm=phenomenon)


def scored(pairs, correct) -> pd.DataFrame:
    frame = pd.DataFrame({"phenomenon": [p.phenomenon for p in pairs], "correct": correct})
    return frame.astype({"correct": bool}).assign(
        twin=np.arange(len(pairs)) // 2, first_word="a", second_word="b"
    )


# ---- Answers


def test_each_order_sees_so_many_letters_and_no_more():
    """`b` follows `a`, and `c` follows `xa`: the bigram is right in the first, the trigram in both."""
    ngrams = NgramModel.fit(letters(" ab ab ab xac yab" * 20), 3, 27)
    found = baselines.answers(ngrams, Letters(), [pair("ab", "ac"), pair("xac", "xab")])
    assert found.shape == (2, 3)
    assert found[:, 1].tolist() == [1, 0]
    assert found[:, 2].tolist() == [1, 1]


def test_the_other_sentence_gets_the_other_answer_and_a_tie_is_one_half():
    ngrams = NgramModel.fit(letters(" ab ac ad" * 9 + " ab"), 2, 27)
    pairs = [pair("ab", "ac"), pair("ac", "ab"), pair("ac", "ad"), pair("xy", "yx")]
    assert baselines.answers(ngrams, Letters(), pairs)[:, 1].tolist() == [1, 0, 0.5, 0.5]
    assert baselines.answers(ngrams, Letters(), []).shape == (0, 2)


def test_a_sentence_stands_behind_the_end_of_a_text():
    ngrams = NgramModel.fit(letters(" a a a ba ba" * 9), 2, 27)
    (found,) = baselines.answers(ngrams, Letters(), [pair("a", "b")])
    assert found.tolist() == [1, 1]
    only_after = NgramModel.fit(letters(" ba ba ba aa" * 9), 2, 27)
    (found,) = baselines.answers(only_after, Letters(), [pair("b", "a")])
    assert found[1] == 1  # `a` is the commoner letter, but not at a beginning


def test_the_best_order_is_chosen_for_each_phenomenon():
    pairs = [pair("", "", name) for name in "aabb"]
    found = np.array([[1, 0], [0, 0], [0, 1], [0, 1]], float)
    assert baselines.best(scored(pairs, [1] * 4), found).tolist() == [1, 0, 1, 1]
    assert baselines.best(scored(pairs, [1] * 4), found.T[::-1].T).tolist() == [1, 0, 1, 1]


# ---- The difference


def made(monkeypatch, correct, counting, phenomena="a") -> pd.DataFrame:
    pairs = [pair("", "", name) for name in np.resize(list(phenomena), len(correct))]
    found = np.asarray(counting, float)[:, None]
    monkeypatch.setattr(baselines, "answers", lambda *_: found)
    return baselines.table(scored(pairs, correct), "counted", None, pairs)


def test_the_difference_is_on_the_same_pairs(monkeypatch):
    """A network that answers like counting is not above it, and that is certain."""
    rng = np.random.default_rng(0)
    answers = rng.random(200) < 0.7
    table = made(monkeypatch, answers, answers)
    above = table[table["metric"] == "accuracy_above_ngrams"]
    assert above[["value", "stderr", "low", "high"]].eq(0).all().all()
    level = table[table["metric"] == "accuracy_of_ngrams"].set_index("phenomenon")["value"]
    assert level["a"] == level["all"] == answers.mean()


def test_the_interval_covers_the_true_difference(monkeypatch):
    """Pairs come in twins that are right together half of the time."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(150):
        both = np.repeat(rng.random(100), 2)
        own = np.where(np.repeat(rng.random(100) < 0.5, 2), both, rng.random(200))
        table = made(monkeypatch, own < 0.8, rng.random(200) < 0.5)
        row = table[table["metric"] == "accuracy_above_ngrams"].iloc[0]
        hits += row["low"] <= 0.3 <= row["high"]
    assert 0.9 <= hits / 150 <= 0.99


def test_phenomena_weigh_the_same(monkeypatch):
    table = made(monkeypatch, [1, 0, 1, 0], [0, 0, 0, 0], "ab")
    above = table[table["metric"] == "accuracy_above_ngrams"].set_index("phenomenon")["value"]
    assert dict(above) == {"a": 1, "b": 0, "all": 0.5}


def test_nothing_counted_is_an_empty_table():
    assert baselines.table(scored([pair("", "")], [1]), None, None, []).empty
    assert recorded.levels(baselines.table(scored([], []), None, None, [])) == {}
    assert baselines.counted("pythia-70m") is None


# ---- Nano


@pytest.fixture(scope="module")
def tokenizer(trained_home):
    from transformers import PreTrainedTokenizerFast

    file = trained_home / "suites" / "pico" / "corpus" / "tokenizer.json"
    return PreTrainedTokenizerFast(tokenizer_file=str(file), eos_token="<|endoftext|>")


def by_phenomenon(pairs, found) -> pd.DataFrame:
    """Accuracy, a row a phenomenon, a column an order."""
    return pd.DataFrame(found).groupby([p.phenomenon for p in pairs], sort=False).mean()


def test_sizes_share_the_counts_of_what_they_read(home):
    assert baselines.counted("pico-7k") is baselines.counted("pico-14k")
    assert baselines.counted("pico-7k") is not baselines.counted("pico-7k-deduped")


@pytest.mark.parametrize("model", ["pico-7k", "pico-7k-deduped"])
def test_counting_is_at_chance_on_every_phenomenon(home, tokenizer, model):
    pairs = sets.load_pairs("nano", 200)
    found = by_phenomenon(pairs, baselines.answers(baselines.counted(model), tokenizer, pairs))
    assert found.shape == (len(PHENOMENA), 5)
    assert found.to_numpy().max() < 0.58
    assert found.to_numpy().min() > 0.42


def test_an_attractor_does_not_change_what_counting_answers(home, tokenizer):
    pairs = [p for p in sets.load_pairs("nano", 200) if p.phenomenon in recorded.WRONG_RULES]
    changed = without_temptation(pairs)
    ngrams = baselines.counted("pico-7k")
    own, others = (
        by_phenomenon(pairs, baselines.answers(ngrams, tokenizer, asked))
        for asked in (pairs, changed)
    )
    assert np.abs(others - own).to_numpy().max() < 0.08


@pytest.mark.parametrize(
    ("name", "least"),
    [("auxiliary_form", 0.85), ("argument_structure", 0.85), ("irregular_participle", 0.75),
     ("npi_licensing", 0.8), ("possessive_gender", 0.65)],
)  # fmt: skip
def test_counting_answers_what_is_not_held_out(home, tokenizer, name, least):
    """The same constructions with words that training combines: so it is the hold-out that makes chance."""
    rng, pairs = random.Random(0), []
    while len(pairs) < 200:
        twins = PHENOMENA[name].draw(rng, TRAINING)
        if all(is_trainable(frame.text % frame.good) for frame in twins):
            pairs += [pair(frame.text % frame.good, frame.text % frame.bad) for frame in twins]
    found = baselines.answers(baselines.counted("pico-7k"), tokenizer, pairs)
    assert found.mean(axis=0).max() > least
