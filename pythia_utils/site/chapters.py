"""Executed chapters, and other pages that run, made ready for the book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pythia_utils.base.markup import markdown
from pythia_utils.grid import parts
from pythia_utils.site import cards, failed, folds
from pythia_utils.site.contents import Contents
from pythia_utils.site.links import relink
from pythia_utils.site.notebooks import dump, markdown_cell, read_notebook, split_title, tidy


def chapter(
    source: Path,
    original: Path,
    place: str,
    contents: Contents,
    above: Sequence[dict] = (),
    below: Sequence[dict] = (),
) -> str:
    """The staged text of a chapter or page, for a `place` among the staged files.

    Its links are right beside the notebook that was executed, `original`. Cells that are not for the
    suite are left out, of one that was not executed too. One that failed says why, below its title, and
    shows what ran before. The cells `above` begin it, and those `below` end it.
    """
    error = failed.fault(source)
    notebook = tidy(failed.read_failed(source) if error else read_notebook(source))
    notebook["cells"] = parts.of_suite(notebook["cells"], contents.suite.name)
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"]["tags"]:
            cell["metadata"]["tags"].append("hide-input")
    relink(notebook, contents, original, place)
    notebook = folds.named_code(folds.folded(cards.completed(notebook, _terms(contents))))
    if error:
        title, rest = split_title(notebook["cells"], markdown(source.parent.name))
        again = f"pythia book --suite {contents.suite.name}"
        told = failed.notice(error, again, "The rest of this page was made before.")
        notebook["cells"] = [markdown_cell("page-title", f"# {title}"), told, *rest]
    notebook["cells"] = [*above, *notebook["cells"], *below]
    return dump(notebook)


def _terms(contents: Contents) -> list[str]:
    """The terms of the book's glossary, if it has one."""
    page = contents.config.root / "book" / "glossary.md"
    return cards.terms_of(page.read_text(encoding="utf-8")) if page.is_file() else []


def title_of(source: Path, default: str) -> str:
    """The heading of an executed notebook; a default where it has none, or cannot be read."""
    return split_title(failed.read_failed(source)["cells"], default)[0]
