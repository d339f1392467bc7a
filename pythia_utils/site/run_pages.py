"""The page of each cell of the grid: its executed notebook, and around it what leads on and runs it again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.markup import code, fenced, markdown
from pythia_utils.grid.failures import SUFFIX
from pythia_utils.grid.rerun import Rerun, rerun
from pythia_utils.site import downloads, failed
from pythia_utils.site.cells import parameters, records
from pythia_utils.site.cells.navigation import UP, Navigation
from pythia_utils.site.cells.neighbours import Neighbours
from pythia_utils.site.cells.page import Page
from pythia_utils.site.contents import Contents
from pythia_utils.site.links import relink
from pythia_utils.site.notebooks import (
    dump,
    has_tag,
    markdown_cell,
    page_cell,
    read_notebook,
    split_title,
    tidy,
)

_NAME = re.compile(r"step(?P<step>\d+)(?:@(?P<parameters>.+))?")


def pages_below(folder: Path, experiment: str, model: str) -> list[Page]:
    """The pages of a model's notebooks, by step, usual cells before others.

    A cell whose last run failed has the page of that failure, though there is a notebook of an earlier run.
    """
    sources = {
        path.name.removesuffix(suffix): path
        for suffix in (".ipynb", SUFFIX)
        for path in folder.glob(f"step*{suffix}")
        if path.name.endswith(SUFFIX) == (suffix == SUFFIX)
    }
    found = [
        Page(
            experiment,
            model,
            int(match["step"]),
            path,
            match["parameters"] or "",
            failed.fault(path),
        )
        for name, path in sources.items()
        if (match := _NAME.fullmatch(name))
    ]
    return sorted(found, key=lambda page: (page.step, page.parameters))


def files(contents: Contents, pages: Sequence[Page]) -> Iterator[tuple[str, str]]:
    """Of each page its notebook, and the CSV of its records if it has any: their places, and their texts."""
    staging = _Staging(contents, Navigation(contents.config, Neighbours(pages)))
    for page in pages:
        yield from staging.files(page)


@dataclass(frozen=True)
class _Staging:
    contents: Contents
    navigation: Navigation

    def files(self, page: Page) -> Iterator[tuple[str, str]]:
        notebook = failed.read_failed(page.source) if page.error else read_notebook(page.source)
        if table := records.csv(page):
            records.fold(notebook, page, *table)
            yield records.csv_path(page), table[0]
        yield page.path, self._notebook(page, tidy(notebook))

    def _notebook(self, page: Page, notebook: dict) -> str:
        """The staged text: model and step in its title, what is near below it, what comes next at its foot."""
        experiment = self.contents.config.experiments[page.experiment]
        relink(notebook, self.contents, experiment.notebook, page.path)
        # Orphans stay out of the sidebar; hundreds of like pages would bury the chapters in the search.
        notebook["metadata"] |= {"orphan": True, "nosearch": True}
        again, ran = self._again(page, notebook), _ran(notebook)
        title, rest = split_title(notebook["cells"], markdown(experiment.title))
        apart = f", {code(page.parameters)}" if page.parameters else ""
        heading = f"# {title}: {code(page.model)}, step {page.step}{apart}"
        table = parameters.table(parameters.source_of(notebook), ran, again.explicit)
        notebook["cells"] = [
            *downloads.before_run(page),
            markdown_cell("page-title", heading),
            page_cell("page-navigation", self._above(page, again)),
            *([_failure(page, again)] if page.error else []),
            *_with_table(rest, table),
            *[page_cell("page-foot", foot) for foot in [self.navigation.foot(page)] if foot],
        ]
        return dump(notebook)

    def _again(self, page: Page, notebook: dict) -> Rerun:
        config = self.contents.config
        experiment = config.experiments[page.experiment]
        return rerun(config, experiment, page.of_model, page.step, page.stem, _ran(notebook))

    def _above(self, page: Page, again: Rerun) -> str:
        links = self.navigation.above(page, [*filter(None, [downloads.colab_link(page)])])
        book = f"in a [checkout of the book]({UP}/rerun.md)"
        told = f"To run this page again, {book}:"
        if not again.is_exact:
            told = f"`experiments.yml` has other parameters for this page now. To run it with those, {book}:"
        command = fenced(again.command, "bash")
        return f'{links}\n\n<div class="run-again">\n\n{told}\n\n{command}\n\n</div>'


def _ran(notebook: dict) -> dict:
    """The parameters that were put into a notebook when it ran."""
    told = notebook["metadata"].get("pythia", {}).get("parameters")
    return told if isinstance(told, dict) else {}


def _with_table(cells: Sequence[dict], table: str) -> Iterator[dict]:
    """The cells of a notebook, and the table of its parameters in place of their code, before all other."""
    place = next((n for n, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    for cell in cells:
        if has_tag(cell, "injected-parameters"):
            cell["metadata"]["tags"].append("remove-cell")
    yield from cells[:place]
    yield page_cell("page-parameters", table)
    yield from cells[place:]


def _failure(page: Page, again: Rerun) -> dict:
    rest = "Its numbers are in no figure of this book."
    if page.records.is_file():
        rest = "The figures of this book show the numbers of an earlier run of it, which went well."
    return failed.notice(page.error, again.command, rest)
