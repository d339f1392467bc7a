"""Tables as pages show them: what is in a frame is text, whatever it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.base.markup import NO_MATHS, html

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


def table(
    frame: pd.DataFrame,
    formats: str | Mapping[str, str] | None = None,
    caption: str = "",
    index: bool = False,
) -> Styler:
    """A frame as a table of a page, its names and texts escaped.

    Args:
        frame: what to show; two digits behind the point where no format is given.
        formats: of its numbers: of all, or by column.
        caption: a line above it.
        index: show the names of the rows.
    """
    shown = frame.style.format(formats, precision=2, escape="html")
    for axis in (0, 1):
        shown = shown.format_index(escape="html", axis=axis)
    shown = shown.set_table_attributes(f'class="{NO_MATHS}"')
    shown = shown if index else shown.hide(axis="index")
    return shown.set_caption(html(caption)) if caption else shown
