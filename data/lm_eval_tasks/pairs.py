"""Minimal pairs as data sets for lm-evaluation-harness, which calls this for each task."""

from __future__ import annotations

import functools

import datasets

from pythia_utils.evaluation.sets import load_pairs


def minimal_pairs(
    paradigm: str, source: str = "nano", n: int | None = None, **_: object
) -> dict[str, datasets.Dataset]:
    """The pairs of one paradigm, with columns `good` and `bad`.

    Pairs of equal sentences are left out: the harness would count them as right.

    Args:
        paradigm: its name.
        source: what `sets.load_pairs` reads: `nano`, `blimp` or a path.
        n: pairs of each paradigm, as there.
        _: all else that the harness knows of a task and a model.
    """
    pairs = [pair for pair in _load(source, n) if pair.paradigm == paradigm]
    pairs = [pair for pair in pairs if pair.good != pair.bad]
    rows = [{"good": pair.good, "bad": pair.bad} for pair in pairs]
    return {"validation": datasets.Dataset.from_list(rows)}


_load = functools.cache(load_pairs)
