"""Validation text: documents of nano's domains that no training holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano import entropy
from pythia_utils.nano.documents import DOMAINS, VALIDATION_DOCUMENTS, validation_texts
from pythia_utils.suites.catalog import suite

COPIED_DOMAINS = ("grammar", "stories")  # whose documents `nano.corpus` copies


def _corpus_settings() -> dict:
    """Nano's; pico's corpus has the same seed and shares, so both suites share their evaluation sets."""
    return suite("nano").corpus


def validation_documents(domain: str, n: int) -> list[str]:
    """The first `n` documents of a domain that training never holds.

    Raises:
        UsageError: unknown domain, or more documents than there are.
    """
    if domain not in DOMAINS:
        raise unknown("domain", domain, DOMAINS)
    if not 1 <= n <= VALIDATION_DOCUMENTS:
        raise UsageError(
            f"{n} validation documents asked for; expected 1 to {VALIDATION_DOCUMENTS}"
        )
    return validation_texts(domain, _corpus_settings()["seed"])[:n]


def domain_shares() -> dict[str, float]:
    """Each domain's share of what the standard variant trains on, memorization sequences aside; sums to one.

    Copies count where they belong: the share `duplicates` is of grammar and story documents, each as
    likely to be copied as any other, so that it falls to the two in proportion to their own shares.
    """
    shares = _corpus_settings()["shares"]
    copied = sum(shares[domain] for domain in COPIED_DOMAINS)
    grown = 1 + shares["duplicates"] / copied
    true = {d: shares[d] * (grown if d in COPIED_DOMAINS else 1) for d in DOMAINS}
    return {domain: share / sum(true.values()) for domain, share in true.items()}


def least_nats(domain: str, texts: Sequence[str]) -> np.ndarray | None:
    """What the best predictor pays for each document (`nano.entropy`): float64 (n,); None if not known."""
    if domain not in entropy.KNOWN:
        return None
    seed = _corpus_settings()["seed"]
    return np.array([entropy.document_nats(domain, text, seed) for text in texts])
