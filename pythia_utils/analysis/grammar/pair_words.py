"""The words that a minimal pair is about: where its sentences differ, and the combination that decides."""

from __future__ import annotations

from collections.abc import Sequence

from pythia_utils.nano.minimal_pair import MinimalPair


def words_of(pairs: Sequence[MinimalPair]) -> dict[str, list[str]]:
    """What pairs may have in common: the words that change places, and those of their combination.

    Returns:
        Columns exchanged, good_word, bad_word, first_word, second_word, as of `controls.with_controls`.
    """
    critical = [critical_words(pair) for pair in pairs]
    about = [pair.combination or sorted(c) for pair, c in zip(pairs, critical, strict=True)]
    return {
        "exchanged": [" / ".join(sorted(c)) for c in critical],
        "good_word": [good for good, _ in critical],
        "bad_word": [bad for _, bad in critical],
        "first_word": [first for first, _ in about],
        "second_word": [second for _, second in about],
    }


def critical_words(pair: MinimalPair) -> tuple[str, str]:
    """Where the two sentences differ: what is left without the words that they begin and end with."""
    good, bad = pair.good.rstrip(".").split(), pair.bad.rstrip(".").split()
    while good and bad and good[0] == bad[0]:
        good, bad = good[1:], bad[1:]
    while good and bad and good[-1] == bad[-1]:
        good, bad = good[:-1], bad[:-1]
    return " ".join(good), " ".join(bad)
