"""Runs that go on from another run's checkpoint with a changed text: their names, steps and fields.

`pico-57k-swap-gender-from750` is what becomes of `pico-57k` if from step 750 on it reads what the intervention
`swap-gender` makes of the text. It has checkpoints behind that step alone: 1, 2, 4, ... steps after it as long
as the base has none itself, and then the base's own. Before it the base's stand for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.suites.models import Fork, Model

_INTERVENTION = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_FROM = r"-from(0|[1-9]\d{0,8})"


def is_intervention(name: object) -> bool:
    """Whether this can be an intervention's name: lower-case words and numbers with hyphens between them.

    None of them says from which step on: that comes behind it.
    """
    fits = isinstance(name, str) and re.fullmatch(_INTERVENTION, name, re.ASCII)
    return bool(fits) and not re.search(_FROM, name, re.ASCII)


def fork_fields(
    name: str, reads: str, steps: tuple[int, ...], intervention: str, step: int
) -> dict[str, Any]:
    """Of `Model`, what sets a fork apart from its base.

    Args:
        name: the base's.
        reads: the base's variant.
        steps: the base's checkpoints.
        intervention: what is done to the text.
        step: from which on.

    Raises:
        UsageError: no name of an intervention; the base has no such checkpoint, or it is the last.
    """
    if not is_intervention(intervention):
        words = "expected lower-case letters and numbers, with hyphens between them"
        raise UsageError(f"intervention {quoted(intervention)}: {words}")
    if step not in steps[:-1]:
        last = " (which is its last: nothing is left to train)" * (step == steps[-1])
        raise unknown("step", step, steps[:-1], where=f"of {name}{last} to go on from")
    ending = f"{intervention}-from{step}"
    return {
        "name": f"{name}-{ending}",
        "variant": ending if reads == "standard" else f"{reads}-{ending}",
        "aliases": (),
        "steps": tuple(_steps(steps, step)),
        "fork": Fork(name, step, intervention, reads),
    }


def _steps(steps: tuple[int, ...], fork: int) -> Iterator[int]:
    """1, 2, 4, ... steps after the fork up to the base's next checkpoint, and the base's from there on."""
    later = [step for step in steps if step > fork]
    after = 1
    while fork + after < later[0]:
        yield fork + after
        after *= 2
    yield from later


def fork_of(base: Model, intervention: str, step: int) -> Model:
    """The model that goes on from a checkpoint of `base`, trained or not.

    Raises:
        UsageError: as `fork_fields`; or the base is not trained here, or is itself such a model.
    """
    if not base.is_trained_here or base.fork:
        why = f"is {base.fork.in_words}" if base.fork else "is not trained here"
        raise UsageError(
            f"{base.name} {why}; expected a model that `pythia train` trains from step 0"
        )
    fields = fork_fields(base.name, base.variant, base.steps, intervention, step)
    return replace(base, errata=(), **fields)


def parts_of(name: str) -> Iterator[tuple[str, str, int]]:
    """The ways to read a name as that of a fork: base, intervention, step; the longest base first."""
    found = re.fullmatch(rf"(.+?){_FROM}", name, re.ASCII)
    words = found[1].split("-") if found else []
    for cut in range(len(words) - 1, 0, -1):
        if is_intervention(intervention := "-".join(words[cut:])):
            yield "-".join(words[:cut]), intervention, int(found[2])
