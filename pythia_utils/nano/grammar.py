"""Nano's grammar: the English that the miniature models read, and the minimal pairs that test them.

A phenomenon is a function that draws words and returns two `Frame`s, a sentence with one open slot
each: "The dog %s near the lake." takes "sleeps" and not "sleep", its twin "The dogs %s near the
lake." the reverse. So every bad sentence differs in one word, and a model that only prefers the
commoner word scores exactly 50%. Training sentences are the good halves (`sentence`), drawn from the
training combinations of words; `minimal_pairs` draws from the held-out ones (see lexicon.py).
`story` tells a small story of the same words.
"""

from __future__ import annotations

import functools
import inspect
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pythia_utils.errors import UsageError, unknown
from pythia_utils.nano.lexicon import (
    ADJECTIVES,
    ALL_VERBS,
    ANIMATE,
    BY_KIND,
    COMMON,
    GENDERED,
    HELD_OUT,
    LOCATIONS,
    NAMES,
    OBJECTS,
    STORY_ONLY,
    TRAINING,
    Noun,
    Verb,
    Words,
    held_out,
    pick,
)

Rng = random.Random
SINGULAR, PLURAL = 0, 1


class Frame(NamedTuple):
    """A sentence with one slot (%s), the word that fits, the word that does not, and the held pair."""

    text: str
    good: str
    bad: str
    combination: tuple[str, str]


Twins = tuple[Frame, Frame]


@dataclass(frozen=True)
class MinimalPair:
    """Two sentences that differ in one word; `combination` is the pair of lemmas never trained on."""

    phenomenon: str
    good: str
    bad: str
    combination: tuple[str, str]


@dataclass(frozen=True)
class Phenomenon:
    """A contrast of English grammar that a model may or may not know.

    Attributes:
        name: identifier, as in `minimal_pairs(name, n)`.
        title: for people.
        field: BLiMP's field of linguistics: morphology, syntax, semantics or syntax-semantics.
        example: one pair as "good/*bad" within its sentence.
        share: percentage of training sentences that are its good halves.
        twins: draws words and returns two frames in which good and bad change places.
    """

    name: str
    title: str
    field: str
    example: str
    share: int
    twins: Callable[[Rng, Words], Twins]

    @property
    def description(self) -> str:
        """What the contrast is and where it comes from: the docstring of the function."""
        return inspect.getdoc(self.twins) or ""


PHENOMENA: dict[str, Phenomenon] = {}


def _phenomenon(title: str, field: str, example: str, share: int) -> Callable:
    """Register the decorated function in `PHENOMENA` under its own name."""

    def register(twins: Callable[[Rng, Words], Twins]) -> Callable[[Rng, Words], Twins]:
        name = twins.__name__
        PHENOMENA[name] = Phenomenon(name, title, field, example, share, twins)
        return twins

    return register


# ---- Phrases. All combinations here come from training; only a phenomenon's own is held out.

REFLEXIVE = {"f": "herself", "m": "himself", "n": "itself"}
POSSESSIVE = {"f": "her", "m": "his", "n": "its"}
DETERMINERS = (
    ["the", "the", "the", "a", "a", "a", "every"],
    ["the", "the", "the", "some", "some", "many", "two", "three"],
)
NEXT_TO = ("near", "behind", "beside")
TIMES = (" again", " today", " at night", " in the morning")


