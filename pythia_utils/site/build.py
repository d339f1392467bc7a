"""From executed notebooks to the website: `stage` copies them, `build` renders.

Staging puts the whole book in one folder, `_build/source/`, whose paths are the pages' addresses: the
hand-written pages of `book/`, and the executed notebooks of one suite: chapters in `experiments/`, other
pages that run in `pages/`, each cell of the grid in `cells/<suite>/<experiment>/<model>/`. What failed has a
page that says so. A file is written only if its content changes, so that Sphinx renders only what is new.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pythia_utils.base import children
from pythia_utils.base.files import atomic_write, locked, within
from pythia_utils.base.progress import say
from pythia_utils.base.terminal import show
from pythia_utils.grid.config import BookPage, Experiment
from pythia_utils.grid.failures import SUFFIX
from pythia_utils.grid.status import SuiteStatus
from pythia_utils.site import (
    cards,
    chapters,
    citation,
    downloads,
    finish,
    live,
    model_pages,
    run_pages,
    status_page,
    tables,
)
from pythia_utils.site.cells.page import Page
from pythia_utils.site.contents import Contents
from pythia_utils.site.links import chapter_path, page_path, relinked
from pythia_utils.site.model_numbers import Numbers
from pythia_utils.site.notebooks import SiteError
from pythia_utils.site.sources import STAGED, as_written, hand_written
from pythia_utils.site.sphinx_extension import SHOWN_SUITE

OUTPUT = "_build"
NONE: Mapping[str, Numbers] = MappingProxyType({})
VENDOR = Path("book", "_static", "vendor")
SCRIPTS = ("tex-svg-full.js", "vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
_SPHINXS = {"genindex", "search"}  # pages that have no source
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROBLEM = re.compile(r"\b(WARNING|ERROR|CRITICAL|SEVERE): |[a-z] error:|^\w*(Error|Exception): ")


def publish(
    contents: Contents, status: SuiteStatus, numbers: Mapping[str, Numbers] = NONE
) -> tuple[Path, dict[str, str]]:
    """Stage and render what a site shows. A notebook that failed does not stop it: its page says so.

    The project's folder has `book/` and `_config.yml`.

    Args:
        contents: what it shows.
        status: of the suite's runs.
        numbers: what others published of each real model, by its name.

    Returns:
        The path of the front page; and why each page failed that did, by its place among the staged files.

    Raises:
        SiteError: a chapter was not run, or the build has warnings.
        FolderInUse: another process builds this site, of other runs maybe.
    """
    root = contents.config.root
    with locked(root / OUTPUT, "book"):
        pages = stage(contents, status, numbers)
        front = build(root)
        live.publish(contents.suite, front.parent / "_static")
    return front, {page.path: page.error for page in pages if page.error}


def stage(
    contents: Contents, status: SuiteStatus, numbers: Mapping[str, Numbers] = NONE
) -> list[Page]:
    """Make `_build/source/` hold the book: hand-written pages, executed notebooks, pages made from them.

    Files that would not change are left alone; files whose source is gone are removed.

    Returns:
        The cells' pages, in the order of the grid.

    Raises:
        SiteError: an experiment's chapter, or another page, has not been run for this suite.
    """
    root = contents.config.root
    staged = root / STAGED
    if not within(staged, root):
        raise SiteError(f"{staged} leads out of {root}; remove the link")
    pages = list(_pages(contents))
    kept = set()
    for name, text in _files(contents, pages, status, numbers):
        data = text.encode() if isinstance(text, str) else text
        path = staged / name
        kept.add(path)
        if not path.is_file() or path.read_bytes() != data:
            with atomic_write(path) as partial:
                partial.write_bytes(data)
    for name in hand_written(root / "book"):
        kept.add(staged / name)
        _copy_changed(root / "book" / name, staged / name)
    _remove_others(staged, kept)
    return pages


def _pages(contents: Contents) -> Iterator[Page]:
    for experiment in contents.experiments:
        for model in contents.suite.models:
            folder = contents.folder / experiment.name / model
            yield from run_pages.pages_below(folder, experiment.name, model)


def _files(
    contents: Contents,
    pages: Sequence[Page],
    status: SuiteStatus,
    numbers: Mapping[str, Numbers],
) -> Iterator[tuple[str, str | bytes]]:
    """Every file that staging makes: its place, and its text or bytes."""
    suite, experiments, root = contents.suite, contents.experiments, contents.config.root
    titles: dict[str, str] = {}
    told: dict[str, cards.Card] = {}
    for experiment in experiments:
        if experiment.chapter:
            place = chapter_path(experiment)
            source = _executed_chapter(contents, experiment)
            titles[experiment.name] = chapters.title_of(source, experiment.title)
            first = downloads.before_chapter(experiment, suite, status.profile)
            cited = citation.below_chapter(root, experiment.name, titles[experiment.name])
            around = ([first], [cited])
            text = chapters.chapter(source, experiment.chapter, place, contents, *around)
            told[experiment.name] = cards.card_of(json.loads(text))
            yield place, text
    for page in contents.pages:
        place, source = page_path(page), _executed_page(contents, page)
        first = downloads.before_chapter(page, suite, status.profile)
        yield place, chapters.chapter(source, page.notebook, place, contents, [first])
    yield from run_pages.files(contents, pages)
    yield "runs.md", tables.all_runs(suite, experiments, pages)
    yield "parts/gallery.md", cards.gallery(experiments, titles, told)
    yield from cards.thumbnails(told)
    yield "parts/shown_suite.md", tables.shown_suite(suite, pages)
    yield "parts/suite_tables.md", tables.suite_tables(suite)
    yield "parts/citation.md", citation.page_part(root, titles)
    yield from _of_models(contents, numbers)
    yield SHOWN_SUITE, f"{suite.name}\n"
    yield "status.md", status_page.status_page(contents, status)
    template = (root / "book" / "_toc.yml").read_text(encoding="utf-8")
    names = [page.name for page in contents.pages]
    yield "_toc.yml", tables.table_of_contents(template, experiments, names, model_pages.names())


def _of_models(contents: Contents, numbers: Mapping[str, Numbers]) -> Iterator[tuple[str, str]]:
    """The pages of the real models, whose links are right on this site."""
    root = contents.config.root
    for name, text in model_pages.files(numbers, contents.config):
        if name.endswith(".md"):
            text = relinked(text, contents, root / "book" / name, root / STAGED / name)
        yield name, text


def _executed_chapter(contents: Contents, experiment: Experiment) -> Path:
    hint = f"run it first: pythia book --suite {contents.suite.name}"
    return _executed(contents, f"chapter of {experiment.name!r}", experiment, hint)


def _executed_page(contents: Contents, page: BookPage) -> Path:
    """The executed page; of a suite that has nothing for it, its source, without outputs."""
    suite = contents.suite.name
    models, hint = page.models_of(suite), f"run: pythia book --suite {suite}"
    own = [model for model in models if model.repo_id is None]
    if own:
        command = f"pythia train {suite} --models {own[0].name}"
        hint = f"train a model of it first: {command}"
    elif not page.data and not any(_kept(contents, page)):
        return page.notebook
    return _executed(contents, f"page {page.name!r}", page, hint)


def _kept(contents: Contents, page: Experiment | BookPage) -> Iterator[Path]:
    """What there is of a page: the notebook of its failure, then the executed one."""
    for name in (f"chapter{SUFFIX}", "chapter.ipynb"):
        path = contents.folder / page.name / name
        if path.is_file():
            yield path


def _executed(contents: Contents, what: str, page: Experiment | BookPage, hint: str) -> Path:
    path = next(_kept(contents, page), None)
    if path is None:
        place = contents.folder / page.name / "chapter.ipynb"
        suite = contents.suite.name
        missing = f"the {what} has not been run for suite {suite!r} ({place} is not there)"
        raise SiteError(f"{missing}; {hint}")
    return path


def _remove_others(folder: Path, kept: set[Path]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or (path.is_file() and path not in kept):
            path.unlink()  # the link itself: what it leads to is not ours
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def build(root: Path) -> Path:
    """Render the staged book with Jupyter Book, warnings as errors; progress goes to stderr.

    Returns:
        The path of the front page, `_build/html/index.html`.

    Raises:
        SiteError: Jupyter Book has warnings (the message holds each), or a script is not there.
    """
    if missing := [name for name in SCRIPTS if not (root / VENDOR / name).is_file()]:
        raise SiteError(f"{VENDOR / missing[0]} is not there; run: python book/fetch_assets.py")
    output = root / OUTPUT
    output.mkdir(exist_ok=True)
    unfinished = output / ".unfinished"
    if unfinished.exists():
        # Sphinx does not read again what it has read, and so would not warn about it a second time.
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
    unfinished.touch()
    started = time.monotonic()
    if problems := _run_jupyter_book(root):
        raise SiteError("\n".join(["Jupyter Book stopped:", *(f"  {line}" for line in problems)]))
    _remove_stale(root / STAGED, output / "html")
    _copy_all_changed(root / STAGED / "_static", output / "html" / "_static")
    _copy_all_changed(root / STAGED / finish.RUNS, output / "html" / finish.RUNS, "*.csv")
    finish.finish(output / "html", root / STAGED / "_static", output / "aside")
    unfinished.unlink()
    say(f"site built in {time.monotonic() - started:.1f} s")
    return output / "html" / "index.html"


def _run_jupyter_book(root: Path) -> list[str]:
    """Run it; return its warnings and errors, or its last lines if it failed without one."""
    toc = (root / STAGED / "_toc.yml").absolute()
    options = ("--config", "_config.yml", "--toc", str(toc), "--path-output", ".")
    options += ("-W", "-n", "--keep-going")
    # `jupyter-book` has no `python -m`, and its script may be another interpreter's.
    place = ("jupyter_book.cli.main", "main")
    command = children.command(*place, "build", str(STAGED), *options, parent=os.getpid())
    environment = os.environ | {"PYTHONUTF8": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    lines, shown = [], ""
    with subprocess.Popen(
        command, cwd=root, env=environment, encoding="utf-8", errors="replace", **pipes
    ) as process:
        try:
            for line in process.stdout:
                lines.append(_COLOUR.sub("", line).rstrip())
                shown = _progress(lines[-1], shown)
        except BaseException:  # Ctrl-C that reached us alone
            process.kill()
            raise
    if process.returncode == 0:
        return []
    problems = [line for line in lines if _PROBLEM.search(line)] or lines[-15:]
    return [as_written(line, root.absolute()) for line in problems]


def _progress(line: str, shown: str) -> str:
    """Show Sphinx's long phases: on a terminal as they advance, elsewhere once each.

    Returns:
        What has been shown last.
    """
    match = re.match(r"(reading sources|writing output)\.\.\. +\[ *(\d+)%\]", line)
    if not match or (match[2] != "100" and not sys.stderr.isatty()):
        return shown
    text = f"{match[1]} {match[2]:>3}%"
    if text != shown:
        show(text, sys.stderr, end="\n" if match[2] == "100" else "\r")
    return text


def _remove_stale(staged: Path, html: Path) -> None:
    """Remove pages and downloads whose source is not staged any more: Sphinx leaves them."""
    kept = {path.relative_to(staged).with_suffix("") for path in staged.rglob("*.*")}
    own = ((html, "*.html"), (html, f"{finish.RUNS}/**/*.csv"), (html / "_sources", "*.*"))
    for folder, kind in own:
        for path in sorted(folder.rglob(kind)):
            name = path.relative_to(folder).with_suffix("")
            if name not in kept and name.parts[0] != "_static" and str(name) not in _SPHINXS:
                path.unlink()
    for folder in sorted((path for path in html.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _copy_all_changed(source: Path, target: Path, pattern: str = "*.*") -> None:
    """Copy files that differ: of style sheets and scripts Sphinx does not when no page has changed."""
    for path in source.rglob(pattern):
        if path.is_file():
            _copy_changed(path, target / path.relative_to(source))


def _copy_changed(source: Path, copy: Path) -> None:
    if not (copy.is_file() and filecmp.cmp(source, copy, shallow=False)):
        with atomic_write(copy) as partial:
            shutil.copyfile(source, partial)
