"""Validation text: documents that no training holds. Of nano's domains, or of a suite's own text.

Nano and pico are made by one program with one seed, so one set of documents serves both. A suite
whose corpus is a text from elsewhere has one domain, the chapters of this text that were held out. Models
of the Hub have no such text here: they are measured on texts by name (`text_sets`), by default WikiText.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.evaluation import text_names
from pythia_utils.nano import english, entropy
from pythia_utils.nano.documents import DOMAINS, validation_texts
from pythia_utils.suites.catalog import suite
from pythia_utils.suites.folders import corpus_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COPIED_DOMAINS = ("grammar", "stories")  # whose documents `nano.corpus` copies
NANO = "nano"
OWN_TEXTS = ""  # validation documents of nano's domains, or of the suite's own text


def chosen(suite_name: str, texts: str = "") -> str:
    """The texts that a suite's models are measured on: those named, else the usual of the suite.

    Returns:
        A name or a path for `text_sets`, or `OWN_TEXTS`: what this module has.
    """
    if not texts:
        return OWN_TEXTS if suite(suite_name).kind == "local" else text_names.WIKITEXT
    return OWN_TEXTS if texts == NANO else texts


def set_of(suite_name: str, texts: str = "") -> str:
    """What records call the texts that a suite's models are measured on.

    `nano`, `own` of a suite whose text is from elsewhere, or as `text_names.set_name`.

    Raises:
        UsageError: unknown texts.
    """
    if (named := chosen(suite_name, texts)) != OWN_TEXTS:
        return text_names.set_name(named)
    return NANO if texts == NANO or not suite(suite_name).is_of_text else "own"


def _corpus_settings() -> dict:
    """Nano's; pico's corpus has the same seed and shares, so both suites share their evaluation sets."""
    return suite("nano").corpus  # a literal: results then depend on what its file says


def validation_documents(domain: str, n: int | None = None, suite_name: str = NANO) -> list[str]:
    """The first `n` documents of a domain that training never holds; all of them if None.

    Args:
        domain: one of `domain_shares(suite_name)`.
        n: how many.
        suite_name: whose models are measured.

    Raises:
        UsageError: unknown domain, more documents than there are, or a corpus that has not been made.
    """
    if domain not in (known := domain_shares(suite_name)):
        raise unknown("domain", domain, known)
    texts = _documents(domain, suite_name)
    if n is not None and not 1 <= n <= len(texts):
        raise UsageError(f"{n} validation documents asked for; expected 1 to {len(texts)}")
    return texts[:n]


def _documents(domain: str, suite_name: str) -> list[str]:
    if suite(suite_name).is_of_text:
        return english.read_validation(corpus_folder(suite_name), suite_name)
    return validation_texts(domain, _corpus_settings()["seed"])


def domain_shares(suite_name: str = NANO) -> dict[str, float]:
    """Each domain's share of what the standard variant trains on, memorization sequences aside; sums to one.

    Copies count where they belong: the share `duplicates` is of grammar and story documents, each as
    likely to be copied as any other, so that it falls to the two in proportion to their own shares. A text
    from elsewhere is one domain.
    """
    if suite(suite_name).is_of_text:
        return {english.DOMAIN: 1.0}
    shares = _corpus_settings()["shares"]
    copied = sum(shares[domain] for domain in COPIED_DOMAINS)
    grown = 1 + shares["duplicates"] / copied
    true = {d: shares[d] * (grown if d in COPIED_DOMAINS else 1) for d in DOMAINS}
    return {domain: share / sum(true.values()) for domain, share in true.items()}


def stream(tokenizer: PreTrainedTokenizerBase, tokens: int, suite_name: str = NANO) -> np.ndarray:
    """A suite's validation documents laid end to end as in training.

    It is always the turn of the domain that is most behind its share.

    Returns:
        Token ids, int64 (tokens,), each document with an end-of-text token behind it.

    Raises:
        UsageError: there are not so many.
    """
    shares = domain_shares(suite_name)
    left = {domain: iter(validation_documents(domain, None, suite_name)) for domain in shares}
    counts, laid = dict.fromkeys(shares, 0), []
    while len(laid) < tokens:
        domain = max(shares, key=lambda each: shares[each] * (len(laid) + 1) - counts[each])
        text = next(left[domain], None)
        if text is None:
            raise UsageError(
                f"{tokens} tokens of held-out text asked for; there are {len(laid)} before the "
                f"documents of domain {domain} are used up"
            )
        ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        counts[domain] += len(ids)
        laid += ids
    return np.array(laid[:tokens])


def least_nats(domain: str, texts: Sequence[str]) -> np.ndarray | None:
    """What the best predictor pays for each document (`nano.entropy`): float64 (n,); None if not known."""
    if domain not in entropy.KNOWN:
        return None
    seed = _corpus_settings()["seed"]
    return np.array([entropy.document_nats(domain, text, seed) for text in texts])
