"""Which checkpoints one is compared with: of its own past and end, and of its relatives at the same step."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

from pythia_utils.base.errors import unknown
from pythia_utils.suites.catalog import Checkpoint, Model, find_model, suite
from pythia_utils.suites.errata import fault
from pythia_utils.suites.folders import is_available

NONE, START, ALL = "none", "start", "all"
CHOICES = (NONE, START, ALL)
STEPS = 6  # of its own that hidden states are compared with, besides half of the steps and the one before
SEEDS = 3  # other seeds, at most


def chosen(compare: str, suite_name: str) -> str:
    """What to compare with: as asked; if nothing is, all of suites trained here, the start alone of the Hub's.

    Raises:
        UsageError: no such choice.
    """
    if compare not in ("", *CHOICES):
        raise unknown("compare", compare, CHOICES)
    return compare or (ALL if suite(suite_name).kind == "local" else START)


def _at_hand(model: Model) -> list[Checkpoint]:
    """A model's checkpoints that can be opened and are what they should be."""
    return [one for one in model.checkpoints if is_available(one) and not fault(one)]


def earlier(checkpoint: Checkpoint, compare: str) -> dict[str, Checkpoint]:
    """The checkpoints that weights are compared with.

    Args:
        checkpoint: that is measured.
        compare: of `chosen`.

    Returns:
        `start`: step 0; with `all` also `half`, the one nearest to half of the steps by the ratio of the two,
        and `before`, the one before. What there is not, or is faulty, is left out; at step 0 that is all.
    """
    past = [one for one in _at_hand(checkpoint.model) if one.step < checkpoint.step]
    if compare == NONE or not past:
        return {}
    found = {"start": past[0]} if past[0].step == 0 else {}
    if compare == ALL:
        found |= {"half": _half(past, checkpoint.step), "before": past[-1]}
    return found


def _half(past: Iterable[Checkpoint], step: int) -> Checkpoint:
    time = np.log2(1 + step / 2)
    return min(past, key=lambda one: abs(np.log2(1 + one.step) - time))


def own_steps(checkpoint: Checkpoint) -> list[int]:
    """The steps of the same model that hidden states are compared with, ascending.

    The first, the last and some between, evenly over log2(1 + step); half of the steps and the one before.
    """
    steps = np.array([one.step for one in _at_hand(checkpoint.model)])
    if not len(steps):
        return []
    time = np.log2(1 + steps)
    wanted = np.linspace(time[0], time[-1], STEPS)
    near = steps[np.abs(time - wanted[:, None]).argmin(axis=1)]
    past = [one.step for one in earlier(checkpoint, ALL).values()]
    return sorted({*map(int, near), *past} - {checkpoint.step})


def relatives(checkpoint: Checkpoint) -> list[Checkpoint]:
    """The same step of other models of the suite that differ by one thing: the seed, the text, or the size.

    Seeds: up to three others of the same size and text, one of them of another order alone if there is one.
    Text: of the same size and seed. Sizes: the next smaller and the next larger one of the same text and seed.
    What is not trained, or faulty, is left out.
    """
    own = checkpoint.model
    every = [one for one in suite(own.suite).models.values() if one.version == own.version]
    at = [_at(one, checkpoint.step) for one in every if one.name != own.name]
    by: dict[str, list[Checkpoint]] = {"seed": [], "order": [], "text": [], "size": []}
    for one in filter(None, at):
        by.setdefault(relation(own.name, one.model.name), []).append(one)
    order = by["order"][:1]
    seeds = [*by["seed"][: SEEDS - len(order)], *order]
    return [*seeds, *by["text"], *_next(own, by["size"])]


def _next(own: Model, others: list[Checkpoint]) -> list[Checkpoint]:
    sizes = {one: one.model.non_embedding_params for one in others}
    smaller = [one for one in others if sizes[one] < own.non_embedding_params]
    larger = [one for one in others if sizes[one] > own.non_embedding_params]
    return [*sorted(smaller, key=sizes.get)[-1:], *sorted(larger, key=sizes.get)[:1]]


def _at(model: Model, step: int) -> Checkpoint | None:
    if step not in model.steps:
        return None
    one = model.checkpoint(step)
    return one if is_available(one) and not fault(one) else None


@functools.cache
def relation(model: str, other: str) -> str:
    """What two models of a suite differ by.

    Returns:
        `seed`: other initial weights, and maybe another order of the text. `order`: another order alone, from
        the same initial weights. `text`: what is read. `size`. Or `more` than one of them.
    """
    one, two = find_model(model), find_model(other)
    differ = {
        "size": one.size != two.size,
        "text": (one.variant, one.version) != (two.variant, two.version),
        "seed": one.weight_seed != two.weight_seed,
        "order": one.weight_seed == two.weight_seed and one.data_seed != two.data_seed,
    }
    names = [name for name, is_so in differ.items() if is_so]
    return names[0] if len(names) == 1 else "more"
