"""Figures as light pictures: SVG, sharp at every size, or where that would be heavy a PNG of few colours.

A line chart as SVG is a tenth of a sharp PNG of it, as a host sends it. A PNG of at most 256 colours is a third
of one that keeps sixteen million: those of smooth edges that are left out differ from what stands for them by
less than an eye sees, by `NEAR` of 255 at the most, or all colours are kept.
"""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from PIL.Image import Image

NEAR = 16
SHARP = 220  # dots an inch of a PNG in an SVG's place: two for each pixel of a page
_SMALL = 80  # dots an inch of a PNG for where no SVG is shown
_FEW = 48  # colours of such a PNG
_PIXELS = 110 / 72  # of a page for each point of a figure
_LEGIBLE = 11  # pixels, of the smallest text
_HEAVY = 200_000  # bytes of SVG that are compared with a PNG
# Text stays text, in a face that has DejaVu's widths where a reader has no DejaVu.
_FACE = "'DejaVu Sans', 'Bitstream Vera Sans', Verdana, sans-serif"
_LONG = re.compile(r'(?<= )(d|x|y|points)="[^"]*"')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_TAG = re.compile(r"<[^>]*>")  # of SVG, in which neither texts nor attributes have a bare `>`
# Numbers of what is drawn, to which nothing refers, and turns by no angle.
_UNUSED = re.compile(r'(?<=<g) id="\w+?(?:\.\w+)*_\d+"| transform="rotate\(-?0 [^)]*\)"')


@dataclass(frozen=True)
class Picture:
    """A figure as pages show it.

    Attributes:
        kind: its MIME type.
        data: SVG as text, or a PNG.
        width: pixels of a page that it takes where there is room.
        least: pixels that its smallest text needs to be legible; on a narrower page it scrolls.
    """

    kind: str
    data: str | bytes
    width: int
    least: int


def pictures(figure: Figure) -> tuple[Picture, bytes]:
    """A figure as pages show it, and as a small PNG for where no SVG is shown, drawn once for each.

    Returns:
        SVG, or a sharp PNG if that is the lighter one to send, without white margins; and a PNG of few colours
        with them.
    """
    small, edges = _small_png(figure)
    text = light_svg(figure, edges)
    width = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1])
    sizes = {"width": round(width * _PIXELS), "least": round(width * _LEGIBLE / _smallest(figure))}
    if len(text) > _HEAVY:
        png = light_png(figure, dpi=SHARP)
        if len(png) < len(gzip.compress(text.encode())):
            return Picture("image/png", png, **sizes), small
    return Picture("image/svg+xml", text, **sizes), small


def _small_png(figure: Figure) -> tuple[bytes, Bbox]:
    """A PNG of few colours, and the edges of what is drawn, in inches; the figure keeps its layout."""
    from PIL import Image

    drawn, dpi = io.BytesIO(), figure.dpi
    figure.set_dpi(_SMALL)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    edges = figure.get_tightbbox(canvas.get_renderer()).padded(plt.rcParams["savefig.pad_inches"])
    figure.set_layout_engine("none")
    figure.set_dpi(dpi)
    full = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    full.quantize(_FEW, dither=Image.Dither.NONE).save(drawn, format="PNG")
    return drawn.getvalue(), edges


def light_svg(figure: Figure, edges: Bbox) -> str:
    """A figure as SVG whose text is text, without what only a program that edits it would need.

    Args:
        figure: to draw.
        edges: what of it to show, in inches.
    """
    drawn = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "figure"}
    with plt.rc_context(settings):
        figure.savefig(drawn, format="svg", bbox_inches=edges, metadata={"Date": None})
    text = drawn.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return _with_classes(_TAG.sub(lambda tag: _light_tag(tag[0]), re.sub(r">\s+<", "><", text)))


def _light_tag(tag: str) -> str:
    """A tag with two decimals and readers' typefaces, without matplotlib's numbers of what it draws."""
    tag = _LONG.sub(lambda place: " ".join(_DIGITS.sub(r"\1", place[0]).split()), tag)
    return _UNUSED.sub("", re.sub(r"'DejaVu Sans'(, [^;\"]*)?", _FACE, tag))


def _with_classes(text: str) -> str:
    """The same SVG, each style written once: a grid's lines and a chart's labels repeat theirs."""
    names: dict[str, str] = {}

    def named(style: re.Match[str]) -> str:
        return f' class="{names.setdefault(style[1], f"s{len(names)}")}"'

    text = _TAG.sub(lambda tag: re.sub(r' style="([^"]*)"', named, tag[0]), text)
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    return re.sub(r"<g>(?:<g/>)*</g>|<g/>", "", text.replace("</style>", f"{rules}</style>", 1))


def _smallest(figure: Figure) -> float:
    """The size of the smallest text that shows, in points."""
    texts = figure.findobj(lambda each: isinstance(each, Text) and _shows(each))
    return min((text.get_fontsize() for text in texts), default=10)


def _shows(text: Text) -> bool:
    axes = text.axes
    return bool(text.get_text()) and text.get_visible() and (axes is None or axes.get_visible())


def light_png(figure: Figure, **options: object) -> bytes:
    """A figure as PNG of few colours.

    Args:
        figure: to draw.
        options: of `Figure.savefig`; by default the page's, without white margins.
    """
    from PIL import Image

    drawn = io.BytesIO()
    settings = {"bbox_inches": "tight", "pil_kwargs": {"compress_level": 1}} | options
    figure.savefig(drawn, format="png", **settings)
    light = io.BytesIO()
    _few_colours(Image.open(drawn)).save(light, format="PNG", compress_level=7)
    return light.getvalue()


def _few_colours(image: Image) -> Image:
    """The picture with a palette; itself where it is not opaque, or the palette would show."""
    from PIL import Image

    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] < 255:
        return image
    full = image.convert("RGB")
    few = full.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    far = np.abs(np.asarray(full, np.int16) - np.asarray(few.convert("RGB"), np.int16))
    return few if far.max() <= NEAR else full
