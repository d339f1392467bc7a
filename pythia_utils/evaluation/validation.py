"""Validation text: documents of nano's domains that no training holds."""

from __future__ import annotations

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano.documents import DOMAINS, VALIDATION_DOCUMENTS, validation_texts
from pythia_utils.suites.catalog import suite


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
    """Each domain's share of the corpus, duplicates and memorization sequences aside; sums to one."""
    shares = _corpus_settings()["shares"]
    total = sum(shares[domain] for domain in DOMAINS)
    return {domain: shares[domain] / total for domain in DOMAINS}
