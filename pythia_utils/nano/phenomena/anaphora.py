"""Anaphora: reflexive and possessive pronouns agree with their antecedent, and where that may stand.

The antecedent and the verb between it and the pronoun are held out together, so that no n-gram that
holds both antecedent and pronoun was read.
"""

from __future__ import annotations

import functools

from pythia_utils.nano.held_out import Combinations, Words
from pythia_utils.nano.lexicon import OBJECTS, Noun, Verb, pick
from pythia_utils.nano.phenomena.phenomenon import phenomenon
from pythia_utils.nano.phrases import (
    POSSESSIVE,
    REFLEXIVE,
    SINGULAR,
    SPEAKERS,
    Frame,
    Rng,
    Twins,
    adjective_before,
    capitalised,
    finite_form,
    lemmas_of,
    make_twins,
    numberless_form,
    tail_phrase,
    the_noun,
)

_OWNED = {
    kind: tuple(noun for noun in OBJECTS if noun.kind == kind)
    for kind in ("clothes", "thing", "text")
}


@phenomenon(
    "Reflexive number",
    "morphology",
    "The girls hurt themselves/*herself.",
    "antecedent and verb",
    5,
)
def reflexive_number(rng: Rng, words: Words) -> Twins | None:
    """A reflexive pronoun agrees in number with its antecedent; the verb does not show it.

    BLiMP, anaphor_number_agreement (Warstadt et al., 2020); "simple" reflexives in Marvin and
    Linzen (2018).
    """
    noun, verb = pick(rng, words.reflexive.common)
    if not noun.gender:  # "the baker hurt ..." has no one singular reflexive
        return None
    forms = (REFLEXIVE[noun.gender], "themselves")
    adjective, verb_phrase, tail = (
        adjective_before(rng, noun),
        numberless_form(rng, verb),
        tail_phrase(rng),
    )
    singular, plural = (f"The {adjective}{form} {verb_phrase} %s{tail}." for form in noun.forms)
    return make_twins(lemmas_of(noun, verb), forms, singular, plural)


@phenomenon(
    "Reflexive gender",
    "morphology",
    "The queen hurt herself/*himself.",
    "antecedent and verb",
    4,
)
def reflexive_gender(rng: Rng, words: Words) -> Twins | None:
    """A reflexive pronoun agrees in gender with its antecedent, here a name or a kind of person.

    BLiMP, anaphor_gender_agreement (Warstadt et al., 2020). One verb for both twins: verbs differ in
    how often women and men do them to themselves.
    """
    verb = pick(rng, words.reflexive.pairs)[1]
    antecedents = _of_both_genders(rng, words.reflexive, verb)
    if antecedents is None:
        return None
    verb_phrase, tail = numberless_form(rng, verb), tail_phrase(rng)
    texts = [
        capitalised(f"{the_noun(rng, noun, SINGULAR)} {verb_phrase} %s{tail}.")
        for noun in antecedents
    ]
    return _gender_twins(antecedents, verb, REFLEXIVE, texts)


def _of_both_genders(
    rng: Rng, relation: Combinations[Noun, Verb], verb: Verb
) -> tuple[Noun, Noun] | None:
    """A female and a male subject of the verb, if the relation has both."""
    subjects = _subjects(relation, verb)
    return tuple(pick(rng, those) for those in subjects) if all(subjects) else None


@functools.cache
def _subjects(relation: Combinations[Noun, Verb], verb: Verb) -> tuple[tuple[Noun, ...], ...]:
    return tuple(
        tuple(noun for noun in relation.before[verb] if noun.gender == gender) for gender in "fm"
    )


def _gender_twins(
    antecedents: tuple[Noun, Noun], verb: Verb, pronouns: dict[str, str], texts: list[str]
) -> Twins:
    female, male = (
        Frame(text, pronouns[noun.gender], pronouns[other], lemmas_of(noun, verb))
        for text, noun, other in zip(texts, antecedents, "mf", strict=True)
    )
    return female, male


@phenomenon(
    "Binding domain of reflexives",
    "syntax-semantics",
    "The men said that the boy hurt himself/*themselves.",
    "antecedent and verb",
    4,
)
def binding_domain(rng: Rng, words: Words) -> Twins | None:
    """A reflexive takes its antecedent within its own clause: Principle A of Chomsky (1981).

    BLiMP, principle_A_domain_1 (Warstadt et al., 2020); reflexives "in a sentential complement"
    in Marvin and Linzen (2018). The subject of the main clause has the gender and number that the
    wrong pronoun would need.
    """
    noun, verb = pick(rng, words.reflexive.common)
    if noun.gender not in SPEAKERS:
        return None
    speaker, say = pick(rng, SPEAKERS[noun.gender])
    if speaker is noun:
        return None
    verb_phrase = numberless_form(rng, verb)
    past, tail = rng.random() < 0.5, tail_phrase(rng)
    texts = []
    for number, form in enumerate(noun.forms):
        said = say.past if past else say.present[1 - number]
        texts.append(
            f"The {speaker.forms[1 - number]} {said} that the {form} {verb_phrase} %s{tail}."
        )
    return make_twins(lemmas_of(noun, verb), (REFLEXIVE[noun.gender], "themselves"), *texts)


@phenomenon(
    "Possessive gender", "morphology", "Anna lost her/*his own hat.", "antecedent and verb", 4
)
def possessive_gender(rng: Rng, words: Words) -> Twins | None:
    """A possessive with "own" agrees in gender with the subject, which "own" makes its antecedent.

    The contrast of BLiMP's anaphor_gender_agreement (Warstadt et al., 2020), on possessives;
    without "own", "his" could be another person's. One verb and one thing for both twins.
    """
    verb = pick(rng, words.transitive.pairs)[1]
    owners = _of_both_genders(rng, words.transitive, verb)
    things = _things(verb)
    if owners is None or not things:
        return None
    thing = pick(rng, things)
    own = " own" if words.held or rng.random() < 0.5 else ""
    form = finite_form(rng, verb, SINGULAR)
    rest = f"{own} {adjective_before(rng, thing)}{thing.lemma}{tail_phrase(rng)}"
    texts = [capitalised(f"{the_noun(rng, owner, SINGULAR)} {form} %s{rest}.") for owner in owners]
    return _gender_twins(owners, verb, POSSESSIVE, texts)


@functools.cache
def _things(verb: Verb) -> tuple[Noun, ...]:
    """What a person may have and do this to."""
    return tuple(noun for kind, nouns in _OWNED.items() if kind in verb.objects for noun in nouns)


PHENOMENA = (
    reflexive_number,
    reflexive_gender,
    binding_domain,
    possessive_gender,
)
