"""The book's Sphinx extension: vendored scripts stay off the pages that do not use them."""

from __future__ import annotations


def setup(app) -> dict:
    """As a Sphinx extension: keep Jupyter Book from loading the vendored scripts on every page."""

    def without_vendored(app, config) -> None:
        own = [name for name in config.html_js_files if not str(name).startswith("vendor/")]
        config.html_js_files = sorted(own)

    app.connect("config-inited", without_vendored)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
