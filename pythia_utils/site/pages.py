"""Executed notebooks made ready for the book: title, links to nearby runs, links that hold.

Nothing here writes a file: `pythia_utils.site.build` does, with the text that these functions return.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pythia_utils.base.markup import code, markdown
from pythia_utils.grid import parts
from pythia_utils.grid.config import BookPage, Config, Experiment
from pythia_utils.grid.failures import SUFFIX
from pythia_utils.site import failed
from pythia_utils.site.contents import Contents
from pythia_utils.site.notebooks import (
    SiteError,
    dump,
    markdown_cell,
    read_notebook,
    split_title,
    tidy,
)
from pythia_utils.site.sources import STAGED, is_staged
from pythia_utils.suites import catalog

REPOSITORY = "https://github.com/pythia-book/pythia-book"
# A Markdown link to a file: no scheme, no bare anchor.
_LINK = re.compile(r"(?<=\]\()(?P<target>[^\s()#:]+)(?P<rest>(?:#[^\s()]*)?\))")
_LABEL = re.compile(r"[\w-]+")
_ELSEWHERE = "(not on this site)"


# --- links ----------------------------------------------------------------------------------------


def link(contents: Contents, target: str, original: Path, staged: Path) -> str:
    """Where a link of a notebook must lead on the site, beside its staged copy.

    It is right beside the notebook's source (`original`), so that it works in JupyterLab. It may name a
    generated page, as if that lay in `book/`.

    Raises:
        SiteError: the link leads to no file of the project.
    """
    root, places = contents.config.root, _places(contents.config)
    book, path = root / "book", Path(os.path.normpath(original.parent / target))
    if path in contents.notebooks:
        place = Path(places[path])
    elif (
        path not in places and path.is_relative_to(book) and is_staged(path.relative_to(book), book)
    ):
        place = path.relative_to(book)
    elif path.is_relative_to(root) and path.exists():
        return _in_the_repository(path, root)
    elif _LABEL.fullmatch(target):
        return target  # a place that some page names: Sphinx knows whether there is one
    else:
        raise SiteError(f"{original} links to {target}, which is not there")
    return Path(os.path.relpath(root / STAGED / place, staged.parent)).as_posix()


def _places(config: Config) -> dict[Path, str]:
    """The sources of all chapters and pages, and where each is among the staged files if it is there."""
    places = {e.chapter: chapter_path(e) for e in config.experiments.values() if e.chapter}
    return places | {page.notebook: page_path(page) for page in config.pages.values()}


def _in_the_repository(path: Path, root: Path) -> str:
    return f"{REPOSITORY}/blob/main/{path.relative_to(root).as_posix()}"


def relinked(text: str, contents: Contents, original: Path, staged: Path) -> str:
    """A text whose links are right beside the notebook's source, as it is right beside the staged copy.

    What this site does not have, a chapter that has not been run, say, is a link to the repository, and
    the text says so.
    """
    away = _places(contents.config).keys() - contents.notebooks

    def changed(match: re.Match) -> str:
        target = link(contents, match["target"], original, staged)
        if Path(os.path.normpath(original.parent / match["target"])) in away:
            return f"{target}) {_ELSEWHERE}"
        return target + match["rest"]

    return _LINK.sub(changed, text)


def _relink(notebook: dict, contents: Contents, original: Path, staged: Path) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relinked("".join(cell["source"]), contents, original, staged)


# --- chapters, and other pages that run -----------------------------------------------------------


def chapter_path(experiment: Experiment) -> str:
    """The place of an experiment's chapter among the staged files."""
    return f"experiments/{experiment.name}.ipynb"


def page_path(page: BookPage) -> str:
    """The place of a page that runs among the staged files."""
    return f"pages/{page.name}.ipynb"


def chapter(
    source: Path, original: Path, place: str, contents: Contents, below: Sequence[dict] = ()
) -> str:
    """The staged text of a chapter or page, for a `place` among the staged files.

    Its links are right beside the notebook that was executed, `original`. Cells that are not for the
    suite are left out, of one that was not executed too. One that failed says why, below its title, and
    shows what ran before. The cells `below` end it.
    """
    error = failed.fault(source)
    notebook = tidy(failed.read_failed(source) if error else read_notebook(source))
    notebook["cells"] = parts.of_suite(notebook["cells"], contents.suite.name)
    _relink(notebook, contents, original, contents.config.root / STAGED / place)
    if error:
        title, rest = split_title(notebook["cells"], markdown(source.parent.name))
        again = f"pythia book --suite {contents.suite.name}"
        told = failed.notice(error, again, "The rest of this page was made before.")
        notebook["cells"] = [markdown_cell("page-title", f"# {title}"), told, *rest]
    notebook["cells"] += below
    return dump(notebook)


def title_of(source: Path, default: str) -> str:
    """The heading of an executed notebook; a default where it has none, or cannot be read."""
    return split_title(failed.read_failed(source)["cells"], default)[0]


