"""How far apart colours are, for all readers and for deuteranopes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

# Machado, Oliveira and Fernandes (2009), severity 1.0: of linear RGB.
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1, 1.08883])


def linear(colour: str) -> np.ndarray:
    """The linear RGB of `#rrggbb`, (3,)."""
    codes = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, (3,)."""
    share = _XYZ @ light / _WHITE
    x, y, z = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def seen(colour: str, deuteranope: bool = False) -> np.ndarray:
    """CIELAB of `#rrggbb` as a reader sees it, (3,)."""
    light = linear(colour)
    return lab(np.clip(DEUTERANOPIA @ light, 0, 1) if deuteranope else light)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 of two colours of CIELAB, as Sharma, Wu and Dalal (2005) write it."""
    lightness, a, b = np.array([one, other]).T
    mean = np.hypot(a, b).mean()
    a = a * (1 + 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25**7))))
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    turn = 0.0 if chroma.prod() == 0 else (hue[1] - hue[0] + 180) % 360 - 180
    middle = (hue[0] + turn / 2) % 360 if chroma.prod() else hue.sum()
    t = 1 + sum(
        weight * np.cos(np.radians(times * middle + shift))
        for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    light, strong = lightness.mean(), chroma.mean()
    of_light = np.diff(lightness)[0] / (
        1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    )
    of_chroma = np.diff(chroma)[0] / (1 + 0.045 * strong)
    of_hue = 2 * np.sqrt(chroma.prod()) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * strong * t)
    blue = 2 * np.sqrt(strong**7 / (strong**7 + 25**7))
    turned = -blue * np.sin(np.radians(60 * np.exp(-(((middle - 275) / 25) ** 2))))
    return float(np.sqrt(of_light**2 + of_chroma**2 + of_hue**2 + turned * of_chroma * of_hue))


def nearest(colours: Sequence[str], deuteranope: bool = False) -> float:
    """The smallest CIEDE2000 between two of some colours."""
    labs = [seen(colour, deuteranope) for colour in colours]
    return min(apart(*pair) for pair in itertools.combinations(labs, 2))
