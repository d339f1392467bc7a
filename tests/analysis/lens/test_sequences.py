"""Text for lenses: what they are trained on and what they are compared on are of different documents."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import word_models

from pythia_utils.analysis.lens import sequences
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import validation


@pytest.fixture
def file(tmp_path):
    """Six documents, of 3, 5, ... 13 words."""
    path = tmp_path / "own.jsonl"
    words = np.array(word_models.WORDS)
    texts = [" ".join(words[np.arange(n) % 6]) for n in range(3, 14, 2)]
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return str(path)


def cut(file: str, rows: int, fit: int, length: int) -> sequences.Sequences:
    return sequences.cut(word_models.word_tokenizer(), "pythia", file, rows, fit, length)


def test_every_other_document_is_held_out_and_first_pieces_come_first(file):
    found = cut(file, 5, 4, 4)
    assert found.documents.tolist() == [0, 1, 2, 1, 2]
    assert [len(piece) for piece in found.held_out] == [
        4,
        5,
        5,
        4,
        5,
    ]  # the first document ends there
    assert [len(piece) for piece in found.fit] == [5, 5, 5, 2]
    assert {piece[0] for piece in found.held_out[:3]} == {0}  # behind the end-of-text token


def test_pieces_lie_end_to_end(file):
    found = cut(file, 3, 3, 5)
    whole = cut(file, 3, 3, 100)
    assert [len(piece) for piece in whole.held_out] == [4, 8, 12]
    for piece, all_of_it in zip(found.held_out, whole.held_out, strict=True):
        assert piece.tolist() == all_of_it[:6].tolist()
    second = cut(file, 5, 3, 5).held_out[-1]
    assert second.tolist() == whole.held_out[2][5:11].tolist()


def test_our_own_text_is_laid_end_to_end(monkeypatch):
    monkeypatch.setattr(validation, "stream", lambda tokenizer, tokens: np.arange(tokens))
    found = sequences.cut(word_models.word_tokenizer(), "pico", "", 2, 3, 10)
    assert [piece.tolist() for piece in found.held_out] == [list(range(11)), list(range(10, 21))]
    assert [piece[0] for piece in found.fit] == [20, 30, 40]
    assert [len(piece) for piece in found.fit] == [11] * 3


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0, 4, 4), "rows 0, fit 4"),
        ((4, 1, 4), "2 to train on"),
        ((4, 4, 0), "1 token of each"),
        ((400, 4, 4), "400 sequences of 4 tokens asked for; half of the text's documents hold 6"),
    ],
)
def test_numbers_that_cannot_be_are_told(file, numbers, words):
    with pytest.raises(UsageError, match=words):
        cut(file, *numbers)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("pico", "", "nano"), "nano"),
        (("english", "", ""), "own"),
        (("pythia", "", "blimp"), "wikitext DIGEST and blimp"),
        (("pythia", "", ""), "wikitext DIGEST"),
        (("pythia", "nano", "nano"), "nano"),
    ],
)
def test_sets_are_named(given, named):
    digest = validation.set_of("pythia").split()[-1]  # of the file at a commit
    assert sequences.set_name(*given) == named.replace("DIGEST", digest)
