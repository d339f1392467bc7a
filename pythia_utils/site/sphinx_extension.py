"""The book's Sphinx extension: scripts only where they are used, docstrings as they are written, and the
directive for text that is of some suites only:

    :::{for-suite} only-ours
    Shown where the site is of a suite that is trained here. The words are those of cells' tags.
    :::
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pythia_utils.base.markup import html
from pythia_utils.grid.parts import is_for
from pythia_utils.suites import catalog

SHOWN_SUITE = "suite.txt"  # among the staged files: the suite that the site shows
_AFTER_THE_OTHERS = 900  # Sphinx's own listeners have 500


def setup(app) -> dict:
    """Connect what this module does to Sphinx's events."""
    app.add_directive("for-suite", ForSuite)
    app.connect("config-inited", _without_vendored)
    app.connect("html-page-context", _title_as_text, _AFTER_THE_OTHERS)
    app.connect("autodoc-process-docstring", _colons_as_written, _AFTER_THE_OTHERS)
    app.connect("object-description-transform", _type_beside_what_returns, _AFTER_THE_OTHERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class ForSuite(SphinxDirective):
    """Its content, headings too, where the site's suite is one that the tags name; else nothing."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, "_executed", SHOWN_SUITE)
        self.env.note_dependency(str(path))  # another suite: the page is read again
        suite = catalog.suite(path.read_text(encoding="utf-8").strip())
        if not is_for(suite.kinds, self.arguments[0].split()):
            return []
        holder = nodes.Element()
        holder.document = self.state.document
        self.state.nested_parse(self.content, self.content_offset, holder, match_titles=True)
        return holder.children


def _without_vendored(app, config) -> None:
    """Keep Jupyter Book from loading the vendored scripts on every page."""
    own = [name for name in config.html_js_files if not str(name).startswith("vendor/")]
    config.html_js_files = sorted(own)


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
    """Put the type of what is returned behind its description, not behind the errors."""
    fields = {field[0].astext(): field for field in content.findall(nodes.field)}
    if "returns" in fields and "rtype" in fields:
        listed, kind = fields["returns"].parent, fields["rtype"]
        kind.parent.remove(kind)
        listed.insert(listed.index(fields["returns"]) + 1, kind)
