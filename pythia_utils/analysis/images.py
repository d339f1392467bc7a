"""Figures as light pictures: a PNG of at most 256 colours is a third of one that keeps sixteen million.

Charts have few colours. Those of smooth edges that are left out differ from what stands for them by less than
an eye sees: by `NEAR` of 255 at the most, or all colours are kept.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from PIL.Image import Image

NEAR = 16


def light_png(figure: Figure, **options: object) -> bytes:
    """A figure as PNG, as notebooks show it.

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
