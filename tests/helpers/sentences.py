"""Sentences within texts, as runs of words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

Words = tuple[str, ...]


def bare_words(sentence: str) -> Words:
    """Without capitals, commas and the stop: "Nora laughs" is a part of "when Nora laughs, Ben waits"."""
    return tuple(sentence.lower().replace(",", "").rstrip(".").split())


def within(asked: Iterable[Words], texts: Iterable[str]) -> set[Words]:
    """Which of these sentences, of two words or more, stand in the texts, alone or as a part of another."""
    wanted, lengths = set(asked), defaultdict(set)
    for words in wanted:
        lengths[words[:2]].add(len(words))
    words = " ".join(texts).lower().replace(",", "").replace(".", " .").split()
    found = set()
    for place, pair in enumerate(pairwise(words)):
        for length in lengths.get(pair, ()):
            run = tuple(words[place : place + length])
            if run in wanted:
                found.add(run)
    return found
