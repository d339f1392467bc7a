"""What a screen reader hears of a page: repairs of the HTML that Sphinx, MyST-NB and pandas write.

Each repair answers a finding of axe (`tests/site/test_accessible.py`), and leaves what is to be seen as it was.
"""

from __future__ import annotations

import re

# A table's empty corner is announced as the heading of its column or row. A plain cell is not.
_EMPTY_HEADING = re.compile(r"<th\b([^>]*)>((?:\s|&nbsp;|&#160;|<p>\s*</p>)*)</th>")
_SCOPE = re.compile(r'\s+scope="\w+"')
# A button whose name is not what stands on it cannot be asked for by voice.
_NAME_OF_NOTHING = re.compile(r'(<summary\b[^>]*?) aria-label="Toggle hidden content"')
# Of docutils: a list whose only children are no items, with a role that the standard has given up.
_ROLES_OF_CITATIONS = (
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
    (' role="doc-biblioentry"', ""),
)


def repaired(body: str) -> str:
    """The HTML of a page's content with names for what has none, and no empty headings."""
    body = _EMPTY_HEADING.sub(_plain_cell, body)
    body = _NAME_OF_NOTHING.sub(r"\1", body)
    for given_up, kept in _ROLES_OF_CITATIONS:
        body = body.replace(given_up, kept)
    return body


def _plain_cell(heading: re.Match) -> str:
    return f"<td{_SCOPE.sub('', heading[1])}>{heading[2]}</td>"
