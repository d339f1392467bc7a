"""`P#205`, as errata cite the issues of EleutherAI's repository of Pythia, becomes a link to that issue."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ISSUES = "https://github.com/EleutherAI/pythia/issues/"
_NAME = re.compile(r"\bP#(\d{1,6})\b")
_TAG = re.compile(r"(<[^>]*>)")
_NOT_IN = (nodes.reference, nodes.literal, nodes.literal_block, nodes.title, nodes.raw)
_NOT_IN_TAGS = re.compile(r"<(/?)(a|script|style|title|textarea|code|pre)\b", re.IGNORECASE)


class IssueLinks(SphinxPostTransform):
    """Links in a page's text, and in the tables that notebooks made as HTML."""

    default_priority = 900  # when outputs have become nodes

    def run(self, **_: object) -> None:
        """Change the page's document."""
        for text in [*self.document.findall(nodes.Text)]:
            if "P#" in text and not _is_inside(text, _NOT_IN):
                text.parent.replace(text, _linked(str(text)))
        for raw in [*self.document.findall(nodes.raw)]:
            if "P#" in raw.astext() and "html" in raw.get("format", ""):
                raw.replace_self(nodes.raw("", in_html(raw.astext()), **raw.attributes))


def _is_inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def _linked(text: str) -> list[nodes.Node]:
    parts: list[nodes.Node] = []
    for index, part in enumerate(_NAME.split(text)):
        if index % 2:
            parts.append(nodes.reference("", f"P#{part}", refuri=f"{ISSUES}{part}"))
        elif part:
            parts.append(nodes.Text(part))
    return parts


def in_html(text: str) -> str:
    """The same HTML, each issue's name in its text a link; not within links, code, attributes and the like."""
    parts, inside = _TAG.split(text), 0
    for index, part in enumerate(parts):
        if match := _NOT_IN_TAGS.match(part):
            inside += -1 if match[1] else 1
        elif not index % 2 and not inside:
            parts[index] = _NAME.sub(
                rf'<a class="reference external" href="{ISSUES}\1">P#\1</a>', part
            )
    return "".join(parts)
