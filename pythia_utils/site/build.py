"""From executed notebooks to the website: `gate` checks, `stage` copies them, `build` renders.

The book's sources are the hand-written pages in `book/` and the executed notebooks of one suite,
which staging copies to `book/_executed/`: chapters to `experiments/`, other pages that run to
`pages/`, each cell of the grid to `cells/<suite>/<experiment>/<model>/`. A file is written only if its
content changes, so that Sphinx renders only what is new.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pythia_utils.base import children
from pythia_utils.base.files import atomic_write, is_partial, locked, within
from pythia_utils.base.markup import plain
from pythia_utils.base.progress import say
from pythia_utils.base.terminal import show
from pythia_utils.grid.config import BookPage, Config, Experiment
from pythia_utils.grid.records import runs_dir
from pythia_utils.grid.status import SuiteStatus
from pythia_utils.site import pages as site_pages
from pythia_utils.site import status_page, tables
from pythia_utils.site.pages import STAGED, Page, SiteError
from pythia_utils.suites import catalog

OUTPUT = "_build"
VENDOR = Path("book", "_static", "vendor")
SCRIPTS = ("tex-svg-full.js", "vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
_SHOWN = {"text/html", "text/markdown", "text/latex", "text/plain"}
_SHOWN |= {"image/svg+xml", "image/png", "image/jpeg"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROBLEM = re.compile(r"\b(WARNING|ERROR|CRITICAL|SEVERE): |[a-z] error:|^\w*(Error|Exception): ")


def publish(config: Config, suite: str, status: SuiteStatus) -> Path:
    """Check, stage and render a suite's executed notebooks; the path of the front page.

    The project's folder has `book/` and `_config.yml`.

    Raises:
        SiteError: a notebook failed, a chapter was not run, or the build has warnings.
        UsageError: unknown suite.
        FolderInUse: another process builds this site, of other runs maybe.
    """
    gate(config.root, suite)
    with locked(config.root / OUTPUT, "book"):
        stage(config, suite, status)
        return build(config.root)


def gate(root: Path, suite: str) -> None:
    """Refuse to go on if a notebook of the suite failed or holds an error.

    Jupyter Book would publish such a page without a warning.

    Raises:
        SiteError: names each such notebook and the last line of its error.
    """
    folder = runs_dir(root) / catalog.suite(suite).name
    paths = sorted(path for path in folder.glob("**/*.ipynb") if not is_partial(path))
    faults = {path: _fault(path) for path in paths}
    lines = [
        f"  {path.relative_to(folder.parent)}: {text}" for path, text in faults.items() if text
    ]
    if lines:
        count = "1 notebook" if len(lines) == 1 else f"{len(lines)} notebooks"
        raise SiteError("\n".join([f"{count} failed, so no site was built:", *lines]))


def _fault(path: Path) -> str | None:
    """What is wrong with a notebook: the last line of its error, say. None if it can be shown."""
    notebook = site_pages.read_notebook(path)
    for output in (o for cell in notebook["cells"] for o in cell.get("outputs", ())):
        if output["output_type"] == "error":
            message = f"{output.get('ename')}: {output.get('evalue')}"
            return plain(message.strip().splitlines()[-1])
        if "data" in output and not _SHOWN & set(output["data"]):
            return f"an output holds only {', '.join(output['data'])}, which no page can show"
    broken = notebook["metadata"].get("papermill", {}).get("exception")
    return "did not run to its end" if broken or path.name.endswith(".failed.ipynb") else None


def stage(config: Config, suite: str, status: SuiteStatus) -> list[Page]:
    """Make `book/_executed/` hold the suite's executed notebooks and the pages made from them.

    Files that would not change are left alone; files whose source is gone are removed.

    Returns:
        The cells' pages, in the order of the grid.

    Raises:
        SiteError: an experiment's chapter, or another page, has not been run for this suite.
        UsageError: unknown suite.
    """
    shown, staged = catalog.suite(suite), config.root / STAGED
    if not within(staged, config.root):
        raise SiteError(f"{staged} leads out of {config.root}; remove the link")
    folder = runs_dir(config.root) / shown.name
    pages = list(_pages(folder, shown, config))
    kept = set()
    told = ("status.md", status_page.status_page(config, shown.name, status))
    for name, text in [*_files(folder, shown, config, pages), told]:
        path = staged / name
        kept.add(path)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with atomic_write(path) as partial:
                partial.write_text(text, encoding="utf-8")
    _remove_others(staged, kept)
    return pages


def _pages(folder: Path, suite: catalog.Suite, config: Config) -> Iterator[Page]:
    for experiment in config.experiments:
        for model in suite.models:
            yield from site_pages.pages_below(folder / experiment / model, experiment, model)


def _files(
    folder: Path, suite: catalog.Suite, config: Config, pages: Sequence[Page]
) -> Iterator[tuple[str, str]]:
    """Every staged file: its path below `book/_executed/`, and its text."""
    experiments = list(config.experiments.values())
    for experiment in experiments:
        if experiment.chapter:
            source = _executed_chapter(folder, suite, experiment, config)
            place = site_pages.chapter_path(experiment)
            yield place, site_pages.chapter(source, experiment.chapter, place, config, suite.name)
    for other in config.pages.values():
        place, source = site_pages.page_path(other), _executed_page(folder, suite, other)
        yield place, site_pages.chapter(source, other.notebook, place, config, suite.name)
    for page in pages:
        yield page.path, site_pages.cell_page(page, pages, config)
    yield "runs.md", tables.all_runs(suite, experiments, pages)
    yield "chapters.md", tables.chapter_list(experiments)
    yield "suite_tables.md", tables.suite_tables(suite)
    template = (config.root / "book" / "_toc.yml").read_text(encoding="utf-8")
    yield "_toc.yml", tables.table_of_contents(template, experiments, list(config.pages))


def _executed_chapter(
    folder: Path, suite: catalog.Suite, experiment: Experiment, config: Config
) -> Path:
    """The executed chapter; of an experiment that the suite's profiles leave out, its source if need be."""
    there = (folder / experiment.name / "chapter.ipynb").is_file()
    if not there and config.leaves_out(suite.name, experiment.name):
        return experiment.chapter
    hint = f"run it first: pythia run {experiment.name}"
    return _executed(folder, suite, f"chapter of {experiment.name!r}", experiment, hint)


