"""Nano's grammar: what a pair is, and that training never shows what the pairs ask."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from helpers.sentences import bare_words, within

from pythia_utils.base.errors import UsageError
from pythia_utils.nano import lexicon as nano_lexicon
from pythia_utils.nano.grammar import PHENOMENA, minimal_pairs, sentence
from pythia_utils.nano.held_out import AUXILIARIES, HELD_OUT, TRAINING, held_out
from pythia_utils.nano.stories import story

FIELDS = {"morphology", "syntax", "semantics", "syntax-semantics"}
VERBS = (*nano_lexicon.ALL_VERBS, *nano_lexicon.STORY_ONLY)


def forms_to_lemma(entries, forms) -> dict[str, str]:
    return {form: entry.lemma for entry in entries for form in forms(entry) if form}


NOUN_FORMS = forms_to_lemma((*nano_lexicon.COMMON, *nano_lexicon.NAMES), lambda noun: noun.forms)
VERB_FORMS = forms_to_lemma(VERBS, lambda verb: (*verb.present, verb.past, verb.participle))
PERSON_OR_ANIMAL = forms_to_lemma(
    (*nano_lexicon.ANIMATE, *nano_lexicon.NAMES), lambda noun: noun.forms
)
ADJECTIVES = {word for words in nano_lexicon.ADJECTIVES.values() for word in words.split()}

NOUN = "|".join(NOUN_FORMS)
VERB = "|".join(VERB_FORMS)
BE = "is|are|was|were"
STRICT = "|".join(
    form
    for verb in nano_lexicon.ALL_VERBS
    if "strict" in verb.marks
    for form in (*verb.present, verb.past, verb.participle)
)
NAME = "|".join(name.lemma for name in nano_lexicon.NAMES)
ADJECTIVE = "|".join(ADJECTIVES)
HELPER = "has|have|does|do|did|will|can"
ADVERB = "not|often|never|always|ever|already|today|at night|in the morning"
BETWEEN = rf"(?:(?:{HELPER}|{ADVERB}) )*"
DETERMINER = r"(?:the|a|an|this|that|these|those|some|many|two|three|every|no) "
# A surface parser of its own, so that the generator does not vouch for itself.
NOUN_PHRASE = rf"(?:{DETERMINER})?(?:(?:{ADJECTIVE}) )?"
SUBJECT = rf"(?:^|, |(?:that|because|when|and|but|what|who|day|then) ){NOUN_PHRASE}"
SUBJECT_VERB = re.compile(
    rf"{SUBJECT}({NOUN}) "
    rf"(?:(?:near|behind|beside) the (?:{NOUN}) |that the (?:{NOUN}) (?:{VERB}) )?"
    rf"{BETWEEN}({VERB}|{BE})\b(?:(?: \w+ {NOUN_PHRASE}(?:{NOUN}))? and ({VERB})\b)?",
    re.IGNORECASE,
)
NEAREST_NOUN = re.compile(rf"\b({NOUN}) {BETWEEN}({VERB}|{BE})\b", re.IGNORECASE)
DEMONSTRATIVE = re.compile(
    rf"\b(this|that|these|those) (?:(?:{ADJECTIVE}) )?({NOUN})\b", re.IGNORECASE
)
AUXILIARY = re.compile(rf"\b({HELPER}) (?:(?:{ADVERB}) )?({VERB})\b")
NEXT_WORD = re.compile(
    rf"\b({STRICT}) ({NAME}|the|an?|this|that|these|those|some|many|two|three|every"
    r"|in|by|on|under|near|behind|beside|again|today|at)\b"
)
POLARITY = re.compile(rf"\b({NOUN}) (?:has|have) (?:ever|already)\b", re.IGNORECASE)
TWO_VERBS = re.compile(rf"\b({VERB})\b(?:(?: (?!(?:{VERB})\b)\w+)* and)? ({VERB}|{BE})\b")


def lemma(table: dict[str, str], form: str) -> str:
    return table[form] if form in table else table[form.lower()]


def verb_lemma(form: str) -> str:
    return VERB_FORMS.get(form, "be")


def combinations(text: str) -> set[tuple[str, str]]:
    """Every critical pair of lemmas that the surface parser finds in a sentence."""
    subjects = [(subject, verb) for subject, *verbs in SUBJECT_VERB.findall(text) for verb in verbs]
    found = {
        (lemma(NOUN_FORMS, noun), verb_lemma(verb))
        for noun, verb in (*subjects, *NEAREST_NOUN.findall(text))
        if verb
    }
    for word, noun in DEMONSTRATIVE.findall(text):
        if noun not in nano_lexicon.NAMES and noun[0].islower():
            number = {"these": "this", "those": "that"}
            found.add((number.get(word.lower(), word.lower()), lemma(NOUN_FORMS, noun)))
    found |= {(helper, VERB_FORMS[verb]) for helper, verb in AUXILIARY.findall(text)}
    found |= {(VERB_FORMS[verb], "a" if w == "an" else w) for verb, w in NEXT_WORD.findall(text)}
    found |= {(lemma(NOUN_FORMS, noun), "ever") for noun in POLARITY.findall(text)}
    found |= {(VERB_FORMS[first], verb_lemma(then)) for first, then in TWO_VERBS.findall(text)}
    return found


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    rng = random.Random(0)
    return [sentence(rng) for _ in range(60_000)]


@pytest.fixture(scope="module")
def stories() -> list[str]:
    rng = random.Random(0)
    return [story(rng) for _ in range(5_000)]


@pytest.fixture(scope="module", params=sorted(PHENOMENA))
def pairs(request):
    return minimal_pairs(request.param, 400)


def test_a_phenomenon_says_what_it_is():
    assert len(PHENOMENA) >= 10
    for name, phenomenon in PHENOMENA.items():
        assert phenomenon.name == name
        assert phenomenon.field in FIELDS
        assert "*" in phenomenon.example
        assert re.search(r"\b(19|20)\d\d\b", phenomenon.twins.__doc__), f"{name} cites no source"


# ---- Pairs


def test_a_pair_differs_in_one_word(pairs):
    for pair in pairs:
        good, bad = pair.good.split(), pair.bad.split()
        assert len(good) == len(bad)
        assert sum(a != b for a, b in zip(good, bad, strict=True)) == 1


def test_a_preference_for_words_scores_exactly_half(pairs):
    """In the pairs as a whole each critical word is right as often as it is wrong."""
    balance = Counter()
    for pair in pairs:
        good, bad = pair.good.rstrip(".").split(), pair.bad.rstrip(".").split()
        balance.update(word for word, other in zip(good, bad, strict=True) if word != other)
        balance.subtract(word for word, other in zip(bad, good, strict=True) if word != other)
    assert set(balance.values()) == {0}


def test_pairs_are_distinct_and_held_out(pairs):
    assert len({pair.good for pair in pairs}) == len({pair.bad for pair in pairs}) == 400
    for pair in pairs:
        assert held_out(*pair.combination), pair


def test_pairs_are_sentences_of_their_combination(pairs):
    """The parser that checks training finds the combination in most good sentences: it has eyes."""
    seen = sum(pair.combination in combinations(pair.good) for pair in pairs)
    assert seen >= 0.9 * len(pairs), next(
        p for p in pairs if p.combination not in combinations(p.good)
    )


def test_what_an_attractor_could_tempt_an_n_gram_by_is_held_out_as_well():
    """Neither it nor the word before the verb was read with that verb; and one stands between."""
    place = re.compile(rf"(?:near|behind|beside) the ({NOUN}) {BETWEEN}({VERB}|{BE})\b")
    clause = re.compile(rf"that the (?:{NOUN}) ({VERB}) ({VERB}|{BE})\b")
    for pair in minimal_pairs("subject_verb_agreement_attractor", 200):
        noun, verb = place.search(pair.good).groups()
        assert held_out(NOUN_FORMS[noun], verb_lemma(verb)), pair.good
        assert f"{noun} {verb}" not in pair.good
    for pair in minimal_pairs("subject_verb_agreement_relative", 200):
        inner, verb = clause.search(pair.good).groups()
        assert held_out(VERB_FORMS[inner], verb_lemma(verb)), pair.good


def test_all_that_shows_the_argument_structure_is_held_out_with_either_verb():
    pairs = minimal_pairs("argument_structure", 200)
    for needs, lacks in zip(pairs[::2], pairs[1::2], strict=True):
        for pair, texts in ((needs, [needs.good]), (lacks, [lacks.good, lacks.bad])):
            for text in texts:
                (found,) = NEXT_WORD.findall(text)[:1]
                word = "a" if found[1] == "an" else found[1]
                assert held_out(VERB_FORMS[found[0]], word), pair


@pytest.mark.parametrize("name", ["auxiliary_form", "irregular_participle"])
def test_an_auxiliary_of_a_test_was_never_read_with_its_verb(name):
    found = [AUXILIARY.search(pair.good) for pair in minimal_pairs(name, 200)]
    cues = [match.groups() for match in found if match]
    assert len(cues) >= 100
    assert all(held_out(helper, VERB_FORMS[verb]) for helper, verb in cues)


def test_twins_of_an_auxiliary_have_the_same_words_between():
    pairs = minimal_pairs("auxiliary_form", 200)
    form = re.compile(rf"\b(?:{HELPER}) ((?:(?:{ADVERB}) )?)(?:{VERB})\b(.*)")
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        assert form.search(one.good).groups() == form.search(other.good).groups()


def test_attractors_always_have_the_other_number():
    plural = {noun.forms[1] for noun in nano_lexicon.COMMON}
    pattern = re.compile(r"The (\w+) (?:(?:near|behind|beside) the|that the) (\w+)")
    for name in ("subject_verb_agreement_attractor", "subject_verb_agreement_relative"):
        for pair in minimal_pairs(name, 200):
            subject, attractor = pattern.match(pair.good).groups()
            assert (subject in plural) != (attractor in plural), pair.good


def test_attractors_in_training_have_either_number(sentences):
    plural = {noun.forms[1] for noun in nano_lexicon.COMMON}
    pattern = re.compile(r"The (\w+) (?:near|behind|beside) the (\w+) ")
    found = [match.groups() for text in sentences if (match := pattern.match(text))]
    same = sum((subject in plural) == (attractor in plural) for subject, attractor in found)
    assert len(found) > 0.05 * len(sentences)
    assert 0.45 < same / len(found) < 0.55


def test_pairs_are_deterministic_and_follow_the_seed(pairs):
    name = pairs[0].phenomenon
    assert minimal_pairs(name, 50) == pairs[:50]
    assert minimal_pairs(name, 50, seed=1) != pairs[:50]
    assert len(minimal_pairs(name, 7)) == 7


def test_wrong_requests_are_one_clear_line():
    with pytest.raises(UsageError, match="reflexive_number"):
        minimal_pairs("reflexive_numbr", 1)
    with pytest.raises(UsageError, match="n is 0"):
        minimal_pairs("filler_gap", 0)


def test_more_pairs_than_exist_is_an_error(monkeypatch):
    frames = PHENOMENA["filler_gap"].draw(random.Random(0), HELD_OUT)
    only = lambda rng, words: frames  # noqa: E731
    small = type(PHENOMENA["filler_gap"])("tiny", "Tiny", "syntax", "", "", 0, only)
    monkeypatch.setitem(PHENOMENA, "tiny", small)
    assert len(minimal_pairs("tiny", 2)) == 2
    with pytest.raises(UsageError, match="only about 2"):
        minimal_pairs("tiny", 3)


# ---- Training text


def test_training_never_shows_a_held_out_combination(sentences, stories):
    parts = [part for text in stories for part in re.findall(r"[^.]+\.", text)]
    texts = [*sentences[:15_000], *(part.strip() for part in parts[:8_000])]
    offending = [(text, pair) for text in texts for pair in combinations(text) if held_out(*pair)]
    assert not offending, offending[:5]


def test_no_test_sentence_is_in_training_not_even_within_another(sentences, stories):
    """As words, without the first capital and the stop: "Nora laughs" in "when Nora laughs, ..."."""
    asked = {
        bare_words(half)
        for name in PHENOMENA
        for pair in minimal_pairs(name, 400)
        for half in (pair.good, pair.bad)
    }
    assert not within(asked, sentences)
    assert not within(asked, stories)


def test_a_sentence_within_another_is_found():
    asked = {("nora", "laughs"), ("the", "boy", "laughs")}
    texts = ["The boy waits.", "Ben smiles when, at last, Nora laughs near the lake."]
    assert within(asked, texts) == {("nora", "laughs")}
    assert not within({("nora", "laughs")}, ["Ben sees Nora.", "Laughs the boy."])


def test_bad_halves_of_training_combinations_are_never_generated(sentences):
    """The ungrammatical is absent as a construction, not only for held-out words."""
    training, rng = set(sentences), random.Random(1)
    for name, phenomenon in PHENOMENA.items():
        own = name != "possessive_gender"  # without "own" the other gender may be another person
        for _ in range(1000):
            for frame in phenomenon.draw(rng, TRAINING):
                if own or "own" in frame.text:
                    assert frame.text % frame.bad not in training


def test_training_text_is_mostly_unique_and_well_formed(sentences, stories):
    assert len(set(sentences)) > 0.95 * len(sentences)
    assert len(set(stories)) == len(stories)
    words = set(NOUN_FORMS) | set(VERB_FORMS)
    for text in (*sentences, *stories):
        assert re.fullmatch(
            r"[A-Z][a-zA-Z]*(,? [a-zA-Z]+)*\.( [A-Z][a-zA-Z]*(,? [a-zA-Z]+)*\.)*", text
        )
        assert not re.search(
            r"\ba [aeiou]|\ban [^aeiou]|\b(?!that)(\w+) \1\b", text, re.IGNORECASE
        ), text
    seen = Counter(word for text in sentences for word in re.findall(r"\w+", text))
    story_only = {
        form
        for verb in nano_lexicon.STORY_ONLY
        for form in (*verb.present, verb.past, verb.participle)
    }
    assert not {word for word in words - story_only if not seen[word]}, "a word never occurs"


def test_the_mixture_is_deterministic():
    assert [sentence(random.Random(3)) for _ in range(3)] == [sentence(random.Random(3))] * 3
    assert story(random.Random(4)) == story(random.Random(4)) != story(random.Random(5))


def test_shares_are_percentages():
    from pythia_utils.nano.grammar import PLAIN_SENTENCES

    assert sum(p.share for p in PHENOMENA.values()) + sum(PLAIN_SENTENCES.values()) == 100


def test_a_story_keeps_its_characters(stories):
    """A reflexive or possessive agrees with the named subject of its sentence; one tense."""
    gender = {name.lemma: name.gender for name in nano_lexicon.NAMES}
    pronoun = {"her": "f", "herself": "f", "his": "m", "himself": "m", "him": "m"}
    own = re.compile(
        rf"({'|'.join(gender)}) (?:{VERB}) (herself|himself|her (?!friend)\w+|his \w+)"
    )
    checked = 0
    for text in stories:
        assert 6 <= text.count(".") <= 8
        assert not (
            {"is", "are", "has"} & set(text.split()) and {"was", "were", "had"} & set(text.split())
        )
        for name, phrase in own.findall(text):
            checked += phrase.endswith("self")
            if phrase.endswith("self"):
                assert pronoun[phrase] == gender[name], text
    assert checked > 100


# ---- Lexicon


def test_held_out_is_stable_and_about_one_in_five():
    assert held_out("queen", "fall") == held_out("queen", "fall")
    nouns = [noun.lemma for noun in nano_lexicon.COMMON]
    verbs = [verb.lemma for verb in nano_lexicon.ALL_VERBS]
    share = sum(held_out(n, v) for n in nouns for v in verbs) / (len(nouns) * len(verbs))
    assert 0.18 < share < 0.22


def test_every_verb_lacks_one_auxiliary_of_each_group():
    for verb in nano_lexicon.ALL_VERBS:
        for group in AUXILIARIES:
            assert sum(held_out(auxiliary, verb.lemma) for auxiliary in group) == 1


def test_training_and_held_out_words_are_apart_and_complete():
    for relation, training in vars(TRAINING).items():
        if relation == "held":
            continue
        test = getattr(HELD_OUT, relation)
        assert not set(training.pairs) & set(test.pairs)
        assert len(test.pairs) < len(training.pairs)
    for noun in nano_lexicon.ANIMATE:
        assert len(TRAINING.intransitive.after[noun]) > 2
        assert len(TRAINING.transitive.after[noun]) > 2
    assert len(HELD_OUT.polarity.pairs) > 8


def test_the_vocabulary_is_small_and_unambiguous():
    forms = Counter()
    for noun in (*nano_lexicon.COMMON, *nano_lexicon.NAMES):
        forms.update({form for form in noun.forms if form})
    for verb in VERBS:
        forms.update({*verb.present, verb.past, verb.participle})
    forms.update(ADJECTIVES)
    assert 400 <= len(forms) <= 550
    assert not [form for form, count in forms.items() if count > 1]


@pytest.mark.parametrize(
    ("word", "plural", "past"),
    [("kiss", "kisses", "kissed"), ("carry", "carries", "carried"), ("dance", "dances", "danced"),
     ("play", "plays", "played"), ("go", "goes", "goed"), ("box", "boxes", "boxed")],
)  # fmt: skip
def test_regular_endings(word, plural, past):
    assert nano_lexicon.ending_s(word) == plural
    assert nano_lexicon.ending_ed(word) == past
