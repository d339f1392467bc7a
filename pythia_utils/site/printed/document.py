"""One HTML document of a site's pages, for a browser to print: a title page, the contents, page after page.

Each page's text is in a `template`, as the site has it. `printed.js` puts it in its place when the browser has
loaded the document: links to what is printed lead on within the document, others to the site.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pythia_utils.base import yaml
from pythia_utils.base.markup import html, vega
from pythia_utils.site import citation
from pythia_utils.site.notebooks import SiteError
from pythia_utils.site.printed.contents import Part
from pythia_utils.site.sphinx_extension import SHOWN_SUITE
from pythia_utils.suites import catalog

PAPERS = {"a4": ("A4", "168mm"), "letter": ("letter", "173mm")}  # size, and the width of the text
_HERE = Path(__file__).parent
_FORMULAS = "_static/vendor/tex-svg-full.js"
_ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)


def anchor(page: str) -> str:
    """The name of a page's place in the document: `experiments-grammar`."""
    return re.sub(r"[^a-z0-9]+", "-", page.lower()).strip("-")


def document(
    root: Path, site: Path, parts: Sequence[Part], paper: str, numbers: Mapping[str, int]
) -> str:
    """The document's HTML.

    Args:
        root: the project's folder.
        site: the website's, whose style sheet, scripts and pictures it uses.
        parts: what is printed.
        paper: a key of `PAPERS`.
        numbers: on which sheet each page begins, by its `anchor`; those that are not known are left blank.

    Raises:
        SiteError: a page is not there, or has no text.
    """
    config = yaml.read(root / "_config.yml")
    told = {
        "base": config["html"]["baseurl"],
        "site": f"{site.resolve().as_uri()}/",
        "parts": [{"caption": part.caption, "pages": part.pages} for part in parts],
        "anchors": {page: anchor(page) for part in parts for page in part.pages},
        "numbers": dict(numbers),
    }
    templates = "\n".join(_template(site, page) for part in parts for page in part.pages)
    size, width = PAPERS[paper]
    style = (_HERE / "printed.css").read_text(encoding="utf-8")
    script = (_HERE / "printed.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{html(config["title"])}</title>
<link rel="stylesheet" href="{told["site"]}_static/bundle.css">
<style>@page {{ size: {size}; }} html {{ --text-width: {width}; }}
{style}</style>
<script>window.MathJax = {{"options": {{"processHtmlClass": "math"}}}};</script>
</head>
<body>
{_title_page(root, config)}
<nav id="contents"><p class="heading">Contents</p></nav>
<main class="bd-main"><div class="bd-content"><div class="bd-article-container"></div></div></main>
{templates}
<script type="application/json" id="told">{vega(told)}</script>
<script>{script}</script>
<script src="{told["site"]}{_FORMULAS}"></script>
</body>
</html>
"""


def _template(site: Path, page: str) -> str:
    path = site / f"{page}.html"
    if not path.is_file():
        raise SiteError(f"{path} is not there; build the site first: pythia book")
    found = _ARTICLE.search(path.read_text(encoding="utf-8"))
    if not found:
        raise SiteError(f"{path} has no article; build the site again: pythia book")
    return f"<template data-page={json.dumps(page)}>{found[1]}</template>"


def _title_page(root: Path, config: dict) -> str:
    """Title, edition, whose models it shows, licence, how to cite."""
    address = config["html"]["baseurl"]
    suite = catalog.suite(
        (root / "_build/source" / SHOWN_SUITE).read_text(encoding="utf-8").strip()
    )
    return f"""<header id="title">
<p class="title">{html(config["title"])}</p>
<p class="subtitle">Pythia language models, measured at every checkpoint</p>
<p>{html(config["author"])}</p>
<p>{html(citation.edition())}<br>Measured here: the suite <em>{html(suite.title)}</em>.</p>
<div class="imprint">
<p>The chapters, without the pages of single runs, without code and without what the site folds away. All of
that, and curves to question, are on the site: <a href="{html(address)}">{html(address)}</a></p>
<p>Licence of code and text: <a href="https://www.apache.org/licenses/LICENSE-2.0">Apache License 2.0</a>.</p>
<p>{html(config["html"]["extra_footer"].strip())}</p>
<p>To cite this book:</p>
<pre>{html(citation.book_entry(root))}</pre>
</div>
</header>"""
