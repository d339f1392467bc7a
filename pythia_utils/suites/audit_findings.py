"""What is odd about a model's revisions, and whether it is known. Pure functions over `Facts`.

Kinds of findings: `missing` (no revision, or no weights in it), `damaged`, `equal` (the weights of another
revision), `shared` (some weight files of another), `unlike` (not equal, where the suite's first learning
rate is 0 and so leaves them equal), `main` (not the last step's weights), `break` (off the way through
training, see `continuity`). A finding about checkpoints with a fitting erratum is
`known`, or `expected` where training itself made it so; any other is `new`. A `note` says what could
not be judged, and which erratum was not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, mode

import numpy as np

from pythia_utils.suites.audit_facts import MAIN, Facts
from pythia_utils.suites.catalog import Model
from pythia_utils.suites.continuity import LIMIT, breaks

SUFFIXES = ("safetensors", "bin")
# The kinds of errata that explain each kind of finding.
_FITS = {
    "missing": {"missing", "partial"},
    "damaged": {"missing", "partial", "wrong"},
    "equal": {"wrong"},
    "shared": {"wrong", "partial"},
    "unlike": {"wrong", "partial"},
    "main": {"wrong", "partial"},
    "break": {"wrong", "partial"},
}


@dataclass(frozen=True)
class Finding:
    """One thing about some checkpoints.

    Attributes:
        status: `new`, `known`, `expected` or `note`.
        kind: see the module's text.
        steps: of the checkpoints that are wrong; empty if it is about none of them.
        text: what was found, one clause.
        source: of the erratum that knows it.
    """

    status: str
    kind: str
    steps: tuple[int, ...]
    text: str
    source: str = ""


def judge(model: Model, facts: Sequence[Facts], tensors: bool = True) -> list[Finding]:
    """All findings about some checkpoints, in training order, and `main` if there is one.

    `tensors` tells whether some were sampled.
    """
    found = _by_reason(model, "missing", facts, lambda one: one.missing)
    found += _by_reason(model, "damaged", facts, lambda one: _damage(one, facts))
    broken = _steps_of(found)
    sound = [one for one in facts if not one.missing and not one.damaged]
    sound = [one for one in sound if one.step not in broken]
    found += _equal(model, sound)
    found += _shared(model, sound, _steps_of(found))
    found += _alike(model, sound, _steps_of(found))
    found += _unlike(model, sound, _steps_of(found))
    found += _main(model, sound)
    found += _breaks(model, sound, _steps_of(found, but="main"))
    return found + _notes(model, facts, found, tensors)


def _steps_of(found: Iterable[Finding], but: str = "") -> set[int]:
    return {s for f in found if f.kind != but and f.status != "expected" for s in f.steps}


def _marked(
    model: Model, kind: str, steps: Iterable[int], told: str | Callable[[list[int]], str]
) -> list[Finding]:
    """A finding for each erratum that explains some of the steps, and a new one for the rest."""
    text = told if callable(told) else lambda _: told
    rest, found = list(steps), []
    for erratum in model.errata:
        hit = [step for step in rest if step in erratum.steps]
        if hit and erratum.kind in _FITS[kind]:
            found.append(Finding("known", kind, tuple(hit), text(hit), erratum.source))
            rest = [step for step in rest if step not in hit]
    return found + ([Finding("new", kind, tuple(rest), text(rest))] if rest else [])


# --- missing, damaged -----------------------------------------------------------------------------


def _by_reason(
    model: Model, kind: str, facts: Sequence[Facts], why: Callable[[Facts], str | None]
) -> list[Finding]:
    """The revisions that something is wrong with, those of one reason together; `main` by itself."""
    reasons = defaultdict(list)
    for one in facts:
        if reason := why(one):
            reasons[reason].append(one)
    found = []
    for reason, group in reasons.items():
        steps = [one.step for one in group if one.step is not None]
        found += _marked(model, kind, steps, reason)
        if len(steps) < len(group):
            found.append(Finding("new", kind, (), f"{MAIN}: {reason}"))
    return found


def _damage(one: Facts, facts: Sequence[Facts]) -> str | None:
    return one.damaged or _too_short(one, facts) or _other_shape(one, facts)


def _too_short(one: Facts, facts: Sequence[Facts]) -> str | None:
    """Files of one model have one size; less than half of the others' is no difference of format."""
    for name, size in one.sizes.items():
        usual = median([other.sizes[name] for other in facts if name in other.sizes])
        if size < usual / 2:
            return f"{name} has {size:,} bytes, where others have {usual:,.0f}"
    return None


def _other_shape(one: Facts, facts: Sequence[Facts]) -> str | None:
    if one.sample is None:
        return None
    usual = mode(other.sample.size for other in facts if other.sample is not None)
    return None if one.sample.size == usual else "its embedding has another shape than the others'"


# --- equal, shared --------------------------------------------------------------------------------


def _equal(model: Model, facts: Sequence[Facts]) -> list[Finding]:
    """Revisions whose weight files of a kind are all the same, byte for byte."""
    groups: dict[tuple[Facts, ...], list[str]] = defaultdict(list)
    for suffix in SUFFIXES:
        for members in _groups(facts, lambda one, suffix=suffix: one.files(suffix) or None):
            groups[members].append(suffix)
    found = []
    for members, suffixes in groups.items():
        there = {suffix for one in members for suffix in SUFFIXES if one.files(suffix)}
        note = "" if there == set(suffixes) else f" (.{suffixes[0]} files)"
        found += _group_findings(model, "equal", members, f"the same weights{note}")
    return found


