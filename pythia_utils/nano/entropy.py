"""The least loss that any model can have on nano's text: what the best predictor pays, in nats.

The best predictor knows the generator of `documents.py`, every fact included, but no random draw
before it is shown. On a document w it pays -log P(the text begins with w): where a document ends is
not scored (`evaluation.likelihood`), so a document that could have gone on costs less than its
probability as a whole. The mean over documents is the entropy of the generator (Shannon 1948) less
the cost of the ends; no model's mean lies below it. It is exact for `KNOWN` domains. Sentences of
grammar and stories have more than one derivation, so theirs has no simple sum.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping

import numpy as np

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano.documents import FACT_PROMPTS, SUCCESSOR_SYMBOLS, SYMBOLS, make_facts

KNOWN = ("echo", "successors", "facts", "arithmetic")

# What `documents.py` draws from, each value equally often.
PERIODS = range(8, 21)  # symbols until an echo document repeats
TIMES = range(2, 5)  # it says them
KEYS = range(2, 4)  # symbols that have a successor, in a document of successors
PAIRS = range(10, 26)  # of a symbol and its successor in it
OPERANDS = range(50)
PARTS = {"arithmetic": range(6, 11), "facts": range(4, 8)}  # equations, or facts, a document


def document_nats(domain: str, text: str, seed: int) -> float:
    """What the best predictor pays for one document.

    Args:
        domain: one of `KNOWN`.
        text: a document of it.
        seed: of the corpus: it decides which facts there are.

    Raises:
        UsageError: a domain whose entropy is not known, or a text that it does not hold.
    """
    if domain in _OF_SYMBOLS:
        return _OF_SYMBOLS[domain][0](text)
    costs, parts = part_nats(domain, seed), [f"{part}." for part in text.split(". ")]
    parts[-1] = parts[-1].removesuffix(".")
    if not set(parts) <= set(costs) or len(parts) not in PARTS[domain]:
        raise UsageError(f"no document of {domain}: {text[:60]!r}")
    return sum(costs[part] for part in parts) + _length_nats(PARTS[domain], len(parts))


def expected_nats(domain: str, seed: int) -> float:
    """The mean of `document_nats` over all documents that the generator can make: its entropy, ends aside.

    Raises:
        UsageError: a domain whose entropy is not known.
    """
    if domain in _OF_SYMBOLS:
        return _OF_SYMBOLS[domain][1]()
    costs = part_nats(domain, seed).values()
    entropy = sum(nats * math.exp(-nats) for nats in costs)
    return float(np.mean(PARTS[domain]) * entropy + _mean_length_nats(PARTS[domain]))


def part_nats(domain: str, seed: int) -> Mapping[str, float]:
    """Every equation, or every fact in both wordings, with -log of its probability."""
    if domain not in PARTS:
        raise unknown("domain of known entropy", domain, KNOWN)
    return _equations() if domain == "arithmetic" else _facts(seed)


def _length_nats(lengths: Iterable[int], length: int) -> float:
    """-log of the chance that a document goes on until it has `length` parts: that it is as long, or longer."""
    return -math.log(np.mean([longest >= length for longest in lengths]))


def _mean_length_nats(lengths: Iterable[int]) -> float:
    return float(np.mean([_length_nats(lengths, length) for length in lengths]))


def _echo_nats(text: str) -> float:
    """The symbols of a period, its length, and that it is said again and again.

    That a period of random symbols is itself one repeated (chance under 56^-8) is left out.
    """
    said = text.split(" ")
    for period in PERIODS:
        times = len(said) // period
        if times in TIMES and said == said[:period] * times and set(said) <= set(SYMBOLS):
            choices = math.log(len(PERIODS)) + _length_nats(TIMES, times)
            return period * math.log(len(SYMBOLS)) + choices
    raise UsageError(f"no document of echo: {text[:60]!r}")


def _expected_echo_nats() -> float:
    symbols = np.mean(PERIODS) * math.log(len(SYMBOLS)) + math.log(len(PERIODS))
    return float(symbols + _mean_length_nats(TIMES))


def _successors_nats(text: str) -> float:
    """What follows which, and which of the two or three that have a successor comes next."""
    said = text.split(" ")
    keys, values = said[::2], said[1::2]
    after = dict(zip(keys, values, strict=False))
    used = {*keys, *values}
    sound = used <= set(SUCCESSOR_SYMBOLS) and len(used) == 2 * len(after) <= 2 * KEYS[-1]
    if (
        len(said) % 2
        or len(keys) not in PAIRS
        or [after[key] for key in keys] != values
        or not sound
    ):
        raise UsageError(f"no document of successors: {text[:60]!r}")
    return _pairs_nats(len(keys), len(after))


def _pairs_nats(pairs: int, distinct: int) -> float:
    """-log of the chance of so many pairs, of which so many are distinct, and of more behind them.

    Of k keys those that are seen are chosen in k! / (k - d)! ways, and all their symbols are equally likely.
    """
    symbols = math.perm(len(SUCCESSOR_SYMBOLS), 2 * distinct)
    chances = [math.perm(keys, distinct) / keys**pairs for keys in KEYS]
    return math.log(symbols) - math.log(np.mean(chances)) + _length_nats(PAIRS, pairs)


def _expected_successors_nats() -> float:
    total = 0.0
    for keys, pairs in itertools.product(KEYS, PAIRS):
        chances = [_chance_of_distinct(keys, pairs, d) for d in range(1, keys + 1)]
        total += sum(p * _pairs_nats(pairs, d) for d, p in enumerate(chances, start=1))
    return total / len(KEYS) / len(PAIRS)


def _chance_of_distinct(keys: int, drawn: int, distinct: int) -> float:
    """That draws of so many equally likely keys bring exactly so many distinct ones (inclusion, exclusion)."""
    onto = sum(
        (-1) ** i * math.comb(distinct, i) * (distinct - i) ** drawn for i in range(distinct)
    )
    return math.comb(keys, distinct) * onto / keys**drawn


_OF_SYMBOLS = {
    "echo": (_echo_nats, _expected_echo_nats),
    "successors": (_successors_nats, _expected_successors_nats),
}


@functools.cache
def _equations() -> dict[str, float]:
    """All sums and differences; two different operands are drawn in either order."""
    count = len(OPERANDS)
    found = {}
    for small, large in itertools.combinations_with_replacement(OPERANDS, 2):
        nats = math.log(2 * count**2 / (1 if small == large else 2))
        found[f"{large} + {small} = {large + small}."] = nats
        found[f"{large} - {small} = {large - small}."] = nats
    return found


@functools.cache
def _facts(seed: int) -> dict[str, float]:
    """The fact of rank r has weight 1/r; each has wordings, equally often."""
    facts = make_facts(seed)
    total = sum(1 / fact.rank for fact in facts)
    return {
        f"{prompt} {fact.answer}.": math.log(total * fact.rank * len(FACT_PROMPTS[fact.relation]))
        for fact in facts
        for prompt in fact.prompts()
    }
