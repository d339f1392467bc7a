"""Nano's grammar: the English that the miniature models read, and the minimal pairs that test them.

A phenomenon is a function that draws words and returns two `Frame`s, a sentence with one open slot
each: "The dog %s near the lake." takes "sleeps" and not "sleep", its twin "The dogs %s near the
lake." the reverse. So every bad sentence differs in one word, and a model that only prefers the
commoner word scores exactly 50%. Training sentences are the good halves (`sentence`), drawn from
the training combinations of words; `minimal_pairs` draws from the held-out ones (see lexicon.py).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano.lexicon import ANIMATE, HELD_OUT, OBJECTS, TRAINING, Noun, Verb, Words, pick
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.nano.phrases import (
    DONE_TO,
    DONE_TO_COMMON,
    NEIGHBOURS,
    NEXT_TO,
    POSSESSIVE,
    REFLEXIVE,
    SINGULAR,
    SPEAKERS,
    Frame,
    Rng,
    Twins,
    adjective_before,
    capitalised,
    draw_noun_phrase,
    draw_number,
    draw_object,
    draw_predicate,
    finite_form,
    lemmas_of,
    make_twins,
    numberless_form,
    place_phrase,
    rest_of,
    tail_phrase,
    the_noun,
)


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


PHENOMENA: dict[str, Phenomenon] = {}


def _phenomenon(title: str, field: str, example: str, share: int) -> Callable:
    """Register the decorated function in `PHENOMENA` under its own name."""

    def register(twins: Callable[[Rng, Words], Twins]) -> Callable[[Rng, Words], Twins]:
        name = twins.__name__
        PHENOMENA[name] = Phenomenon(name, title, field, example, share, twins)
        return twins

    return register


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
    subject, verb = pick(rng, DONE_TO[noun.kind])
    number = 0 if not subject.forms[1] else draw_number(rng)
    start = capitalised(f"{the_noun(rng, subject, number)} {finite_form(rng, verb, number)}")
    adjective = adjective_before(rng, noun, chance=1.0 if with_adjective else 0.0)
    singular, plural = (
        f"{start} {form} {adjective}%s{tail_phrase(rng)}." for form in demonstrative
    )
    return make_twins((demonstrative[0], noun.lemma), noun.forms, singular, plural)


@_phenomenon("Subject-verb agreement", "morphology", "The dog sleeps/*sleep.", 5)
def subject_verb_agreement(rng: Rng, words: Words) -> Twins:
    """A verb agrees in number with the subject right before it.

    "Simple" agreement in Marvin and Linzen (2018); BLiMP, regular_plural_subject_verb_agreement_1
    (Warstadt et al., 2020).
    """
    noun, forms, rest, combination = draw_predicate(rng, words)
    adjective = adjective_before(rng, noun)
    singular, plural = (f"The {adjective}{form} %s{rest}." for form in noun.forms)
    return make_twins(combination, forms, singular, plural)


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
    noun, forms, rest, combination = draw_predicate(rng, words)
    near = pick(rng, NEXT_TO)
    neighbour = pick(rng, NEIGHBOURS[noun])
    singular, plural = (
        f"The {form} {near} the {neighbour.forms[words.attractor_number(rng, number)]} %s{rest}."
        for number, form in enumerate(noun.forms)
    )
    return make_twins(combination, forms, singular, plural)


@_phenomenon(
    "Subject-verb agreement across a relative clause",
    "morphology",
    "The dog that the cats chase sleeps/*sleep.",
    8,
)
def subject_verb_agreement_relative(rng: Rng, words: Words) -> Twins:
    """A verb agrees with its subject across an object relative clause with a subject of its own.

    "Across an object relative clause" in Marvin and Linzen (2018); BLiMP,
    distractor_agreement_relative_clause (Warstadt et al., 2020); also among the agreement suites of
    Hu et al. (2020). The embedded noun has the other number in tests, either in training.
    """
    noun, forms, rest, combination = draw_predicate(rng, words)
    agent, verb = pick(rng, DONE_TO_COMMON[noun.kind])
    while agent is noun or verb.present == forms:
        agent, verb = pick(rng, DONE_TO_COMMON[noun.kind])
    texts = []
    for number, form in enumerate(noun.forms):
        inner = words.attractor_number(rng, number)
        texts.append(f"The {form} that the {agent.forms[inner]} {verb.present[inner]} %s{rest}.")
    return make_twins(combination, forms, *texts)


@_phenomenon(
    "Subject-verb agreement in a second verb phrase",
    "morphology",
    "The dogs yawn and sleep/*sleeps.",
    4,
)
def subject_verb_agreement_coordination(rng: Rng, words: Words) -> Twins:
    """Both of two coordinated verbs agree with the one subject.

    "Short VP coordination" in Marvin and Linzen (2018).
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[draw_number(rng)].common)
    first = pick(rng, TRAINING.intransitive.after[noun])
    while first is verb:
        first = pick(rng, TRAINING.intransitive.after[noun])
    place = place_phrase(rng) if rng.random() < 0.3 else ""
    rest = rest_of(rng, verb, noun)
    singular, plural = (
        f"The {form} {first.present[number]}{place} and %s{rest}."
        for number, form in enumerate(noun.forms)
    )
    return make_twins(lemmas_of(noun, verb), verb.present, singular, plural)


