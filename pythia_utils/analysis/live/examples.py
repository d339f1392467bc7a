"""Sentences to try: of agreement, of all phenomena of the grammar, of facts, of repetition.

An example is two texts, of which the first is the right one, or the likelier one. Those of the grammar and of
repetition stand in no training text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.evaluation import validation
from pythia_utils.nano.documents import FACT_ANSWERS, SUCCESSOR_SYMBOLS, make_facts
from pythia_utils.nano.grammar import PHENOMENA, minimal_pairs
from pythia_utils.suites import catalog

if TYPE_CHECKING:
    from pythia_utils.nano.documents import Fact
    from pythia_utils.nano.minimal_pair import MinimalPair

SUBJECTS, NEIGHBOURS, VERBS = ("key", "keys"), ("box", "boxes"), ("is", "are")
CUES = ("liking for “is”", "pull of the subject", "pull of the nearest noun")
_NOTE = (
    "How much of the margin is a liking for “is” whatever stands before it, how much hangs on the number of "
    "the subject (key or keys), and how much on that of the noun nearest to the verb (box or boxes)."
)
FACTS = 4  # in the menu, from the most to the least often told
PERIOD = 6  # symbols of a list that is said again
REFERENCE = 4  # texts of each domain


@dataclass(frozen=True)
class Example:
    """Two texts to compare, or one to look at.

    Attributes:
        label: in the menu.
        good, bad: the texts; `bad` is empty where there is one.
        cues: of texts with four beginnings, what they are asked for.
    """

    label: str
    good: str
    bad: str = ""
    cues: dict | None = None


@dataclass(frozen=True)
class Group:
    """Examples that stand together in the menu."""

    name: str
    pairs: tuple[Example, ...]

    def told(self) -> dict:
        """For JSON."""
        return asdict(self)


def beginnings() -> list[str]:
    """*The key near the box*, and so on: by subject, then by the noun beside the verb, singular first."""
    return [f"The {subject} near the {noun}" for subject in SUBJECTS for noun in NEIGHBOURS]


def attraction() -> list[tuple[str, str]]:
    """Of the four beginnings the two texts that go on with *is* and with *are*."""
    return [tuple(f"{text} {verb}" for verb in VERBS) for text in beginnings()]


def the_key() -> Example:
    """*The key near the boxes is/are*: a subject in the singular, and a plural nearer to the verb."""
    good, bad = attraction()[1]
    texts = [list(pair) for pair in attraction()]
    cues = {"texts": texts, "names": list(CUES), "note": _NOTE}
    return Example(f"{good} / {VERBS[1]}", good, bad, cues)


def grammar() -> Group:
    """A pair of each of the grammar's phenomena, of words that training does not combine."""
    pairs = [minimal_pairs(name, 1, 0)[0] for name in PHENOMENA]
    return Group("Grammar", tuple(Example(_label(pair), pair.good, pair.bad) for pair in pairs))


def of_phenomenon(name: str) -> Example:
    """The grammar's first pair of a phenomenon."""
    pair = minimal_pairs(name, 1, 0)[0]
    return Example(_label(pair), pair.good, pair.bad)


def _label(pair: MinimalPair) -> str:
    return f"{PHENOMENA[pair.phenomenon].title}: {pair.good}"


def facts(suite: str) -> Group:
    """Facts that the suite's corpus tells, each with a wrong answer: from the most to the least often told."""
    every = make_facts(catalog.suite(suite).corpus["seed"])
    places = np.linspace(0, len(every) - 1, FACTS).round().astype(int)
    pairs = (_fact(every[place], len(every)) for place in places)
    return Group("Facts of the training text", tuple(pairs))


def _fact(fact: Fact, facts_in_all: int) -> Example:
    begin = fact.prompts()[0]
    answers = FACT_ANSWERS[fact.relation]
    other = answers[(answers.index(fact.answer) + 1) % len(answers)]
    rank = f"rank {fact.rank} of {facts_in_all} in how often it is told"
    label = f"{begin} {fact.answer} / {other} ({rank})"
    return Example(label, f"{begin} {fact.answer}", f"{begin} {other}")


def repetition(seed: int = 0) -> Example:
    """A list of symbols and the same again from a random place on, or in a random order."""
    rng = random.Random(f"repetition {seed}")
    first = rng.sample(SUCCESSOR_SYMBOLS, PERIOD)
    turn = rng.randrange(1, PERIOD)
    again, shuffled = first[turn:] + first[:turn], first
    while {*pairwise(shuffled)} & {*pairwise(first)}:
        shuffled = rng.sample(first, PERIOD)  # none stands after the one that it stood after
    good, bad = (" ".join([*first, *second]) for second in (again, shuffled))
    return Example(f"A list again, or shuffled: {good}", good, bad)


def menu(suite: str) -> list[Group]:
    """All that a suite's page offers; of a text from elsewhere the beginning of a held-out one."""
    if catalog.suite(suite).is_of_text:
        begin = " ".join(next(_held_out(suite)).split()[:12])
        return [Group("Held-out text", (Example(begin, begin),))]
    agreement = [the_key()]
    for good, bad in attraction()[2:]:
        agreement.append(Example(f"{bad} / {VERBS[0]}", bad, good))
    groups = [Group("Agreement with a noun between", tuple(agreement)), grammar(), facts(suite)]
    return [*groups, Group("Repetition", (repetition(),))]


def reference(suite: str) -> list[str]:
    """Held-out texts over which the average of a head that is switched off is taken."""
    return list(_held_out(suite))


def _held_out(suite: str) -> Iterator[str]:
    for domain in validation.domain_shares(suite):
        yield from validation.validation_documents(domain, REFERENCE, suite)
