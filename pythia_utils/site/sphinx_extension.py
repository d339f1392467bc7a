"""The book's Sphinx extension: light pages that tell search engines what they are, docstrings as they are
written, and the directive for text that is of some suites only:

    :::{for-suite} only-ours
    Shown where the site is of a suite that is trained here. The words are those of cells' tags.
    :::
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from markupsafe import Markup
from sphinx.util.docutils import SphinxDirective

from pythia_utils.base.markup import html
from pythia_utils.grid.parts import is_for
from pythia_utils.site import assets, citation, exercises, figures, head
from pythia_utils.site.accessible import repaired
from pythia_utils.site.downloads import to_take_away
from pythia_utils.site.finish import RUNS
from pythia_utils.site.issue_links import IssueLinks
from pythia_utils.site.model_numbers import without_html
from pythia_utils.site.model_pages import FOLDER
from pythia_utils.site.notebooks import dump, read_notebook, without_page_only
from pythia_utils.suites import catalog

NOT_FOUND = "404"
NOTEBOOKS = ("experiments/", "pages/")  # chapters, and other pages that run
_SOURCES = (".py", ".html", ".js")
SHOWN_SUITE = "parts/suite.txt"  # among the staged files: the suite that the site shows
_BEFORE_THE_OTHERS, _AFTER_THE_OTHERS = 100, 900  # Sphinx's own listeners have 500


def setup(app) -> dict:
    """Connect what this module does to Sphinx's events."""
    app.add_directive("for-suite", ForSuite)
    app.add_post_transform(IssueLinks)
    exercises.setup(app)
    figures.setup(app)
    app.connect("config-inited", _own_templates_and_scripts)
    app.connect("builder-inited", _runs_out_of_the_search)
    one_sidebar = functools.partial(_one_sidebar_of_runs, {})
    app.connect("html-page-context", one_sidebar, _BEFORE_THE_OTHERS)
    app.connect("html-page-context", _title_as_text, _AFTER_THE_OTHERS)
    app.connect("html-page-context", _head_and_foot, _AFTER_THE_OTHERS)
    app.connect("html-page-context", _one_bundle, _AFTER_THE_OTHERS)
    app.connect("html-page-context", _light_download, _AFTER_THE_OTHERS)
    app.connect("html-page-context", _named_and_headed, _AFTER_THE_OTHERS)
    app.connect("autodoc-process-docstring", _colons_as_written, _AFTER_THE_OTHERS)
    app.connect("object-description-transform", _type_beside_what_returns, _AFTER_THE_OTHERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": _version()}


def _version() -> int:
    """A number that an edit of this room changes: all pages are made anew then."""
    paths = sorted(p for p in Path(__file__).parent.rglob("*.*") if p.suffix in _SOURCES)
    return int(hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12], 16)


class ForSuite(SphinxDirective):
    """Its content, headings too, where the site's suite is one that the tags name; else nothing."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, SHOWN_SUITE)
        self.env.note_dependency(str(path))  # another suite: the page is read again
        suite = catalog.suite(path.read_text(encoding="utf-8").strip())
        if not is_for(suite.kinds, self.arguments[0].split()):
            return []
        holder = nodes.Element()
        holder.document = self.state.document
        self.state.nested_parse(self.content, self.content_offset, holder, match_titles=True)
        return holder.children


def _own_templates_and_scripts(app, config) -> None:
    """The theme's templates and the search's order as ours change them; few pages load what is in folders."""
    templates = Path(__file__).with_name("templates")
    config.templates_path.append(str(templates))
    config.html_search_scorer = str(templates / "search_scorer.js")
    config.html_js_files = sorted(name for name in config.html_js_files if "/" not in str(name))
    config.html_css_files = [name for name in config.html_css_files if "/" not in str(name)]


def _runs_out_of_the_search(app) -> None:
    """Hundreds of like pages, or only their titles, would bury the chapters; so would tables of numbers."""
    if hasattr(app.builder, "index_page"):
        index = app.builder.index_page

        def of_words(name: str, doctree: nodes.document, title: str) -> None:
            if not _is_run(name):
                index(name, _without_numbers(doctree) if _is_of_a_model(name) else doctree, title)

        app.builder.index_page = of_words


def _without_numbers(doctree: nodes.document) -> nodes.document:
    """A copy without the charts and tables of published numbers: each number would be a word to find."""
    copy = doctree.deepcopy()
    for raw in [*copy.findall(nodes.raw)]:
        raw.parent.remove(raw)
    return copy


def _is_of_a_model(pagename: str) -> bool:
    return pagename.startswith(f"{FOLDER}/")


def _is_run(pagename: str) -> bool:
    return pagename.startswith(f"{RUNS}/")


def _head_and_foot(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Canonical address and link preview of a page that has a source; the edition in the foot of each."""
    context["edition"], context["page_base"] = _edition(), ""
    base = app.config.html_baseurl
    if pagename == NOT_FOUND:
        context["page_base"] = urlsplit(base).path
    if doctree is None or pagename == NOT_FOUND:
        context["pageurl"] = None
        return
    if pagename == app.config.root_doc:
        context["pageurl"] = base
    title, image = Markup(context["title"]).striptags(), head.picture(doctree)
    told = head.description(doctree) or title
    address = context["pageurl"]
    context["metatags"] += head.tags(title, told, address, base + image, app.config.html_title)