@_phenomenon("Reflexive number", "morphology", "The girls hurt themselves/*herself.", 5)
def reflexive_number(rng: Rng, words: Words) -> Twins:
    """A reflexive pronoun agrees in number with its antecedent; the verb does not show it.

    BLiMP, anaphor_number_agreement (Warstadt et al., 2020); "simple" reflexives in Marvin and
    Linzen (2018).
    """
    noun, verb = pick(rng, words.reflexive.common)
    while not noun.gender:  # "the baker hurt ..." has no one singular reflexive
        noun, verb = pick(rng, words.reflexive.common)
    forms = (REFLEXIVE[noun.gender], "themselves")
    adjective, verb_phrase, tail = (
        adjective_before(rng, noun),
        numberless_form(rng, verb),
        tail_phrase(rng),
    )
    singular, plural = (f"The {adjective}{form} {verb_phrase} %s{tail}." for form in noun.forms)
    return make_twins(lemmas_of(noun, verb), forms, singular, plural)


@_phenomenon("Reflexive gender", "morphology", "The queen hurt herself/*himself.", 4)
def reflexive_gender(rng: Rng, words: Words) -> Twins:
    """A reflexive pronoun agrees in gender with its antecedent, here a name or a kind of person.

    BLiMP, anaphor_gender_agreement (Warstadt et al., 2020).
    """
    tail = tail_phrase(rng)
    frames = []
    for gender, other in ("fm", "mf"):
        noun, verb = pick(rng, words.reflexive.pairs)
        while noun.gender != gender:
            noun, verb = pick(rng, words.reflexive.pairs)
        text = capitalised(
            f"{the_noun(rng, noun, SINGULAR)} {numberless_form(rng, verb)} %s{tail}."
        )
        frames.append(Frame(text, REFLEXIVE[gender], REFLEXIVE[other], lemmas_of(noun, verb)))
    return frames[0], frames[1]


