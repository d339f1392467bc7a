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
from pythia_utils.base.schemas import parse
from pythia_utils.grid import parts
from pythia_utils.grid.config import BookPage, Config, Experiment
from pythia_utils.suites import catalog

STAGED = Path("book", "_executed")
REPOSITORY = "https://github.com/pythia-book/pythia-book"
# A Markdown link to a file: no scheme, no bare anchor.
_LINK = re.compile(r"(?<=\]\()(?P<target>[^\s()#:]+)(?=[)#])")


class SiteError(Exception):
    """The site cannot be built; the message says what is wrong, where, and what to do."""


def link(config: Config, target: str, original: Path, staged: Path) -> str:
    """Where a link of a notebook must lead on the site.

    A link may be right beside the notebook's source (`original`), so that it works in JupyterLab, or
    beside the staged copy, so that it can name generated pages. The former becomes the latter.

    Raises:
        SiteError: the link leads to no file of the project.
    """
    all_staged = config.root / STAGED
    places = {each.chapter: chapter_path(each) for each in config.experiments.values()}
    places |= {page.notebook: page_path(page) for page in config.pages.values()}
    path = Path(os.path.normpath(original.parent / target))
    path = all_staged / places[path] if path in places else path
    if path.is_relative_to(config.root / "book") and _exists(path, all_staged):
        return Path(os.path.relpath(path, staged.parent)).as_posix()
    if path.is_relative_to(config.root) and path.exists():
        return f"{REPOSITORY}/blob/main/{path.relative_to(config.root).as_posix()}"
    if _exists(Path(os.path.normpath(staged.parent / target)), all_staged):
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
        source: `runs/<suite>/<experiment>/<model>/stepNNNNNN.ipynb`, or `stepNNNNNN@PARAMETERS.ipynb`.
        parameters: those that set it apart, as its name has them; empty for a usual cell.
    """

    experiment: str
    model: str
    step: int
    source: Path
    parameters: str = ""

    @property
    def path(self) -> str:
        """Its place among the staged files; the same below the site's folder, as .html."""
        return "cells/" + "/".join(self.source.parts[-4:])


_PAGE = re.compile(r"step(?P<step>\d+)(?:@(?P<parameters>.+))?\.ipynb")


def pages_below(folder: Path, experiment: str, model: str) -> list[Page]:
    """The pages of a model's executed notebooks, by step, usual cells before others; failed ones aside."""
    found = [
        Page(experiment, model, int(match["step"]), path, match["parameters"] or "")
        for path in folder.glob("step*.ipynb")
        if (match := _PAGE.fullmatch(path.name)) and not path.name.endswith(".failed.ipynb")
    ]
    return sorted(found, key=lambda page: (page.step, page.parameters))


def read_notebook(path: Path) -> dict:
    """A notebook's JSON.

    Raises:
        SiteError: the file is not a notebook.
    """
    try:
        return parse(path.read_bytes(), {"cells": [dict], "metadata": dict})
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SiteError(f"{path} is not a notebook: {plain(error)}") from None


def chapter(source: Path, original: Path, place: str, config: Config, suite: str) -> str:
    """The staged text of a chapter or page, for a `place` below `book/_executed/`.

    Its links are right beside the notebook that was executed, `original`. Cells that are not for the
    suite are left out, of one that was not executed too.
    """
    notebook = _tidy(read_notebook(source))
    notebook["cells"] = parts.of_suite(notebook["cells"], suite)
    _relink(notebook, config, original, config.root / STAGED / place)
    return _dump(notebook)


def cell_page(page: Page, pages: Sequence[Page], config: Config) -> str:
    """The staged text of a cell: model and step in its title, links to its neighbours below."""
    experiment = config.experiments[page.experiment]
    notebook = _tidy(read_notebook(page.source))
    _relink(notebook, config, experiment.notebook, config.root / STAGED / page.path)
    # Orphans stay out of the sidebar; hundreds of like pages would bury the chapters in the search.
    notebook["metadata"] |= {"orphan": True, "nosearch": True}
    title, rest = _split_title(notebook["cells"], markdown(experiment.title))
    apart = f", {code(page.parameters)}" if page.parameters else ""
    heading = _markdown("page-title", f"# {title}: {code(page.model)}, step {page.step}{apart}")
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


def _relink(notebook: dict, config: Config, original: Path, staged: Path) -> None:
    """Let links, which are right beside the notebook's source, be right beside the staged copy."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = _LINK.sub(lambda m: link(config, m["target"], original, staged), text)


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
    """Links to the chapter, to this model's nearby steps, and to other sizes at this step.

    Pages with other parameters are not among them.
    """
    key = (page.experiment, page.parameters)
    alike = [other for other in pages if (other.experiment, other.parameters) == key]
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
    own = sorted((other for other in alike if other.model == page.model), key=lambda o: o.step)
    here = own.index(page)
    links = [f"[← step {one.step}]({one.source.name})" for one in own[max(here - 1, 0) : here]]
    links += [f"**step {page.step}**"]
    links += [f"[step {one.step} →]({one.source.name})" for one in own[here + 1 : here + 2]]
    return " · ".join(links)


def _same_run(one: Page, other: Page) -> bool:
    """Whether their models differ in nothing but their size."""
    kinds = [(m.variant, m.version, m.seed_name) for m in map(_model, (one, other))]
    return kinds[0] == kinds[1]


def _model(page: Page) -> catalog.Model:
    return catalog.find_model(page.model)


def _size_link(other: Page, page: Page) -> str:
    if other.model == page.model:
        return f"**{markdown(other.model)}**"
    return f"[{markdown(other.model)}](../{other.model}/{other.source.name})"