def _determiners(noun: Noun) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The determiners of a singular and of a plural, without held-out demonstratives."""
    allowed = TRAINING.demonstrative.before.get(noun, ())
    return tuple((*plain, *(d[n] for d in allowed)) for n, plain in enumerate(DETERMINERS))


_DETERMINERS = {noun: _determiners(noun) for noun in COMMON}
_OBJECTS = {
    verb: tuple(n for n in (*COMMON, *NAMES) if n.kind in verb.objects) for verb in ALL_VERBS
}
# Who does what to a noun of this kind: (subject, verb), with and without names.
_DONE_TO = {
    kind: tuple(pair for pair in TRAINING.transitive.pairs if kind in pair[1].objects)
    for kind in ADJECTIVES
}
_DONE_TO_COMMON = {
    kind: tuple(pair for pair in TRAINING.transitive.common if kind in pair[1].objects)
    for kind in ADJECTIVES
}
_SPEAKERS = {
    gender: tuple(pair for pair in TRAINING.that.common if pair[0].gender == gender)
    for gender in "fm"
}
_NEIGHBOURS = dict.fromkeys(ANIMATE, ANIMATE + LOCATIONS)
_NEIGHBOURS |= dict.fromkeys(OBJECTS, OBJECTS + LOCATIONS)
_NEIGHBOURS |= dict.fromkeys(LOCATIONS, LOCATIONS)


def _number(rng: Rng) -> int:
    return int(rng.random() * 2)


def _adjective(rng: Rng, noun: Noun, chance: float = 0.25) -> str:
    """An adjective and a space, or nothing."""
    return pick(rng, TRAINING.adjective.after[noun]) + " " if rng.random() < chance else ""


def _the(rng: Rng, noun: Noun, number: int) -> str:
    return f"the {_adjective(rng, noun)}{noun.forms[number]}" if noun.forms[1] else noun.forms[0]


def _noun_phrase(rng: Rng, noun: Noun, number: int) -> str:
    """Any determiner that agrees, perhaps an adjective, and the noun; names stand alone."""
    if not noun.forms[1]:
        return noun.forms[0]
    determiner = pick(rng, _DETERMINERS[noun][number])
    phrase = _adjective(rng, noun) + noun.forms[number]
    if determiner == "a" and phrase[0] in "aeiou":
        determiner = "an"
    return f"{determiner} {phrase}"


def _at(rng: Rng, noun: Noun, plainly: float = 0.5) -> str:
    """A place: with its own preposition ("in the garden") by the chance `plainly`."""
    preposition = noun.preposition if rng.random() < plainly else pick(rng, NEXT_TO)
    return f"{preposition} the {_adjective(rng, noun)}{noun.lemma}"


def _place(rng: Rng) -> str:
    return " " + _at(rng, pick(rng, LOCATIONS))


def _tail(rng: Rng) -> str:
    """A place, a time or nothing."""
    chance = rng.random()
    return _place(rng) if chance < 0.5 else pick(rng, TIMES) if chance < 0.75 else ""


def _object(rng: Rng, verb: Verb, subject: Noun) -> Noun:
    noun = pick(rng, _OBJECTS[verb])
    while noun is subject:
        noun = pick(rng, _OBJECTS[verb])
    return noun


def _rest(rng: Rng, verb: Verb, subject: Noun) -> str:
    """What follows the verb: its object, if it takes one, and a tail."""
    if not verb.objects:
        return _tail(rng)
    phrase = _noun_phrase(rng, _object(rng, verb, subject), _number(rng))
    return f" {phrase}{_tail(rng) if rng.random() < 0.3 else ''}"


def _finite(rng: Rng, verb: Verb, number: int) -> str:
    return verb.past if rng.random() < 0.5 else verb.present[number]


def _numberless(rng: Rng, verb: Verb) -> str:
    """A verb form that says nothing about its subject's number: past, or after a modal."""
    chance = rng.random()
    return verb.past if chance < 0.6 else f"{'will' if chance < 0.8 else 'can'} {verb.lemma}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _lemmas(subject: Noun, verb: Verb) -> tuple[str, str]:
    return subject.lemma, verb.lemma


def _twins(combination: tuple[str, str], words: tuple[str, str], first: str, second: str) -> Twins:
    """Two frames of one combination: the first takes words[0], the second words[1]."""
    one, other = words
    return Frame(first, one, other, combination), Frame(second, other, one, combination)


class _Predicate(NamedTuple):
    """A predicate in the present (or was/were): `forms[number]` agrees with the subject."""

    subject: Noun
    forms: tuple[str, str]
    rest: str
    combination: tuple[str, str]


def _predicate(rng: Rng, words: Words) -> _Predicate:
    chance = rng.random()
    if chance < 0.3:
        noun, adjective = pick(rng, words.adjective.common)
        be = ("is", "are") if rng.random() < 0.6 else ("was", "were")
        return _Predicate(noun, be, " " + adjective, (noun.lemma, adjective))
    relation = words.intransitive if chance < 0.7 else words.transitive
    noun, verb = pick(rng, relation.common)
    return _Predicate(noun, verb.present, _rest(rng, verb, noun), _lemmas(noun, verb))


# ---- Phenomena


@_phenomenon("Determiner-noun agreement", "morphology", "Anna found this ball/*balls.", 5)
def determiner_noun_agreement(rng: Rng, words: Words) -> Twins:
    """A demonstrative agrees in number with its noun.

    BLiMP, determiner_noun_agreement_1 and _2 (Warstadt et al., 2020).
    """
    return _demonstrative(rng, words, with_adjective=False)


@_phenomenon(
    "Determiner-noun agreement with an adjective",
    "morphology",
    "Anna found these old balls/*ball.",
    4,
)
def determiner_noun_agreement_adjective(rng: Rng, words: Words) -> Twins:
    """As determiner-noun agreement, with an adjective between: adjacent words no longer suffice.

    BLiMP, determiner_noun_agreement_with_adjective_1 (Warstadt et al., 2020).
    """
    return _demonstrative(rng, words, with_adjective=True)


def _demonstrative(rng: Rng, words: Words, with_adjective: bool) -> Twins:
    demonstrative, noun = pick(rng, words.demonstrative.pairs)
    subject, verb = pick(rng, _DONE_TO[noun.kind])
    number = 0 if not subject.forms[1] else _number(rng)
    start = _capital(f"{_the(rng, subject, number)} {_finite(rng, verb, number)}")
    adjective = _adjective(rng, noun, chance=1.0 if with_adjective else 0.0)
    singular, plural = (f"{start} {form} {adjective}%s{_tail(rng)}." for form in demonstrative)
    return _twins((demonstrative[0], noun.lemma), noun.forms, singular, plural)


