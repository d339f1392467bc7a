"""Exercises of sphinx-exercise in the book's way: numbered from 1 on each page, and no identifier twice.

An exercise is a directive in the text of a chapter. Its first line says how hard it is, how long it takes and
what it needs; the book's style sheet sets it in small print beside the title.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx_exercise.nodes import is_extension_node

_KIND = "exercise"  # among what Sphinx numbers
# Chapters, pages that run, and labels of exercises.
_OF_SOME_SITES = re.compile(r"/?(?:experiments|pages)/\w+|ex-[\w-]+")


def setup(app) -> None:
    """Connect what this module does to Sphinx's events."""
    app.connect("doctree-read", _contents_without_identifier)
    app.connect("write-started", _numbers_of_each_page)
    app.connect("missing-reference", _text_alone)


def _contents_without_identifier(app, doctree: nodes.document) -> None:
    """Each content is a section of one and the same identifier: make it a part of its exercise instead."""
    for node in doctree.findall(is_extension_node):
        for section in [child for child in node.children if isinstance(child, nodes.section)]:
            node.replace(section, nodes.container("", *section.children, is_div=True))


def _numbers_of_each_page(app, builder) -> None:
    """Count from 1 on each page, where Sphinx counts through the book; other things keep no number.

    The numbers are changed when the environment has been saved: what is saved is what Sphinx compares with.
    """
    numbers = builder.env.toc_fignumbers
    for name, kinds in numbers.items():
        numbers[name] = {
            _KIND: {label: (place,) for place, label in enumerate(kinds.get(_KIND, ()), start=1)}
        }


def _text_alone(app, env, node, text: nodes.Node) -> nodes.Node | None:
    """What a page says of a chapter or an exercise that this site does not have, in place of a link to it.

    A site shows the chapters that were run, and of each what is for its suite. A test finds names that no
    chapter has.
    """
    return text if _OF_SOME_SITES.fullmatch(node["reftarget"]) else None
