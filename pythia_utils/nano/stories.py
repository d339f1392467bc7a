"""Nano's stories: six to eight simple sentences about one or two characters, from the same words.

A plot is a cast and its steps, one a line; a step has one or more wordings, parted by " | ":
  {hero} {pal} {thing}          who and what the story is about: a name, "the dog"; "kite"
  {a_thing}                     "a red kite" (the first mention of {pal} becomes "a big dog" too)
  {hero.he} .him .his .himself  pronouns, of the pal likewise
  {hero:find} {hero.he!find}    a subject and its verb: "Anna finds", "she does not find"
  {hero~find} {hero>find}       the verb alone: the same form, the bare verb ("wants to find")
  {hero=sad}                    "Anna is sad"
  {they:eat} {they~eat}         hero and pal
  {home} {here} {there}         three places
A wording is used only of a cast that it suits: no held-out combination, no writing rabbits.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pythia_utils.nano.combinations import is_trainable
from pythia_utils.nano.held_out import BE, held_out
from pythia_utils.nano.lexicon import (
    ADJECTIVES,
    ALL_VERBS,
    BY_KIND,
    GENDERED,
    LOCATIONS,
    NAMES,
    STORY_ONLY,
    Noun,
    pick,
)
from pythia_utils.nano.phrases import SINGULAR, Rng, adjective_before, at_place, capitalised

OPENING = "{once} {a_hero}. | {a_hero:live} {home}. | {once} {a_hero} and {pal}."
PLOTS = """
lost; thing: thing clothes
{hero.he:have} {a_thing}. | {hero.he:buy} {a_thing} and {hero~love} it.
One day {hero.he:lose} it. | One day {hero.he:drop} it {here}. | One day {pal:hide} it.
{hero.he:look} {here}, but {hero.he!find} it. | {hero.he:cry}. | {hero=sad}. | {hero=angry}.
Then {pal:come} and {pal~help} {hero.him}. | {hero:want} to {hero>find} {hero.his} {thing}.
At last {pal:find} the {thing} {there}. | At last {hero.he:find} the {thing} {there}.

hungry; hero: person; pal: animal; thing: food
One morning {hero:see} {pal} {here}. | One day {pal:sit} {here}. | {pal:wait} {here}.
{pal=hungry}. | {pal.he=hungry} and {pal~shiver}. | {pal.he=tired} and {pal~wait}.
{hero:have} {a_thing}. | {hero:find} {a_thing} {there}. | {hero:want} to {hero>help} {pal}.
{hero:give} {pal} the {thing}. | {hero:drop} the {thing} {here}. | {hero:feed} {pal} the {thing}.
{pal:eat} it. | {pal:eat} the {thing} and {pal~sleep}. | {pal:come} and {pal~eat} it.
Now {pal:follow} {hero}. | Now {pal:trust} {hero}. | Now {pal:love} {hero.him}.

visit; hero: person; pal: person; thing: food
One day {hero:want} to {hero>visit} {pal}. | One morning {hero:want} to {hero>see} {pal}.
{hero.he:take} {a_thing}. | {hero.he:make} {a_thing}. | {hero.he:buy} {a_thing}.
{hero.he:walk} {here} and {hero~sing}. | {hero.he:run} {here}. | {hero.he:wait} {here}.
{pal:come} and {pal~smile}. | {pal:see} {hero.him} and {pal~laugh}. | {pal=busy}, but {pal~come}.
{pal:greet} {hero}. | {pal:hug} {hero.him}. | {hero:give} {pal} the {thing}.
{they:eat} the {thing}. | {they:sit} {there} and {they~eat} the {thing}.

fall; thing: thing food
One day {hero:run} {here} and {hero~fall}. | One morning {hero:fall} {here}.
{hero.he:hurt} {hero.himself}. | {hero=sad}. | {hero.he:cry}. | {hero.he:shiver}.
{pal:see} {hero.him} and {pal~come}. | {pal:find} {hero} {here}. | {pal:run} to {hero}.
{pal:help} {hero.him}. | {pal:give} {hero.him} {a_thing}. | {pal:touch} {hero.him}.
Then {hero:blame} {hero.himself}. | Then {hero:smile} again. | Then {they:go} home.

letter; hero: person; pal: person; thing: text
One day {hero:write} {a_thing}. | One night {hero:write} {a_thing} {here}.
{hero.he:give} it to {pal}. | {hero.he:hide} it {there}, but {pal:find} it.
{pal:read} it in the morning. | {pal:read} it {there}. | {pal:read} it and {pal~laugh}.
{pal:smile} and {pal~thank} {hero}. | {pal:love} the {thing}. | {pal:cry}.
{hero=proud}. | {hero:praise} {hero.himself}. | Now {pal:write} to {hero}.

