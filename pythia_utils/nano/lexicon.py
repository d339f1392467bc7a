"""Nano's words: their forms, and what goes with what.

Tables of words come first, one line for each verb. A verb selects the kinds of its subject and
object, so that sentences read as sensible English. Which words training never combines, though they
would go together, is in `held_out`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# Nouns: "singular" or "singular/plural". People who have a gender are listed apart.
FEMALE = "girl woman/women queen mother sister aunt princess"
MALE = "boy man/men king father brother uncle prince"
PEOPLE = "teacher baker doctor farmer sailor painter child/children friend"
ANIMALS = "dog cat bird horse mouse/mice rabbit cow fox bear duck goat wolf/wolves"
FOOD = "apple cake carrot egg cookie pear pie"
THINGS = "ball box key bag basket lamp cup bell drum kite boat toy coin"
TEXTS = "book letter story poem"
CLOTHES = "hat coat shoe scarf/scarves shirt glove"
# Places: "preposition:place"; `near`, `behind` and `beside` go with every place.
PLACES = (
    "in:garden in:house in:park in:school in:tower in:forest in:shop in:barn in:field "
    "by:river by:lake on:bridge on:hill on:wall on:road under:tree"
)
FEMALE_NAMES = "Anna Emma Mary Lily Sara Rosa Clara Alice Nora Julia"
MALE_NAMES = "Tom Ben Jack Max Peter Paul David Oscar Leo Hugo"

# Verbs: base [past [participle]] | kinds of subject | kinds of object | marks.
# `strict`: cannot be without (with) an object. `reflexive`: one can do it to oneself.
# `that`, `wh`: takes a clause or an indirect question.
VERBS = """
sleep slept          | person animal            |                                | strict
laugh                | person                   |                                | strict
smile                | person                   |                                | strict
sneeze               | person animal            |                                | strict
wait                 | person animal            |                                | strict
arrive               | person animal            |                                | strict
shiver               | person animal            |                                | strict
vanish               | person animal            |                                | strict
yawn                 | person animal            |                                | strict
cough                | person                   |                                | strict
dance                | person                   |                                |
cry                  | person                   |                                |
sit sat              | person animal            |                                |
fall fell fallen     | person animal            |                                | strict
sing sang sung       | person                   |                                |
speak spoke spoken   | person                   |                                |
chase                | person animal            | person animal                  | strict
find found           | person animal            | animal thing food clothes text | strict
carry                | person                   | thing food clothes text        | strict
hold held            | person                   | thing food clothes text        | strict
take took taken      | person                   | thing food clothes text        | strict
throw threw thrown   | person                   | thing food                     | strict
wear wore worn       | person                   | clothes                        | strict
buy bought           | person                   | thing food clothes text animal | strict
visit                | person                   | person place                   | strict
praise               | person                   | person animal                  | strict reflexive
blame                | person                   | person animal                  | strict reflexive
admire               | person                   | person animal place clothes    | strict reflexive
trust                | person animal            | person animal                  | strict reflexive
love                 | person animal            | person animal food place       | strict reflexive
greet                | person animal            | person animal                  | strict
touch                | person animal            | person animal thing clothes    | strict
feed fed             | person                   | animal                         | strict reflexive
catch caught         | person animal            | animal                         | strict
hug hugged           | person                   | person animal                  | strict
thank                | person                   | person                         | strict
see saw seen         | person animal            | person animal thing food place | reflexive wh
hide hid hidden      | person animal            | thing food clothes text        | reflexive
wash                 | person                   | clothes animal person          | reflexive
help                 | person animal            | person animal                  | reflexive
hurt hurt            | person animal            | person animal                  | reflexive
draw drew drawn      | person                   | person animal place thing      | reflexive
paint                | person                   | person animal place thing      | reflexive
eat ate eaten        | person animal            | food                           |
break broke broken   | person animal            | thing                          |
bite bit bitten      | animal                   | person animal food             |
steal stole stolen   | person animal            | thing food clothes text        |
choose chose chosen  | person                   | thing food clothes text animal |
write wrote written  | person                   | text                           |
shake shook shaken   | person animal            | thing                          |
wake woke woken      | person animal            | person animal                  |
forget forgot forgotten | person                | thing clothes text             | wh
read read            | person                   | text                           |
lose lost            | person                   | thing clothes text             |
drop dropped         | person animal            | thing food                     |
follow               | person animal            | person animal                  |
watch                | person animal            | person animal place            |
say said             | person                   | clause                         | that
think thought        | person                   | clause                         | that
hope                 | person                   | clause                         | that
know knew known      | person                   | clause                         | that wh
remember             | person                   | clause                         | that wh
learn                | person                   | clause                         | wh
"""
# Verbs that only stories use.
STORY_VERBS = """
go went gone | person animal
come came come | person animal
look | person animal
want | person animal
make made | person
give gave given | person animal
play | person animal
walk | person animal
run ran run | person animal
live | person animal
"""

ADJECTIVES = {
    "person": "old young tall happy sad tired hungry kind clever brave quiet angry proud busy",
    "animal": "old young small big happy sad tired hungry clever brave quiet angry white lazy",
    "food": "small big sweet fresh warm cold",
    "thing": "old new small big red blue green white clean dirty heavy pretty",
    "text": "old new long short funny sad",
    "clothes": "old new red blue green white clean dirty warm pretty",
    "place": "old small big quiet dark pretty",
}


@dataclass(frozen=True, eq=False, slots=True)
class Noun:
    """A common noun or a name (which has no plural); compared and hashed by identity.

    Attributes:
        forms: singular and plural; a name's plural is empty.
        kind: semantic class that verbs select: person, animal, thing, food, text, clothes, place.
        gender: f, m, n (animals and things) or "" (people of either gender).
        preposition: the one that places the noun best ("in" the garden); places only.
    """

    forms: tuple[str, str]
    kind: str
    gender: str
    preposition: str = ""

    @property
    def lemma(self) -> str:
        return self.forms[0]

    @property
    def is_name(self) -> bool:
        return not self.forms[1]


@dataclass(frozen=True, eq=False, slots=True)
class Verb:
    """A verb's forms, the kinds of noun that it selects, and its marks (see `VERBS`).

    `present` holds the third person singular and the plural, so that `present[number]` agrees.
    """

    present: tuple[str, str]
    past: str
    participle: str
    subjects: frozenset[str]
    objects: frozenset[str]
    marks: frozenset[str]

    @property
    def lemma(self) -> str:
        return self.present[1]


def pick(rng: random.Random, choices: Sequence[T]) -> T:
    """A random member; three times as fast as `rng.choice`, which weighs in millions of draws."""
    return choices[int(rng.random() * len(choices))]


def ending_s(word: str) -> str:
    """The regular -s form of a noun or verb: dogs, boxes, stories, washes."""
    if word.endswith(("s", "x", "sh", "ch", "go")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeou":
        return word[:-1] + "ies"
    return word + "s"


def ending_ed(word: str) -> str:
    """The regular past: waited, danced, cried, stayed."""
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2] not in "aeou":
        return word[:-1] + "ied"
    return word + "ed"


def _nouns(table: str, kind: str, gender: str) -> tuple[Noun, ...]:
    nouns = []
    for entry in table.split():
        preposition, _, word = entry.rpartition(":")
        singular, _, plural = word.partition("/")
        forms = (singular, plural or ending_s(singular))
        nouns.append(Noun(forms, kind, gender, preposition))
    return tuple(nouns)


def _names(table: str, gender: str) -> tuple[Noun, ...]:
    return tuple(Noun((name, ""), "person", gender) for name in table.split())


def _verbs(table: str) -> tuple[Verb, ...]:
    verbs = []
    for line in table.strip().splitlines():
        words, *columns = (column.split() for column in line.split("|"))
        subjects, objects, marks = (frozenset(column) for column in [*columns, (), (), ()][:3])
        base, past, participle = [*words, *words[1:2] * 2, *[ending_ed(words[0])] * 2][:3]
        verbs.append(Verb((ending_s(base), base), past, participle, subjects, objects, marks))
    return tuple(verbs)


GENDERED = _nouns(FEMALE, "person", "f") + _nouns(MALE, "person", "m")
NAMES = _names(FEMALE_NAMES, "f") + _names(MALE_NAMES, "m")
ANIMATE = GENDERED + _nouns(PEOPLE, "person", "") + _nouns(ANIMALS, "animal", "n")
_INANIMATE_TABLES = {"food": FOOD, "thing": THINGS, "text": TEXTS, "clothes": CLOTHES}
OBJECTS = tuple(n for kind, table in _INANIMATE_TABLES.items() for n in _nouns(table, kind, "n"))
LOCATIONS = _nouns(PLACES, "place", "n")
COMMON = ANIMATE + OBJECTS + LOCATIONS
ALL_VERBS = _verbs(VERBS)
STORY_ONLY = _verbs(STORY_VERBS)
# Each demonstrative as (singular, plural); its lemma is the singular.
DEMONSTRATIVES = (("this", "these"), ("that", "those"))
BY_KIND = {kind: tuple(n for n in COMMON if n.kind == kind) for kind in ADJECTIVES}
