"""Checkpoints with a known fault: left out of grids, run after a warning, marked where results show.

A fault is an erratum of any kind but `expected`, which tells of something surprising that training
itself made. The errata are in `data/suites/`, each with its source.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping

from pythia_utils.checkpoints import CheckpointWarning, heed_errata
from pythia_utils.suites import Checkpoint, Model


def fault(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint and who says so, in one line; None if nothing is known."""
    known = [erratum for erratum in checkpoint.errata if erratum.kind != "expected"]
    return "; ".join(f"{erratum.text} ({erratum.source})" for erratum in known) or None


def without_faults(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints without a known fault, in order; one warning counts those left out."""
    chosen = list(checkpoints)
    faulty = list(dict.fromkeys(c for c in chosen if fault(c)))
    if faulty:
        counts = Counter(c.model.name for c in faulty)
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        number = "1 checkpoint" if len(faulty) == 1 else f"{len(faulty)} checkpoints"
        line = f"{number} with a known fault left out ({listed}); --step runs one nevertheless"
        warnings.warn(line, CheckpointWarning, stacklevel=3)
    return [c for c in chosen if not fault(c)]


def as_named(checkpoints: Iterable[Checkpoint], strict: bool) -> list[Checkpoint]:
    """The checkpoints, which a user has named; a warning tells each known fault.

    Raises:
        UsageError: with `strict` instead of a warning; and where the weights are missing.
    """
    chosen = list(checkpoints)
    heed_errata(list(dict.fromkeys(chosen)), strict)
    return chosen


def faults_to_mark(measured: Mapping[Model, Iterable[int]]) -> dict[tuple[str, int], str]:
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
