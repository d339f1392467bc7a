"""The combinations of words that stand in a text, as far as an n-gram can see them.

Training text is drawn until it holds none that is held out. A noun is taken together with the verb
that follows it even where it is not the subject, as in "the key near the boxes today is": an n-gram
does not know the difference.
"""

from __future__ import annotations

from collections.abc import Iterator

from pythia_utils.nano.held_out import AUXILIARIES, BE, EVER, held_out
from pythia_utils.nano.lexicon import ALL_VERBS, COMMON, NAMES, STORY_ONLY
from pythia_utils.nano.phrases import BETWEEN, DETERMINERS, NEXT_TO, TIMES

_NOUNS = {form.lower(): noun.lemma for noun in (*COMMON, *NAMES) for form in noun.forms if form}
_VERBS = {
    form: verb.lemma
    for verb in (*ALL_VERBS, *STORY_ONLY)
    for form in (*verb.present, verb.past, verb.participle)
} | dict.fromkeys(("is", "are", "was", "were"), BE)
_STRICT = {verb.lemma for verb in ALL_VERBS if "strict" in verb.marks}
_AUXILIARIES = {auxiliary for group in AUXILIARIES for auxiliary in group}
_POLARITY_ITEMS = ("ever", "already")
# What a verb may be parted by from the noun or the auxiliary before it.
_BETWEEN = {"not", *_POLARITY_ITEMS, *" ".join(BETWEEN).split()} | _AUXILIARIES
# Words that show whether a verb has an object: what begins one, and what begins a place or a time.
_PLACES = {noun.preposition for noun in COMMON if noun.preposition} | set(NEXT_TO)
_OBJECTS = {"this", "that", "these", "those", *DETERMINERS[0], *DETERMINERS[1]}
_AFTER_VERB = {word: word for word in (*_OBJECTS, *_PLACES, *(time.split()[0] for time in TIMES))}
_AFTER_VERB |= {"an": "a"} | {name.lemma.lower(): name.lemma for name in NAMES}


def is_trainable(text: str) -> bool:
    """Whether no combination in the text is held out."""
    return not any(held_out(*pair) for pair in combinations(text))


def combinations(text: str) -> Iterator[tuple[str, str]]:
    """Each pair of lemmas, as `held_out` takes them, that stands in one of the text's sentences."""
    for sentence in text.lower().split("."):
        yield from _of_sentence(sentence.replace(",", "").split())


def _of_sentence(words: list[str]) -> Iterator[tuple[str, str]]:
    noun = auxiliary = verb = None  # that a verb would stand next to; the last verb of the sentence
    previous = ""
    for word in words:
        joined = previous in _VERBS or previous == "and"
        if verb in _STRICT and previous in _VERBS and word in _AFTER_VERB:
            yield verb, _AFTER_VERB[word]
        if word in _VERBS:
            if joined and verb:
                yield verb, _VERBS[word]
            verb = _VERBS[word]
            for cue in (noun, auxiliary):
                if cue:
                    yield cue, verb
        elif word in _POLARITY_ITEMS and noun:
            yield noun, EVER
        if word in _AUXILIARIES:
            auxiliary = word
        elif word not in _BETWEEN:
            noun, auxiliary = _NOUNS.get(word), None
        previous = word
