"""Light pictures of figures: what a notebook's page gets, and how near it is to all colours."""

from __future__ import annotations

import gzip
import io
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pythia_utils.analysis import images

SVG = "{http://www.w3.org/2000/svg}"


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def full(figure: Figure) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight")
    return drawn.getvalue()


@pytest.fixture
def chart() -> Figure:
    """Lines and a picture of all colours of a map: what has the most colours of a chart."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 3))
    axes[0].plot(np.random.default_rng(0).normal(size=(50, 6)).cumsum(axis=0))
    axes[1].imshow(np.linspace(0, 1, 400).reshape(20, 20), cmap="viridis")
    figure.canvas.draw()  # a layout moves by some pixels whenever it is made: it is made once
    figure.set_layout_engine("none")
    yield figure
    plt.close(figure)


def test_a_light_picture_looks_like_the_full_one_and_weighs_half_at_most(chart):
    light, whole = images.light_png(chart), full(chart)
    assert len(light) < len(whole) / 2
    one, other = (np.asarray(opened(data).convert("RGB"), int) for data in (light, whole))
    assert one.shape == other.shape
    assert np.abs(one - other).max() <= images.NEAR
    assert np.abs(one - other).mean() < 1.5
    assert (one[0, 0] == 255).all()  # white stays white


def test_a_picture_of_few_colours_keeps_each():
    drawn = Image.new("RGBA", (16, 15))
    drawn.putdata([(17 * (n % 16), 17 * (n // 16), n, 255) for n in range(240)])
    few = images._few_colours(drawn)
    assert few.mode == "P"
    assert (np.asarray(few.convert("RGB")) == np.asarray(drawn.convert("RGB"))).all()


def test_a_picture_that_256_colours_cannot_show_keeps_all_of_them_and_a_clear_one_its_ground():
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 4), np.uint8)
    noise[..., 3] = 255
    assert images._few_colours(Image.fromarray(noise)).mode == "RGB"
    noise[0, 0, 3] = 0
    assert images._few_colours(Image.fromarray(noise)).mode == "RGBA"


def test_a_picture_is_svg_whose_text_is_text_in_faces_that_readers_have(chart):
    picture, _ = images.pictures(chart)
    assert picture.kind == "image/svg+xml"
    assert "<text" in picture.data
    assert picture.data.count("Verdana") == picture.data.count("font-family") > 1
    assert len(gzip.compress(picture.data.encode())) < len(
        images.light_png(chart, dpi=images.SHARP)
    )
    assert not re.search(r' d="[^"]*\.\d{3}', picture.data)
    assert picture.least < picture.width


def test_a_picture_that_is_lighter_as_png_is_one_of_twice_the_density(chart, monkeypatch):
    monkeypatch.setattr(images, "_HEAVY", 0)
    monkeypatch.setattr(images.gzip, "compress", lambda data: data * 100)
    picture, _ = images.pictures(chart)
    assert picture.kind == "image/png"
    assert opened(picture.data).width == pytest.approx(2 * picture.width, rel=0.03)


TEXTS = [
    'a style="fill: red" of text',
    "1.23456 d=\"1.23456\" x='2.34567'",
    "'DejaVu Sans', serif",
    "a > b <g/> & c",
    ' transform="rotate(-0 1 2)" <text> </style>',
]


def test_a_picture_says_each_text_as_it_is():
    figure, axes = plt.subplots()
    for place, text in enumerate(TEXTS):
        axes.text(0.1, place / 6, text)
    picture, _ = images.pictures(figure)
    plt.close(figure)
    said = [node.text for node in ElementTree.fromstring(picture.data).iter(f"{SVG}text")]
    assert [text for text in said if text in TEXTS] == TEXTS


def test_a_picture_writes_each_style_once(chart):
    picture, small = images.pictures(chart)
    styles = re.findall(r"\.(s\d+)\{([^}]*)", picture.data)
    assert len(dict(styles)) == len({style for _, style in styles}) == len(styles) > 5
    assert {name for name, _ in styles} == {*re.findall(r'class="([^"]*)"', picture.data)}
    assert 'style="' not in picture.data
    assert opened(small).size == tuple(round(80 * inches) for inches in chart.get_size_inches())


def test_a_narrow_page_gives_a_picture_the_width_that_its_smallest_text_needs():
    figure, axes = plt.subplots(figsize=(7, 3))
    axes.set_title("small", fontsize=5)
    picture, _ = images.pictures(figure)
    plt.close(figure)
    inches = float(re.search(r'width="([\d.]+)pt"', picture.data)[1])
    assert picture.least * 5 / inches == pytest.approx(11, rel=0.01)
