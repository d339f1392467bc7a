"""Colours: one a size everywhere, seen on white and on dark pages, told apart by deuteranopes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.colours import apart, nearest, seen

from pythia_utils.analysis import palettes
from pythia_utils.suites.catalog import suite

DARK_PAGE = "#141a1e"  # of book.css
WHITE = "#ffffff"


def one_a_size(name: str) -> list[str]:
    models = suite(name).models.values()
    first = {m.non_embedding_params: m.name for m in models}
    colours = palettes.size_palette([first[n] for n in sorted(first)])
    return list(colours.values())


SETS = {
    "pico's sizes": (one_a_size("pico"), 11),
    "nano's sizes": (one_a_size("nano"), 9.5),
    "Pythia's ten sizes": (one_a_size("pythia"), 5),
    "three kinds": (list(palettes.category_palette(range(3)).values()), 20),
    "eight kinds": (list(palettes.category_palette(range(8)).values()), 15),
    "eight steps": (list(palettes.step_palette(range(8)).values()), 4),
    "a value and its reference": ([palettes.ACCENT, palettes.REFERENCE], 30),
}


def contrast(one: str, other: str) -> float:
    light, dark = sorted(map(palettes.luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_distance_of_colours_is_that_of_published_pairs():
    """Of the table of Sharma, Wu and Dalal (2005): its pairs 1, 7, 17, 25 and 33."""
    pairs = {
        (50, 2.6772, -79.7751, 50, 0, -82.7485): 2.0425,
        (50, 0, 0, 50, -1, 2): 2.3669,
        (50, 2.5, 0, 73, 25, -18): 27.1492,
        (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387): 1.2644,
        (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286): 0.6377,
    }
    for pair, distance in pairs.items():
        assert apart(np.array(pair[:3]), np.array(pair[3:])) == pytest.approx(distance, abs=1e-3)


def test_red_and_green_of_one_lightness_are_one_colour_for_deuteranopes():
    assert nearest(["#a06000", "#6b7a00"]) > 15
    assert nearest(["#a06000", "#6b7a00"], deuteranope=True) < 5
    assert apart(seen("#ffffff"), seen("#ffffff", deuteranope=True)) < 0.1


@pytest.mark.parametrize(("colours", "least"), SETS.values(), ids=SETS)
def test_colours_that_stand_together_are_told_apart_by_all_readers(colours, least):
    assert nearest(colours) >= least
    assert nearest(colours, deuteranope=True) >= least


@pytest.mark.parametrize(("colours", "least"), SETS.values(), ids=SETS)
def test_every_colour_is_seen_on_white_and_its_lighter_one_on_a_dark_page(colours, least):
    assert all(contrast(colour, WHITE) >= 3 for colour in colours)
    lighter = [palettes.on_dark(colour) for colour in colours]
    assert all(contrast(colour, DARK_PAGE) >= 3 for colour in lighter)
    assert nearest(lighter, deuteranope=True) >= 0.8 * least


def test_greys_and_pale_parts_are_seen_too():
    assert all(contrast(c, WHITE) >= 3 for c in (palettes.GREY, palettes.PALE))


def test_a_size_has_one_colour_whatever_stands_beside_it_and_large_ones_are_dark():
    alone = palettes.size_palette(["pythia-1.4b-deduped"])["pythia-1.4b-deduped"]
    assert alone == palettes.size_palette(["pythia-70m", "pythia-1.4b"])["pythia-1.4b"]
    light = [palettes.luminance(colour) for colour in one_a_size("pythia")]
    assert light == sorted(light, reverse=True)


def test_a_ninth_kind_begins_again():
    colours = list(palettes.category_palette(range(9)).values())
    assert colours[8] == colours[0]
    assert len(set(colours)) == 8


def test_black_is_white_on_a_dark_page():
    assert palettes.on_dark("#000000") == "#ffffff"
