"""Agreement in number: of a demonstrative with its noun, and of a verb with its subject.

Subjects and verbs are held out, so "dog sleeps" and "dog sleep" are equally new. So is a noun that
stands between them with that verb: what a model makes of such a noun it has not read.
"""

from __future__ import annotations

from pythia_utils.nano.held_out import TRAINING, Words
from pythia_utils.nano.lexicon import pick
from pythia_utils.nano.phenomena.phenomenon import phenomenon
from pythia_utils.nano.phrases import (
    BETWEEN,
    DONE_TO,
    DONE_TO_COMMON,
    NEIGHBOURS,
    NEXT_TO,
    Rng,
    Twins,
    adjective_before,
    capitalised,
    draw_number,
    draw_predicate,
    finite_form,
    lemmas_of,
    make_twins,
    place_phrase,
    rest_of,
    tail_phrase,
    the_noun,
)


@phenomenon(
    "Determiner-noun agreement",
    "morphology",
    "Anna found this ball/*balls.",
    "demonstrative and noun",
    5,
)
def determiner_noun_agreement(rng: Rng, words: Words) -> Twins:
    """A demonstrative agrees in number with its noun.

    BLiMP, determiner_noun_agreement_1 and _2 (Warstadt et al., 2020).
    """
    return _demonstrative(rng, words, with_adjective=False)


@phenomenon(
    "Determiner-noun agreement with an adjective",
    "morphology",
    "Anna found these old balls/*ball.",
    "demonstrative and noun",
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
    tail = tail_phrase(rng)
    singular, plural = (f"{start} {form} {adjective}%s{tail}." for form in demonstrative)
    return make_twins((demonstrative[0], noun.lemma), noun.forms, singular, plural)


@phenomenon("Subject-verb agreement", "morphology", "The dog sleeps/*sleep.", "subject and verb", 5)
def subject_verb_agreement(rng: Rng, words: Words) -> Twins:
    """A verb agrees in number with the subject right before it.

    "Simple" agreement in Marvin and Linzen (2018); BLiMP, regular_plural_subject_verb_agreement_1
    (Warstadt et al., 2020).
    """
    noun, forms, rest, verb = draw_predicate(rng, words)
    adjective = adjective_before(rng, noun)
    singular, plural = (f"The {adjective}{form} %s{rest}." for form in noun.forms)
    return make_twins((noun.lemma, verb), forms, singular, plural)


@phenomenon(
    "Subject-verb agreement across an attractor",
    "morphology",
    "The key near the boxes today is/*are old.",
    "subject and verb, attractor and verb",
    8,
)
def subject_verb_agreement_attractor(rng: Rng, words: Words) -> Twins | None:
    """A verb agrees with its subject, not with a noun of the other number that stands nearer.

    People err here too: agreement attraction (Bock and Miller, 1991). For language models: Linzen,
    Dupoux and Goldberg (2016), Gulordava et al. (2018), and "across a prepositional phrase" in
    Marvin and Linzen (2018). In tests a word or more stands between attractor and verb, so that no
    word decides by its neighbour alone. In half of the training sentences there is none, and in half
    the two nouns have the same number.
    """
    noun, forms, rest, verb = draw_predicate(rng, words)
    near = pick(rng, NEXT_TO)
    neighbour = pick(rng, NEIGHBOURS[noun])
    if not words.allows((neighbour.lemma, verb)):
        return None
    between = pick(rng, BETWEEN) if words.held or rng.random() < 0.5 else ""
    texts = []
    for number, form in enumerate(noun.forms):
        attractor = neighbour.forms[words.attractor_number(rng, number)]
        texts.append(f"The {form} {near} the {attractor}{between} %s{rest}.")
    return make_twins((noun.lemma, verb), forms, *texts)


@phenomenon(
    "Subject-verb agreement across a relative clause",
    "morphology",
    "The dog that the cats chase sleeps/*sleep.",
    "subject and verb, verb and verb",
    8,
)
def subject_verb_agreement_relative(rng: Rng, words: Words) -> Twins | None:
    """A verb agrees with its subject across an object relative clause with a subject of its own.

    "Across an object relative clause" in Marvin and Linzen (2018); BLiMP,
    distractor_agreement_relative_clause (Warstadt et al., 2020); also among the agreement suites of
    Hu et al. (2020). The embedded noun has the other number in tests, either in training.
    """
    noun, forms, rest, verb = draw_predicate(rng, words)
    agent, inner = pick(rng, DONE_TO_COMMON[noun.kind])
    if agent is noun or inner.lemma == verb or not words.allows((inner.lemma, verb)):
        return None
    texts = []
    for number, form in enumerate(noun.forms):
        other = words.attractor_number(rng, number)
        texts.append(f"The {form} that the {agent.forms[other]} {inner.present[other]} %s{rest}.")
    return make_twins((noun.lemma, verb), forms, *texts)


@phenomenon(
    "Subject-verb agreement in a second verb phrase",
    "morphology",
    "The dogs yawn and sleep/*sleeps.",
    "subject and second verb, verb and second verb",
    4,
)
def subject_verb_agreement_coordination(rng: Rng, words: Words) -> Twins | None:
    """Both of two coordinated verbs agree with the one subject.

    "Short VP coordination" in Marvin and Linzen (2018). The two verbs are held out together as well:
    otherwise "yawn and" tells the form of a verb that often follows.
    """
    noun, verb = pick(rng, (words.intransitive, words.transitive)[draw_number(rng)].common)
    first = pick(rng, TRAINING.intransitive.after[noun])
    if first is verb or not words.allows((first.lemma, verb.lemma)):
        return None
    place = place_phrase(rng) if rng.random() < 0.3 else ""
    rest = rest_of(rng, verb, noun)
    singular, plural = (
        f"The {form} {first.present[number]}{place} and %s{rest}."
        for number, form in enumerate(noun.forms)
    )
    return make_twins(lemmas_of(noun, verb), verb.present, singular, plural)


PHENOMENA = (
    determiner_noun_agreement,
    determiner_noun_agreement_adjective,
    subject_verb_agreement,
    subject_verb_agreement_attractor,
    subject_verb_agreement_relative,
    subject_verb_agreement_coordination,
)
