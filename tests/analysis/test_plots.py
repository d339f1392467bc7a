"""Figures as they are drawn: nothing overlaps, and colours and lines mean one thing everywhere."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis import palettes, plots
from pythia_utils.suites.catalog import find_model, suite

MODELS = [name for name in suite("nano").models if "seed" not in name]
NANO, PYTHIA = find_model("nano-7k").steps, find_model("pythia-70m").steps


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def curves(models, panels=1, steps=(0, 1, 64, 3000)) -> pd.DataFrame:
    rows = [
        (model, step, f"panel_{p}") for model in models for step in steps for p in range(panels)
    ]
    frame = pd.DataFrame(rows, columns=["model", "step", "subset"])
    return frame.assign(value=0.5, low=0.4, high=0.6)


def boxes(figure, artists) -> list:
    figure.canvas.draw()
    return [artist.get_window_extent() for artist in artists if artist.get_visible()]


@pytest.mark.parametrize("panels", [1, 15])
@pytest.mark.parametrize("models", [MODELS[:2], MODELS, list(suite("pythia").models)[:16]])
def test_a_legend_leaves_the_plots_their_width(models, panels):
    figure = plots.trajectories(curves(models, panels), "accuracy", "subset")
    (legend,) = boxes(figure, figure.legends)
    places = [axes.get_position() for axes in figure.axes if axes.get_visible()]
    assert legend.width < figure.bbox.width
    assert max(p.x1 for p in places) - min(p.x0 for p in places) > 0.8


def test_one_line_needs_no_legend():
    assert not plots.trajectories(curves(MODELS[:1]), "accuracy").legends


@pytest.mark.parametrize("panels", [1, 15])
@pytest.mark.parametrize("steps", [NANO, PYTHIA], ids=["nano", "pythia"])
def test_labels_of_steps_do_not_touch_and_name_first_and_last(steps, panels):
    figure = plots.trajectories(curves(MODELS[:1], panels, steps), "loss", "subset")
    axes = figure.axes[0 if panels == 1 else 12]
    labels = axes.get_xticklabels()
    spans = boxes(figure, labels)
    assert all(a.x1 < b.x0 for a, b in pairwise(spans))
    assert [labels[0].get_text(), labels[-1].get_text()] == ["0", f"{steps[-1]:,}"]


def test_colour_is_size_and_the_line_is_variant_and_seed():
    names = ["nano-57k", "nano-57k-deduped", "nano-57k-seed1", "nano-7k"]
    colours = palettes.size_palette(names)
    assert colours["nano-57k"] == colours["nano-57k-deduped"] == colours["nano-57k-seed1"]
    light = {name: palettes.luminance(colour) for name, colour in colours.items()}
    assert light["nano-7k"] > light["nano-57k"]  # dark for large
    assert [plots.line_style(name) for name in names] == ["-", ":", "--", "-"]


def test_other_seeds_are_thin_and_have_no_band():
    both = pd.concat([curves(["nano-7k"]), curves(["nano-7k-seed1"])])
    single = curves(["nano-7k-seed2"]).head(1)
    figure = plots.trajectories(pd.concat([both, single], ignore_index=True), "x", "subset")
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["nano-7k-seed1"].get_linewidth() < lines["nano-7k"].get_linewidth()
    assert len(axes.collections) == 1  # the band of the usual seed
    assert lines["nano-7k-seed2"].get_marker() == "o"  # a point, not an invisible line


def test_bands_and_lines_are_the_values_over_log_steps():
    figure = plots.trajectories(curves(["nano-7k"]).sample(frac=1, random_state=0), "x", "subset")
    (line,) = (line for line in figure.axes[0].get_lines() if line.get_label() == "nano-7k")
    assert line.get_xdata() == pytest.approx(np.log2([1, 2, 65, 3001]))
    (band,) = figure.axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(0.4)


def test_axes_without_a_panel_are_hidden():
    _, grid, groups = plots.panel_grid(curves(["nano-7k"], 4), "subset", columns=3)
    assert [name for name, _ in groups] == [f"panel_{p}" for p in range(4)]
    assert [axes.get_visible() for axes in grid.flat] == [True] * 4 + [False] * 2


def test_more_than_eight_models_are_named_by_size_and_line():
    names = [name for name in suite("pythia").models if name.count("-") == 1]
    both = [
        *names,
        *(f"{name}-deduped" for name in names if f"{name}-deduped" in suite("pythia").models),
    ]
    figure = plots.trajectories(curves(both), "accuracy")
    labels = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert labels == [*(find_model(name).size for name in names), "standard", "deduped"]


@pytest.mark.parametrize("log", [True, False])
def test_training_time_is_linear_where_asked(log):
    figure = plots.trajectories(curves(["nano-7k"]), "accuracy", log=log)
    (line,) = figure.axes[0].get_lines()
    steps = np.array([0, 1, 64, 3000])
    assert line.get_xdata() == pytest.approx(np.log2(1 + steps) if log else steps)
    assert ("log scale" in figure.axes[0].get_xlabel()) == log


def test_other_things_than_models_have_lines_too_and_the_unmeasured_are_dashed():
    frame = pd.DataFrame({"step": [0, 9] * 3, "value": 0.5, "kind": list("aabbcc")})
    frame = frame.assign(low=[0.4, 0.4, 0.4, 0.4, None, None], high=0.6)
    figure = plots.trajectories(frame, "share", series="kind", log=False, dashed=["c"])
    styles = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert [styles[name].get_linestyle() for name in "abc"] == ["-", "-", "--"]
    assert [styles[name].get_marker() for name in "abc"] == ["o", "o", ""]
    assert len({styles[name].get_color() for name in "abc"}) == 3
    assert figure.axes[0].get_xlabel() == "training step"


def test_each_panel_may_have_its_own_reference():
    figure = plots.trajectories(curves(["nano-7k"], 2), "x", "subset", reference={"panel_1": 0.25})
    flat = [[set(line.get_ydata()) == {0.25} for line in axes.lines] for axes in figure.axes]
    assert [any(lines) for lines in flat] == [False, True]


def test_a_line_that_only_a_later_panel_has_is_named():
    frame = curves(["nano-7k", "nano-57k"], 2)
    frame = frame[(frame["model"] == "nano-7k") | (frame["subset"] == "panel_1")]
    figure = plots.trajectories(frame, "x", "subset")
    labels = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert labels == ["nano-7k", "nano-57k"]


def test_bars_stand_side_by_side_at_the_same_step():
    figure = plots.trajectories(curves(["nano-7k", "nano-57k"]), "x", log=False, bars=True)
    places = [bar.lines[0].get_xdata() for bar in figure.axes[0].containers]
    assert (places[0] < places[1]).all()
    assert np.mean(places, axis=0) == pytest.approx([0, 1, 64, 3000])
    heights = figure.axes[0].containers[0].lines[2][0].get_segments()
    assert heights[0][:, 1] == pytest.approx([0.4, 0.6])
