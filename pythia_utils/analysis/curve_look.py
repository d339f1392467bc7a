"""How a figure of curves looks, and what the layers of its chart have in common: scales, and lines' colours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_hex

from pythia_utils.analysis.palettes import luminance
from pythia_utils.base.markup import plain

WIDE, TALL = 620, 320  # pixels of a single plot
PANEL = (200, 130)  # of one of several
DASHES = {"-": [1, 0], ":": [2, 3], "--": [6, 4], "-.": [8, 3, 2, 3]}
INK, MARK = "#1f2a30", "#52616a"
WHITE, DARK = "#ffffff", "#141a1e"  # the ground of a light and of a dark page


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        styles: of each line: matplotlib's color and ls; lw where it is another seed's, thin and without a band.
        ylabel: what the value is, with its unit.
        limits: the lowest and the highest value of the axis.
        steps: the first and the last.
        series: column that names the lines.
        panels: column whose values get a panel each; None for one plot.
        columns: panels in a row.
        log: training time as log2(1 + step).
        reference: a dashed line: one, or by panel.
        baseline: a dotted line by panel.
        bars: intervals as bars, side by side, in place of bands.
    """

    styles: Mapping[str, Mapping[str, Any]]
    ylabel: str
    limits: tuple[float, float]
    steps: tuple[float, float]
    series: str = "model"
    panels: str | None = None
    columns: int = 1
    log: bool = True
    reference: float | Mapping[str, float] | None = None
    baseline: Mapping[str, float] | None = None
    bars: bool = False


def across(look: Look, field: str = "s") -> dict:
    """The channel of training time."""
    scale = {"type": "symlog", "constant": 1} if look.log else {}
    scale |= {"domain": list(look.steps), "nice": False, "zero": False, "padding": 6}
    return {"field": field, "type": "quantitative", "scale": scale}


def upward(look: Look, field: str = "v") -> dict:
    """The channel of values."""
    scale = {"domain": [float(f"{end:.6g}") for end in look.limits], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "scale": scale}


def by_name(look: Look, of: Any, legend: Any = None) -> dict:
    """A channel that each line has its own value of."""
    names = list(look.styles)
    scale = {
        "domain": [plain(name) for name in names],
        "range": [of(look.styles[n]) for n in names],
    }
    return {"field": "m", "type": "nominal", "scale": scale, "legend": legend}


def colour_of(look: Look) -> dict:
    """Each line's colour. All layers have one legend, or there would be none."""
    return by_name(look, lambda style: to_hex(style["color"]), legend_of(look))


def legend_of(look: Look) -> dict | None:
    """The legend of JupyterLab and of saved pictures, above the plots."""
    if len(look.styles) < 2:
        return None
    return {"orient": "top", "title": None, "columns": 6, "symbolType": "stroke", "symbolLimit": 60}


def is_thin(look: Look) -> dict:
    """Which lines have no band, and their points no mark: those of other seeds, and what was not measured."""
    return {
        "field": "m",
        "oneOf": [plain(name) for name, how in look.styles.items() if "lw" in how],
    }


def late_step(look: Look) -> float:
    """The step at six sevenths of the axis."""
    first, last = (math.log2(1 + step) if look.log else step for step in look.steps)
    at = first + 6 / 7 * (last - first)
    return 2**at - 1 if look.log else at


def ink_of(look: Look) -> dict:
    """A line's colour for words: dark enough to read."""
    return by_name(look, lambda style: legible(to_hex(style["color"])))


def legible(colour: str) -> str:
    """A colour `#rrggbb`, darkened where it must be to have 4.5:1 on white."""
    strong = luminance(colour)
    most = 1.05 / 4.5 - 0.05
    if strong <= most:
        return colour
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return to_hex([part * (most / strong) ** (1 / 2.2) * 0.99 for part in parts])


def time_of(look: Look) -> str:
    """What the axis of training time is called."""
    return f"training step{' (log scale)' if look.log else ''}"
