"""Sentences with an attractor, their twins without, and other attractors: what patching is done with.

A sentence and its twin are read position by position, so they must have as many tokens. Where a tokenizer cuts
the two numbers of a noun into unlike numbers of tokens, both sentences of the item are left out, and named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis.lens.names import AGREEMENT
from pythia_utils.base.errors import UsageError, nearest
from pythia_utils.evaluation.likelihood import first_token
from pythia_utils.evaluation.pair_files import table_rows, whole_text
from pythia_utils.evaluation.patching import Texts
from pythia_utils.evaluation.prefix_tree import common_prefix
from pythia_utils.nano import grammar
from pythia_utils.nano.attractors import with_other_nouns, without_temptation
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import named_file
from pythia_utils.suites.catalog import suite as find_suite

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "data/attractors.csv"  # of English, for models of any text
COLUMNS = ("item", "good", "bad", "twin", "other")
WORDS = ("subject", "verb", "attractor")
_DRAWN = 4  # times as many of nano's pairs are looked at as are wanted


@dataclass(frozen=True)
class Sentence:
    """An attractor's pair, before it is known whether a tokenizer keeps its versions as long.

    Attributes:
        phenomenon: what it tests.
        item: sentences of one item are not independent: the same words in the other number.
        good, bad: the pair, whose attractor tempts to the bad one.
        twin: the good one with the attractor's number changed: it tempts to nothing.
        others: the good one with other attractors, which tempt as before.
        words: subject, verb and attractor: what other sentences may share. Empty where it is not told.
    """

    phenomenon: str
    item: str
    good: str
    bad: str
    twin: str
    others: Iterable[str]
    words: tuple[str, str, str]


@dataclass(frozen=True)
class Asked:
    """What a network reads.

    Attributes:
        table: a row a sentence: phenomenon, good, bad, twin, other, item, subject, verb, attractor.
        texts: sentences up to the verb, and their twins.
        others: the same sentences, and those with another attractor of the same number.
        left_out: a row a sentence that is not asked: phenomenon, good, twin, why.
    """

    table: pd.DataFrame
    texts: Texts
    others: Texts
    left_out: pd.DataFrame


def load(source: str, tokenizer: PreTrainedTokenizerBase, n: int, suite: str) -> Asked:
    """The sentences of an evaluation set that a tokenizer lets be compared position by position.

    Args:
        source: `nano`, or the path of a CSV file with `COLUMNS`; empty for what is usual of the suite: nano's
            for text that our program made, else `FILE`.
        tokenizer: the model's.
        n: sentences of each phenomenon at most; of a file the first.
        suite: of the model.

    Raises:
        UsageError: no such file, a column that is not there, a row that is none, or a number below 1.
    """
    if n < 1:
        raise UsageError(f"{n} sentences to patch; expected at least 1")
    name = usual(source, suite)
    found = _of_nano(n) if name == "nano" else read(named_file(name))
    chosen, left_out = [], []
    for _, sentences in itertools.groupby(found, key=lambda sentence: sentence.phenomenon):
        _choose(sentences, tokenizer, n, chosen, left_out)
    columns = ["phenomenon", "good", "bad", "twin", "other", "item", *WORDS]
    table = pd.DataFrame([row for row, _, _ in chosen], columns=columns)
    texts, others = (_texts([one[k] for one in chosen]) for k in (1, 2))
    names = ["phenomenon", "good", "twin", "why"]
    return Asked(table, texts, others, pd.DataFrame(left_out, columns=names))


def usual(source: str, suite: str) -> str:
    """The source itself, or if it is empty what is usual of a suite."""
    return source or ("nano" if "made-text" in find_suite(suite).kinds else FILE)


def _choose(sentences: Iterable[Sentence], tokenizer, n: int, chosen: list, left_out: list) -> None:
    """Add whole items of one phenomenon until there are enough sentences of it."""
    count = 0
    for _, group in itertools.groupby(sentences, key=lambda sentence: sentence.item):
        if count >= n:
            return
        item = list(group)
        fitted = [_fit(sentence, tokenizer) for sentence in item]
        why = next((fault for fault in fitted if isinstance(fault, str)), "")
        if why:
            left_out += [(one.phenomenon, one.good, one.twin, why) for one in item]
        else:
            chosen += fitted
            count += len(item)


def _fit(sentence: Sentence, tokenizer: PreTrainedTokenizerBase) -> tuple | str:
    """A row, the tokens of sentence and twin, those of sentence and other; or why there are none."""
    tokens = tokenizer([sentence.good, sentence.bad, sentence.twin], add_special_tokens=False)
    good, bad, twin = tokens["input_ids"]
    at = common_prefix(good, bad)
    if at in (len(good), len(bad)):
        return "one sentence is the beginning of the other"
    if not _alike(good, twin, at):
        return f"{at} and {len(twin) - len(good) + at} tokens before the verb"
    begin = first_token(tokenizer)
    for text in sentence.others:
        other = tokenizer(text, add_special_tokens=False)["input_ids"]
        if _alike(good, other, at):
            own = [begin, *good[:at]]
            row = (sentence.phenomenon, sentence.good, sentence.bad, sentence.twin, text)
            answers = good[at], bad[at]
            pairs = ((own, [begin, *each[:at]], *answers) for each in (twin, other))
            return (*row, sentence.item, *sentence.words), *pairs
    return "no other noun has as many tokens"


def _alike(good: list[int], changed: list[int], at: int) -> bool:
    """Whether two sentences are as long and differ before a position alone."""
    return len(good) == len(changed) and good[at:] == changed[at:] and good != changed


def _texts(rows: list[tuple]) -> Texts:
    return Texts(*zip(*rows, strict=True)) if rows else Texts((), (), (), ())


# --- where sentences come from --------------------------------------------------------------------


def _of_nano(n: int) -> Iterator[Sentence]:
    """Nano's two phenomena of agreement across an attractor, twins side by side."""
    for name in AGREEMENT:
        pairs = grammar.minimal_pairs(name, _DRAWN * n, 0)
        for index, (pair, twin) in enumerate(zip(pairs, without_temptation(pairs), strict=True)):
            others = (other.good for other in with_other_nouns(pair))
            yield _sentence(pair, f"{name} {index // 2}", twin.good, others)


