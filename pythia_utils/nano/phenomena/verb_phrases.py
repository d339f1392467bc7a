"""What a verb takes, and what form it takes itself: objects, participles, auxiliaries.

Function words are cues here, and they stand next to what they decide. So it is their combination
with the verb that is held out: "has eaten" where "have eaten" is read, "chased the" where "chased a"
is.
"""

from __future__ import annotations

from pythia_utils.nano.held_out import Words
from pythia_utils.nano.lexicon import Noun, Verb, pick
from pythia_utils.nano.phenomena.phenomenon import phenomenon
from pythia_utils.nano.phrases import (
    SINGULAR,
    Frame,
    Rng,
    Twins,
    capitalised,
    draw_number,
    lemmas_of,
    rest_of,
    tail_phrase,
    the_noun,
)

HAVE = ("has", "have")


@phenomenon(
    "Argument structure",
    "syntax",
    "The boy chased/*slept the dog.",
    "verb and the word after it",
    5,
)
def argument_structure(rng: Rng, words: Words) -> Twins | None:
    """A transitive verb needs an object, an intransitive verb takes none.

    BLiMP, transitive and intransitive (Warstadt et al., 2020). In tests neither verb was read before
    the words that show the lack of an object ("chased near" may be read where the object is fronted),
    nor the transitive one before the word that begins its object. Both verbs are held out with the
    subject.
    """
    noun, transitive = pick(rng, words.strictly_transitive.pairs)
    if noun not in words.strictly_intransitive.after:
        return None
    intransitive = pick(rng, words.strictly_intransitive.after[noun])
    rest, tail = rest_of(rng, transitive, noun), tail_phrase(rng)
    cues = (transitive, rest), (transitive, tail), (intransitive, tail)
    if words.held and not (tail and words.allows(*(_with_next_word(*cue) for cue in cues))):
        return None
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    subject = capitalised(the_noun(rng, noun, number))
    if rng.random() < 0.5:
        verbs = transitive.past, intransitive.past
    else:
        verbs = transitive.present[number], intransitive.present[number]
    return (
        Frame(f"{subject} %s{rest}.", *verbs, lemmas_of(noun, transitive)),
        Frame(f"{subject} %s{tail}.", *verbs[::-1], lemmas_of(noun, intransitive)),
    )


def _with_next_word(verb: Verb, rest: str) -> tuple[str, str]:
    """As `held_out` takes it: "an" is "a"."""
    word = rest.split()[0] if rest else ""
    return verb.lemma, "a" if word == "an" else word


@phenomenon(
    "Irregular participles",
    "morphology",
    "The boy has eaten/*ate the apple.",
    "auxiliary and verb",
    5,
)
def irregular_participle(rng: Rng, words: Words) -> Twins | None:
    """The perfect takes the participle and the simple past the past form, where they differ.

    BLiMP, irregular_past_participle_verbs (Warstadt et al., 2020).
    """
    noun, verb = pick(rng, words.irregular.pairs)
    number = _draw_number_of(rng, noun)
    if not words.allows((HAVE[number], verb.lemma)):
        return None
    subject, rest = capitalised(the_noun(rng, noun, number)), rest_of(rng, verb, noun)
    forms = verb.participle, verb.past
    return (
        Frame(f"{subject} {HAVE[number]} %s{rest}.", *forms, lemmas_of(noun, verb)),
        Frame(f"{subject} %s{rest}.", *forms[::-1], lemmas_of(noun, verb)),
    )


def _draw_number_of(rng: Rng, noun: Noun) -> int:
    return draw_number(rng) if noun.forms[1] else SINGULAR


@phenomenon(
    "Verb form after an auxiliary",
    "syntax",
    "The boy does not sleep/*slept.",
    "auxiliary and verb",
    6,
)
def auxiliary_form(rng: Rng, words: Words) -> Twins | None:
    """An auxiliary decides its verb's form: base after "do" and modals, participle after "have".

    Affix hopping and do-support in Chomsky (1957). What stands between auxiliary and verb is the same
    in both twins.
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[draw_number(rng)].pairs)
    number = _draw_number_of(rng, noun)
    adverb = pick(rng, ("", " not", " not", " often"))
    do = ("will", "can", ("does", "do")[number], "did") if "not" in adverb else ("will", "can")
    do, have = pick(rng, do), HAVE[number]
    if verb.lemma == verb.participle or not words.allows((do, verb.lemma), (have, verb.lemma)):
        return None
    subject, rest = capitalised(the_noun(rng, noun, number)), rest_of(rng, verb, noun)
    forms = verb.lemma, verb.participle
    return (
        Frame(f"{subject} {do}{adverb} %s{rest}.", *forms, lemmas_of(noun, verb)),
        Frame(f"{subject} {have}{adverb} %s{rest}.", *forms[::-1], lemmas_of(noun, verb)),
    )


PHENOMENA = (argument_structure, irregular_participle, auxiliary_form)
