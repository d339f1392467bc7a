"""Nano's grammar: the English that the miniature models read, and the minimal pairs that test them.

A phenomenon (`phenomena`) draws words and returns two `Frame`s, a sentence with one open slot each:
"The dog %s near the lake." takes "sleeps" and not "sleep", its twin "The dogs %s near the lake." the
reverse. So every bad sentence differs in one word, and a model that only prefers the commoner word
scores exactly 50%. Training sentences are the good halves (`sentence`), drawn from the training
combinations of words; `minimal_pairs` draws from the held-out ones (see `held_out`).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano.combinations import is_trainable
from pythia_utils.nano.held_out import HELD_OUT, TRAINING
from pythia_utils.nano.lexicon import ANIMATE, OBJECTS, pick
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.nano.phenomena import agreement, anaphora, licensing, verb_phrases
from pythia_utils.nano.phenomena.phenomenon import Phenomenon
from pythia_utils.nano.phrases import (
    SINGULAR,
    Rng,
    adjective_before,
    capitalised,
    draw_noun_phrase,
    draw_number,
    draw_object,
    draw_predicate,
    finite_form,
    place_phrase,
    rest_of,
    the_noun,
)

PHENOMENA = {
    each.name: each
    for family in (agreement, anaphora, verb_phrases, licensing)
    for each in family.PHENOMENA
}


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
        frame = phenomenon.draw(rng, TRAINING)[draw_number(rng)]
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
    """One training sentence: a phenomenon's good half or a plain one, by their shares.

    It holds no combination of words that is held out, whatever the construction.
    """
    make = pick(rng, _MIXTURE)
    while not is_trainable(text := make(rng)):
        pass
    return text


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
    field, draw = PHENOMENA[phenomenon].field, PHENOMENA[phenomenon].draw
    rng = random.Random(f"{phenomenon} {seed}")
    pairs: list[MinimalPair] = []
    seen: set[str] = set()
    fruitless = 0
    while len(pairs) < n:
        frames = draw(rng, HELD_OUT)
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
