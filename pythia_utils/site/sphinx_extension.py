"""The book's Sphinx extension: scripts only where they are used, docstrings as they are written."""

from __future__ import annotations

from docutils import nodes

_AFTER_THE_OTHERS = 900  # Sphinx's own listeners have 500


def setup(app) -> dict:
    """Connect what this module does to Sphinx's events."""
    app.connect("config-inited", _without_vendored)
    app.connect("autodoc-process-docstring", _colons_as_written, _AFTER_THE_OTHERS)
    app.connect("object-description-transform", _type_beside_what_returns, _AFTER_THE_OTHERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _without_vendored(app, config) -> None:
    """Keep Jupyter Book from loading the vendored scripts on every page."""
    own = [name for name in config.html_js_files if not str(name).startswith("vendor/")]
    config.html_js_files = sorted(own)


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
