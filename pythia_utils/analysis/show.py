"""Tables and figures as pages show them: what is in a frame is text, and no rows are told in words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import pandas as pd

from pythia_utils.base.markup import NO_MATHS, html, plain

if TYPE_CHECKING:
    from IPython.display import Markdown
    from matplotlib.figure import Figure

P = ParamSpec("P")
# What pandas writes for style sheets, and more of it than of the cells themselves: no page has one for it.
_NAMES = re.compile(
    r' (?:id="T_[^"]*"|class="(?:blank|col_heading|data|index_name|row_heading)\b[^"]*")'
)
_SPACE = re.compile(r"(?<=>)\s+(?=<)")
_NO_STYLE = re.compile(r"<style[^>]*>\s*</style>\s*")


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        source: its HTML.
    """

    source: str

    def _repr_html_(self) -> str:
        return self.source


def table(
    frame: pd.DataFrame,
    formats: str | Mapping[str, str] | None = None,
    caption: str = "",
    index: bool = False,
) -> Table | Markdown:
    """A frame as a table of a page, its names and texts escaped; a sentence if it has no rows.

    Args:
        frame: what to show; two digits after the point where no format is given.
        formats: of its numbers: of all, or by column.
        caption: a line above it.
        index: show the names of the rows.
    """
    if frame.empty:
        return words("These records hold nothing to list here.")
    if isinstance(formats, Mapping):
        formats = {_cell(name): text for name, text in formats.items()}
    escaped = frame.rename(columns=_cell, index=_cell).apply(lambda column: column.map(_cell))
    shown = escaped.style.format(formats, precision=2)
    shown = shown.set_table_attributes(f'class="{NO_MATHS}"')
    shown = shown if index else shown.hide(axis="index")
    shown = shown.set_caption(_cell(caption)) if caption else shown
    return Table(_light(shown.to_html()))


def _light(source: str) -> str:
    """The HTML of pandas without names of cells and without blanks between them: a third of it."""
    return _SPACE.sub("", _NAMES.sub("", _NO_STYLE.sub("", source))).replace(" >", ">")


def _cell(value: Any) -> Any:
    return html(plain(value)) if isinstance(value, str) else value


def or_words(draw: Callable[Concatenate[pd.DataFrame, P], Figure]) -> Callable[..., Figure | None]:
    """Let a figure of no rows be a sentence that says so."""

    @functools.wraps(draw)
    def drawn(frame: pd.DataFrame, *args: P.args, **kwargs: P.kwargs) -> Figure | None:
        if len(frame):
            return draw(frame, *args, **kwargs)
        from IPython.display import display

        display(words("These records hold nothing to draw here."))
        return None

    return drawn


def words(sentence: str) -> Markdown:
    """What notebooks show of a sentence of ours."""
    from IPython.display import Markdown

    return Markdown(sentence)


def told(sentence: str) -> Markdown:
    """A sentence below the figures that a cell has drawn: these are shown first."""
    import matplotlib.pyplot as plt

    plt.show()
    return words(sentence)