@_phenomenon("Subject-verb agreement", "morphology", "The dog sleeps/*sleep.", 5)
def subject_verb_agreement(rng: Rng, words: Words) -> Twins:
    """A verb agrees in number with the subject right before it.

    "Simple agreement" of Marvin and Linzen (2018); BLiMP, regular_plural_subject_verb_agreement
    (Warstadt et al., 2020).
    """
    noun, forms, rest, combination = _predicate(rng, words)
    adjective = _adjective(rng, noun)
    singular, plural = (f"The {adjective}{form} %s{rest}." for form in noun.forms)
    return _twins(combination, forms, singular, plural)


@_phenomenon(
    "Subject-verb agreement across an attractor",
    "morphology",
    "The key near the boxes is/*are old.",
    8,
)
def subject_verb_agreement_attractor(rng: Rng, words: Words) -> Twins:
    """A verb agrees with its subject, not with a noun of the other number that stands nearer.

    People err here too: agreement attraction (Bock and Miller, 1991). For language models: Linzen,
    Dupoux and Goldberg (2016), Gulordava et al. (2018), and "across a prepositional phrase" in
    Marvin and Linzen (2018). In half of the training sentences the two nouns have the same number.
    """
    noun, forms, rest, combination = _predicate(rng, words)
    near = pick(rng, NEXT_TO)
    neighbour = pick(rng, _NEIGHBOURS[noun])
    singular, plural = (
        f"The {form} {near} the {neighbour.forms[words.attractor_number(rng, number)]} %s{rest}."
        for number, form in enumerate(noun.forms)
    )
    return _twins(combination, forms, singular, plural)


@_phenomenon(
    "Subject-verb agreement across a relative clause",
    "morphology",
    "The dog that the cats chase sleeps/*sleep.",
    8,
)
def subject_verb_agreement_relative(rng: Rng, words: Words) -> Twins:
    """A verb agrees with its subject across an object relative clause with a subject of its own.

    "Across an object relative clause" in Marvin and Linzen (2018); BLiMP,
    distractor_agreement_relative_clause (Warstadt et al., 2020); circuits of agreement in Hu et
    al. (2020). The embedded noun has the other number in tests, either in training.
    """
    noun, forms, rest, combination = _predicate(rng, words)
    agent, verb = pick(rng, _DONE_TO_COMMON[noun.kind])
    texts = []
    for number, form in enumerate(noun.forms):
        inner = words.attractor_number(rng, number)
        texts.append(f"The {form} that the {agent.forms[inner]} {verb.present[inner]} %s{rest}.")
    return _twins(combination, forms, *texts)


