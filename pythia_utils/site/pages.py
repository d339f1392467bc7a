"""Executed notebooks made ready for the book: title, links to nearby runs, links that hold.

Nothing here writes a file: `pythia_utils.site.build` does, with the text that these functions return.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.markup import code, markdown, plain
from pythia_utils.grid.config import BookPage, Experiment
from pythia_utils.suites import catalog

STAGED = Path("book", "_executed")
REPOSITORY = "https://github.com/pythia-book/pythia-book"
# A Markdown link to a file: no scheme, no bare anchor.
_LINK = re.compile(r"(?<=\]\()(?P<target>[^\s()#:]+)(?=[)#])")


class SiteError(Exception):
    """The site cannot be built; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Book:
    """Where things are: the project's folder, its experiments and its other pages that run.

    Attributes:
        root: the project's folder, absolute.
        experiments: by name, in the order of experiments.yml.
        pages: by name, in the same order.
    """

    root: Path
    experiments: dict[str, Experiment]
    pages: dict[str, BookPage]

    @property
    def staged(self) -> Path:
        """The folder of staged files."""
        return self.root / STAGED

    def link(self, target: str, original: Path, staged: Path) -> str:
        """Where a link of a notebook must lead on the site.

        A link may be right beside the notebook's source, so that it works in JupyterLab, or beside
        the staged copy, so that it can name generated pages. The former becomes the latter.

        Args:
            target: the link as written.
            original: path of the notebook's source.
            staged: path of the staged notebook.

        Raises:
            SiteError: the link leads to no file of the project.
        """
        path = Path(os.path.normpath(original.parent / target))
        for experiment in self.experiments.values():
            if path == experiment.chapter:
                path = self.staged / chapter_path(experiment)
        for page in self.pages.values():
            if path == page.notebook:
                path = self.staged / page_path(page)
        if path.is_relative_to(self.root / "book") and _exists(path, self.staged):
            return Path(os.path.relpath(path, staged.parent)).as_posix()
        if path.is_relative_to(self.root) and path.exists():
            return f"{REPOSITORY}/blob/main/{path.relative_to(self.root).as_posix()}"
        if _exists(Path(os.path.normpath(staged.parent / target)), self.staged):
            return target
        raise SiteError(f"{original} links to {target}, which is not there")


def _exists(path: Path, staged: Path) -> bool:
    """Staged files count as there: some are not written yet, and Sphinx checks their links."""
    return path.exists() or path.is_relative_to(staged)


def chapter_path(experiment: Experiment) -> str:
    """The place of an experiment's chapter among the staged files."""
    return f"experiments/{experiment.name}.ipynb"


def page_path(page: BookPage) -> str:
    """The place of a page that runs among the staged files."""
    return f"pages/{page.name}.ipynb"


@dataclass(frozen=True)
class Page:
    """The executed notebook of one cell of the grid.

    Attributes:
        experiment: the experiment's name.
        model: the model's name.
        step: the checkpoint's step.
        source: `runs/<suite>/<experiment>/<model>/stepNNNNNN.ipynb`.
    """

    experiment: str
    model: str
    step: int
    source: Path

    @property
    def path(self) -> str:
        """Its place among the staged files; the same below the site's folder, as .html."""
        return "cells/" + "/".join(self.source.parts[-4:])


