"""The links of a run's page to the runs near it, as HTML: above the notebook, and at the foot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pythia_utils.base.markup import NO_MATHS, address, html, plain
from pythia_utils.grid.config import Config
from pythia_utils.site.cells.neighbours import Kind, Neighbours, kind_of
from pythia_utils.site.cells.page import Page

UP = "../../../.."  # from a run's page to the front page
_IN_THE_OPEN = 24  # steps; more are in a box that opens
_WHAT = {"size": "Size", "text": "Training text", "release": "Release", "seed": "Seed"}
_USUAL = {"text": "standard", "release": "usual", "seed": "usual"}  # where a name says nothing


@dataclass(frozen=True)
class Navigation:
    """The links of the pages of a site.

    Attributes:
        config: of the project, for titles.
        nearby: which pages are near which.
    """

    config: Config
    nearby: Neighbours

    def above(self, page: Page, more: Sequence[str] = ()) -> str:
        """Chapter, all runs, and what is near the page; `more` links, as HTML, stand beside the first two."""
        rows = "\n".join(
            f"<div><dt>{what}</dt><dd>{links}</dd></div>" for what, links in self._rows(page)
        )
        lead = " · ".join([*self._back(page), *more])
        return (
            f'<nav class="page-nav {NO_MATHS}" aria-label="Nearby runs">\n<p>{lead}</p>\n'
            f"<dl>\n{rows}\n</dl>\n</nav>"
        )

    def _back(self, page: Page) -> Iterator[str]:
        experiment = self.config.experiment(page.experiment)
        if experiment.chapter:
            yield f'<a href="{UP}/experiments/{address(page.experiment)}.html">{_text(experiment.title)}</a>'
        yield f'<a href="{UP}/runs.html">All runs</a>'

    def _rows(self, page: Page) -> Iterator[tuple[str, str]]:
        """What a row is about, and its links."""
        yield "Step", self._steps(page)
        for what in Kind._fields:
            alike = self.nearby.differing_in(what, page)
            if len(alike) > 1:
                yield _WHAT[what], _links(alike, page, _differing(what))
        if base := self.nearby.before_intervention(page):
            yield "Goes on from", _link(base, page, f"{base.model}, step {base.step:,}")
        if forks := self.nearby.interventions(page):
            yield "Goes on as", _links(forks, page, lambda other: other.model)
        if len(others := self.nearby.experiments(page)) > 1:
            yield "Same checkpoint", _links(others, page, self._title)
        if len(others := self.nearby.parameters(page)) > 1:
            yield "Parameters", _links(others, page, lambda other: other.parameters or "usual")

    def _title(self, page: Page) -> str:
        return self.config.title(page.experiment)

    def _steps(self, page: Page) -> str:
        """All steps; of many those around in the open, and all in a box."""
        own = self.nearby.steps(page)
        everything = _links(own, page, _step)
        if len(own) <= _IN_THE_OPEN:
            return everything
        around = [other for other in self.nearby.around(page) if other]
        shown = sorted([*around, page], key=lambda other: other.step)
        return (
            f"{_links(shown, page, _step)} "
            f"<details><summary>all {len(own)}</summary>{everything}</details>"
        )

    def foot(self, page: Page) -> str:
        """Links to the steps before and after, as at the foot of chapters; empty if there is neither."""
        before, after = self.nearby.around(page)
        links = [_turn(before, "prev", "left"), _turn(after, "next", "right")]
        if not any(links):
            return ""
        inside = "\n".join(filter(None, links))
        return (
            '<nav class="page-foot" aria-label="Previous and next step">\n'
            f'<div class="prev-next-area">\n{inside}\n</div>\n</nav>'
        )


def _turn(page: Page | None, way: str, side: str) -> str:
    if page is None:
        return ""
    word = {"prev": "previous", "next": "next"}[way]
    icon = f'<i class="fa-solid fa-angle-{side}" aria-hidden="true"></i>'
    told = (
        f'<div class="prev-next-info"><p class="prev-next-subtitle">{word} step</p>'
        f'<p class="prev-next-title">{_text(page.model)}, step {page.step:,}</p></div>'
    )
    parts = f"{icon}{told}" if way == "prev" else f"{told}{icon}"
    return f'<a class="{side}-{way}" rel="{way}" href="{address(page.stem)}.html">{parts}</a>'


def _links(pages: Sequence[Page], here: Page, label: Callable[[Page], str]) -> str:
    return " · ".join(_link(page, here, label(page)) for page in pages)


def _link(page: Page, here: Page, label: str) -> str:
    """A link beside a page; the page itself is marked, and what failed says so."""
    failed = f' <abbr title="{_text(page.error)}">failed</abbr>' if page.error else ""
    if page == here:
        return f'<strong aria-current="page">{_text(label)}</strong>{failed}'
    return f'<a href="{_address(page, here)}">{_text(label)}</a>{failed}'


def _address(page: Page, here: Page) -> str:
    """Relative, by as few folders as it takes."""
    if page.folder == here.folder:
        return f"{address(page.stem)}.html"
    if page.experiment == here.experiment:
        return f"{address('..', page.model, page.stem)}.html"
    return f"{address('..', '..', page.experiment, page.model, page.stem)}.html"


def _step(page: Page) -> str:
    return f"{page.step:,}"


def _differing(what: str) -> Callable[[Page], str]:
    return lambda page: getattr(kind_of(page), what) or _USUAL[what]


def _text(text: object) -> str:
    return html(plain(text))