@_phenomenon(
    "Subject-verb agreement in a second verb phrase",
    "morphology",
    "The dogs yawn and sleep/*sleeps.",
    4,
)
def subject_verb_agreement_coordination(rng: Rng, words: Words) -> Twins:
    """Both of two coordinated verbs agree with the one subject.

    "In a short VP coordination", Marvin and Linzen (2018).
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[_number(rng)].common)
    first = pick(rng, TRAINING.intransitive.after[noun])
    while first is verb:
        first = pick(rng, TRAINING.intransitive.after[noun])
    place = _place(rng) if rng.random() < 0.3 else ""
    rest = _rest(rng, verb, noun)
    singular, plural = (
        f"The {form} {first.present[number]}{place} and %s{rest}."
        for number, form in enumerate(noun.forms)
    )
    return _twins(_lemmas(noun, verb), verb.present, singular, plural)


@_phenomenon("Reflexive number", "morphology", "The girls hurt themselves/*herself.", 5)
def reflexive_number(rng: Rng, words: Words) -> Twins:
    """A reflexive pronoun agrees in number with its antecedent; the verb does not show it.

    BLiMP, anaphor_number_agreement (Warstadt et al., 2020); "simple reflexives" of Marvin and
    Linzen (2018).
    """
    noun, verb = pick(rng, words.reflexive.common)
    while not noun.gender:  # "the baker hurt ..." has no one singular reflexive
        noun, verb = pick(rng, words.reflexive.common)
    forms = (REFLEXIVE[noun.gender], "themselves")
    adjective, verb_phrase, tail = _adjective(rng, noun), _numberless(rng, verb), _tail(rng)
    singular, plural = (f"The {adjective}{form} {verb_phrase} %s{tail}." for form in noun.forms)
    return _twins(_lemmas(noun, verb), forms, singular, plural)


@_phenomenon("Reflexive gender", "morphology", "The queen hurt herself/*himself.", 4)
def reflexive_gender(rng: Rng, words: Words) -> Twins:
    """A reflexive pronoun agrees in gender with its antecedent, here a name or a kind of person.

    BLiMP, anaphor_gender_agreement (Warstadt et al., 2020).
    """
    tail = _tail(rng)
    frames = []
    for gender, other in ("fm", "mf"):
        noun, verb = pick(rng, words.reflexive.pairs)
        while noun.gender != gender:
            noun, verb = pick(rng, words.reflexive.pairs)
        text = _capital(f"{_the(rng, noun, SINGULAR)} {_numberless(rng, verb)} %s{tail}.")
        frames.append(Frame(text, REFLEXIVE[gender], REFLEXIVE[other], _lemmas(noun, verb)))
    return frames[0], frames[1]


@_phenomenon(
    "Binding domain of reflexives",
    "syntax-semantics",
    "The men said that the boy hurt himself/*themselves.",
    4,
)
def binding_domain(rng: Rng, words: Words) -> Twins:
    """A reflexive takes its antecedent within its own clause: Principle A of Chomsky (1981).

    BLiMP, principle_A_domain (Warstadt et al., 2020); "reflexives in a sentential complement" of
    Marvin and Linzen (2018). The subject of the main clause has the gender and number that the
    wrong pronoun would need.
    """
    noun, verb = pick(rng, words.reflexive.common)
    while noun.gender not in _SPEAKERS:
        noun, verb = pick(rng, words.reflexive.common)
    speaker, say = pick(rng, _SPEAKERS[noun.gender])
    verb_phrase = _numberless(rng, verb)
    past, tail = rng.random() < 0.5, _tail(rng)
    texts = []
    for number, form in enumerate(noun.forms):
        said = say.past if past else say.present[1 - number]
        texts.append(
            f"The {speaker.forms[1 - number]} {said} that the {form} {verb_phrase} %s{tail}."
        )
    return _twins(_lemmas(noun, verb), (REFLEXIVE[noun.gender], "themselves"), *texts)


@_phenomenon("Possessive gender", "morphology", "Anna lost her/*his own hat.", 4)
def possessive_gender(rng: Rng, words: Words) -> Twins:
    """A possessive with "own" agrees in gender with the subject, which "own" makes its antecedent.

    The contrast of BLiMP's anaphor_gender_agreement (Warstadt et al., 2020), on possessives;
    without "own", "his" could be another person's.
    """
    frames = []
    for gender, other in ("fm", "mf"):
        owner, thing = pick(rng, words.possession.pairs)
        while owner.gender != gender:
            owner, thing = pick(rng, words.possession.pairs)
        verb = pick(rng, _verbs_between(owner, thing.kind))
        own = " own" if words.held or rng.random() < 0.5 else ""
        start = _capital(f"{_the(rng, owner, SINGULAR)} {_finite(rng, verb, SINGULAR)}")
        text = f"{start} %s{own} {_adjective(rng, thing)}{thing.lemma}{_tail(rng)}."
        combination = (owner.lemma, thing.lemma)
        frames.append(Frame(text, POSSESSIVE[gender], POSSESSIVE[other], combination))
    return frames[0], frames[1]


@functools.cache
def _verbs_between(subject: Noun, kind: str) -> tuple[Verb, ...]:
    return tuple(verb for verb in TRAINING.transitive.after[subject] if kind in verb.objects)


@_phenomenon("Argument structure", "syntax", "The boy chased/*slept the dog.", 5)
def argument_structure(rng: Rng, words: Words) -> Twins:
    """A transitive verb needs an object, an intransitive verb takes none.

    BLiMP, transitive and intransitive (Warstadt et al., 2020). Both verbs are held out with the
    subject; the combination names the one that fits.
    """
    noun, transitive = pick(rng, words.strictly_transitive.pairs)
    while noun not in words.strictly_intransitive.after:
        noun, transitive = pick(rng, words.strictly_transitive.pairs)
    intransitive = pick(rng, words.strictly_intransitive.after[noun])
    number = _number(rng) if noun.forms[1] else SINGULAR
    subject = _capital(_the(rng, noun, number))
    if rng.random() < 0.5:
        verbs = transitive.past, intransitive.past
    else:
        verbs = transitive.present[number], intransitive.present[number]
    return (
        Frame(f"{subject} %s{_rest(rng, transitive, noun)}.", *verbs, _lemmas(noun, transitive)),
        Frame(f"{subject} %s{_tail(rng)}.", *verbs[::-1], _lemmas(noun, intransitive)),
    )


@_phenomenon("Irregular participles", "morphology", "The boy has eaten/*ate the apple.", 5)
def irregular_participle(rng: Rng, words: Words) -> Twins:
    """The perfect takes the participle and the simple past the past form, where they differ.

    BLiMP, irregular_past_participle_verbs (Warstadt et al., 2020).
    """
    noun, verb = pick(rng, words.irregular.pairs)
    number = _number(rng) if noun.forms[1] else SINGULAR
    subject, rest = _capital(_the(rng, noun, number)), _rest(rng, verb, noun)
    perfect = f"{subject} {('has', 'have')[number]} %s{rest}."
    return _twins(
        _lemmas(noun, verb), (verb.participle, verb.past), perfect, f"{subject} %s{rest}."
    )


@_phenomenon("Verb form after an auxiliary", "syntax", "The boy does not sleep/*slept.", 6)
def auxiliary_form(rng: Rng, words: Words) -> Twins:
    """An auxiliary decides its verb's form: base after "do" and modals, participle after "have".

    Affix hopping and do-support in Chomsky (1957).
    """
    relation = (words.intransitive, words.transitive)[_number(rng)].pairs
    noun, verb = pick(rng, relation)
    while verb.lemma == verb.participle:
        noun, verb = pick(rng, relation)
    number = _number(rng) if noun.forms[1] else SINGULAR
    subject, rest = _capital(_the(rng, noun, number)), _rest(rng, verb, noun)
    do = pick(rng, (("does not", "do not")[number], "did not", "will", "can", "will not"))
    have = ("has", "have")[number] + pick(rng, ("", " not", " often"))
    return _twins(
        _lemmas(noun, verb),
        (verb.lemma, verb.participle),
        f"{subject} {do} %s{rest}.",
        f"{subject} {have} %s{rest}.",
    )


@_phenomenon("Polarity items", "semantics", "No/*The boy has ever laughed.", 6)
def npi_licensing(rng: Rng, words: Words) -> Twins:
    """ "Ever" needs a negative expression above it (Ladusaw, 1979), "already" shuns one.

    Marvin and Linzen (2018), "simple NPI"; BLiMP's NPI licensing (Warstadt et al., 2020). The twin
    with "already", a positive polarity item (Szabolcsi, 2004), balances "no" against "the".
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[_number(rng)].common)
    number = _number(rng)
    determiner = "Some" if number and rng.random() < 0.4 else "The"
    phrase = f"{_adjective(rng, noun)}{noun.forms[number]} {('has', 'have')[number]}"
    rest = f"{verb.participle}{_rest(rng, verb, noun)}"
    return _twins(
        _lemmas(noun, verb),
        ("No", determiner),
        f"%s {phrase} ever {rest}.",
        f"%s {phrase} already {rest}.",
    )