def _sentence(pair: MinimalPair, item: str, twin: str, others: Iterable[str]) -> Sentence:
    words = *(pair.combination or ("", "")), _changed(pair.good, twin)
    return Sentence(pair.phenomenon, item, pair.good, pair.bad, twin, others, words)


def _changed(good: str, twin: str) -> str:
    """The attractor in both numbers, and what agrees with it: one name for either sentence of an item."""
    return " ".join(sorted(set(good.split()) ^ set(twin.split())))


def read(path: Path) -> list[Sentence]:
    """The sentences of a CSV file with `COLUMNS`, and `phenomenon` if there are several.

    Raises:
        UsageError: no such file, no text, a column that is not there, or an empty field.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read sentences from {path}: {error}") from None
    rows = list(table_rows(str(path), text, ","))
    for name in COLUMNS:
        if rows and name not in rows[0][1]:
            similar = nearest(name, rows[0][1])
            hint = f"; nearest: {', '.join(similar)}" if similar else ""
            raise UsageError(f"{path} has no column {name}; expected {', '.join(COLUMNS)}{hint}")
    if not rows:
        raise UsageError(f"{path} holds no sentences; expected the columns {', '.join(COLUMNS)}")
    found = [_of_row(row, f"{path}, line {number}", path.stem) for number, row in rows]
    return sorted(found, key=lambda sentence: sentence.phenomenon)


def _of_row(row: dict, where: str, name: str) -> Sentence:
    item, good, bad, twin, other = (whole_text(row[c].strip(), c, where) for c in COLUMNS)
    for column, value in zip(COLUMNS, (item, good, bad, twin, other), strict=True):
        if not value:
            raise UsageError(f"{where}: {column!r} is empty")
    phenomenon = (row.get("phenomenon") or "").strip() or name
    return Sentence(phenomenon, item, good, bad, twin, (other,), ("", "", _changed(good, twin)))
