"""The chapters of a built site as one PDF: `_build/pythia-book.pdf`."""

from __future__ import annotations

from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write, locked
from pythia_utils.base.progress import say
from pythia_utils.base.units import show_size
from pythia_utils.site.build import OUTPUT
from pythia_utils.site.printed import browser, places
from pythia_utils.site.printed.contents import Part, parts
from pythia_utils.site.printed.document import document
from pythia_utils.site.sources import STAGED

NAME = "pythia-book.pdf"
_WORK = "pdf"  # below the output's folder: the document, and what the browser needs


def print_book(root: Path, paper: str, named: str | None = None) -> Path:
    """Print the site that was built last.

    It is printed twice: the table of contents needs the numbers of the first time.

    Args:
        root: the project's folder.
        paper: a key of `document.PAPERS`.
        named: the browser; by default the first that there is.

    Returns:
        The path of the PDF.

    Raises:
        UsageError: there is no site, or no browser.
        SiteError: the site lacks a page, or the browser wrote no PDF.
        FolderInUse: another process builds this site.
    """
    program, output = browser.find(named), root / OUTPUT
    if not (output / "html" / "index.html").is_file():
        raise UsageError(f"there is no site in {output / 'html'}; build it first: pythia book")
    with locked(output, "book"):
        toc = (root / STAGED / "_toc.yml").read_text(encoding="utf-8")
        return _printed(root, program, parts(toc), paper)


def _printed(root: Path, program: str, printed: list[Part], paper: str) -> Path:
    output = root / OUTPUT
    work, numbers, before = output / _WORK, {}, None
    work.mkdir(exist_ok=True)
    while numbers != before:
        before = numbers
        source, pdf = work / "book.html", work / NAME
        text = document(root, output / "html", printed, paper, numbers)
        source.write_text(text, encoding="utf-8")
        pdf.unlink(missing_ok=True)
        browser.print_pdf(program, source, pdf)
        numbers = places.sheets(pdf.read_bytes())
        say(f"printed: {show_size(pdf.stat().st_size)}")
    with atomic_write(output / NAME) as partial:
        partial.write_bytes(places.with_single_titles(pdf.read_bytes()))
    return output / NAME