# --- cells of the grid ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """The executed notebook of one cell of the grid, or the one that was kept when it failed.

    Attributes:
        experiment: the experiment's name.
        model: the model's name.
        step: the checkpoint's step.
        source: `runs/<suite>/<experiment>/<model>/stepNNNNNN.ipynb`, or `stepNNNNNN@PARAMETERS.ipynb`.
        parameters: those that set it apart, as its name has them; empty for a usual cell.
        error: why it failed, in one line; empty if it ran well.
    """

    experiment: str
    model: str
    step: int
    source: Path
    parameters: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """Of its file, whether it failed or not."""
        return f"{self.source.name.removesuffix(SUFFIX).removesuffix('.ipynb')}.ipynb"

    @property
    def path(self) -> str:
        """Its place among the staged files; the same below the site's folder, as .html."""
        return "cells/" + "/".join([*self.source.parts[-4:-1], self.name])


_PAGE = re.compile(r"step(?P<step>\d+)(?:@(?P<parameters>.+))?")


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
        if (match := _PAGE.fullmatch(name))
    ]
    return sorted(found, key=lambda page: (page.step, page.parameters))


def cell_page(page: Page, nearby: Neighbours, contents: Contents) -> str:
    """The staged text of a cell: model and step in its title, links to its neighbours below."""
    experiment = contents.config.experiments[page.experiment]
    notebook = tidy(failed.read_failed(page.source) if page.error else read_notebook(page.source))
    _relink(notebook, contents, experiment.notebook, contents.config.root / STAGED / page.path)
    # Orphans stay out of the sidebar; hundreds of like pages would bury the chapters in the search.
    notebook["metadata"] |= {"orphan": True, "nosearch": True}
    title, rest = split_title(notebook["cells"], markdown(experiment.title))
    apart = f", {code(page.parameters)}" if page.parameters else ""
    heading = f"# {title}: {code(page.model)}, step {page.step}{apart}"
    links = markdown_cell("page-navigation", _navigation(page, nearby, experiment))
    told = [_failure(page, contents)] if page.error else []
    notebook["cells"] = [markdown_cell("page-title", heading), links, *told, *rest]
    return dump(notebook)


def _failure(page: Page, contents: Contents) -> dict:
    records = page.source.with_name(page.name).with_suffix(".parquet")
    rest = "Its numbers are in no figure of this book."
    if records.is_file():
        rest = "The figures of this book show the numbers of an earlier run of it, which went well."
    again = f"pythia run {page.experiment} --suite {contents.suite.name}"
    again += f" --model {page.model} --step {page.step}"
    return failed.notice(page.error, again, rest)


@dataclass
class Neighbours:
    """Which pages are near which: those of one experiment, and of the same parameters.

    Attributes:
        pages: all of them.
    """

    pages: Sequence[Page]
    _by_model: dict[tuple, list[Page]] = field(default_factory=dict)
    _by_step: dict[tuple, list[Page]] = field(default_factory=dict)
    _places: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for page in sorted(self.pages, key=lambda page: page.step):
            alike = (page.experiment, page.parameters)
            own = self._by_model.setdefault((*alike, page.model), [])
            self._places[page.source] = len(own)
            own.append(page)
        for page in self.pages:
            key = (page.experiment, page.parameters, page.step, _kind(page))
            self._by_step.setdefault(key, []).append(page)

    def steps(self, page: Page) -> tuple[list[Page], list[Page]]:
        """The page of the step before of the same model, if any, and that of the step after."""
        own = self._by_model[page.experiment, page.parameters, page.model]
        here = self._places[page.source]
        return own[max(here - 1, 0) : here], own[here + 1 : here + 2]

    def sizes(self, page: Page) -> list[Page]:
        """Those of the same step whose models differ in nothing but their size, itself among them."""
        return self._by_step[page.experiment, page.parameters, page.step, _kind(page)]


def _kind(page: Page) -> tuple[str, str, str]:
    model = catalog.find_model(page.model)
    return model.variant, model.version, model.seed_name


def _navigation(page: Page, nearby: Neighbours, experiment: Experiment) -> str:
    """Links to the chapter, to this model's nearby steps, and to other sizes at this step.

    Pages with other parameters are not among them.
    """
    up = "../../../.."
    back = [f"Chapter: [{markdown(experiment.title)}]({up}/{chapter_path(experiment)})"]
    back = back if experiment.chapter else []
    before, behind = nearby.steps(page)
    steps = [f"[← step {one.step}]({one.name})" for one in before] + [f"**step {page.step}**"]
    steps += [f"[step {one.step} →]({one.name})" for one in behind]
    lines = [" · ".join([*back, f"[All runs]({up}/runs.md)"]), " · ".join(steps)]
    if len(sizes := nearby.sizes(page)) > 1:
        lines.append(" · ".join(_size_link(other, page) for other in sizes))
    body = "\\\n".join(lines)
    return f'<nav class="page-nav" aria-label="Nearby runs">\n\n{body}\n\n</nav>'


def _size_link(other: Page, page: Page) -> str:
    if other.model == page.model:
        return f"**{markdown(other.model)}**"
    return f"[{markdown(other.model)}](../{other.model}/{other.name})"
