"""Nano's words: their forms, what goes with what, and which combinations are never trained on.

Tables of words come first, one line for each verb. A verb selects the kinds of its subject and
object, so that sentences read as sensible English. Words meet in four relations: a subject and its
verb, a noun and its adjective, a demonstrative and its noun, a possessor and the thing possessed.
About one pair in five of each relation is held out (`held_out`): `TRAINING` draws from the others,
`HELD_OUT` from these only, so a model can never have seen the pair of words it is tested on.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

HELD_OUT_ONE_IN = 5

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


@functools.cache
def held_out(*lemmas: str) -> bool:
    """Whether this combination of lemmas is kept from all training text (about one in five is).

    The choice is a BLAKE2 hash of the words: the same on every machine and in every version.

    Args:
        *lemmas: in the relation's order: (subject, verb), (noun, adjective), (this or that, noun),
            (possessor, possessed).
    """
    digest = hashlib.blake2b(" ".join(lemmas).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


class Combinations(Generic[A, B]):
    """Pairs of words that may stand in one relation.

    Attributes:
        pairs: all of them.
        common: those that start with no name (so they have a singular and a plural).
        after: the second words that go with each first word; `before`: the reverse.
    """

    def __init__(self, pairs: Iterable[tuple[A, B]], held: bool) -> None:
        self.pairs = tuple(p for p in pairs if held_out(*map(_lemma, p)) == held)
        self.common = tuple(p for p in self.pairs if p[0] not in NAMES)
        self.after: dict[A, tuple[B, ...]] = {}
        self.before: dict[B, tuple[A, ...]] = {}
        for first, second in self.pairs:
            self.after[first] = (*self.after.get(first, ()), second)
            self.before[second] = (*self.before.get(second, ()), first)


def _lemma(word: Noun | Verb | tuple[str, str] | str) -> str:
    if isinstance(word, str):
        return word
    return word[0] if isinstance(word, tuple) else word.lemma


@dataclass(frozen=True, eq=False)
class Words:
    """All relations, either for training or held out.

    The first eight relate a subject, an animate noun or a name, to a verb of one sort.
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
    adjective: Combinations[Noun, str]
    demonstrative: Combinations[tuple[str, str], Noun]
    possession: Combinations[Noun, Noun]

    def attractor_number(self, rng: random.Random, number: int) -> int:
        """The number of a noun between subject and verb: in tests always the other one.

        In training it is either, as in natural text; otherwise a model could learn to agree with
        the opposite of the nearest noun.
        """
        return 1 - number if self.held else int(rng.random() * 2)


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
    owned = [noun for noun in OBJECTS if noun.kind in ("clothes", "thing", "text")]
    others = {
        "adjective": [(n, a) for n in COMMON for a in ADJECTIVES[n.kind].split()],
        "demonstrative": [(d, n) for d in DEMONSTRATIVES for n in COMMON],
        "possession": [(p, thing) for p in NAMES + GENDERED for thing in owned],
    }
    relations = {name: Combinations(pairs, held) for name, pairs in {**by_sort, **others}.items()}
    assert set(relations) == {field.name for field in fields(Words)} - {"held"}
    return Words(held, **relations)


TRAINING = _words(held=False)
HELD_OUT = _words(held=True)
