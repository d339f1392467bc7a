"""The text that lenses are trained on, and the text that they are compared on: sequences of other documents."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import rolling, sets, text_sets, validation
from pythia_utils.evaluation.text_files import Document
from pythia_utils.suites.catalog import suite

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MORE = 4  # so many times the tokens that are needed are read, so that they are of many documents


@dataclass(frozen=True)
class Sequences:
    """Text as token ids.

    Attributes:
        held_out: sequences that no lens is trained on.
        documents: which document each of them is from: int64 (held-out sequences,).
        fit: sequences to train on, of other documents.
    """

    held_out: list[np.ndarray]
    documents: np.ndarray
    fit: list[np.ndarray]


def cut(
    tokenizer: PreTrainedTokenizerBase,
    suite_name: str,
    texts: str,
    rows: int,
    fit: int,
    length: int,
) -> Sequences:
    """The text of a suite, or the one that is named, cut into sequences.

    Of our program's text: validation documents laid end to end as in training, domains by their share, and
    cut; each piece stands for itself. Of others: every other document is held out, and of these, and of the
    rest, the first pieces are taken, then the second ones, until there are enough.

    Args:
        tokenizer: the models'.
        suite_name: whose models are measured.
        texts: of `validation.chosen`.
        rows: held-out sequences.
        fit: sequences to train on.
        length: tokens that are read of each; pieces at the end of a document may be shorter.

    Raises:
        UsageError: a number below what is needed, unknown texts, or too little text.
        FetchError: texts of the Hub are neither in its cache nor to be had.
    """
    if rows < 1 or fit < 2 or length < 1:
        raise UsageError(
            f"rows {rows}, fit {fit}, length {length}: expected at least 1 held-out sequence, 2 to train "
            "on, and 1 token of each"
        )
    named = validation.chosen(suite_name, texts)
    if named == validation.OWN_TEXTS and (texts or not suite(suite_name).is_of_text):
        return _laid_out(tokenizer, rows, fit, length)
    documents = (
        _chapters(suite_name) if named == validation.OWN_TEXTS else text_sets.documents(named)
    )
    read = rolling.tokenized(documents, tokenizer, _MORE * (rows + fit) * length)
    held_out, owners = _in_turn(read.rows[::2], rows, length)
    return Sequences(held_out, owners, _in_turn(read.rows[1::2], fit, length)[0])


def _laid_out(tokenizer: PreTrainedTokenizerBase, rows: int, fit: int, length: int) -> Sequences:
    stream = validation.stream(tokenizer, (rows + fit) * length + 1)
    pieces = [stream[at : at + length + 1] for at in range(0, len(stream) - 1, length)]
    return Sequences(pieces[:rows], np.arange(rows), pieces[rows:])


def _chapters(suite_name: str) -> Iterable[Document]:
    (domain,) = validation.domain_shares(suite_name)
    texts = validation.validation_documents(domain, suite_name=suite_name)
    return [Document(text, f"{domain} {index}") for index, text in enumerate(texts)]


def _in_turn(
    rows: Sequence[np.ndarray], count: int, length: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """The first pieces of all documents, then the second ones, ...; and which document each is of."""
    most = max((len(row) for row in rows), default=0)
    places = itertools.product(range(0, most, length), enumerate(rows))
    pieces = (
        (owner, row[at : at + length + 1]) for at, (owner, row) in places if len(row) > at + 1
    )
    found = list(itertools.islice(pieces, count))
    if len(found) < count:
        raise UsageError(
            f"{count} sequences of {length} tokens asked for; half of the text's documents hold {len(found)}"
        )
    return [piece for _, piece in found], np.array([owner for owner, _ in found])


def set_name(suite_name: str, texts: str, pairs_from: str) -> str:
    """What records call the text and the minimal pairs that were used: `nano`, `wikitext and blimp`.

    Raises:
        UsageError: unknown texts, or pairs of a path that is not there.
    """
    names = [validation.set_of(suite_name, texts)]
    names += [sets.set_name(pairs_from)] if pairs_from else []
    return " and ".join(dict.fromkeys(names))