@_phenomenon("Filler and gap", "syntax", "Anna knows what/*that the boy found.", 6)
def filler_gap(rng: Rng, words: Words) -> Twins:
    """A fronted "what" or "who" needs a gap later in its clause, and a gap needs it.

    Wilcox et al. (2018); BLiMP, wh_vs_that_with_gap and wh_vs_that_no_gap (Warstadt et al., 2020).
    """
    noun, verb = pick(rng, words.strictly_transitive.pairs)
    knower, know = pick(rng, TRAINING.wh.pairs)
    thing = _object(rng, verb, noun)
    number = _number(rng) if knower.forms[1] else SINGULAR
    main = _capital(f"{_the(rng, knower, number)} {_finite(rng, know, number)}")
    number = _number(rng) if noun.forms[1] else SINGULAR
    clause = f"{_the(rng, noun, number)} {_finite(rng, verb, number)}"
    return _twins(
        _lemmas(noun, verb),
        ("who" if thing.kind == "person" else "what", "that"),
        f"{main} %s {clause}{_tail(rng)}.",
        f"{main} %s {clause} {_noun_phrase(rng, thing, _number(rng))}{_tail(rng)}.",
    )


# ---- Training sentences


def _clause(rng: Rng) -> str:
    """A plain clause without its capital: any subject, verb and tense."""
    relation = (TRAINING.intransitive, TRAINING.transitive)[_number(rng)]
    noun, verb = pick(rng, relation.pairs)
    number = _number(rng) if noun.forms[1] else SINGULAR
    often = pick(rng, (" often", " never", " always")) if rng.random() < 0.1 else ""
    form = _finite(rng, verb, number)
    return f"{_noun_phrase(rng, noun, number)}{often} {form}{_rest(rng, verb, noun)}"


def _plain(rng: Rng) -> str:
    return _capital(_clause(rng)) + "."


def _joined(rng: Rng) -> str:
    joint = pick(rng, (", and", ", but", " because", " when"))
    return f"{_capital(_clause(rng))}{joint} {_clause(rng)}."


def _reported(rng: Rng) -> str:
    noun, verb = pick(rng, TRAINING.that.pairs)
    number = _number(rng) if noun.forms[1] else SINGULAR
    main = f"{_the(rng, noun, number)} {_finite(rng, verb, number)}"
    return f"{_capital(main)} that {_clause(rng)}."


def _existential(rng: Rng) -> str:
    noun, number = pick(rng, ANIMATE + OBJECTS), _number(rng)
    be = (("is", "are"), ("was", "were"))[_number(rng)][number]
    determiner = pick(rng, ("a", "no") if number == SINGULAR else ("two", "three", "some", "many"))
    phrase = _adjective(rng, noun, 0.4) + noun.forms[number]
    n = "n" if determiner == "a" and phrase[0] in "aeiou" else ""
    return f"There {be} {determiner}{n} {phrase}{_place(rng)}."


def _subject_relative(rng: Rng) -> str:
    noun, forms, rest, _ = _predicate(rng, TRAINING)
    while noun not in TRAINING.transitive.after:
        noun, forms, rest, _ = _predicate(rng, TRAINING)
    verb = pick(rng, TRAINING.transitive.after[noun])
    patient = _the(rng, _object(rng, verb, noun), _number(rng))
    number = _number(rng)
    return f"The {noun.forms[number]} that {verb.present[number]} {patient} {forms[number]}{rest}."


# Percentages beside the phenomena's own shares.
PLAIN_SENTENCES = {_plain: 10, _joined: 4, _reported: 3, _existential: 2, _subject_relative: 2}


def _good_half(phenomenon: Phenomenon) -> Callable[[Rng], str]:
    def sentence_of(rng: Rng) -> str:
        frame = phenomenon.twins(rng, TRAINING)[_number(rng)]
        return frame.text % frame.good

    return sentence_of


