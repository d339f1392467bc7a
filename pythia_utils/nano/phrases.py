"""Phrases of nano's grammar: noun phrases, predicates, places, and the twin frames of a pair.

Their subjects and verbs come from training; only a phenomenon's own combination is held out.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from pythia_utils.nano.held_out import BE, TRAINING, Words
from pythia_utils.nano.lexicon import (
    ADJECTIVES,
    ALL_VERBS,
    ANIMATE,
    COMMON,
    LOCATIONS,
    NAMES,
    OBJECTS,
    Noun,
    Verb,
    pick,
)

Rng = random.Random
SINGULAR, PLURAL = 0, 1


class Frame(NamedTuple):
    """A sentence with one slot (%s), the word that fits, the one that does not, their lemmas."""

    text: str
    good: str
    bad: str
    combination: tuple[str, str]


Twins = tuple[Frame, Frame]


REFLEXIVE = {"f": "herself", "m": "himself", "n": "itself"}
POSSESSIVE = {"f": "her", "m": "his", "n": "its"}
DETERMINERS = (
    ["the", "the", "the", "a", "a", "a", "every"],
    ["the", "the", "the", "some", "some", "many", "two", "three"],
)
NEXT_TO = ("near", "behind", "beside")
TIMES = (" again", " today", " at night", " in the morning")
# What may stand between a subject and its verb.
BETWEEN = (" often", " always", " never", " today", " at night", " in the morning")


def determiners_for(noun: Noun) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The determiners of a singular and of a plural, without held-out demonstratives."""
    allowed = TRAINING.demonstrative.before.get(noun, ())
    return tuple((*plain, *(d[n] for d in allowed)) for n, plain in enumerate(DETERMINERS))


DETERMINERS_OF = {noun: determiners_for(noun) for noun in COMMON}
OBJECTS_OF = {
    verb: tuple(n for n in (*COMMON, *NAMES) if n.kind in verb.objects) for verb in ALL_VERBS
}
# Who does what to a noun of this kind: (subject, verb), with and without names.
DONE_TO = {
    kind: tuple(pair for pair in TRAINING.transitive.pairs if kind in pair[1].objects)
    for kind in ADJECTIVES
}
DONE_TO_COMMON = {
    kind: tuple(pair for pair in TRAINING.transitive.common if kind in pair[1].objects)
    for kind in ADJECTIVES
}
SPEAKERS = {
    gender: tuple(pair for pair in TRAINING.that.common if pair[0].gender == gender)
    for gender in "fm"
}
ADJECTIVES_OF = {noun: tuple(ADJECTIVES[noun.kind].split()) for noun in COMMON}
NEIGHBOURS = dict.fromkeys(ANIMATE, ANIMATE + LOCATIONS)
NEIGHBOURS |= dict.fromkeys(OBJECTS, OBJECTS + LOCATIONS)
NEIGHBOURS |= dict.fromkeys(LOCATIONS, LOCATIONS)


def draw_number(rng: Rng) -> int:
    return int(rng.random() * 2)


def adjective_before(rng: Rng, noun: Noun, chance: float = 0.25) -> str:
    """An adjective and a space, or nothing."""
    return pick(rng, ADJECTIVES_OF[noun]) + " " if rng.random() < chance else ""


def the_noun(rng: Rng, noun: Noun, number: int) -> str:
    return (
        f"the {adjective_before(rng, noun)}{noun.forms[number]}" if noun.forms[1] else noun.forms[0]
    )


def draw_noun_phrase(rng: Rng, noun: Noun, number: int) -> str:
    """Any determiner that agrees, perhaps an adjective, and the noun; names stand alone."""
    if not noun.forms[1]:
        return noun.forms[0]
    determiner = pick(rng, DETERMINERS_OF[noun][number])
    phrase = adjective_before(rng, noun) + noun.forms[number]
    if determiner == "a" and phrase[0] in "aeiou":
        determiner = "an"
    return f"{determiner} {phrase}"


def at_place(rng: Rng, noun: Noun, plainly: float = 0.5) -> str:
    """A place: with its own preposition ("in the garden") by the chance `plainly`."""
    preposition = noun.preposition if rng.random() < plainly else pick(rng, NEXT_TO)
    return f"{preposition} the {adjective_before(rng, noun)}{noun.lemma}"


def place_phrase(rng: Rng) -> str:
    return " " + at_place(rng, pick(rng, LOCATIONS))


def tail_phrase(rng: Rng) -> str:
    """A place, a time or nothing."""
    chance = rng.random()
    return place_phrase(rng) if chance < 0.5 else pick(rng, TIMES) if chance < 0.75 else ""


def draw_object(rng: Rng, verb: Verb, subject: Noun) -> Noun:
    noun = pick(rng, OBJECTS_OF[verb])
    while noun is subject:
        noun = pick(rng, OBJECTS_OF[verb])
    return noun


def rest_of(rng: Rng, verb: Verb, subject: Noun) -> str:
    """What follows the verb: its object, if it takes one, and a tail."""
    if not verb.objects:
        return tail_phrase(rng)
    phrase = draw_noun_phrase(rng, draw_object(rng, verb, subject), draw_number(rng))
    return f" {phrase}{tail_phrase(rng) if rng.random() < 0.3 else ''}"


def finite_form(rng: Rng, verb: Verb, number: int, past: float = 0.5) -> str:
    """The past by the chance `past`, otherwise the present."""
    return verb.past if rng.random() < past else verb.present[number]


def numberless_form(rng: Rng, verb: Verb) -> str:
    """A verb form that says nothing about its subject's number: past, or after a modal."""
    chance = rng.random()
    return verb.past if chance < 0.6 else f"{'will' if chance < 0.8 else 'can'} {verb.lemma}"


def capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def lemmas_of(subject: Noun, verb: Verb) -> tuple[str, str]:
    return subject.lemma, verb.lemma


def make_twins(
    combination: tuple[str, str], words: tuple[str, str], first: str, second: str
) -> Twins:
    """Two frames of one combination: the first takes words[0], the second words[1]."""
    one, other = words
    return Frame(first, one, other, combination), Frame(second, other, one, combination)


class Predicate(NamedTuple):
    """A predicate in the present (or was/were): `forms[number]` agrees with the subject.

    `verb` is what the subject's combination with it is held out by: a lemma, or `be`.
    """

    subject: Noun
    forms: tuple[str, str]
    rest: str
    verb: str


def draw_predicate(rng: Rng, words: Words) -> Predicate:
    chance = rng.random()
    if chance < 0.3:
        noun, _ = pick(rng, words.be.common)
        be = ("is", "are") if rng.random() < 0.6 else ("was", "were")
        return Predicate(noun, be, " " + pick(rng, ADJECTIVES_OF[noun]), BE)
    relation = words.intransitive if chance < 0.7 else words.transitive
    noun, verb = pick(rng, relation.common)
    return Predicate(noun, verb.present, rest_of(rng, verb, noun), verb.lemma)
