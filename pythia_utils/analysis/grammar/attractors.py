"""Pairs whose attractor tempts to an error, and the same pairs where it tempts to none.

In "The key near the boxes is/*are old" the nearest noun has the other number than the subject. With
"box" instead, agreement with the nearest noun gives the right verb. The difference in accuracy is
what the attractor does: the attraction effect (Bock and Miller 1991; for language models Linzen,
Dupoux and Goldberg 2016). All else is the same, word for word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pythia_utils.nano.lexicon import ALL_VERBS, COMMON
from pythia_utils.nano.minimal_pair import MinimalPair

# The rule that each attractor tempts to, and where the words stand that show its number.
WRONG_RULES = {
    "subject_verb_agreement_attractor": "agree with the nearest noun",
    "subject_verb_agreement_relative": "agree with the nearest noun",
    "binding_domain": "refer to the main clause's subject",
}
_NOUN_AND_VERB = {
    "subject_verb_agreement_attractor": (4, None),  # The key near the boxes ...
    "subject_verb_agreement_relative": (4, 5),  # The dog that the cats chase ...
    "binding_domain": (1, 2),  # The men say that ...
}
_NOUNS = {form: other for n in COMMON for form, other in (n.forms, n.forms[::-1])}
_VERBS = {form: other for v in ALL_VERBS for form, other in (v.present, v.present[::-1])}


def without_temptation(pairs: Sequence[MinimalPair]) -> list[MinimalPair]:
    """The pairs that have a attractor, in order, its number changed to that of the right word.

    Args:
        pairs: nano's, of any phenomena; those of phenomena without a attractor are left out.
    """
    return [
        replace(pair, good=_changed(pair.good, *where), bad=_changed(pair.bad, *where))
        for pair in pairs
        if (where := _NOUN_AND_VERB.get(pair.phenomenon))
    ]


def _changed(sentence: str, noun: int, verb: int | None) -> str:
    words = sentence.split(" ")
    words[noun] = _NOUNS[words[noun]]
    if verb is not None:
        words[verb] = _VERBS.get(words[verb], words[verb])  # a past form shows no number
    return " ".join(words)
