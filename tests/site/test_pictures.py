"""Light pictures of figures in a browser: they look as matplotlib draws them."""

from __future__ import annotations

import io
from base64 import b64encode

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from pythia_utils.analysis import images


def shown(browser, svg: str) -> np.ndarray:
    """What a browser draws of it: int (height, width, 3)."""
    page = browser.new_page(viewport={"width": 1000, "height": 500})
    page.set_content(f'<img src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">')
    page.locator("img").evaluate("image => image.decode()")
    drawn = page.locator("img").screenshot()
    page.close()
    return np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"), int)


def test_a_light_svg_looks_as_matplotlib_draws_it(browser):
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    left.errorbar(range(9), np.sin(range(9)), yerr=0.3, linestyle="--", marker="o", label="sine")
    left.set(xlabel="step", title="turned", ylabel="up")
    left.legend()
    right.imshow(np.linspace(0, 1, 400).reshape(20, 20), cmap="viridis")
    _, edges = images._small_png(figure)
    light = images.light_svg(figure, edges)
    text = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg", bbox_inches=edges)
    plt.close(figure)
    whole = text.getvalue()
    assert len(light) < 0.7 * len(whole)
    one, other = (shown(browser, svg) for svg in (light, whole[whole.index("<svg") :]))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 0.02 * np.abs(255 - other).mean()
