"""Which pages of runs are near which: other steps, models that differ in one thing, other experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pythia_utils.site.cells.page import Page


class Kind(NamedTuple):
    """What sets a model of a suite apart from its others."""

    size: str
    text: str
    release: str
    seed: str


def kind_of(page: Page) -> Kind:
    """Of a page's model."""
    model = page.of_model
    return Kind(model.size, model.variant, model.version, model.seed_name)


@dataclass
class Neighbours:
    """The pages near a page.

    Attributes:
        pages: all that the site has, in the order of the grid.
    """

    pages: Sequence[Page]
    _by: dict[tuple, list[Page]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for page in self.pages:
            for key in _keys(page):
                self._by.setdefault(key, []).append(page)

    def steps(self, page: Page) -> list[Page]:
        """Those of the same experiment, model and parameters, by step, itself among them."""
        return sorted(self._by[_of_steps(page)], key=lambda other: other.step)

    def around(self, page: Page) -> tuple[Page | None, Page | None]:
        """The one of the step before, and the one of the step after."""
        own = self.steps(page)
        here = own.index(page)
        return (own[here - 1] if here else None), (own[here + 1] if own[here + 1 :] else None)

    def differing_in(self, what: str, page: Page) -> list[Page]:
        """Those of the same step whose models differ in one field of `Kind` alone, itself among them."""
        return self._by[_of_kind(what, page)]

    def experiments(self, page: Page) -> list[Page]:
        """One of each experiment on the same checkpoint, the usual run if there is one; itself for its own."""
        found: dict[str, Page] = {}
        for other in sorted(self._by[_of_checkpoint(page)], key=lambda p: bool(p.parameters)):
            found.setdefault(other.experiment, other)
        found[page.experiment] = page
        places = {name: n for n, name in enumerate(dict.fromkeys(p.experiment for p in self.pages))}
        return sorted(found.values(), key=lambda other: places[other.experiment])

    def parameters(self, page: Page) -> list[Page]:
        """Those of the same experiment and checkpoint with whatever parameters, itself among them."""
        return [p for p in self._by[_of_checkpoint(page)] if p.experiment == page.experiment]

    def before_intervention(self, page: Page) -> Page | None:
        """Of a model that goes on from another's checkpoint with a changed text: the page of that one."""
        fork = page.of_model.fork
        return self._at(page, fork.base, fork.step) if fork else None

    def interventions(self, page: Page) -> list[Page]:
        """The first pages of the models that go on from this checkpoint with a changed text."""
        found: dict[str, Page] = {}
        for other in self._by.get(("forks", *_alike(page), page.model, page.step), ()):
            first = found.setdefault(other.model, other)
            found[other.model] = min(first, other, key=lambda p: p.step)
        return list(found.values())

    def _at(self, page: Page, model: str, step: int) -> Page | None:
        own = self._by.get(_of_steps(replace(page, model=model)), ())
        return next((other for other in own if other.step == step), None)


def _keys(page: Page) -> Iterable[tuple]:
    yield _of_steps(page)
    yield _of_checkpoint(page)
    yield from (_of_kind(what, page) for what in Kind._fields)
    if fork := page.of_model.fork:
        yield ("forks", *_alike(page), fork.base, fork.step)


def _alike(page: Page) -> tuple[str, str]:
    return page.experiment, page.parameters


def _of_steps(page: Page) -> tuple:
    return ("steps", *_alike(page), page.model)


def _of_checkpoint(page: Page) -> tuple:
    return "checkpoint", page.model, page.step


def _of_kind(what: str, page: Page) -> tuple:
    return (what, *_alike(page), page.step, kind_of(page)._replace(**{what: None}))
