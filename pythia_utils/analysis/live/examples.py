"""Sentences to try: of agreement, of all phenomena of the grammar, of facts, of repetition.

An example is two texts, of which the first is the right one, or the likelier one. Those of the grammar and of repetition
stand in no training text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.evaluation import repeats, sets, validation
from pythia_utils.evaluation.likelihood import first_token
from pythia_utils.nano.documents import FACT_ANSWERS, FACT_PROMPTS
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites import catalog
from pythia_utils.training_data.corpus import Corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pythia_utils.nano.minimal_pair import MinimalPair

SUBJECTS, NEIGHBOURS, VERBS = ("key", "keys"), ("box", "boxes"), ("is", "are")
CUES = ("liking for “is”", "pull of the subject", "pull of the nearest noun")
_NOTE = (
    "How much of the margin is a liking for “is” whatever stands before it, how much hangs on the number of the "
    "subject (key or keys), and how much on that of the noun nearest to the verb (box or boxes)."
)
FACTS = 4  # in the menu, from the most to the least often told
PERIOD = 6  # symbols of a list that is said again
ROWS, PLACES = 16, 48  # of the text that a head's average is taken over


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
    pairs = sets.minimal_pairs(1)
    return Group("Grammar", tuple(Example(_label(pair), pair.good, pair.bad) for pair in pairs))


def of_phenomenon(name: str) -> Example:
    """The grammar's first pair of a phenomenon."""
    pair = next(pair for pair in sets.minimal_pairs(1) if pair.phenomenon == name)
    return Example(_label(pair), pair.good, pair.bad)


def _label(pair: MinimalPair) -> str:
    return f"{PHENOMENA[pair.phenomenon].title}: {pair.good}"


def facts(suite: str) -> Group:
    """Facts that the suite's corpus tells, each with a wrong answer: from the most to the least often told."""
    table = pd.read_parquet(Corpus(catalog.suite(suite)).folder / "facts.parquet")
    table = table.sort_values("mentions", ascending=False, kind="stable")
    places = np.linspace(0, len(table) - 1, FACTS).round().astype(int)
    return Group("Facts of the training text", tuple(map(_fact, table.iloc[places].itertuples())))


def _fact(row) -> Example:
    begin = FACT_PROMPTS[row.relation][0].format(row.person)
    answers = FACT_ANSWERS[row.relation]
    other = answers[(answers.index(row.answer) + 1) % len(answers)]
    label = f"{begin} {row.answer} / {other} (told {row.mentions:,} times)"
    return Example(label, f"{begin} {row.answer}", f"{begin} {other}")


def repetition(tokenizer: PreTrainedTokenizerBase) -> Example:
    """A list of symbols and the same again from a random place on, or in a random order."""
    alphabet = repeats.alphabet(tokenizer, "successors")
    drawn = repeats.draw(alphabet, PERIOD, 0, 2, first_token(tokenizer))
    good, bad = (tokenizer.decode(rows[0, 1:]).strip() for rows in (drawn.rotated, drawn.shuffled))
    return Example(f"A list again, or shuffled: {good}", good, bad)


def menu(suite: str, tokenizer: PreTrainedTokenizerBase) -> list[Group]:
    """All that a suite's page offers; of a text from elsewhere the beginning of a text that training does not hold."""
    if catalog.suite(suite).is_of_text:
        (domain,) = validation.domain_shares(suite)
        (text,) = validation.validation_documents(domain, 1, suite)
        begin = " ".join(text.split()[:12])
        return [Group("Held-out text", (Example(begin, begin),))]
    agreement = [the_key()]
    for good, bad in attraction()[2:]:
        agreement.append(Example(f"{bad} / {VERBS[0]}", bad, good))
    groups = [Group("Agreement with a noun between", tuple(agreement)), grammar(), facts(suite)]
    return [*groups, Group("Repetition", (repetition(tokenizer),))]


def reference(suite: str, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Held-out text over which the average of a head that is switched off is taken: rows of token ids."""
    ids = validation.stream(tokenizer, ROWS * PLACES, suite)
    return ids.reshape(ROWS, PLACES).tolist()