def _executed_page(folder: Path, suite: catalog.Suite, page: BookPage) -> Path:
    """The executed page; of a suite that has nothing for it, its source, without outputs."""
    models, hint = page.models_of(suite.name), f"run: pythia book --suite {suite.name}"
    if models:
        command = f"pythia train {suite.name} --models {models[0].name}"
        hint = f"train a model of it first: {command}"
    elif not page.data and not (folder / page.name / "chapter.ipynb").is_file():
        return page.notebook
    return _executed(folder, suite, f"page {page.name!r}", page, hint)


def _executed(
    folder: Path, suite: catalog.Suite, what: str, page: Experiment | BookPage, hint: str
) -> Path:
    path = folder / page.name / "chapter.ipynb"
    if not path.is_file():
        missing = f"the {what} has not been run for suite {suite.name!r} ({path} is not there)"
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
    _copy_changed(root / "book" / "_static", output / "html" / "_static")
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
    command = children.command(*place, "build", "book", *options, parent=os.getpid())
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
    return [line for line in lines if _PROBLEM.search(line)] or lines[-15:]


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
    for folder in (html / staged.name, html / "_sources" / staged.name):
        files = (path for path in folder.rglob("*.*") if path.is_file())
        _remove_others(folder, {p for p in files if p.relative_to(folder).with_suffix("") in kept})


def _copy_changed(source: Path, target: Path) -> None:
    """Copy style sheets and scripts that differ: Sphinx does not when no page has changed."""
    for path in source.rglob("*.*"):
        copy = target / path.relative_to(source)
        if path.is_file() and not (copy.is_file() and filecmp.cmp(path, copy, shallow=False)):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