_MIXTURE = tuple(
    make
    for make, share in [
        *((_good_half(phenomenon), phenomenon.share) for phenomenon in PHENOMENA.values()),
        *PLAIN_SENTENCES.items(),
    ]
    for _ in range(share)
)


def sentence(rng: Rng) -> str:
    """One training sentence: a phenomenon's good half or a plain one, by their shares."""
    return pick(rng, _MIXTURE)(rng)


# ---- Minimal pairs

_FRUITLESS_DRAWS = 5000


def minimal_pairs(phenomenon: str, n: int, seed: int = 0) -> list[MinimalPair]:
    """Draw `n` distinct minimal pairs, all of held-out combinations; the same seed gives the same.

    Neighbours 2i and 2i+1 are twins: what is good in one is bad in the other.

    Raises:
        UsageError: the phenomenon is unknown, or `n` is not between 1 and what exists.
    """
    if phenomenon not in PHENOMENA:
        raise unknown("phenomenon", phenomenon, PHENOMENA)
    if n < 1:
        raise UsageError(f"n is {n}; expected at least 1 minimal pair")
    rng = random.Random(f"{phenomenon} {seed}")
    pairs: dict[str, MinimalPair] = {}
    fruitless = 0
    while len(pairs) < n:
        twins = PHENOMENA[phenomenon].twins(rng, HELD_OUT)
        fresh = {frame.text % frame.good: frame for frame in twins}
        if len(fresh) < 2 or fresh.keys() & pairs.keys():
            fruitless += 1
            if fruitless == _FRUITLESS_DRAWS:
                raise UsageError(
                    f"n is {n}; {phenomenon} has only about {len(pairs)} minimal pairs"
                )
            continue
        fruitless = 0
        for good, frame in fresh.items():
            pairs[good] = MinimalPair(phenomenon, good, frame.text % frame.bad, frame.combination)
    return list(pairs.values())[:n]


# ---- Stories
#
# A plot is a cast and its steps, one a line; a step has one or more wordings, parted by " | ":
#   {hero} {pal} {thing}          who and what the story is about: a name, "the dog"; "kite"
#   {a_thing}                     "a red kite" (the first mention of {pal} becomes "a big dog" too)
#   {hero.he} .him .his .himself  pronouns, of the pal likewise
#   {hero:find} {hero.he!find}    a subject and its verb: "Anna finds", "she does not find"
#   {hero~find} {hero>find}       the verb alone: the same form, the bare verb ("wants to find")
#   {hero=sad}                    "Anna is sad"
#   {they:eat} {they~eat}         hero and pal
#   {home} {here} {there}         three places
# A wording is used only of a cast that it suits: no held-out combination, no writing rabbits.