def _shared(model: Model, facts: Sequence[Facts], done: set[int]) -> list[Finding]:
    """Revisions that have some weight files of another, and not all."""
    owners: dict[tuple[Facts, ...], list[str]] = defaultdict(list)
    names = dict.fromkeys(name for one in facts for name in one.hashes if "-of-" in name)
    for name in names:
        for members in _groups(facts, lambda one, name=name: one.hashes.get(name)):
            suffix = name.rsplit(".", 1)[1]
            if len({one.files(suffix) for one in members}) > 1:
                owners[members].append(name)
    found = []
    for members, files in owners.items():
        what = f"the same {', '.join(files)}"
        found += _group_findings(model, "shared", members, what, done)
    return found


def _alike(model: Model, facts: Sequence[Facts], done: set[int]) -> list[Finding]:
    """Revisions whose files differ and whose sampled tensors are the same."""
    found = []
    for members in _groups(facts, lambda one: one.sample_digest):
        if len({one.files("safetensors") for one in members}) > 1:
            text = "the same sampled tensors, in files that differ,"
            found += _group_findings(model, "equal", members, text, done)
    return found


def _groups(facts: Sequence[Facts], key: Callable[[Facts], object]) -> list[tuple[Facts, ...]]:
    """Those with the same key, if there are two or more; None is no key."""
    by_key = defaultdict(list)
    for one in facts:
        if (value := key(one)) is not None:
            by_key[value].append(one)
    return [tuple(members) for members in by_key.values() if len(members) > 1]


def _group_findings(
    model: Model, kind: str, members: Sequence[Facts], what: str, done: set[int] = frozenset()
) -> list[Finding]:
    """What a group of like revisions means: all are wrong, but the last step if `main` is one of them.

    If the weights are by right another member's, hashes cannot tell whose: a person must.
    """
    steps = [one.step for one in members if one.step is not None]
    for erratum in model.errata:
        if (
            erratum.kind == "expected"
            and len(steps) == len(members)
            and {*steps} <= {*erratum.steps}
        ):
            return [Finding("expected", kind, tuple(steps), f"have {what}", erratum.source)]
    owner = model.steps[-1] if len(steps) < len(members) else None
    wrong = [step for step in steps if step != owner and step not in done]

    def text(shown: list[int]) -> str:
        others = [one.name for one in members if one.step not in shown]
        return f"{what} as {_listed(others)}" if others else f"all {what}"

    return _marked(model, kind, wrong, text)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


# --- main, continuity -----------------------------------------------------------------------------


def _unlike(model: Model, facts: Sequence[Facts], done: set[int]) -> list[Finding]:
    """Checkpoints that the suite's own training leaves equal (its `expected` errata), and that are not."""
    there = {one.step: one for one in facts if one.step not in done}
    pairs = [
        pair
        for erratum in model.errata
        if erratum.kind == "expected"
        for pair in pairwise([there[step] for step in erratum.steps if step in there])
    ]
    found = []
    for one, other in pairs:
        text = (
            f"{one.name} and {other.name} have different weights, where training leaves them equal"
        )
        found += _if_not_alike(model, "unlike", (one, other), (one.step, other.step), text)
    return found


def _main(model: Model, facts: Sequence[Facts]) -> list[Finding]:
    """`main` should be the last step."""
    pair = {one.name: one for one in facts}
    main, last = pair.get(MAIN), pair.get(f"step{model.steps[-1]}")
    if not main or not last:
        return []
    text = f"{MAIN} has other weights than {last.name}"
    return _if_not_alike(model, "main", (main, last), (last.step,), text)


def _if_not_alike(
    model: Model, kind: str, pair: tuple[Facts, Facts], steps: tuple[int, ...], text: str
) -> list[Finding]:
    """The finding that two revisions differ, if they do; a note if it takes a look at the weights to tell."""
    one, other = pair
    if any(one.files(s) == other.files(s) for s in SUFFIXES if one.files(s) and other.files(s)):
        return []
    if one.sample_digest and other.sample_digest:
        differ = one.sample_digest != other.sample_digest
        return _marked(model, kind, steps, text) if differ else []
    what = f"{one.name} has other files than {other.name}"
    return [Finding("note", kind, steps, f"{what}; whether the weights differ was not looked at")]


def _breaks(model: Model, facts: Sequence[Facts], wrong: set[int]) -> list[Finding]:
    """Checkpoints off the way that the others make. Those already found wrong are not on it."""
    way: dict[str, Facts] = {}  # equal ones, such as step 0 and step 1, count once
    for one in facts:
        if one.step is not None and one.step not in wrong and one.sample is not None:
            way.setdefault(one.sample_digest, one)
    points = list(way.values())
    if len(points) < 3:
        return []
    found = []
    for off in breaks(np.stack([one.sample for one in points])):
        steps = sorted(points[index].step for index in off.indices)
        text = f"off the way of training: detour {off.detour:.1f}, where {LIMIT:g} is the limit"
        found += _marked(model, "break", steps, text)
    return found


def _notes(
    model: Model, facts: Sequence[Facts], found: Sequence[Finding], tensors: bool
) -> list[Finding]:
    """What was not judged, and errata that were looked for and not seen."""
    looked = {one.step for one in facts} - {None}
    seen = {step for finding in found for step in finding.steps}
    notes = []
    blind = [
        one.step for one in facts if not one.missing and not one.damaged and one.sample is None
    ]
    if tensors and (blind := [step for step in blind if step is not None]):
        text = "no safetensors: tensors were not sampled, continuity not judged"
        notes.append(Finding("note", "tensors", tuple(blind), text))
    for erratum in model.errata:
        unseen = [step for step in erratum.steps if step in looked and step not in seen]
        whole = erratum.kind != "expected" or looked.issuperset(erratum.steps)
        if unseen and whole:
            text = f"known, and not seen here: {erratum.text}"
            notes.append(Finding("note", "erratum", tuple(unseen), text, erratum.source))
    return notes