@_phenomenon(
    "Binding domain of reflexives",
    "syntax-semantics",
    "The men said that the boy hurt himself/*themselves.",
    4,
)
def binding_domain(rng: Rng, words: Words) -> Twins:
    """A reflexive takes its antecedent within its own clause: Principle A of Chomsky (1981).

    BLiMP, principle_A_domain_1 (Warstadt et al., 2020); reflexives "in a sentential complement"
    in Marvin and Linzen (2018). The subject of the main clause has the gender and number that the
    wrong pronoun would need.
    """
    noun, verb = pick(rng, words.reflexive.common)
    while noun.gender not in SPEAKERS:
        noun, verb = pick(rng, words.reflexive.common)
    speaker, say = pick(rng, SPEAKERS[noun.gender])
    while speaker is noun:
        speaker, say = pick(rng, SPEAKERS[noun.gender])
    verb_phrase = numberless_form(rng, verb)
    past, tail = rng.random() < 0.5, tail_phrase(rng)
    texts = []
    for number, form in enumerate(noun.forms):
        said = say.past if past else say.present[1 - number]
        texts.append(
            f"The {speaker.forms[1 - number]} {said} that the {form} {verb_phrase} %s{tail}."
        )
    return make_twins(lemmas_of(noun, verb), (REFLEXIVE[noun.gender], "themselves"), *texts)


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
        start = capitalised(f"{the_noun(rng, owner, SINGULAR)} {finite_form(rng, verb, SINGULAR)}")
        text = f"{start} %s{own} {adjective_before(rng, thing)}{thing.lemma}{tail_phrase(rng)}."
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
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    subject = capitalised(the_noun(rng, noun, number))
    if rng.random() < 0.5:
        verbs = transitive.past, intransitive.past
    else:
        verbs = transitive.present[number], intransitive.present[number]
    return (
        Frame(
            f"{subject} %s{rest_of(rng, transitive, noun)}.", *verbs, lemmas_of(noun, transitive)
        ),
        Frame(f"{subject} %s{tail_phrase(rng)}.", *verbs[::-1], lemmas_of(noun, intransitive)),
    )


@_phenomenon("Irregular participles", "morphology", "The boy has eaten/*ate the apple.", 5)
def irregular_participle(rng: Rng, words: Words) -> Twins:
    """The perfect takes the participle and the simple past the past form, where they differ.

    BLiMP, irregular_past_participle_verbs (Warstadt et al., 2020).
    """
    noun, verb = pick(rng, words.irregular.pairs)
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    subject, rest = capitalised(the_noun(rng, noun, number)), rest_of(rng, verb, noun)
    perfect = f"{subject} {('has', 'have')[number]} %s{rest}."
    return make_twins(
        lemmas_of(noun, verb), (verb.participle, verb.past), perfect, f"{subject} %s{rest}."
    )


@_phenomenon("Verb form after an auxiliary", "syntax", "The boy does not sleep/*slept.", 6)
def auxiliary_form(rng: Rng, words: Words) -> Twins:
    """An auxiliary decides its verb's form: base after "do" and modals, participle after "have".

    Affix hopping and do-support in Chomsky (1957).
    """
    relation = (words.intransitive, words.transitive)[draw_number(rng)].pairs
    noun, verb = pick(rng, relation)
    while verb.lemma == verb.participle:
        noun, verb = pick(rng, relation)
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    subject, rest = capitalised(the_noun(rng, noun, number)), rest_of(rng, verb, noun)
    do = pick(rng, (("does not", "do not")[number], "did not", "will", "can", "will not"))
    have = ("has", "have")[number] + pick(rng, ("", " not", " often"))
    return make_twins(
        lemmas_of(noun, verb),
        (verb.lemma, verb.participle),
        f"{subject} {do} %s{rest}.",
        f"{subject} {have} %s{rest}.",
    )


