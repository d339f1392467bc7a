"""Held-out text as rows of tokens, no two of which share a document: the rows are independent of each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import text_sets, validation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def held_out_documents(suite: str, texts: str = "") -> Iterator[str]:
    """Documents to measure a suite's models on: of its own domains in turn, or of texts by name or path.

    Args:
        suite: the models'.
        texts: of `validation.chosen`.

    Raises:
        UsageError: unknown texts.
        FetchError: texts of the Hub are neither in its cache nor to be had.
    """
    if (named := validation.chosen(suite, texts)) != validation.OWN_TEXTS:
        return (document.text for document in text_sets.documents(named))
    source = validation.NANO if texts else suite
    domains = validation.domain_shares(source)
    every = [validation.validation_documents(domain, suite_name=source) for domain in domains]
    return (text for turn in itertools.zip_longest(*every) for text in turn if text is not None)


def token_rows(
    documents: Iterable[str], tokenizer: PreTrainedTokenizerBase, rows: int, length: int
) -> np.ndarray:
    """Rows of tokens: each begins with a document, goes on with the next ones, and is cut at its length.

    What is left of the document that was cut is dropped; an end-of-text token is after each document.

    Args:
        documents: in order; no more of them are read than are needed.
        tokenizer: the model's.
        rows: how many.
        length: tokens of each.

    Returns:
        int64 (rows, length).

    Raises:
        UsageError: not one row of two tokens, or there is less text than that.
    """
    if rows < 1 or length < 2:
        raise UsageError(f"{rows} rows of {length} tokens; expected 1 or more rows of 2 or more")
    found, row = [], []
    for text in documents:
        ids = tokenizer(text, verbose=False)["input_ids"]  # it may be longer than the context
        row = [*row, *ids, tokenizer.eos_token_id][:length]
        if len(row) == length:
            found.append(row)
            row = []
        if len(found) == rows:
            return np.array(found, dtype=np.int64)
    raise UsageError(f"{rows} rows of {length} tokens asked for; the text has {len(found)}")
