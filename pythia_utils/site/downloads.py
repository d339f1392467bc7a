"""Notebooks as readers take them away: what comes first in them, and what stays on the page.

A run's notebook begins with a cell that installs the package where it is missing, in Colab say, and trains
or fetches what the notebook opens. A chapter's begins with the commands that make its records. Both are
tagged `remove-cell`: the page does not show them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import metadata

from pythia_utils.base.markup import address, code, fenced
from pythia_utils.base.sources import published_commit
from pythia_utils.grid.config import BookPage, Experiment
from pythia_utils.grid.records import MIME
from pythia_utils.site.cells.page import Page
from pythia_utils.site.links import REPOSITORY
from pythia_utils.site.notebooks import markdown_cell, without_figures, without_page_only
from pythia_utils.suites import catalog
from pythia_utils.suites.models import Model

BRANCH = "colab"  # of the repository: what `.ci/publish-notebooks` puts there is what Colab opens
_COLAB = "https://colab.research.google.com/github"
_PACKAGE, _NEWEST = "pythia-book", "main"
# Requirements of the package that run notebooks over a grid and build the book, and are no notebook's own.
# A service that runs notebooks has its own of most of them, and breaks if they change below it.
_NOT_A_NOTEBOOKS = {"fonttools", "ipykernel", "ipywidgets", "jupyter-book", "jupyter-client"}
_NOT_A_NOTEBOOKS |= {"myst-nb", "nbclient", "nbformat", "papermill", "sphinx-exercise"}


# --- the first cells ------------------------------------------------------------------------------


def before_run(page: Page) -> list[dict]:
    """The cells that begin a run's notebook: how to run it in words, and the cell that makes it ready."""
    told = (
        "**To run this notebook**, in Colab or in a Jupyter of your own, run the next cell first. It installs "
        f"the book's package where that is missing and {_what_it_gets(page.of_model)}. If Colab then offers to "
        "restart the session, for some library was in memory already, accept, and run all cells again. Numbers "
        "may differ in their last digits from those of the page, which has PyTorch of one version."
    )
    cell = {
        "cell_type": "code",
        "id": "get-ready",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": get_ready(page.of_model, page.step),
    }
    return [_hidden(markdown_cell("how-to-run", told)), _hidden(cell)]


def _what_it_gets(model: Model) -> str:
    if model.is_trained_here:
        return (
            f"trains {code(model.name)}, which takes from some seconds to some minutes on two cores"
        )
    if model.repo_id:
        return f"fetches the checkpoint of {code(model.name)} from the Hugging Face Hub"
    return (
        f"prints what is known of {code(model.name)}, whose suite's file `PYTHIA_SUITES` must name"
    )


def get_ready(model: Model, step: int) -> str:
    """The code that installs the package where it is missing, and gets what a run of this model opens."""
    wanted = " ".join(f'"{each}"' for each in requirements(model.suite))
    return "\n".join(
        [
            "import importlib.util",
            "import sys",
            "",
            'if importlib.util.find_spec("pythia_utils") is None:',
            f'    %pip install --no-deps "git+{REPOSITORY}@{_NEWEST}"',
            f"    %pip install {wanted}",
            f'!"{{sys.executable}}" -m pythia_utils.cli.main {_getting(model, step)}',
        ]
    )


def _getting(model: Model, step: int) -> str:
    """What to tell the command `pythia`."""
    if model.is_trained_here:
        return shlex.join(["train", model.suite, "--models", model.name])
    if model.repo_id:
        return shlex.join(["fetch", model.name, "--steps", str(step)])
    return shlex.join(["suites", model.name])


@cache
def requirements(suite: str) -> list[str]:
    """What notebooks need besides the package itself: its own list, less what runs them and builds the book.

    PyTorch is asked for in any version: where there is one, it stays.
    """
    listed = [text.partition(";") for text in metadata.requires(_PACKAGE) or ()]
    found = {}
    for text, _, marker in listed:
        name = re.match(r"[\w.-]+", text)[0]
        if "extra" not in marker or re.search(rf"extra == .{re.escape(suite)}.", marker):
            found[name] = "torch" if name == "torch" else text.strip()
    return [text for name, text in found.items() if name not in _NOT_A_NOTEBOOKS]


def before_chapter(page: Experiment | BookPage, suite: catalog.Suite, profile: str | None) -> dict:
    """The cell that begins a chapter's notebook, or another page's that runs: how to get what it reads.

    Args:
        page: the experiment of the chapter, or the page.
        suite: whose records are shown.
        profile: the suite's; None where it has none.
    """
    first = (f"git clone {REPOSITORY}", "cd pythia-book", "make setup", "source .venv/bin/activate")
    lines = "\n".join([*first, *_making(page, suite, profile)])
    told = (
        f"**To run this notebook**, first get what it reads. In a terminal:\n\n{fenced(lines, 'bash')}\n\n"
        "Then open it with a Jupyter of that environment in that folder, or from anywhere with `PYTHIA_RUNS` "
        "set to the folder `runs` there. Of what is made already nothing is made again."
    )
    return _hidden(markdown_cell("how-to-run", told))


def _making(
    page: Experiment | BookPage, suite: catalog.Suite, profile: str | None
) -> Iterator[str]:
    """Commands that train models and make records, as far as a page needs them."""
    experiments = (page.name,) if isinstance(page, Experiment) else page.records
    if suite.kind == "local" and not getattr(page, "data", ()):
        yield f"pythia train {suite.name}"
    if experiments:
        grid = f"--profile {profile}" if profile else f"--suite {suite.name}"
        yield f"pythia run {' '.join(experiments)} {grid}"


def _hidden(cell: dict) -> dict:
    cell["metadata"]["tags"] = ["remove-cell"]
    return cell


# --- Colab ----------------------------------------------------------------------------------------


def colab_link(page: Page) -> str:
    """A link, as HTML, that opens a run's notebook in Colab; empty for a suite of your own, which it lacks."""
    if page.of_model.own:
        return ""
    repository = REPOSITORY.removeprefix("https://github.com/")
    place = f"{_COLAB}/{repository}/blob/{BRANCH}/{address(*page.path.split('/'))}"
    return f'<a class="run-colab" href="{place}" rel="external noopener">Open in Colab</a>'


# --- what is offered ------------------------------------------------------------------------------


def to_take_away(notebook: dict) -> dict:
    """A run's notebook as its page offers it: without figures and what is the page's, its package pinned.

    Its records are the page's CSV, and its own again when it has run.
    """
    notebook = without_page_only(notebook)
    for cell in notebook["cells"]:
        if cell.get("id") == "get-ready":
            cell["source"] = _pinned("".join(cell["source"]))
        if cell.get("outputs"):
            cell["outputs"] = [
                out for out in cell["outputs"] if MIME not in (out.get("data") or {})
            ]
    return without_figures(notebook)


def _pinned(source: str) -> str:
    """The package as it is now and not as it will be, if the repository has that."""
    return source.replace(f'@{_NEWEST}"', f'@{published_commit() or _NEWEST}"')
