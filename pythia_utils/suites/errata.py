"""Published checkpoints that are not what their name says: warned of when they are opened, or refused;
left out of grids, and marked where a grid's results show.

Which ones they are, and who found out, is in `data/suites/`. An erratum of kind `expected` tells of
something surprising that training itself made: it is no fault.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from pythia_utils.base.errors import UsageError, nearest
from pythia_utils.suites.catalog import Checkpoint, Erratum, Model


class CheckpointWarning(UserWarning):
    """A published checkpoint that is not what its name says. Loaded nevertheless."""


# --- in words -------------------------------------------------------------------------------------


def in_words(errata: Iterable[Erratum]) -> str | None:
    """What is odd and who says so, in one line: `the weights are missing (P#202)`. None of no errata."""
    return "; ".join(f"{erratum.text} ({erratum.source})" for erratum in errata) or None


def steps_in_words(model: Model, steps: Iterable[int]) -> str:
    """Some of a model's steps, as its runs of checkpoints: `0-512, 54000, 56000-59000`; six at most."""
    places = [model.steps.index(step) for step in sorted(steps)]
    # A run's places keep their distance to their places in the list.
    runs = groupby(enumerate(places), key=lambda at: at[1] - at[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(run) for _, run in runs)]
    shown = [
        f"{model.steps[first]}" + f"-{model.steps[last]}" * (last > first)
        for first, last in ends[:6]
    ]
    return ", ".join(shown) + f" ... ({len(places)} in all)" * (len(ends) > 6)


def known_bad(checkpoints: Iterable[Checkpoint]) -> list[str]:
    """What is wrong with some checkpoints of a model, one line for each erratum that hits them."""
    hits: dict[Erratum, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        for erratum in checkpoint.errata:
            if erratum.kind != "expected":  # as trained: surprising, not wrong
                hits.setdefault(erratum, []).append(checkpoint)
    return [_erratum_line(erratum, bad) for erratum, bad in hits.items()]


def _erratum_line(erratum: Erratum, bad: list[Checkpoint]) -> str:
    model, steps = bad[0].model, {checkpoint.step for checkpoint in bad}
    which = f"step{'s' * (len(steps) > 1)} {steps_in_words(model, steps)}"
    return f"{model.name} {which}: {in_words([erratum])}"


# --- one model's checkpoints ----------------------------------------------------------------------


def has_weights(checkpoint: Checkpoint) -> bool:
    """Whether the suite published weights for the checkpoint, as far as is known."""
    return all(erratum.kind != "missing" for erratum in checkpoint.errata)


def with_weights(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints that have weights, in order; a warning tells of the others."""
    chosen = list(checkpoints)
    for line in known_bad(c for c in chosen if not has_weights(c)):
        warnings.warn(f"{line}; left out", CheckpointWarning, stacklevel=3)
    return [c for c in chosen if has_weights(c)]


def require_weights(checkpoints: Iterable[Checkpoint]) -> None:
    """Raise UsageError for the first checkpoint whose weights are known to be missing."""
    for checkpoint in checkpoints:
        if not has_weights(checkpoint):
            others = [c.step for c in checkpoint.model.checkpoints if has_weights(c)]
            choices = ", ".join(nearest(checkpoint.step, others))
            raise UsageError(f"{known_bad([checkpoint])[0]}; nearest: {choices}")


def heed_errata(checkpoints: Sequence[Checkpoint], strict: bool) -> None:
    """Warn of checkpoints that are known to be wrong.

    Raises:
        UsageError: with `strict`, instead of the warning; and always if weights are missing.
    """
    require_weights(checkpoints)
    for line in known_bad(checkpoints):
        if strict:
            raise UsageError(f"{line}; refused, as asked (strict)")
        warnings.warn(line, CheckpointWarning, stacklevel=3)  # whoever loads


# --- grids ----------------------------------------------------------------------------------------


def fault(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint and who says so, in one line; None if nothing is known."""
    return in_words(erratum for erratum in checkpoint.errata if erratum.kind != "expected")


def without_errata(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints without a known erratum, in order; one warning counts those left out."""
    chosen = list(checkpoints)
    faulty = list(dict.fromkeys(c for c in chosen if fault(c)))
    if faulty:
        counts = Counter(c.model.name for c in faulty)
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        number = "1 checkpoint" if len(faulty) == 1 else f"{len(faulty)} checkpoints"
        line = f"{number} with a known erratum left out ({listed}); --steps NUMBER runs one nevertheless"
        warnings.warn(line, CheckpointWarning, stacklevel=3)
    return [c for c in chosen if not fault(c)]


def errata_to_mark(measured: Mapping[Model, Iterable[int]]) -> dict[tuple[str, int], str]:
    """The faulty places of a models x steps grid, and what is wrong with each.

    Of each model they are those at a step at which some model was measured; and where one was
    measured at every step without a fault, all the others of it.

    Args:
        measured: the steps of each model that results are there for.
    """
    steps = {model: set(own) for model, own in measured.items()}
    columns = set().union(*steps.values())
    marks = {}
    for model, own in steps.items():
        texts = {c.step: fault(c) for c in model.checkpoints}
        whole = own.issuperset(step for step, text in texts.items() if not text)
        for step, text in texts.items():
            if text and (whole or step in columns):
                marks[model.name, step] = text
    return marks
