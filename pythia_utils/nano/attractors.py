"""Attractors of nano's sentences: the noun that tempts to an error, and the same sentence without it.

In "The key near the boxes today is/*are old" the nearest noun has the other number than the subject. With
"box" it tempts to nothing; with "shops" it tempts as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pythia_utils.nano.lexicon import ALL_VERBS, BY_KIND, COMMON
from pythia_utils.nano.minimal_pair import MinimalPair

# Where the words of each attractor stand that show its number.
_NOUN_AND_VERB = {
    "subject_verb_agreement_attractor": (4, None),  # The key near the boxes today ...
    "subject_verb_agreement_relative": (4, 5),  # The dog that the cats chase ...
    "binding_domain": (1, 2),  # The men say that ...
}
_NOUNS = {form: other for n in COMMON for form, other in (n.forms, n.forms[::-1])}
_VERBS = {form: other for v in ALL_VERBS for form, other in (v.present, v.present[::-1])}
_NOUN_OF = {form: (noun, number) for noun in COMMON for number, form in enumerate(noun.forms)}


def has_attractor(pair: MinimalPair) -> bool:
    """Whether a pair of nano's is of a phenomenon with an attractor."""
    return pair.phenomenon in _NOUN_AND_VERB


def without_temptation(pairs: Sequence[MinimalPair]) -> list[MinimalPair]:
    """The pairs that have an attractor, in order, its number changed to that of the right word.

    Args:
        pairs: nano's, of any phenomena; those of phenomena without an attractor are left out.
    """
    return [
        replace(pair, good=_changed(pair.good, *where), bad=_changed(pair.bad, *where))
        for pair in pairs
        if (where := _NOUN_AND_VERB.get(pair.phenomenon))
    ]


def _changed(sentence: str, noun: int, verb: int | None) -> str:
    words = sentence.split(" ")
    words[noun] = _NOUNS[words[noun]]
    if verb is not None:
        words[verb] = _VERBS.get(words[verb], words[verb])  # a past form shows no number
    return " ".join(words)


def with_other_nouns(pair: MinimalPair) -> Iterator[MinimalPair]:
    """The pair with another attractor of the same number and kind: each noun that it does not hold.

    They come in the lexicon's order, from the attractor's own on, so that those of different pairs differ.
    """
    words = pair.good.split(" ")
    place, _ = _NOUN_AND_VERB[pair.phenomenon]
    own, number = _NOUN_OF[words[place]]
    nouns = BY_KIND[own.kind]
    start = nouns.index(own) + 1
    for noun in nouns[start:] + nouns[: start - 1]:
        if not set(noun.forms) & set(words):
            yield replace(
                pair,
                good=_with(pair.good, place, noun.forms[number]),
                bad=_with(pair.bad, place, noun.forms[number]),
            )


def _with(sentence: str, place: int, word: str) -> str:
    words = sentence.split(" ")
    return " ".join([*words[:place], word, *words[place + 1 :]])
