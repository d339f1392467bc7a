"""Tables and figures of hostile names, and of no rows."""

from __future__ import annotations

import re
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.hostile import SCRIPT, TEXTS, as_shown

from pythia_utils.analysis import learning_curves, palettes, plots, show
from pythia_utils.analysis.grammar import controls, figures
from pythia_utils.analysis.grammar.text import onsets_over_seeds
from pythia_utils.analysis.memorization import figures as memorization_figures
from pythia_utils.base.markup import mathtext

STEPS = (0, 16, 1000)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(figure) -> list[str]:
    """Every text of a figure that has been drawn."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text)]


@pytest.mark.parametrize("index", [False, True])
def test_a_table_is_text_in_its_cells_names_and_caption(index):
    frame = pd.DataFrame({text: [text, text] for text in TEXTS}, index=["a", f"row {SCRIPT}"])
    source = show.table(frame, caption=f"caption {SCRIPT}", index=index).source
    cells = re.findall(r"<(td|th|caption)\b[^>]*>(.*?)</\1>", source, re.DOTALL)
    shown = [unescape(text) for _, text in cells]
    assert [
        text for text in TEXTS if shown.count(as_shown(text)) != 3
    ] == []  # a name and two cells
    assert f"caption {SCRIPT}" in shown
    assert (f"row {SCRIPT}" in shown) is index
    assert set(re.findall("<([a-z]+)", source)) <= {
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert "mathjax_ignore" in source


def test_a_tables_numbers_have_the_formats_asked_for():
    frame = pd.DataFrame({"a": [0.12345], "b": [1234], "c": ["<x>"]})
    assert "0.12<" in show.table(frame).source
    source = show.table(frame, {"a": "{:.1%}", "b": "{:,}"}).source
    assert "12.3%" in source
    assert "1,234" in source
    assert "&lt;x&gt;" in source
    assert source.startswith("<table class=")
    assert re.sub(r' scope="\w+"', "", source).count("=") == 1  # no names of cells
    assert "12.35%" in show.table(frame[["a"]], "{:.2%}").source


@pytest.mark.parametrize("draw", [plots.trajectories, plots.interval_bars, figures.onsets])
def test_no_rows_are_told_in_words(draw, capsys):
    assert draw(pd.DataFrame(), *["x"] * (draw is not figures.onsets)) is None
    assert not plt.get_fignums()
    assert "Markdown" in capsys.readouterr().out
    assert "nothing to list" in show.table(pd.DataFrame()).data


def grid(models=("pico-7k", "pico-14k")) -> pd.DataFrame:
    rows = [
        (model, step, text, k)
        for model in models
        for text in TEXTS
        for step, k in zip(STEPS, (50, 60, 90), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["model", "step", "subset", "correct"])
    return frame.assign(n=100, value=frame["correct"] / 100, low=0.4, high=0.95, stderr=0.05)


def test_figures_draw_hostile_names_as_they_are():
    frame = grid()
    names = {plots.shown_name(text) for text in TEXTS}
    assert names <= set(drawn(plots.trajectories(frame, "accuracy", panels="subset")))
    assert names <= set(drawn(plots.interval_bars(frame[frame["step"] == 16], "subset", "x")))
    milestones = learning_curves.milestones(frame)
    assert names <= set(drawn(figures.onsets(milestones)))
    lines = plots.trajectories(frame[frame["model"] == "pico-7k"], "accuracy", series="subset")
    assert {mathtext(text) for text in TEXTS} <= set(drawn(lines))  # those that begin with _ too
    ranks = pd.DataFrame({text: range(len(TEXTS)) for text in TEXTS[:3]}, index=list(TEXTS))
    fields = dict.fromkeys(TEXTS, TEXTS[4])
    assert names <= set(drawn(figures.orders(ranks, fields, "models")))
    tokens = pd.DataFrame({"token": TEXTS, "share": 0.1})
    assert {mathtext(text) for text in TEXTS} <= set(
        drawn(plots.bars(tokens, "token", "share", "x"))
    )


def test_figures_of_one_checkpoint_draw_hostile_names():
    scores = pd.DataFrame(
        {"phenomenon": text, "paradigm": f"{text} ", "correct": margin > 0, "margin": margin}
        | {"length_difference": 0, "frequency_difference": margin, "twin": i}
        | dict.fromkeys(("exchanged", "good_word", "bad_word", "first_word", "second_word"), text)
        for i, (text, margin) in enumerate((t, m) for t in TEXTS for m in np.linspace(-1, 2, 12))
    )
    summary = controls.accuracy(scores)
    names = {plots.shown_name(text) for text in TEXTS}
    assert names <= set(drawn(figures.accuracies(summary, controls.accuracy(scores, "paradigm"))))
    assert names <= set(drawn(figures.margins(scores)))
    assert names <= set(drawn(figures.controls(summary, controls.controls(scores))))


# ---- Onsets: one rule in the table, the figure and its legend


def onset_rows(*rows: tuple) -> pd.DataFrame:
    columns = ["model", "subset", "last", "onset", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(first=0)


def test_an_onset_beyond_the_end_is_an_arrow_an_open_line_and_words_in_the_legend():
    figure = figures.onsets(
        onset_rows(
            ("pico-7k", "reached", 1000, 200, 100, 300),
            ("pico-7k", "open", 1000, 800, 600, np.inf),
            ("pico-7k", "never", 1000, np.nan, 917, np.inf),
            ("pico-7k", "not at all", 1000, np.nan, np.inf, np.inf),
        )
    )
    (axes,) = figure.axes
    (arrows,) = (line for line in axes.get_lines() if line.get_marker() == ">")
    edge = arrows.get_xdata()[0]
    assert list(arrows.get_ydata()) == [1.27, 0.27]  # rows of never and not at all
    (lines,) = axes.collections
    ends = {int(segment[0][1]): segment[:, 0] for segment in lines.get_segments()}
    assert ends[3] == pytest.approx(np.log2([101, 301]))
    assert ends[2] == pytest.approx([np.log2(601), edge])
    assert ends[1] == pytest.approx([np.log2(918), edge])
    assert sorted(ends) == [1, 2, 3]
    assert edge > np.log2(1001)
    assert "beyond the last step, as > 1,000 [917, –)" in drawn(figure)


def test_an_open_interval_of_an_onset_in_time_is_told_without_an_arrow():
    figure = figures.onsets(onset_rows(("pico-7k", "open", 1000, 800, 600, np.inf)))
    assert "up to the edge: without an upper end, as 800 [600, –)" in drawn(figure)
    assert not [text for text in drawn(figure) if "beyond" in text]


def test_an_onset_before_the_first_measured_step_is_an_arrow_to_the_left_without_a_line():
    late = onset_rows(("pico-57k", "a", 1000, 512, 512, 512)).assign(first=512)
    early = onset_rows(("pico-7k", "a", 1000, 512, 256, 600))
    figure = figures.onsets(pd.concat([early, late]))
    (axes,) = figure.axes
    arrows = [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "<"]
    assert np.concatenate(arrows) == pytest.approx([np.log2(513)])
    assert sum(len(lines.get_segments()) for lines in axes.collections) == 1
    assert "before the first step, as by 512" in drawn(figure)


def test_an_onset_in_time_leaves_the_legend_alone():
    figure = figures.onsets(
        onset_rows(("pico-7k", "a", 1000, 200, 100, 300), ("pico-14k", "a", 1000, 100, 50, 200))
    )
    assert not [text for text in drawn(figure) if "beyond" in text or "edge" in text]
    assert {"pico-7k", "pico-14k"} <= set(drawn(figure))


def test_other_seeds_are_open_marks_beside_their_size():
    own = onset_rows(("pico-7k", "a", 1000, 200, 100, 300), ("pico-57k", "a", 1000, 100, 50, 200))
    others = onset_rows(
        ("pico-57k-seed1", "a", 1000, 300, 100, 400),
        ("pico-57k-data-seed1", "a", 1000, np.nan, np.inf, np.inf),
        ("pico-57k-deduped", "a", 1000, 50, 20, 90),
    )
    figure = figures.onsets(own, others)
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "d"]
    places = sorted(float(x) for line in marks for x in line.get_xdata())
    assert places[0] == pytest.approx(np.log2(301))  # not the deduplicated model's
    assert places[1] > np.log2(1001)  # never: at the right edge
    assert len(places) == 2
    assert {round(float(y), 2) for line in marks for y in line.get_ydata()} == {-0.27}
    assert "another seed" in drawn(figure)


def curve(model: str, subset: str, *correct: int) -> pd.DataFrame:
    steps = [0, 64, 128, 256][-len(correct) :]
    return pd.DataFrame({"step": steps, "correct": correct}).assign(
        model=model, subset=subset, n=100
    )


def test_onsets_over_seeds_say_how_many_reach_the_threshold_at_the_steps_that_all_have():
    curves = pd.concat(
        [
            curve("pico-57k", "a", 50, 50, 100, 100),
            curve("pico-57k", "b", 50, 90, 90, 90),
            curve("pico-57k-seed1", "a", 50, 50, 50),
            curve("pico-57k-seed1", "b", 90, 90, 90),
            curve("pico-7k", "a", 50, 50, 50, 50),
            curve("pico-57k-data-seed1", "a", 100),  # measured once
        ]
    )
    table = onsets_over_seeds(curves)
    assert table.to_dict() == {"57k": {"a": "1 of 2 seeds: 91", "b": "2 of 2 seeds: by 64"}}
    assert onsets_over_seeds(curves[curves["model"] == "pico-7k"]).empty


# ---- Colours


def test_a_size_has_its_colour_whatever_else_is_drawn():
    alone = palettes.size_palette(["pico-57k-deduped"])["pico-57k-deduped"]
    among = palettes.size_palette(["pico-7k", "pico-14k", "pico-57k", "pico-224k"])
    assert alone == among["pico-57k"]
    assert len(set(among.values())) == 4
    published = palettes.size_palette(["pythia-70m", "pythia-12b"])
    assert (
        published["pythia-12b"]
        == palettes.size_palette(["pythia-12b-deduped-v0"])["pythia-12b-deduped-v0"]
    )
    frame = pd.DataFrame({"model": ["pico-57k-deduped"], "variant": "deduped"})
    figure = memorization_figures.slopes(frame.assign(slope=1, low=0, high=2), 0.5, "x")
    assert alone in [line.get_color() for line in figure.axes[0].get_lines()]
