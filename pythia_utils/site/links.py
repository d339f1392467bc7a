"""Where chapters and pages are on the site, and what the links of their notebooks become there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pythia_utils.grid.config import BookPage, Config, Experiment
from pythia_utils.site.contents import Contents
from pythia_utils.site.notebooks import SiteError
from pythia_utils.site.sources import STAGED, is_staged

REPOSITORY = "https://github.com/pythia-book/pythia-book"
# A Markdown link to a file: no scheme, no bare anchor.
_LINK = re.compile(r"(?<=\]\()(?P<target>[^\s()#:]+)(?P<rest>(?:#[^\s()]*)?\))")
_LABEL = re.compile(r"[\w-]+")
_ELSEWHERE = "(not on this site)"


def chapter_path(experiment: Experiment) -> str:
    """The place of an experiment's chapter among the staged files."""
    return f"experiments/{experiment.name}.ipynb"


def page_path(page: BookPage) -> str:
    """The place of a page that runs among the staged files."""
    return f"pages/{page.name}.ipynb"


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


def relink(notebook: dict, contents: Contents, original: Path, place: str) -> None:
    """Make the links of a notebook's text right for its `place` among the staged files."""
    staged = contents.config.root / STAGED / place
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relinked("".join(cell["source"]), contents, original, staged)
