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


def light_picture(figure: Figure) -> Picture:
    """A figure as SVG, or as a sharp PNG if that is the lighter one to send; without white margins."""
    text = light_svg(figure)
    width = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1])
    sizes = {"width": round(width * _PIXELS), "least": round(width * _LEGIBLE / _smallest(figure))}
    if len(text) > _HEAVY:
        png = light_png(figure, dpi=SHARP)
        if len(png) < len(gzip.compress(text.encode())):
            return Picture("image/png", png, **sizes)
    return Picture("image/svg+xml", text, **sizes)


def light_svg(figure: Figure) -> str:
    """A figure as SVG whose text is text."""
    drawn = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "figure"}
    with plt.rc_context(settings):
        figure.savefig(drawn, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = drawn.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _LONG.sub(lambda place: _DIGITS.sub(r"\1", place[0]), text)
    text = re.sub(r">\s+<", "><", text)
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", _FACE, text)


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


def quick_png(figure: Figure) -> bytes:
    """A figure that is laid out as PNG of few colours, drawn once more and no oftener."""
    from PIL import Image

    drawn, dpi = io.BytesIO(), figure.dpi
    figure.set_dpi(_SMALL)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_dpi(dpi)
    full = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    full.quantize(_FEW, dither=Image.Dither.NONE).save(drawn, format="PNG")
    return drawn.getvalue()


def _few_colours(image: Image) -> Image:
    """The picture with a palette; itself where it is not opaque, or the palette would show."""
    from PIL import Image

    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] < 255:
        return image
    full = image.convert("RGB")
    few = full.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    far = np.abs(np.asarray(full, np.int16) - np.asarray(few.convert("RGB"), np.int16))
    return few if far.max() <= NEAR else full
