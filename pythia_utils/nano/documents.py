"""The text of nano's corpus, domain by domain: each document is a function of a random generator.

| domain | what it holds | what a model can learn from it |
|---|---|---|
| grammar | unrelated sentences of nano's grammar | agreement, argument structure, licensing |
| stories | short stories with consistent characters | reference over several sentences |
| echo | random symbols, said again | to copy from a fixed distance behind (which is not induction) |
| successors | symbols in any order, each before its successor | induction: what followed it last time |
| facts | invented persons' homes, jobs, colours, told by Zipf's law | recall by frequency |
| arithmetic | sums and differences below 50 | (hard at this size) |
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass

from pythia_utils.nano import grammar as nano_grammar
from pythia_utils.nano import stories as nano_stories

DOMAINS = ("grammar", "stories", "echo", "successors", "facts", "arithmetic")
SYMBOLS = string.ascii_letters + "#@%&"  # 56 echo symbols, each a token of its own
SUCCESSOR_SYMBOLS = SYMBOLS[:20]
PEOPLE = 64  # persons of whom facts are told
VALIDATION_DOCUMENTS = 256  # a domain; training holds none of them

FACT_PROMPTS = {
    "city": ("{} lives in", "The home of {} is in"),
    "job": ("{} works as a", "The job of {} is that of a"),
    "colour": ("{} likes the colour", "The favourite colour of {} is"),
}
FACT_ANSWERS = {
    "city": ("Arden", "Belmar", "Corvik", "Dunholm", "Eastby", "Farrow", "Glenmoor", "Harwick"),
    "job": ("tailor", "miner", "potter", "clerk", "weaver", "sailor", "judge", "porter"),
    "colour": ("red", "blue", "green", "yellow", "purple", "orange", "brown", "grey"),
}
_NAME_STARTS = ("Bar", "Del", "Fin", "Gor", "Hal", "Kem", "Lor", "Mar", "Nel", "Pol", "Ras", "Tor")
_NAME_MIDDLES = ("ba", "de", "fi", "go", "ha", "ke", "lo", "mi", "nu", "po", "ra", "ti")
_NAME_ENDS = ("len", "ris")


@dataclass(frozen=True)
class Document:
    """A text, and the ranks of the facts that it tells (none outside the facts domain)."""

    text: str
    facts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fact:
    """One thing that can be known of one invented person. Rank 1 is the most often told."""

    rank: int
    person: str
    relation: str
    answer: str

    def prompts(self) -> list[str]:
        """The ways to ask: text that the answer completes."""
        return [prompt.format(self.person) for prompt in FACT_PROMPTS[self.relation]]


def make_facts(seed: int) -> list[Fact]:
    """A home, a job and a colour for each of `PEOPLE` persons, in a random order of frequency."""
    rng = random.Random(f"facts {seed}")
    names = ["".join(parts) for parts in itertools.product(_NAME_STARTS, _NAME_MIDDLES, _NAME_ENDS)]
    topics = list(itertools.product(rng.sample(names, PEOPLE), FACT_PROMPTS))
    rng.shuffle(topics)
    return [
        Fact(rank, person, relation, rng.choice(FACT_ANSWERS[relation]))
        for rank, (person, relation) in enumerate(topics, start=1)
    ]


def documents(domain: str, seed: int, stream: str) -> Iterator[Document]:
    """The endless stream of a domain's documents for one use (`train`, `validation`, ...).

    Streams of different names draw from different generators. A document may come twice.
    """
    rng = random.Random(f"{domain} {stream} {seed}")
    if domain == "facts":
        facts = make_facts(seed)
        cumulative = list(itertools.accumulate(1 / fact.rank for fact in facts))
        while True:
            yield _facts_document(facts, cumulative, rng)
    make = {
        "grammar": _grammar_document,
        "stories": nano_stories.story,
        "echo": _echo_document,
        "successors": _successors_document,
        "arithmetic": _arithmetic_document,
    }[domain]
    while True:
        yield Document(make(rng))


def validation_texts(domain: str, seed: int) -> list[str]:
    """The domain's validation documents."""
    stream = documents(domain, seed, "validation")
    return [document.text for document in itertools.islice(stream, VALIDATION_DOCUMENTS)]


def _grammar_document(rng: random.Random) -> str:
    return " ".join(nano_grammar.sentence(rng) for _ in range(rng.randint(4, 8)))


def _echo_document(rng: random.Random) -> str:
    """Eight to twenty random symbols, said two to four times."""
    return " ".join(rng.choices(SYMBOLS, k=rng.randint(8, 20)) * rng.randint(2, 4))


def _successors_document(rng: random.Random) -> str:
    """Two or three symbols in random order, each followed by its successor, another symbol of this document.

    Nothing comes back after a fixed time: what follows is known by content alone.
    """
    count = rng.randint(2, 3)
    chosen = rng.sample(SUCCESSOR_SYMBOLS, 2 * count)
    pairs = [f"{chosen[i]} {chosen[count + i]}" for i in range(count)]
    return " ".join(rng.choices(pairs, k=rng.randint(10, 25)))


def _arithmetic_document(rng: random.Random) -> str:
    return " ".join(_equation(rng) for _ in range(rng.randint(6, 10)))


def _equation(rng: random.Random) -> str:
    small, large = sorted((rng.randrange(50), rng.randrange(50)))
    if rng.random() < 0.5:
        return f"{large} + {small} = {large + small}."
    return f"{large} - {small} = {large - small}."


def _facts_document(facts: list[Fact], cumulative: list[float], rng: random.Random) -> Document:
    """Four to seven facts drawn by Zipf's law: the one of rank r with weight 1/r."""
    told = rng.choices(facts, cum_weights=cumulative, k=rng.randint(4, 7))
    text = " ".join(f"{rng.choice(fact.prompts())} {fact.answer}." for fact in told)
    return Document(text, tuple(fact.rank for fact in told))
