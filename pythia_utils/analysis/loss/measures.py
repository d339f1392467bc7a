"""What a cell records: the loss of one model on each domain of the validation text, and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.evaluation import likelihood, validation

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    return pd.DataFrame(rows, columns=["metric", "subset", "value", "stderr", "n"])


def _domain_rows(domain: str, scored: pd.DataFrame, least: np.ndarray | None) -> list[tuple]:
    """The rows of one domain; `scored` as of `likelihood.document_losses`, `least` in nats a document."""
    nats, tokens = scored["nats"], scored["tokens"]
    measured = {"loss": (nats, tokens), "bits_per_byte": (nats, scored["bytes"] * likelihood.LN2)}
    if least is not None:
        measured["excess"] = (nats - least, tokens)
    return [
        (metric, domain, *stats.ratio_and_stderr(*each), len(scored))
        for metric, each in measured.items()
    ]
