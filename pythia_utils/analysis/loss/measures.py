"""What a cell records: the loss of one model on its validation text, by domain, or on texts by name or path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.evaluation import likelihood, rolling, text_sets, validation
from pythia_utils.evaluation.causal import require_causal
from pythia_utils.evaluation.inference import context_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_COLUMNS = ["metric", "subset", "value", "stderr", "n"]


def measured(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    suite: str,
    texts: str = "",
    documents: int = 64,
    tokens: int = 0,
    stride: int = 0,
) -> pd.DataFrame:
    """The loss on the texts that are named, or on the usual ones of the suite.

    Args:
        model, tokenizer: what is measured.
        suite: the model's.
        texts: of `validation.chosen`.
        documents: of each domain, of the suite's own text.
        tokens: of other texts, at most; 0: all.
        stride: of windows in other texts (`likelihood.windows`).

    Returns:
        As `losses`, or as `losses_on`.

    Raises:
        UsageError: unknown texts, or what is wrong with them or with a number.
        FetchError: texts of the Hub are neither in its cache nor to be had.
    """
    named = validation.chosen(suite, texts)
    if named == validation.OWN_TEXTS:
        return losses(model, tokenizer, documents, validation.NANO if texts else suite)
    # Before the texts are read, which may take a while.
    likelihood.require_stride(stride, context_of(require_causal(model)))
    read = rolling.tokenized(text_sets.documents(named), tokenizer, tokens)
    return losses_on(model, read, stride)


def losses_on(model: PreTrainedModel, texts: rolling.Texts, stride: int = 0) -> pd.DataFrame:
    """Loss and its like on texts, of all and of each of their parts, if they have several.

    The negative log-likelihood of all documents over their tokens, words and bytes. Documents are the
    independent units of the errors (`stats.ratio_and_stderr`); those of perplexities, exp of a ratio, are the
    ratio's times the perplexity.

    Returns:
        Columns metric, subset (`all` or a part), value, stderr (nan of one document) and n (documents): `loss`
        (nats a token), `bits_per_byte`, `word_perplexity` and `byte_perplexity` as lm-evaluation-harness
        defines them; and of all texts `tokens` (scored) and `empty` (documents without a token, left out).
    """
    scored = rolling.text_losses(model, texts, stride)
    rows = _text_rows("all", scored)
    parts = list(scored.groupby("part"))
    if len(parts) > 1:
        for part, own in parts:
            rows += _text_rows(part or "of no part", own)
    rows.append(("tokens", "all", int(scored["tokens"].sum()), np.nan, len(scored)))
    rows.append(("empty", "all", texts.empty, np.nan, len(scored) + texts.empty))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _text_rows(subset: str, scored: pd.DataFrame) -> list[tuple]:
    sizes = {"tokens": scored["tokens"], "words": scored["words"], "bytes": scored["bytes"]}
    ratios = {name: stats.ratio_and_stderr(scored["nats"], size) for name, size in sizes.items()}
    measures = {
        "loss": ratios["tokens"],
        "bits_per_byte": tuple(each / likelihood.LN2 for each in ratios["bytes"]),
        "word_perplexity": _perplexity(*ratios["words"]),
        "byte_perplexity": _perplexity(*ratios["bytes"]),
    }
    return [(metric, subset, *each, len(scored)) for metric, each in measures.items()]


def _perplexity(nats: float, stderr: float) -> tuple[float, float]:
    """exp of nats a unit, and its error; nan where no number holds it: a text may be one word."""
    with np.errstate(over="ignore"):
        value = float(np.exp(nats))
    return (value, value * stderr) if np.isfinite(value) else (np.nan, np.nan)


def losses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    documents: int,
    suite: str = validation.NANO,
) -> pd.DataFrame:
    """Loss, its excess over the least possible, and bits per byte of every domain, and means over domains.

    The loss of a domain is the summed negative log-likelihood of its documents over the number of their
    tokens. Where the generator's entropy is known, the excess is the loss less what the best predictor
    pays for these very documents (`nano.entropy`). Documents, not tokens, are the independent units of the
    error (`stats.ratio_and_stderr`); that of the excess is smaller, for it is paired by document. Means are
    weighted by the domains' true shares of the corpus, copies counted (`validation.domain_shares`).

    Args:
        model, tokenizer: what is measured.
        documents: of each domain.
        suite: the model's; it decides on which validation text.

    Returns:
        Columns metric (`loss` or `excess`, nats a token, or `bits_per_byte`), subset (a domain or `all`;
        of the excess only domains of known entropy), value, stderr, n (documents).

    Raises:
        UsageError: there are not so many documents, or the corpus that has them has not been made.
    """
    shares = validation.domain_shares(suite)
    rows = []
    for domain in shares:
        texts = validation.validation_documents(domain, documents, suite)
        scored = likelihood.document_losses(model, tokenizer, texts)
        rows += _domain_rows(domain, scored, validation.least_nats(domain, texts))
    for metric in ("loss", "bits_per_byte"):
        own = [row for row in rows if row[0] == metric]
        mean = stats.weighted_mean([r[2] for r in own], [r[3] for r in own], [*shares.values()])
        rows.append((metric, "all", *mean, documents * len(shares)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _domain_rows(domain: str, scored: pd.DataFrame, least: np.ndarray | None) -> list[tuple]:
    """The rows of one domain; `scored` as of `likelihood.document_losses`, `least` in nats a document."""
    nats, tokens = scored["nats"], scored["tokens"]
    ratios = {"loss": (nats, tokens), "bits_per_byte": (nats, scored["bytes"] * likelihood.LN2)}
    if least is not None:
        ratios["excess"] = (nats - least, tokens)
    return [
        (metric, domain, *stats.ratio_and_stderr(*each), len(scored))
        for metric, each in ratios.items()
    ]
