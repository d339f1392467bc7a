"""Licensing: words that may stand only where another one, further away, allows them."""

from __future__ import annotations

from pythia_utils.nano.held_out import EVER, TRAINING, Words
from pythia_utils.nano.lexicon import pick
from pythia_utils.nano.phenomena.phenomenon import phenomenon
from pythia_utils.nano.phrases import (
    SINGULAR,
    Rng,
    Twins,
    adjective_before,
    capitalised,
    draw_noun_phrase,
    draw_number,
    draw_object,
    finite_form,
    lemmas_of,
    make_twins,
    rest_of,
    tail_phrase,
    the_noun,
)


@phenomenon(
    "Polarity items", "semantics", "No/*The boy has ever laughed.", "subject and polarity item", 6
)
def npi_licensing(rng: Rng, words: Words) -> Twins:
    """The polarity item "ever" needs a negative expression above it (Ladusaw, 1979).

    "Simple" NPIs in Marvin and Linzen (2018); BLiMP's NPI licensing (Warstadt et al., 2020). The
    twin with "already", which shuns negation (Szabolcsi, 2004), balances "no" against "the". In
    tests the noun between licensor and item was never read with either item.
    """
    noun, _ = pick(rng, words.polarity.pairs)
    verb = pick(rng, (TRAINING.intransitive, TRAINING.transitive)[draw_number(rng)].after[noun])
    number = draw_number(rng)
    determiner = "Some" if number and rng.random() < 0.4 else "The"
    phrase = f"{adjective_before(rng, noun)}{noun.forms[number]} {('has', 'have')[number]}"
    rest = f"{verb.participle}{rest_of(rng, verb, noun)}"
    return make_twins(
        (noun.lemma, EVER),
        ("No", determiner),
        f"%s {phrase} ever {rest}.",
        f"%s {phrase} already {rest}.",
    )


@phenomenon(
    "Filler and gap", "syntax", "Anna knows what/*that the boy found.", "subject and verb", 6
)
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


PHENOMENA = (npi_licensing, filler_gap)