seek
One day {hero} and {pal} {they~play} {here}. | {hero:want} to {hero>play} with {pal}.
{hero:hide} {hero.himself} {there}. | {hero:run} and {hero~hide} {there}.
{pal:look} {here}, but {pal.he!find} {hero.him}. | {pal:wait} and {pal~look} {here}.
Then {hero:sneeze}. | Then {hero:cough}. | Then {hero:laugh}. | Then {hero:yawn}.
So {pal:find} {hero.him}. | So {pal:catch} {hero.him}. | So {pal:see} {hero} {there}.

thief; thing: thing food clothes
{hero:have} {a_thing}. | {hero:love} {hero.his} {thing}. | {hero:find} {a_thing} {here}.
One night {pal:steal} it. | One day {pal:take} it. | One night {pal:find} it and {pal~hide} it.
{hero=angry} and {hero~chase} {pal.him} {here}. | {hero:follow} {pal.him} {here}.
{pal:hide} {pal.himself} {there}. | {pal:fall} {there}. | {pal:drop} the {thing} {there}.
{hero:find} {pal} and {hero~take} the {thing}. | So {pal:give} the {thing} to {hero}.

picture; hero: person; thing: thing
One day {hero:paint} {pal} {here}. | {hero:want} to {hero>draw} {pal} {here}.
{pal:sit} {there} and {pal~wait}. | {pal:yawn}, but {pal~wait}. | {pal:watch} {hero.him}.
Then {hero:paint} {hero.himself}. | Then {hero:draw} {hero.himself} and {a_thing}.
{pal:laugh}. | {pal:come} and {pal~look}. | {pal:smile}. | {pal:dance} {here}.
{hero=proud}. | {hero=happy}. | {hero:admire} {hero.himself}.
"""
ENDING = (
    "{they:be} happy. | Then {they:play} {here}. | Now {they:be} friends. | {they:laugh}. "
    "| In the evening {they:sit} {there}. | In the evening {hero:go} home. | {hero=happy}. "
    "| At night {hero:sleep} {home}. | {hero=tired} and {hero~go} home."
)

_CAST = {"hero": "person animal", "pal": "person animal", "thing": "thing"}
_FAMILY = ("mother", "father", "sister", "brother", "aunt", "uncle")
_PRONOUNS = {
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "n": {"he": "it", "him": "it", "his": "its", "himself": "itself"},
}
_GENDERED = {
    kind: tuple(noun for noun in (*BY_KIND[kind], *NAMES) if noun.kind == kind and noun.gender)
    for kind in ("person", "animal")
}
_HEROES = {kind: [n for n in nouns if n.lemma not in _FAMILY] for kind, nouns in _GENDERED.items()}
_GIRL_OR_BOY = {noun.gender: noun for noun in GENDERED if noun.lemma in ("girl", "boy")}
_HOMES = [noun for noun in LOCATIONS if noun.preposition == "in"]
_BY_LEMMA = {verb.lemma: verb for verb in (*ALL_VERBS, *STORY_ONLY)}
_SLOT = re.compile(r"\{(\w+)(\.\w+)?(?:([:!~>=])(\w+))?\}")


class _Wording(NamedTuple):
    """A template as a %-format, and what it says of whom: (role, operator, word or role)."""

    text: str
    claims: tuple[tuple[str, str, str], ...]

    def suits(self, cast: dict[str, Noun]) -> bool:
        """Whether no claim is a held-out combination or beyond its subject ("the cow writes")."""
        return all(_is_possible(cast, *claim) for claim in self.claims)


def _is_possible(cast: dict[str, Noun], role: str, operator: str, word: str) -> bool:
    noun = cast[role]
    if operator == "=":
        return word in ADJECTIVES[noun.kind].split() and not held_out(noun.lemma, BE)
    return noun.kind in _BY_LEMMA[word].subjects and not held_out(noun.lemma, word)


def _compile(template: str) -> _Wording:
    claims = []

    def slot(match: re.Match[str]) -> str:
        role, pronoun, operator, word = match.groups(default="")
        if word and word not in ("be", "have"):
            roles = ("hero", "pal") if role == "they" else (role.removeprefix("a_"),)
            claims.extend((each, operator, word) for each in roles)
        subject = "" if operator in ("~", ">") else f"%({role}{pronoun})s "
        if operator == "=":
            return f"{subject}%(:be)s {word}"
        number = "they" if role == "they" else ""
        return f"{subject}%({number}{operator.replace('~', ':')}{word})s" if word else subject[:-1]

    return _Wording(_SLOT.sub(slot, template.strip()), tuple(claims))


def _compile_step(step: str) -> tuple[_Wording, ...]:
    return tuple(map(_compile, step.split(" | ")))


def _compile_plot(plot: str) -> tuple[dict[str, list[str]], list[tuple[_Wording, ...]]]:
    """The kinds of noun for each role, and the steps from the opening to the ending."""
    title, *steps = plot.splitlines()
    cast = dict(role.split(": ") for role in title.split("; ")[1:])
    kinds = {role: kinds.split() for role, kinds in (_CAST | cast).items()}
    return kinds, [_compile_step(step) for step in (OPENING, *steps, ENDING)]


def _story_forms(past: bool) -> dict[str, str]:
    """Every verb slot of one tense: ":find", "they:find", "!find" and ">find"."""
    do = "did not" if past else "does not"
    forms = {"they": "they", "once": "once there was" if past else "here is"}
    for lemma, verb in _BY_LEMMA.items():
        forms[f":{lemma}"] = verb.past if past else verb.present[SINGULAR]
        forms[f"they:{lemma}"] = verb.past if past else verb.lemma
        forms |= {f"!{lemma}": f"{do} {lemma}", f">{lemma}": lemma}
    be, are, have = ("was", "were", "had") if past else ("is", "are", "has")
    return forms | {":be": be, "they:be": are, ":have": have}


_PLOTS = [_compile_plot(plot) for plot in PLOTS.strip().split("\n\n")]
_STORY_FORMS = {past: _story_forms(past) for past in (False, True)}


def _indefinite(rng: Rng, noun: Noun) -> str:
    if noun.is_name:
        return f"{_indefinite(rng, _GIRL_OR_BOY[noun.gender])} named {noun.lemma}"
    phrase = adjective_before(rng, noun, 0.7) + noun.lemma
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _companion(rng: Rng, pal: Noun, his: str) -> str:
    """How the pal is first mentioned: "his friend Anna", "his mother", "a small fox"."""
    if pal.is_name:
        return f"{his} friend {pal.lemma}"
    return f"{his} {pal.lemma}" if pal.lemma in _FAMILY else _indefinite(rng, pal)


def _draw_cast(rng: Rng, kinds: dict[str, list[str]]) -> dict[str, Noun]:
    """Hero and pal of different gender, so that each pronoun is clear, and a thing."""
    hero = pick(rng, _HEROES[pick(rng, kinds["hero"])])
    pal = pick(rng, _GENDERED[pick(rng, kinds["pal"])])
    while pal.gender == hero.gender:
        pal = pick(rng, _GENDERED[pick(rng, kinds["pal"])])
    return {"hero": hero, "pal": pal, "thing": pick(rng, BY_KIND[pick(rng, kinds["thing"])])}


def _slots(rng: Rng, cast: dict[str, Noun]) -> dict[str, str]:
    hero, pal, thing = cast["hero"], cast["pal"], cast["thing"]
    here, there = rng.sample(LOCATIONS, 2)
    slots = {
        "a_hero": _indefinite(rng, hero),
        "a_pal": _companion(rng, pal, _PRONOUNS[hero.gender]["his"]),
        "a_thing": _indefinite(rng, thing),
        "thing": thing.lemma,
        "here": at_place(rng, here),
        "there": at_place(rng, there),
        "home": at_place(rng, pick(rng, _HOMES), plainly=1.0),
    }
    for role, noun in (("hero", hero), ("pal", pal)):
        slots[role] = noun.lemma if noun.is_name else f"the {noun.lemma}"
        slots |= {f"{role}.{case}": form for case, form in _PRONOUNS[noun.gender].items()}
    return slots


def _introduce(text: str) -> str:
    """Let the first mention of pal and thing be an indefinite one."""
    text = text.replace("%(pal)s", "%(a_pal)s", 1)
    first = text.find("thing)s")
    if text[:first].endswith("the %("):
        text = text.replace("the %(thing)s", "%(a_thing)s", 1)
    return text


def story(rng: Rng) -> str:
    """A story of 6 to 8 sentences in one tense about a hero, a pal and perhaps a thing.

    Pronouns, possessives and reflexives agree with their antecedents throughout; no held-out
    combination occurs, not even with a pronoun in the subject's place.
    """
    while True:
        kinds, steps = pick(rng, _PLOTS)
        cast = _draw_cast(rng, kinds)
        chosen = steps if rng.random() < 0.7 else steps[:-1]
        wordings = [[each for each in step if each.suits(cast)] for step in chosen]
        if all(wordings):
            text = _introduce("\n".join(pick(rng, step).text for step in wordings))
            slots = _STORY_FORMS[rng.random() < 0.6] | _slots(rng, cast)
            told = " ".join(map(capitalised, (text % slots).splitlines()))
            if is_trainable(told):
                return told