@functools.cache
def _edition() -> str:
    return citation.edition()


def _one_bundle(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Leave out of a page's list what is in the bundle, and formulas' script where there is no formula."""
    own = Path(app.srcdir, "_static")
    context["bundle_version"] = assets.version(own)
    context["css_files"] = [file for file in context["css_files"] if not _is_bundled(file, own)]
    scripts = [file for file in context["script_files"] if not _is_bundled(file, own)]
    if doctree is None or not any(doctree.findall(_is_formula)):
        scripts = [file for file in scripts if not _is_for_formulas(file)]
    context["script_files"] = [_inlined(file, Path(app.outdir)) for file in scripts]


def _is_bundled(file, own: Path) -> bool:
    return bool(file.filename) and assets.bundled(str(file.filename), own)


def _inlined(file, site: Path):
    """The script itself; of a few lines that all others wait for, its text."""
    if str(file.filename) != "_static/documentation_options.js":
        return file
    body = Path(site, file.filename).read_text(encoding="utf-8")
    return type(file)(None, priority=file.priority, body=body)


def _is_formula(node: nodes.Node) -> bool:
    return isinstance(node, nodes.math | nodes.math_block)


def _is_for_formulas(file) -> bool:
    return "tex-svg" in str(file.filename) or "window.MathJax" in file.attributes.get("body", "")


def _one_sidebar_of_runs(
    made: dict, app, pagename: str, templatename: str, context: dict, doctree
) -> None:
    """Runs' pages are in no table of contents: those of one depth have one sidebar, made for the first."""
    if not _is_run(pagename):
        return
    make = context["toctree"]

    def toctree(**options: object) -> str:
        key = pagename.count("/"), *sorted(options.items())
        if key not in made:
            made[key] = make(**options)
        return made[key]

    context["toctree"] = toctree


def _light_download(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """The source that such a page offers is without what the page itself shows: figures, records, numbers."""
    name, lighter = context.get("sourcename"), _lighter(pagename)
    if name and lighter:
        path = Path(app.outdir, "_sources", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lighter(Path(app.env.doc2path(pagename))), encoding="utf-8")
        context["sourcename"] = ""  # or Sphinx would write all of it


def _lighter(pagename: str) -> Callable[[Path], str] | None:
    """What makes the source that a page offers from the whole one, where the two differ."""
    if _is_run(pagename):
        return lambda path: dump(to_take_away(read_notebook(path)))
    if pagename.startswith(NOTEBOOKS):
        return lambda path: dump(without_page_only(read_notebook(path)))
    if _is_of_a_model(pagename):
        return lambda path: without_html(path.read_text(encoding="utf-8"))
    return None


def _named_and_headed(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Repair what a screen reader would be told wrongly of a page's content."""
    if "body" in context:
        context["body"] = repaired(context["body"])


def _title_as_text(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Escape the title that the theme sets above a page in print: its template puts it there as HTML."""
    if "pagetitle" in context:
        context["pagetitle"] = html(context["pagetitle"])


def _colons_as_written(app, what, name, obj, options, lines: list[str]) -> None:
    """Undo what Napoleon makes of `Token ids: a row a sequence`: no type stands there, annotations tell it."""
    for taken, line in enumerate(lines):
        field, _, before = line.partition(": ")
        if field in (":rtype", ":type"):
            told = ":returns: " if field == ":rtype" else ""
            place = next(n for n, text in enumerate(lines) if text.startswith(told))
            lines[place] = f"{told}{before}: {lines[place].removeprefix(told)}"
            lines[taken] = ""


def _type_beside_what_returns(app, domain: str, objtype: str, content: nodes.Element) -> None:
    """Put the type of what is returned after its description, not after the errors."""
    fields = {field[0].astext(): field for field in content.findall(nodes.field)}
    if "returns" in fields and "rtype" in fields:
        listed, kind = fields["returns"].parent, fields["rtype"]
        kind.parent.remove(kind)
        listed.insert(listed.index(fields["returns"]) + 1, kind)