OPENING = "{once} {a_hero}. | {a_hero:live} {home}. | {once} {a_hero} and {pal}."
PLOTS = """
lost; thing: thing clothes
{hero.he:have} {a_thing}. | {hero.he:buy} {a_thing} and {hero~love} it.
One day {hero.he:lose} it. | One day {hero.he:drop} it {here}. | One day {pal:hide} it.
{hero.he:look} {here}, but {hero.he!find} it. | {hero.he:cry}. | {hero=sad}. | {hero=angry}.
Then {pal:come} and {pal~help} {hero.him}. | {hero:want} to {hero>find} {hero.his} {thing}.
At last {pal:find} the {thing} {there}. | At last {hero.he:find} the {thing} {there}.

hungry; hero: person; pal: animal; thing: food
One morning {hero:see} {pal} {here}. | One day {pal:sit} {here}. | {pal:wait} {here}.
{pal=hungry}. | {pal.he=hungry} and {pal~shiver}. | {pal.he=tired} and {pal~wait}.
{hero:have} {a_thing}. | {hero:find} {a_thing} {there}. | {hero:want} to {hero>help} {pal}.
{hero:give} {pal} the {thing}. | {hero:drop} the {thing} {here}. | {hero:feed} {pal} the {thing}.
{pal:eat} it. | {pal:eat} the {thing} and {pal~sleep}. | {pal:come} and {pal~eat} it.
Now {pal:follow} {hero}. | Now {pal:trust} {hero}. | Now {pal:love} {hero.him}.

visit; hero: person; pal: person; thing: food
One day {hero:want} to {hero>visit} {pal}. | One morning {hero:want} to {hero>see} {pal}.
{hero.he:take} {a_thing}. | {hero.he:make} {a_thing}. | {hero.he:buy} {a_thing}.
{hero.he:walk} {here} and {hero~sing}. | {hero.he:run} {here}. | {hero.he:wait} {here}.
{pal:come} and {pal~smile}. | {pal:see} {hero.him} and {pal~laugh}. | {pal=busy}, but {pal~come}.
{pal:greet} {hero}. | {pal:hug} {hero.him}. | {hero:give} {pal} the {thing}.
{they:eat} the {thing}. | {they:sit} {there} and {they~eat} the {thing}.

fall; thing: thing food
One day {hero:run} {here} and {hero~fall}. | One morning {hero:fall} {here}.
{hero.he:hurt} {hero.himself}. | {hero=sad}. | {hero.he:cry}. | {hero.he:shiver}.
{pal:see} {hero.him} and {pal~come}. | {pal:find} {hero} {here}. | {pal:run} to {hero}.
{pal:help} {hero.him}. | {pal:give} {hero.him} {a_thing}. | {pal:touch} {hero.him}.
Then {hero:blame} {hero.himself}. | Then {hero:smile} again. | Then {they:go} home.

letter; hero: person; pal: person; thing: text
One day {hero:write} {a_thing}. | One night {hero:write} {a_thing} {here}.
{hero.he:give} it to {pal}. | {hero.he:hide} it {there}, but {pal:find} it.
{pal:read} it in the morning. | {pal:read} it {there}. | {pal:read} it and {pal~laugh}.
{pal:smile} and {pal~thank} {hero}. | {pal:love} the {thing}. | {pal:cry}.
{hero=proud}. | {hero:praise} {hero.himself}. | Now {pal:write} to {hero}.

seek
One day {hero} and {pal} {they~play} {here}. | {hero:want} to {hero>play} with {pal}.
{hero:hide} {hero.himself} {there}. | {hero:run} and {hero~hide} {there}.
{pal:look} {here}, but {pal.he!find} {hero.him}. | {pal:wait} and {pal~look} {here}.
Then {hero:sneeze}. | Then {hero:cough}. | Then {hero:laugh}. | Then {hero:yawn}.
So {pal:find} {hero.him}. | So {pal:catch} {hero.him}. | So {pal:see} {hero} {there}.

thief; thing: thing food clothes
{hero:have} {a_thing}. | {hero:love} {hero.his} {thing}. | {hero:find} {a_thing} {here}.
One night {pal:steal} the {thing}. | One day {pal:take} {hero.his} {thing}.
{hero=angry} and {hero~chase} {pal.him} {here}. | {hero:follow} {pal.him} {here}.
{pal:hide} {pal.himself} {there}. | {pal:fall} {there}. | {pal:drop} the {thing} {there}.
{hero:find} {pal} and {hero~take} the {thing}. | So {pal:give} the {thing} to {hero}.

picture; hero: person; thing: thing
One day {hero:paint} {pal} {here}. | {hero:want} to {hero>draw} {pal} {here}.
{pal:sit} {there} and {pal~wait}. | {pal:yawn}, but {pal~wait}. | {pal:watch} {hero.him}.
Then {hero:paint} {hero.himself}. | Then {hero:draw} {hero.himself} and {a_thing}.
{pal:laugh}. | {pal:come} and {pal~look}. | {pal:smile}. | {pal:dance} {here}.
{hero=proud}. | {hero=happy}. | {hero:admire} {hero.himself}.
"""
ENDING = (
    "{they:be} happy. | Then {they:play} {here}. | Now {they:be} friends. | {they:laugh}. "
    "| In the evening {they:sit} {there}. | In the evening {hero:go} home. | {hero=happy}. "
    "| At night {hero:sleep} {home}. | {hero=tired} and {hero~go} home."
)

_CAST = {"hero": "person animal", "pal": "person animal", "thing": "thing"}
_FAMILY = ("mother", "father", "sister", "brother", "aunt", "uncle")
_PRONOUNS = {
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "n": {"he": "it", "him": "it", "his": "its", "himself": "itself"},
}
_GENDERED = {
    kind: tuple(noun for noun in (*BY_KIND[kind], *NAMES) if noun.kind == kind and noun.gender)
    for kind in ("person", "animal")
}
_HEROES = {kind: [n for n in nouns if n.lemma not in _FAMILY] for kind, nouns in _GENDERED.items()}
_GIRL_OR_BOY = {noun.gender: noun for noun in GENDERED if noun.lemma in ("girl", "boy")}
_HOMES = [noun for noun in LOCATIONS if noun.preposition == "in"]
_BY_LEMMA = {verb.lemma: verb for verb in (*ALL_VERBS, *STORY_ONLY)}
_SLOT = re.compile(r"\{(\w+)(\.\w+)?(?:([:!~>=])(\w+))?\}")


class _Wording(NamedTuple):
    """A template as a %-format, and what it says of whom: (role, operator, word or role)."""

    text: str
    claims: tuple[tuple[str, str, str], ...]

    def suits(self, cast: dict[str, Noun]) -> bool:
        """Whether no claim is a held-out combination or beyond its subject ("the cow writes")."""
        return all(_is_possible(cast, *claim) for claim in self.claims)


def _is_possible(cast: dict[str, Noun], role: str, operator: str, word: str) -> bool:
    noun = cast[role]
    if operator == "'s":
        return not held_out(noun.lemma, cast[word].lemma)
    if operator == "=":
        possible = word in ADJECTIVES[noun.kind].split()
    else:
        possible = noun.kind in _BY_LEMMA[word].subjects
    return possible and not held_out(noun.lemma, word)