@_phenomenon("Polarity items", "semantics", "No/*The boy has ever laughed.", 6)
def npi_licensing(rng: Rng, words: Words) -> Twins:
    """The polarity item "ever" needs a negative expression above it (Ladusaw, 1979).

    "Simple" NPIs in Marvin and Linzen (2018); BLiMP's NPI licensing (Warstadt et al., 2020). The
    twin with "already", which shuns negation (Szabolcsi, 2004), balances "no" against "the".
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[draw_number(rng)].common)
    number = draw_number(rng)
    determiner = "Some" if number and rng.random() < 0.4 else "The"
    phrase = f"{adjective_before(rng, noun)}{noun.forms[number]} {('has', 'have')[number]}"
    rest = f"{verb.participle}{rest_of(rng, verb, noun)}"
    return make_twins(
        lemmas_of(noun, verb),
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
    thing = draw_object(rng, verb, noun)
    number = draw_number(rng) if knower.forms[1] else SINGULAR
    main = capitalised(f"{the_noun(rng, knower, number)} {finite_form(rng, know, number)}")
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    clause = f"{the_noun(rng, noun, number)} {finite_form(rng, verb, number)}"
    return make_twins(
        lemmas_of(noun, verb),
        ("who" if thing.kind == "person" else "what", "that"),
        f"{main} %s {clause}{tail_phrase(rng)}.",
        f"{main} %s {clause} {draw_noun_phrase(rng, thing, draw_number(rng))}{tail_phrase(rng)}.",
    )


# ---- Training sentences


def _clause(rng: Rng, past: float = 0.5) -> str:
    """A plain clause without its capital: any subject and verb."""
    relation = (TRAINING.intransitive, TRAINING.transitive)[draw_number(rng)]
    noun, verb = pick(rng, relation.pairs)
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    often = pick(rng, (" often", " never", " always")) if rng.random() < 0.1 else ""
    form = finite_form(rng, verb, number, past)
    return f"{draw_noun_phrase(rng, noun, number)}{often} {form}{rest_of(rng, verb, noun)}"


def _plain(rng: Rng) -> str:
    return capitalised(_clause(rng)) + "."


def _joined(rng: Rng) -> str:
    joint = pick(rng, (", and", ", but", " because", " when"))
    past = draw_number(rng)  # one tense for both clauses
    return f"{capitalised(_clause(rng, past))}{joint} {_clause(rng, past)}."


def _reported(rng: Rng) -> str:
    noun, verb = pick(rng, TRAINING.that.pairs)
    number = draw_number(rng) if noun.forms[1] else SINGULAR
    form = finite_form(rng, verb, number)
    if rng.random() < 0.2:
        form = f"{('has', 'have')[number]} {verb.participle}"
    return f"{capitalised(the_noun(rng, noun, number))} {form} that {_clause(rng)}."


def _existential(rng: Rng) -> str:
    noun, number = pick(rng, ANIMATE + OBJECTS), draw_number(rng)
    be = (("is", "are"), ("was", "were"))[draw_number(rng)][number]
    determiner = pick(rng, ("a", "no") if number == SINGULAR else ("two", "three", "some", "many"))
    phrase = adjective_before(rng, noun, 0.4) + noun.forms[number]
    n = "n" if determiner == "a" and phrase[0] in "aeiou" else ""
    return f"There {be} {determiner}{n} {phrase}{place_phrase(rng)}."


def _subject_relative(rng: Rng) -> str:
    noun, forms, rest, _ = draw_predicate(rng, TRAINING)
    while noun not in TRAINING.transitive.after:
        noun, forms, rest, _ = draw_predicate(rng, TRAINING)
    verb = pick(rng, TRAINING.transitive.after[noun])
    patient = the_noun(rng, draw_object(rng, verb, noun), draw_number(rng))
    number = draw_number(rng)
    return f"The {noun.forms[number]} that {verb.present[number]} {patient} {forms[number]}{rest}."


# Percentages beside the phenomena's own shares.
PLAIN_SENTENCES = {_plain: 10, _joined: 4, _reported: 3, _existential: 2, _subject_relative: 2}


def _good_half(phenomenon: Phenomenon) -> Callable[[Rng], str]:
    def sentence_of(rng: Rng) -> str:
        frame = phenomenon.twins(rng, TRAINING)[draw_number(rng)]
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
    field, twins = PHENOMENA[phenomenon].field, PHENOMENA[phenomenon].twins
    rng = random.Random(f"{phenomenon} {seed}")
    pairs: list[MinimalPair] = []
    seen: set[str] = set()
    fruitless = 0
    while len(pairs) < n:
        frames = twins(rng, HELD_OUT)
        texts = [(frame.text % frame.good, frame.text % frame.bad) for frame in frames]
        new = {text for pair in texts for text in pair}
        if len(new) == 4 and not new & seen:
            seen |= new
            fruitless = 0
            for (good, bad), frame in zip(texts, frames, strict=True):
                pairs.append(
                    MinimalPair(phenomenon, good, bad, field, phenomenon, frame.combination)
                )
        else:
            fruitless += 1
            if fruitless == _FRUITLESS_DRAWS:
                raise UsageError(
                    f"n is {n}; {phenomenon} has only about {len(pairs)} minimal pairs"
                )
    return pairs[:n]
