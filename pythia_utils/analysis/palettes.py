"""The colours of figures: a colour a model size, a colour a kind of thing, everywhere the same.

Each has a contrast of 3:1 with white at the least, and those that stand together are told apart by deuteranopes
too (`tests/analysis/test_palettes.py` measures both). Pictures keep a white ground on a dark page; what is
drawn on the page's own ground takes `on_dark` of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

from pythia_utils.suites.catalog import find_model, suite

ACCENT = "#2f6f9f"  # the one colour of a figure that has one
PALE = "#4f8fb8"  # what stands after it: single parts of a mean
REFERENCE = "#b5533c"  # chance, zero, what was expected
GREY = "#757575"  # marks that belong to no series

# Found by search: far apart for all readers and for deuteranopes, the first ones farthest.
_KINDS = ("#026ab2", "#993c00", "#006c5a", "#c777bb", "#23187c", "#4e001d", "#979211", "#8c8982")
# From amber over red to navy, in even steps of what normal and deuteranopic readers see.
_SIZES = ("#cd811b", "#cb6235", "#c14a45", "#b23852", "#a22c5b", "#922562", "#7d2069", "#5b2070")
_SIZES += ("#212276", "#00234f")
_STEPS = ("#499da1", "#287a7f", "#00595f", "#003940", "#00191f")
_LIGHT_OF_BOTH = 106  # CIELAB's lightness of a colour on white and on a dark page, together


def size_palette(models: Sequence[str]) -> dict[str, str]:
    """A colour `#rrggbb` for each model name, by its size's place among its suite's: dark for large."""
    return {name: _size_colour(name) for name in models}


@cache
def _size_colour(name: str) -> str:
    model = find_model(name)
    sizes = sorted({m.non_embedding_params for m in suite(model.suite).models.values()})
    place = sizes.index(model.non_embedding_params) / max(len(sizes) - 1, 1)
    return _between(_SIZES, place)


def category_palette(names: Sequence[str]) -> dict[str, str]:
    """A colour `#rrggbb` for each kind of thing that is no model: eight, then these again."""
    return dict(zip(names, itertools.cycle(_KINDS), strict=False))


def step_palette(steps: Sequence[int]) -> dict[int, str]:
    """A colour `#rrggbb` for each of some training steps, in their order: dark for late."""
    last = max(len(steps) - 1, 1)
    return {step: _between(_STEPS, place / last) for place, step in enumerate(sorted(steps))}


def _between(colours: Sequence[str], place: float) -> str:
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    return to_hex(LinearSegmentedColormap.from_list("", colours, N=1024)(float(place)))


# --- on a dark page -------------------------------------------------------------------------------


@cache
def on_dark(colour: str) -> str:
    """The same hue, `#rrggbb`, as light on a dark page as it is dark on a white one: 3:1 there too.

    As saturated as can be shown.
    """
    lightness, a, b = _lab(colour)
    wanted = min(_LIGHT_OF_BOTH - lightness, 100)  # of black: white
    share, found = 1.0, None
    while found is None:
        found = _shown(wanted, a * share, b * share)
        share -= 0.02
    return found


def _lab(colour: str) -> tuple[float, float, float]:
    """CIELAB of `#rrggbb`, with D65 white."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _shown(lightness: float, a: float, b: float) -> str | None:
    """`#rrggbb` of a colour of CIELAB; None of one that no screen shows."""
    y = (lightness + 16) / 116
    cubes = [
        t**3 if t > 0.206893 else (t - 16 / 116) / 7.787 for t in (y + a / 500, y, y - b / 200)
    ]
    x, y, z = (t * white for t, white in zip(cubes, (0.95047, 1, 1.08883), strict=True))
    shares = (
        3.2404542 * x - 1.5371385 * y - 0.4985314 * z,
        -0.9692660 * x + 1.8760108 * y + 0.0415560 * z,
        0.0556434 * x - 0.2040259 * y + 1.0572252 * z,
    )
    if min(shares) < -0.001 or max(shares) > 1.001:
        return None
    return "#" + "".join(f"{round(255 * _encoded(min(max(s, 0), 1))):02x}" for s in shares)


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb`, 0 to 1, as WCAG 2.2 defines it."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    """A share of a screen's light from its code, 0 to 1: sRGB."""
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def _encoded(share: float) -> float:
    return 12.92 * share if share <= 0.0031308 else 1.055 * share ** (1 / 2.4) - 0.055