def _compile(template: str) -> _Wording:
    claims = [("hero", "'s", "thing")] if "{hero.his} {thing}" in template else []

    def slot(match: re.Match[str]) -> str:
        role, pronoun, operator, word = match.groups(default="")
        if word and word not in ("be", "have"):
            roles = ("hero", "pal") if role == "they" else (role.removeprefix("a_"),)
            claims.extend((each, operator, word) for each in roles)
        subject = "" if operator in ("~", ">") else f"%({role}{pronoun})s "
        if operator == "=":
            return f"{subject}%(:be)s {word}"
        number = "they" if role == "they" else ""
        return f"{subject}%({number}{operator.replace('~', ':')}{word})s" if word else subject[:-1]

    return _Wording(_SLOT.sub(slot, template.strip()), tuple(claims))


def _compile_step(step: str) -> tuple[_Wording, ...]:
    return tuple(map(_compile, step.split(" | ")))


def _compile_plot(plot: str) -> tuple[dict[str, list[str]], list[tuple[_Wording, ...]]]:
    """The kinds of noun for each role, and the steps from the opening to the ending."""
    title, *steps = plot.splitlines()
    cast = dict(role.split(": ") for role in title.split("; ")[1:])
    kinds = {role: kinds.split() for role, kinds in (_CAST | cast).items()}
    return kinds, [_compile_step(step) for step in (OPENING, *steps, ENDING)]


def _story_forms(past: bool) -> dict[str, str]:
    """Every verb slot of one tense: ":find", "they:find", "!find" and ">find"."""
    do = "did not" if past else "does not"
    forms = {"they": "they", "once": "once there was" if past else "here is"}
    for lemma, verb in _BY_LEMMA.items():
        forms[f":{lemma}"] = verb.past if past else verb.present[SINGULAR]
        forms[f"they:{lemma}"] = verb.past if past else verb.lemma
        forms |= {f"!{lemma}": f"{do} {lemma}", f">{lemma}": lemma}
    be, are, have = ("was", "were", "had") if past else ("is", "are", "has")
    return forms | {":be": be, "they:be": are, ":have": have}


_PLOTS = [_compile_plot(plot) for plot in PLOTS.strip().split("\n\n")]
_STORY_FORMS = {past: _story_forms(past) for past in (False, True)}


def _indefinite(rng: Rng, noun: Noun) -> str:
    phrase = _adjective(rng, noun, 0.7) + noun.lemma
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _draw_cast(rng: Rng, kinds: dict[str, list[str]]) -> dict[str, Noun]:
    """Hero and pal of different gender, so that each pronoun is clear, and a thing."""
    hero = pick(rng, _HEROES[pick(rng, kinds["hero"])])
    pal = pick(rng, _GENDERED[pick(rng, kinds["pal"])])
    while pal.gender == hero.gender:
        pal = pick(rng, _GENDERED[pick(rng, kinds["pal"])])
    return {"hero": hero, "pal": pal, "thing": pick(rng, BY_KIND[pick(rng, kinds["thing"])])}


def _slots(rng: Rng, cast: dict[str, Noun]) -> dict[str, str]:
    hero, pal, thing = cast["hero"], cast["pal"], cast["thing"]
    slots = {
        "thing": thing.lemma,
        "a_thing": _indefinite(rng, thing),
        "a_hero": _indefinite(rng, hero),
    }
    if hero.is_name:
        slots["a_hero"] = f"{_indefinite(rng, _GIRL_OR_BOY[hero.gender])} named {hero.lemma}"
    his = _PRONOUNS[hero.gender]["his"]
    if pal.is_name:
        slots["a_pal"] = f"{his} friend {pal.lemma}"
    else:
        slots["a_pal"] = f"{his} {pal.lemma}" if pal.lemma in _FAMILY else _indefinite(rng, pal)
    for role, noun in (("hero", hero), ("pal", pal)):
        slots[role] = noun.lemma if noun.is_name else f"the {noun.lemma}"
        slots |= {f"{role}.{case}": form for case, form in _PRONOUNS[noun.gender].items()}
    here, there = rng.sample(LOCATIONS, 2)
    slots |= {
        "here": _at(rng, here),
        "there": _at(rng, there),
        "home": _at(rng, pick(rng, _HOMES), 1),
    }
    return slots


def _introduce(text: str) -> str:
    """Let the first mention of pal and thing be an indefinite one."""
    text = text.replace("%(pal)s", "%(a_pal)s", 1)
    first = text.find("thing)s")
    if text[:first].endswith("the %("):
        text = text.replace("the %(thing)s", "%(a_thing)s", 1)
    return text


def story(rng: Rng) -> str:
    """A story of 6 to 8 sentences in one tense about a hero, a pal and perhaps a thing.

    Pronouns, possessives and reflexives agree with their antecedents throughout; no held-out
    combination occurs, not even with a pronoun in the subject's place.
    """
    while True:
        kinds, steps = pick(rng, _PLOTS)
        cast = _draw_cast(rng, kinds)
        told = steps if rng.random() < 0.7 else steps[:-1]
        wordings = [[each for each in step if each.suits(cast)] for step in told]
        if all(wordings):
            text = _introduce("\n".join(pick(rng, step).text for step in wordings))
            slots = _STORY_FORMS[rng.random() < 0.6] | _slots(rng, cast)
            return " ".join(map(_capital, (text % slots).splitlines()))
