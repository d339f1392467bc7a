"""Which checkpoints a grid is of: lists of models and steps, as files and command lines give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from typing import Any

from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import Checkpoint, Model

ALSO = "also"  # of a grid: more models, at steps of their own


def parts(grid: dict) -> list[dict]:
    """What a grid is made of: its models at its steps, and those of `also` at theirs."""
    return [grid, *grid.get(ALSO, ())]


def models_of(chosen: Iterable[str], suite: str | None) -> list[Model]:
    """The models that a list says: names, and patterns such as `pico-57k*`; or `all`, also in it, of a suite.

    Models of an intervention, which have a text of their own, are named, or meant by a pattern with `-from`
    in it or that fits no others: neither `all` nor `pico-57k*` is them.

    Raises:
        UsageError: an unknown name, a pattern that no model fits, or no list.
    """
    names = ["all"] if chosen == "all" else _names(chosen)
    found = (model for name in names for model in _fitting(name, suite))
    return list(dict.fromkeys(found))


def _fitting(name: str, suite: str | None) -> list[Model]:
    if name == "all" and suite is not None:
        return [model for model in catalog.suite(suite).models.values() if not model.fork]
    if not isinstance(name, str) or "*" not in name:
        return [catalog.find_model(name, suite)]
    known = catalog.model_names(suite)
    found = [each for each in known if fnmatch(each.lower(), name.lower())]
    if not found:
        raise unknown("model", name, known)
    models = [catalog.find_model(each, suite) for each in found]
    whole = [model for model in models if not model.fork]
    return models if "-from" in name.lower() else whole or models


def checkpoints_of(
    models: list[Model], steps: Iterable[int] | Callable[[Model], Iterable[int]]
) -> Iterator[Checkpoint]:
    for model in models:
        if steps == "all":
            yield from model.checkpoints
        else:
            own = steps(model) if callable(steps) else _names(steps)
            yield from (model.checkpoint(step) for step in dict.fromkeys(own))


def _names(value: Any) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"expected a list or `all`, not {quoted(value)}")
    return value