def read_notebook(path: Path) -> dict:
    """A notebook's JSON.

    Raises:
        SiteError: the file is not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"], notebook["metadata"]
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(f"{path} is not a notebook: {plain(error)}") from None
    return notebook


def chapter(source: Path, original: Path, place: str, book: Book) -> str:
    """The staged text of a chapter or page.

    Args:
        source: the executed notebook.
        original: the notebook that was executed, beside which its links are right.
        place: of the staged file, below `book/_executed/`.
        book: where its links may lead.
    """
    notebook = _tidy(read_notebook(source))
    _relink(notebook, book, original, book.staged / place)
    return _dump(notebook)


def cell_page(page: Page, pages: Sequence[Page], book: Book) -> str:
    """The staged text of a cell: model and step in its title, links to its neighbours below."""
    experiment = book.experiments[page.experiment]
    notebook = _tidy(read_notebook(page.source))
    _relink(notebook, book, experiment.notebook, book.staged / page.path)
    # Orphans stay out of the sidebar; hundreds of like pages would bury the chapters in the search.
    notebook["metadata"] |= {"orphan": True, "nosearch": True}
    title, rest = _split_title(notebook["cells"], markdown(experiment.title))
    heading = _markdown("page-title", f"# {title}: {code(page.model)}, step {page.step}")
    links = _markdown("page-navigation", _navigation(page, pages, experiment))
    notebook["cells"] = [heading, links, *rest]
    return _dump(notebook)


def _tidy(notebook: dict) -> dict:
    """Drop papermill's comment, as the page has a title for it; tag the watermark's cell."""
    for cell in notebook["cells"]:
        tags = cell.setdefault("metadata", {}).setdefault("tags", [])
        source = "".join(cell["source"])
        if "injected-parameters" in tags:
            cell["source"] = re.sub(r"\A# Parameters\n", "", source)
        elif cell["cell_type"] == "code" and re.search(r"^[\w.]*watermark\(", source, re.MULTILINE):
            cell["metadata"]["tags"] = list(dict.fromkeys([*tags, "watermark", "remove-input"]))
    return notebook


def _relink(notebook: dict, book: Book, original: Path, staged: Path) -> None:
    """Let links, which are right beside the notebook's source, be right beside the staged copy."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = _LINK.sub(lambda m: book.link(m["target"], original, staged), text)


def _split_title(cells: list[dict], default: str) -> tuple[str, list[dict]]:
    """The notebook's heading, and its cells without it."""
    first = cells[0] if cells else {}
    text = "".join(first["source"]) if first.get("cell_type") == "markdown" else ""
    match = re.match(r"\s*# +(?P<title>[^\n]+)\n*", text)
    if not match:
        return default, cells
    remaining = text[match.end() :]
    return match["title"].strip(), ([first | {"source": remaining}] if remaining else []) + cells[
        1:
    ]


def _markdown(identity: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": identity, "metadata": {}, "source": text}


def _dump(notebook: dict) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _navigation(page: Page, pages: Sequence[Page], experiment: Experiment) -> str:
    """Links to the chapter, to this model's nearby steps, and to other sizes at this step."""
    alike = [other for other in pages if other.experiment == page.experiment]
    up = "../../../.."
    back = [f"Chapter: [{markdown(experiment.title)}]({up}/{chapter_path(experiment)})"]
    back = back if experiment.chapter else []
    lines = [" · ".join([*back, f"[All runs]({up}/runs.md)"]), _step_links(page, alike)]
    sizes = [other for other in alike if other.step == page.step and _same_run(other, page)]
    if len(sizes) > 1:
        lines.append(" · ".join(_size_link(other, page) for other in sizes))
    body = "\\\n".join(lines)
    return f'<nav class="page-nav" aria-label="Nearby runs">\n\n{body}\n\n</nav>'


def _step_links(page: Page, alike: list[Page]) -> str:
    steps = sorted(other.step for other in alike if other.model == page.model)
    here = steps.index(page.step)
    links = [f"[← step {step}](step{step:06d}.ipynb)" for step in steps[max(here - 1, 0) : here]]
    links += [f"**step {page.step}**"]
    links += [f"[step {step} →](step{step:06d}.ipynb)" for step in steps[here + 1 : here + 2]]
    return " · ".join(links)


def _same_run(one: Page, other: Page) -> bool:
    """Whether their models differ in nothing but their size."""
    kinds = [(m.variant, m.version, m.seed) for m in map(_model, (one, other))]
    return kinds[0] == kinds[1]


def _model(page: Page) -> catalog.Model:
    return catalog.find_model(page.model)


def _size_link(other: Page, page: Page) -> str:
    if other.model == page.model:
        return f"**{markdown(other.model)}**"
    return f"[{markdown(other.model)}](../{other.model}/step{other.step:06d}.ipynb)"
