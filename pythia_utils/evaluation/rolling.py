"""How well a model predicts whole texts: documents as tokens, read in windows of the model's context.

Texts are counted in tokens, words and bytes, so that a loss can be told in any of these units. All of it
is as in lm-evaluation-harness (`loglikelihood_rolling`, word and byte perplexity), whose words are what
stands between blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.base.errors import UsageError, quoted
from pythia_utils.base.progress import Bar
from pythia_utils.evaluation.causal import require_causal
from pythia_utils.evaluation.inference import context_of, tokens_that_fit
from pythia_utils.evaluation.likelihood import first_token, token_logprobs, windows
from pythia_utils.evaluation.text_files import Document

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_AT_ONCE = 1_000_000  # characters that are made tokens together
_BATCHES = 4  # that are scored between two looks at the bar


@dataclass(frozen=True)
class Texts:
    """Documents as a model reads them.

    Attributes:
        rows: of each its tokens, after the one that is only read: int32 arrays.
        counts: a row a document: part, tokens, words, bytes.
        empty: how many more documents had no token, and were left out.
        whole: whether all was read, or a limit of tokens reached.
    """

    rows: list[np.ndarray]
    counts: pd.DataFrame
    empty: int
    whole: bool


def tokenized(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerBase, limit: int = 0
) -> Texts:
    """Make tokens of documents, one after another until there are enough.

    Args:
        documents: in their order; no more of them are asked for than are needed.
        tokenizer: the model's.
        limit: tokens. The document in which they are reached is cut there; its words and bytes are then
            those of what is left of it. 0: all.

    Raises:
        UsageError: a limit below 0, no document that has a token, or characters that the tokenizer does not
            know: their loss would not be the text's.
    """
    if limit < 0:
        raise UsageError(f"tokens {limit}: expected how many to score, or 0 for all")
    rows, counts, total, empty, whole = [], [], 0, 0, True
    for document, ids in _with_ids(documents, tokenizer):
        _require_known(document, ids, tokenizer)
        if limit and total + len(ids) > limit:
            document, ids, whole = *_cut(document, tokenizer, limit - total), False
        if ids:
            rows.append(np.array([first_token(tokenizer), *ids], dtype=np.int32))
            counts.append((document.part, len(ids), *_words_and_bytes(document)))
        total, empty = total + len(ids), empty + (not ids)
        if not whole:
            break
    if not rows:
        raise UsageError(f"no text to measure: of {empty} documents none has a token")
    return Texts(
        rows, pd.DataFrame(counts, columns=["part", "tokens", "words", "bytes"]), empty, whole
    )


def _with_ids(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[Document, list[int]]]:
    """Each document and its tokens; some are made together, which is faster."""
    for group in _grouped(documents, lambda document: len(document.text), _AT_ONCE):
        texts = [document.text for document in group]
        ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        yield from zip(group, ids, strict=True)


def _grouped(items: Iterable, size, enough: int) -> Iterator[list]:
    """The items in lists, each ended by the item with which its sizes are enough."""
    group, total = [], 0
    for item in items:
        group.append(item)
        total += size(item)
        if total >= enough:
            yield group
            group, total = [], 0
    if group:
        yield group


def _cut(
    document: Document, tokenizer: PreTrainedTokenizerBase, left: int
) -> tuple[Document, list[int]]:
    """The document's first tokens, and what of its text they are."""
    made = tokenizer(
        document.text, add_special_tokens=False, verbose=False, return_offsets_mapping=True
    )
    end = made["offset_mapping"][left - 1][1] if left else 0
    return replace(document, text=document.text[:end], original=None), made["input_ids"][:left]


def _require_known(
    document: Document, ids: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> None:
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown not in ids or tokenizer.unk_token in document.text:
        return
    made = tokenizer(document.text, add_special_tokens=False, return_offsets_mapping=True)
    start, end = made["offset_mapping"][made["input_ids"].index(unknown)]
    raise UsageError(
        f"{document.place}: the model's tokenizer has no token for {quoted(document.text[start:end])}, "
        "so the text cannot be measured by this model"
    )


def _words_and_bytes(document: Document) -> tuple[int, int]:
    text = document.text if document.original is None else document.original
    return len(re.split(r"\s+", text)), len(text.encode())


def text_losses(model: PreTrainedModel, texts: Texts, stride: int = 0) -> pd.DataFrame:
    """Measure how well a model predicts each document, read in windows from its beginning.

    Every token is scored once, in float32 whatever the model's dtype. At the beginning of a window a token is
    predicted from little, so that the loss is an upper bound; a smaller stride lowers it. A bar on stderr tells
    how far it is.

    Args:
        model: a causal network.
        texts: of `tokenized`, by its tokenizer.
        stride: of `likelihood.windows`.

    Returns:
        `texts.counts` with a column nats: the document's negative log-likelihood.

    Raises:
        UsageError: another class of model, or a stride that does not fit its context.
        NotFiniteError: the network gives NaN or infinity.
    """
    context = context_of(require_causal(model))
    nats = np.zeros(len(texts.rows))
    cut = ((i, *each) for i, row in enumerate(texts.rows) for each in windows(row, context, stride))
    budget = _BATCHES * tokens_that_fit(model)
    with Bar(int(texts.counts["tokens"].sum()), "loss", "token", keep=False) as bar:
        for group in _grouped(cut, lambda each: len(each[1]), budget):
            found = token_logprobs(model, [tokens for _, tokens, _ in group])
            for (index, _, scored), values in zip(group, found, strict=True):
                nats[index] -= values[-scored:].sum(dtype=np.float64)
            bar.advance(sum(scored for _, _, scored in group))
    return texts.counts.assign(nats=nats)
