"""What patching reads: sentence and twin of as many tokens, whole items, or a row that says why not."""

from __future__ import annotations

import csv
from collections import Counter

import pytest
from helpers.commands import ROOT
from helpers.pythia_hub import REFERENCE
from transformers import PreTrainedTokenizerFast

from pythia_utils.analysis.lens import patching_pairs
from pythia_utils.analysis.lens.names import AGREEMENT
from pythia_utils.analysis.lens.patching_pairs import load
from pythia_utils.base.errors import UsageError


class Words:
    """A tokenizer of whole words, but for those that it cuts in two; 0 is end-of-text."""

    bos_token_id, eos_token_id = None, 0

    def __init__(self, *cut: str):
        self.cut, self.known = cut, {}

    def tokens(self, text: str) -> list[int]:
        words = text.replace(".", " .").split()
        pieces = [piece for w in words for piece in ([w[:2], w[2:]] if w in self.cut else [w])]
        return [self.known.setdefault(piece, len(self.known) + 1) for piece in pieces]

    def __call__(self, text, add_special_tokens):
        rows = [self.tokens(one) for one in ([text] if isinstance(text, str) else text)]
        return {"input_ids": rows[0] if isinstance(text, str) else rows}


def test_sentence_and_twin_differ_in_the_attractor_and_end_before_the_verb():
    tokenizer = Words()
    asked = load("", tokenizer, 6, "pico")
    words = {token: word for word, token in tokenizer.known.items()} | {0: ""}
    assert Counter(asked.table["phenomenon"]) == dict.fromkeys(AGREEMENT, 6)
    assert asked.left_out.empty
    assert (asked.table.groupby("item").size() == 2).all()  # singular and plural, the same words
    for row, own, twin, other, good, bad in zip(
        asked.table.itertuples(),
        asked.texts.own,
        asked.texts.other,
        asked.others.other,
        asked.texts.good,
        asked.texts.bad,
        strict=True,
    ):
        begin, sentence = own[0], " ".join(words[t] for t in own[1:])
        assert begin == 0
        assert row.good.startswith(f"{sentence} {words[good]}")
        assert row.bad.startswith(f"{sentence} {words[bad]}")
        assert len(own) == len(twin) == len(other)
        changed = [k for k, (a, b) in enumerate(zip(own, twin, strict=True)) if a != b]
        assert changed == ([5, 6] if row.phenomenon == AGREEMENT[1] else [5])
        assert [k for k, (a, b) in enumerate(zip(own, other, strict=True)) if a != b] == [5]
        assert row.attractor.split()  # both forms: one name for either sentence of an item
    assert asked.others.own == asked.texts.own


def test_an_item_whose_versions_have_unlike_lengths_is_left_out_whole_and_named():
    """A noun's plural is cut in two: what has it for an attractor is left out, and others take its place."""
    plain = load("nano", Words(), 20, "pico").table
    noun = plain["attractor"].iloc[0]
    plural = plain["good"].iloc[0].split()[4]
    asked = load("nano", Words(plural), 20, "pico")
    expected = plain[(plain["attractor"] == noun) & (plain["phenomenon"] == AGREEMENT[0])]
    left = asked.left_out.set_index("good")
    assert set(expected["good"]) <= set(left.index)
    assert (
        left.loc[expected["good"], "why"].str.fullmatch(r"\d and \d tokens before the verb").all()
    )
    assert noun not in set(asked.table["attractor"])
    assert Counter(asked.table["phenomenon"])[AGREEMENT[0]] == 20


def file(folder, text: str):
    path = folder / "own.csv"
    path.write_text(text)
    return path


HEAD = "item,good,bad,twin,other\n"
ROW = "a,The key near the boxes is old.,The key near the boxes are old.,{},{}\n"
TWIN, OTHER = "The key near the box is old.", "The key near the chairs is old."


def test_sentences_of_a_file(tmp_path):
    path = file(tmp_path, HEAD + ROW.format(TWIN, OTHER))
    asked = load(str(path), Words(), 5, "pythia")
    assert asked.table[["phenomenon", "item", "twin", "other"]].to_numpy().tolist() == [
        ["own", "a", TWIN, OTHER]
    ]
    assert asked.table["attractor"].tolist() == ["box boxes"]


@pytest.mark.parametrize(
    ("twin", "other", "why"),
    [
        ("The key near the big box is old.", OTHER, "5 and 6 tokens before the verb"),
        ("The key near the box is new.", OTHER, "5 and 5 tokens before the verb"),
        (TWIN, "The key near the big chairs is old.", "no other noun has as many tokens"),
    ],
)
def test_a_row_that_cannot_be_read_position_by_position_says_why(tmp_path, twin, other, why):
    asked = load(str(file(tmp_path, HEAD + ROW.format(twin, other))), Words(), 5, "pythia")
    assert asked.table.empty
    assert asked.left_out["why"].tolist() == [why]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "item,good,bad,twins,other\na,b,c,d,e\n",
            "has no column twin; expected item, good, bad, .*twins",
        ),
        (HEAD, "holds no sentences; expected the columns item"),
        (HEAD + "a,b,,d,e\n", "line 2: 'bad' is empty"),
        (HEAD + "a,b\n", "line 2: expected 5 columns"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        load(str(file(tmp_path, text)), Words(), 5, "pythia")


def test_no_file_and_no_number_are_told_in_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read sentences from .*nowhere\.csv"):
        load(str(tmp_path / "nowhere.csv"), Words(), 5, "pythia")
    with pytest.raises(UsageError, match="0 sentences to patch; expected at least 1"):
        load("nano", Words(), 0, "pico")


def test_each_suite_has_a_usual_set():
    assert patching_pairs.usual("", "pico") == "nano"
    assert (
        patching_pairs.usual("", "pythia")
        == patching_pairs.usual("", "english")
        == "data/attractors.csv"
    )
    assert patching_pairs.usual("mine.csv", "pico") == "mine.csv"


def test_the_english_sentences_are_of_one_form():
    """Both numbers of each item; the twin's attractor has the subject's number, the others' has not."""
    with (ROOT / "data" / "attractors.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert set(Counter(row["item"] for row in rows).values()) == {2}
    assert set(Counter(row["phenomenon"] for row in rows)) == set(AGREEMENT)
    for row in rows:
        good, bad, twin, other = (row[name].split() for name in ("good", "bad", "twin", "other"))
        assert len(good) == len(bad) == len(twin) == len(other)
        verbs = [k for k in range(len(good)) if good[k] != bad[k]]
        assert [{good[k], bad[k]} in ({"is", "are"}, {"was", "were"}) for k in verbs] == [True]
        plural = good[verbs[0]] in ("are", "were")
        numbers = [each[4].endswith("s") and each[4] != "bus" for each in (good, other, twin)]
        assert numbers == [not plural, not plural, plural]  # the first two tempt
        changed = {k for k in range(len(good)) if good[k] != twin[k]}
        assert changed == ({4, 5} if row["phenomenon"] == AGREEMENT[1] else {4})
        assert [k for k in range(len(good)) if good[k] != other[k]] == [4]


@pytest.mark.skipif(
    not (REFERENCE / "20B_tokenizer.json").is_file(), reason="without Pythia's tokenizer"
)
def test_pythias_tokenizer_keeps_all_english_sentences():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(REFERENCE / "20B_tokenizer.json"), eos_token="<|endoftext|>"
    )
    asked = load("", tokenizer, 100, "pythia")
    assert len(asked.table) == 64
    assert asked.left_out.empty
