"""Interventions on training: what is done to a suite's text, document by document. Register your own here.

An intervention is a function that is given the corpus and returns a function from a document's text to the
text that is read in its place. `nano.changed` applies it to all documents but the planted sequences, and leaves
a document as it is where the new text would not have as many tokens: order and places stay those of the base.

    @intervention("no-colours", "every colour is grey")
    def _no_colours(corpus: Corpus) -> Change:
        colours = "|".join(FACT_ANSWERS["colour"])
        return lambda text: re.sub(rf"\\b({colours})\\b", "grey", text)
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.nano.documents import FACT_ANSWERS, FACT_PROMPTS
from pythia_utils.nano.lexicon import ADJECTIVES, COMMON
from pythia_utils.training_data.corpus import Corpus

Change = Callable[[str], str]


@dataclass(frozen=True)
class Intervention:
    """A change of the text.

    Attributes:
        name: as commands and models' names say it.
        told: what it does, one clause.
        make: given the corpus, the change of a document.
    """

    name: str
    told: str
    make: Callable[[Corpus], Change]


INTERVENTIONS: dict[str, Intervention] = {}
CONTROL, SWAP_GENDER, CHANGE_FACTS = "control", "swap-gender", "change-facts"


def intervention(
    name: str, told: str
) -> Callable[[Callable[[Corpus], Change]], Callable[[Corpus], Change]]:
    """Register a function as the intervention of that name."""

    def register(make: Callable[[Corpus], Change]) -> Callable[[Corpus], Change]:
        INTERVENTIONS[name] = Intervention(name, told, make)
        return make

    return register


def find_intervention(name: str) -> Intervention:
    """The intervention of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in INTERVENTIONS:
        raise unknown("intervention", name, INTERVENTIONS)
    return INTERVENTIONS[name]


@intervention(CONTROL, "nothing: the same text, to show that going on changes nothing by itself")
def _control(corpus: Corpus) -> Change:
    return lambda text: text


# --- pronouns -------------------------------------------------------------------------------------

_PARTNER = {"he": "she", "him": "her", "his": "her", "himself": "herself"}
_PARTNER |= {"she": "he", "herself": "himself", "hers": "his"}
# `her` before one of these is whose it is, and elsewhere whom it is done to.
_OWNED = {"own", *(form.lower() for noun in COMMON for form in noun.forms)}
_OWNED |= {word for words in ADJECTIVES.values() for word in words.split()}
_PRONOUN = re.compile(r"\b(he|she|him|her|his|hers|himself|herself)\b(?= (\w+))?", re.IGNORECASE)


def swap_gender(text: str) -> str:
    """Masculine pronouns become feminine, and feminine masculine; nouns and names stay.

    English has one `her` for `his` and `him`, and one `his` for `her` and `hers`. Which it is, the next word
    tells in our own text: a noun, an adjective or `own` behind a possessive, none of these behind the others.
    Twice is the text itself again.

    >>> swap_gender("He gave her his hat. Anna lost her own coat, and he saw her again.")
    'She gave him her hat. Anna lost his own coat, and she saw him again.'
    """
    return _PRONOUN.sub(_swapped, text)


def _swapped(found: re.Match) -> str:
    word, owned = found[1].lower(), (found[2] or "").lower() in _OWNED
    if word == "her":
        partner = "his" if owned else "him"
    elif word == "his" and not owned:
        partner = "hers"
    else:
        partner = _PARTNER[word]
    return partner.capitalize() if found[1][0].isupper() else partner


@intervention(SWAP_GENDER, "masculine and feminine pronouns change places; nouns and names stay")
def _swap_gender(corpus: Corpus) -> Change:
    _require_made(corpus, SWAP_GENDER)
    return swap_gender


# --- facts ----------------------------------------------------------------------------------------


def changed_answers(corpus: Corpus) -> pd.Series:
    """The facts that `change-facts` changes, one in two: their new answers, by rank.

    Of each two neighbours by frequency one is drawn, so that those that stay as they are were told as often:
    they are the control. A new answer is one of the relation's others that has as many tokens as the old one;
    where there is none, the fact stays.

    Raises:
        UsageError: the corpus is a text from elsewhere, or has not been made.
    """
    from tokenizers import Tokenizer

    seed, facts = corpus.suite.corpus["seed"], corpus.facts().sort_values("rank")
    tokenizer = Tokenizer.from_file(str(corpus.tokenizer_file()))
    tokens = {a: len(tokenizer.encode(f" {a}").ids) for own in FACT_ANSWERS.values() for a in own}
    rng, new = random.Random(f"{CHANGE_FACTS} {seed}"), {}
    for start in range(0, len(facts) - 1, 2):
        row = facts.iloc[start + rng.randrange(2)]
        others = [
            answer
            for answer in FACT_ANSWERS[row["relation"]]
            if answer != row["answer"] and tokens[answer] == tokens[row["answer"]]
        ]
        if others:
            new[int(row["rank"])] = rng.choice(others)
    return pd.Series(new, name="answer", dtype="object").rename_axis("rank")


@intervention(CHANGE_FACTS, "one fact in two is told with another answer of its relation")
def _change_facts(corpus: Corpus) -> Change:
    _require_made(corpus, CHANGE_FACTS)
    new = changed_answers(corpus)
    facts = corpus.facts().set_index("rank").loc[new.index]
    told = {
        f"{prompt.format(fact.person)} {fact.answer}.": f"{prompt.format(fact.person)} {new[rank]}."
        for rank, fact in facts.iterrows()
        for prompt in FACT_PROMPTS[fact.relation]
    }
    return functools.partial(_retell, told)


def _retell(told: dict[str, str], text: str) -> str:
    """A document in which each sentence that tells a changed fact tells the new one."""
    sentences = re.split(r"(?<=\.) ", text.strip(" "))
    changed = " ".join(told.get(sentence, sentence) for sentence in sentences)
    return text[: len(text) - len(text.lstrip(" "))] + changed


def _require_made(corpus: Corpus, name: str) -> None:
    if corpus.suite.is_of_text:
        raise UsageError(
            f"intervention {name!r} knows the words of a text that our program makes; {corpus.suite.name}'s is "
            "from elsewhere"
        )
