"""What a cell records: the loss of one model on each domain of the validation text, and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.evaluation import likelihood, validation

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, documents: int
) -> pd.DataFrame:
    """Loss and bits per byte of every domain, and their means weighted by the domains' shares of the corpus.

    The loss of a domain is the summed negative log-likelihood of its documents over the number of their
    tokens. Documents, not tokens, are the independent units of its error (`stats.ratio_and_stderr`).

    Args:
        model, tokenizer: what is measured.
        documents: of each domain.

    Returns:
        Columns metric (`loss`, nats a token, or `bits_per_byte`), subset (a domain or `all`), value,
        stderr, n (documents).

    Raises:
        UsageError: there are not so many documents.
    """
    shares = validation.domain_shares()
    rows = []
    for domain in shares:
        texts = validation.validation_documents(domain, documents)
        scored = likelihood.document_losses(model, tokenizer, texts)
        bits = scored["bytes"] * likelihood.LN2
        for metric, size in {"loss": scored["tokens"], "bits_per_byte": bits}.items():
            rows.append((metric, domain, *stats.ratio_and_stderr(scored["nats"], size), documents))
    for metric in ("loss", "bits_per_byte"):
        own = [row for row in rows if row[0] == metric]
        mean = stats.weighted_mean([r[2] for r in own], [r[3] for r in own], [*shares.values()])
        rows.append((metric, "all", *mean, documents * len(shares)))
    return pd.DataFrame(rows, columns=["metric", "subset", "value", "stderr", "n"])
