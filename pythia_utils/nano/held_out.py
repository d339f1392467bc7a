"""Which words training never combines, so that a model is tested on combinations that it has not seen.

Each contrast is about two words: a subject and its verb, an auxiliary and the verb after it, a verb
and the word that shows whether it has an object. About one combination in five is held out, chosen
by a hash of the words. `TRAINING` draws from the others and `HELD_OUT` from these. What
stands side by side in a text is checked once more in the text itself (`combinations`), so that no
n-gram of training holds a cue together with the word that it decides: an n-gram model has nothing to
tell the two sentences of a pair apart, and a model that is right has applied a rule to new words.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

from pythia_utils.nano.lexicon import (
    ALL_VERBS,
    ANIMATE,
    COMMON,
    DEMONSTRATIVES,
    NAMES,
    Noun,
    Verb,
)

A = TypeVar("A")
B = TypeVar("B")

BE = "be"
EVER = "ever"  # stands for `already` too, its twin
ONE_IN, ONE_IN_OF_EVER = 5, 3  # there are few subjects to hold out of the latter
# Of each group every verb lacks one auxiliary in training: all verbs can be tested, and no form is
# unknown. "has eaten" is held out where "have eaten" is not.
AUXILIARIES = (("has", "have"), ("does", "do"), ("did", "will", "can"))
_GROUP_OF = {auxiliary: group for group in AUXILIARIES for auxiliary in group}


@functools.cache
def held_out(first: str, second: str) -> bool:
    """Whether these words are kept from standing together in training.

    The choice is a BLAKE2 hash of the words: the same on every machine and in every version. It is
    one combination in five, and in three of a noun and `ever`; of an auxiliary and a verb, one
    auxiliary of each group.

    Args:
        first, second: lemmas in the order of their relation: (subject, verb or `be`), (this or that,
            noun), (auxiliary, verb), (verb, the word after it), (verb, second verb), (noun, `ever`).
    """
    if first in _GROUP_OF:
        group = _GROUP_OF[first]
        return group[_hash(" ".join((*group, second))) % len(group)] == first
    one_in = ONE_IN_OF_EVER if second == EVER else ONE_IN
    return _hash(f"{first} {second}") % one_in == 0


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Combinations(Generic[A, B]):
    """Pairs of words that may stand in one relation.

    Attributes:
        pairs: all of them.
        common: those that start with no name (so they have a singular and a plural).
        after: the second words that go with each first word; `before`: the reverse.
    """

    def __init__(self, pairs: Iterable[tuple[A, B]], held: bool) -> None:
        self.pairs = tuple(p for p in pairs if held_out(*map(lemma, p)) == held)
        self.common = tuple(p for p in self.pairs if p[0] not in NAMES)
        self.after: dict[A, tuple[B, ...]] = {}
        self.before: dict[B, tuple[A, ...]] = {}
        for first, second in self.pairs:
            self.after[first] = (*self.after.get(first, ()), second)
            self.before[second] = (*self.before.get(second, ()), first)


def lemma(word: Noun | Verb | tuple[str, str] | str) -> str:
    """What `held_out` calls a word; a demonstrative is a tuple of its singular and plural."""
    if isinstance(word, str):
        return word
    return word[0] if isinstance(word, tuple) else word.lemma


@dataclass(frozen=True, eq=False)
class Words:
    """All relations, either for training or held out.

    The first eight relate a subject, an animate noun or a name, to a verb of one sort; `be` any common
    noun to the verb be, `polarity` an animate one to ever and already.
    """

    held: bool
    intransitive: Combinations[Noun, Verb]
    transitive: Combinations[Noun, Verb]
    strictly_transitive: Combinations[Noun, Verb]
    strictly_intransitive: Combinations[Noun, Verb]
    reflexive: Combinations[Noun, Verb]
    irregular: Combinations[Noun, Verb]
    that: Combinations[Noun, Verb]
    wh: Combinations[Noun, Verb]
    be: Combinations[Noun, str]
    polarity: Combinations[Noun, str]
    demonstrative: Combinations[tuple[str, str], Noun]

    def attractor_number(self, rng: random.Random, number: int) -> int:
        """The number of a noun between subject and verb: in tests always the other one.

        In training it is either, as in natural text; otherwise a model could learn to agree with
        the opposite of the nearest noun.
        """
        return 1 - number if self.held else int(rng.random() * 2)

    def allows(self, *combinations: tuple[str, str]) -> bool:
        """Whether all of them are on this side: held out in tests. Training's text is checked whole."""
        return not self.held or all(held_out(*each) for each in combinations)


def _is_plain(verb: Verb) -> bool:
    return "clause" not in verb.objects


VERB_SORTS = {
    "intransitive": lambda verb: not verb.objects,
    "transitive": lambda verb: verb.objects and _is_plain(verb),
    "strictly_transitive": lambda verb: verb.objects and "strict" in verb.marks,
    "strictly_intransitive": lambda verb: not verb.objects and "strict" in verb.marks,
    "reflexive": lambda verb: "reflexive" in verb.marks,
    "irregular": lambda verb: _is_plain(verb) and verb.past != verb.participle,
    "that": lambda verb: "that" in verb.marks,
    "wh": lambda verb: "wh" in verb.marks,
}


def _words(held: bool) -> Words:
    subjects = ANIMATE + NAMES
    by_sort = {
        sort: [(n, v) for n in subjects for v in ALL_VERBS if n.kind in v.subjects and belongs(v)]
        for sort, belongs in VERB_SORTS.items()
    }
    others = {
        "be": [(n, BE) for n in COMMON],
        "polarity": [(n, EVER) for n in ANIMATE],
        "demonstrative": [(d, n) for d in DEMONSTRATIVES for n in COMMON],
    }
    relations = {name: Combinations(pairs, held) for name, pairs in {**by_sort, **others}.items()}
    assert set(relations) == {field.name for field in fields(Words)} - {"held"}
    return Words(held, **relations)


TRAINING = _words(held=False)
HELD_OUT = _words(held=True)
