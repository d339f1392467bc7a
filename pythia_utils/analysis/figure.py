"""How a notebook shows a figure: a picture with a caption, a text alternative, and its numbers as CSV.

A function that draws says what its figure tells (`framed`). The figure is shown as any figure of a notebook is:
JupyterLab and GitHub show the picture, and the site makes a numbered `<figure>` with an anchor of it
(`site/figures.py`). What is no picture of matplotlib, a table of colours, is shown by `show_framed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.images import pictures
from pythia_utils.base.markup import plain

if TYPE_CHECKING:
    from collections.abc import MutableMapping

KIND = "application/vnd.pythia-book.figure+json"  # of the output that holds a `Frame`
VEGA = "application/vnd.vegalite.v5+json"  # Lab knows Vega-Lite up to version 5


@dataclass(frozen=True)
class Frame:
    """What stands around a picture.

    Attributes:
        alt: what is to be seen, in words, for those who do not see it: some 400 characters.
        caption: a short sentence.
        name: of the anchor, `figure-NAME`, in small letters with hyphens.
        csv: what was drawn, as CSV; empty where there is nothing to list.
    """

    alt: str
    caption: str = ""
    name: str = ""
    csv: str = ""

    @property
    def words(self) -> str:
        """What stands in the picture's place where no picture is shown."""
        return f"{self.caption} {self.alt}".strip()


_FRAMES: MutableMapping[Figure, Frame] = WeakKeyDictionary()
_CHARTS: MutableMapping[Figure, dict] = WeakKeyDictionary()


def framed(
    figure: Figure,
    alt: str = "",
    caption: str = "",
    name: str = "",
    data: pd.DataFrame | None = None,
    chart: dict[str, Any] | None = None,
) -> Figure:
    """Say what a figure tells; what is not given stays as it was said before.

    Args:
        figure: of matplotlib, drawn.
        alt: what is to be seen, in words.
        caption: a short sentence, as text.
        name: of its anchor; by default made of the caption.
        data: what is drawn, a row a mark.
        chart: a Vega-Lite specification of the same, which takes the picture's place where scripts run.

    Returns:
        The figure.
    """
    before = _FRAMES.get(figure, Frame(""))
    said = {"alt": plain(alt), "caption": plain(caption), "name": slug(name)}
    said["csv"] = as_csv(data) if data is not None else ""
    _FRAMES[figure] = replace(before, **{key: text for key, text in said.items() if text})
    if chart is not None:
        _CHARTS[figure] = chart
    return figure


def frame_of(figure: Figure) -> Frame:
    """What is said of a figure; of one that nobody told of, what can be read from it."""
    said = _FRAMES.get(figure, Frame(""))
    return replace(
        said, alt=said.alt or alt_text.of_axes(figure), name=said.name or slug(said.caption)
    )


def show_figure(figure: Figure, **said: Any) -> None:
    """Show a figure here and now, and say of it what `framed` takes."""
    import matplotlib.pyplot as plt
    from IPython.display import display

    display(framed(figure, **said))
    plt.close(figure)


def show_framed(content: Mapping[str, Any], frame: Frame) -> None:
    """Show what is no picture of matplotlib as a figure.

    Args:
        content: its forms by MIME type, such as `text/html`.
        frame: what stands around it.
    """
    from IPython.display import display

    display({**content, KIND: asdict(frame), "text/plain": frame.words}, raw=True)


def slug(text: str) -> str:
    """A name for an anchor: small letters, digits and hyphens, of some words.

    >>> slug("Loss (nats a token), by size")
    'loss-nats-a-token-by-size'
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words[:8])


def as_csv(data: pd.DataFrame) -> str:
    """A frame's rows as CSV, numbers in six digits."""
    return data.to_csv(index=False, float_format="%.6g", lineterminator="\n")


# --- what notebooks do with it --------------------------------------------------------------------


def bundle(figure: Figure) -> tuple[dict[str, Any], dict[str, Any]]:
    """A figure's output: its picture, what is said of it, and its chart if it has one; and their metadata.

    It is there as PNG, too: JupyterLab shows no SVG of a notebook that it does not trust, and previews of links
    no other kind.
    """
    frame, (picture, small) = frame_of(figure), pictures(figure)
    about = asdict(frame) | {"width": picture.width, "least": picture.least}
    shown = {"image/png": small} | {picture.kind: picture.data}
    shown |= {KIND: about, "text/plain": frame.words}
    if figure in _CHARTS:
        shown[VEGA] = _CHARTS[figure]
    alt = {"alt": frame.alt}
    return shown, {"image/png": alt, picture.kind: alt, **alt}


def show_with_frames() -> None:
    """Let this notebook show its figures so; without effect outside of one."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or "inline" not in matplotlib.get_backend():
        return
    import matplotlib_inline.backend_inline  # noqa: F401  it sets up its own way when it is imported

    for formatter in shell.display_formatter.formatters.values():
        formatter.pop(Figure, None)
    shell.display_formatter.mimebundle_formatter.for_type(Figure, bundle)
