"""Curves and intervals as Vega-Lite: what the frame holds, in few bytes and in colours that are to be seen."""

from __future__ import annotations

import gzip
import io
import json
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.hostile import TEXTS

from pythia_utils.analysis import curve_look, end_labels, figure, plots
from pythia_utils.analysis.palettes import luminance
from pythia_utils.base.markup import plain
from pythia_utils.suites.catalog import suite

NANO = suite("nano").models["nano-7k"].steps
NINE = [name for name in suite("nano").models if "deduped" not in name][:9]
GROUND = "#141a1e"  # of a dark page


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def curves(models, steps=(0, 1, 64, 3000), panels=("one",), **more) -> pd.DataFrame:
    """Random curves with intervals and counts."""
    places = [(m, s, p) for p in panels for m in models for s in steps]
    frame = pd.DataFrame(places, columns=["model", "step", "subset"])
    value = np.random.default_rng(0).uniform(0.2, 0.9, len(frame))
    return frame.assign(value=value, low=value - 0.05, high=value + 0.05, n=1920, **more)


def chart(frame: pd.DataFrame, **options) -> dict:
    return figure._CHARTS[plots.trajectories(frame, "accuracy", **options)]


def rows(spec: dict) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(spec["data"]["values"]), keep_default_na=False, na_values=[""])


def about(spec: dict) -> dict:
    return spec["usermeta"]["curves"]


def contrast(one: str, other: str) -> float:
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_chart_holds_the_values_intervals_and_counts_of_its_frame():
    frame = curves(["nano-7k", "nano-57k"], panels=("filler_gap", "binding"))
    found = rows(chart(frame, panels="subset"))
    assert list(found["m"]) == list(frame["model"])
    assert list(found["p"]) == [name.replace("_", " ") for name in frame["subset"]]
    for short, name in (("s", "step"), ("v", "value"), ("l", "low"), ("h", "high"), ("n", "n")):
        assert list(found[short]) == pytest.approx(list(frame[name]), abs=5e-4), name


def test_what_was_not_measured_is_not_there_and_not_zero():
    frame = curves(["nano-7k"]).assign(value=[0.5, None, 0.6, 0.7], low=[0.4, 0.4, None, 0.6])
    found = rows(chart(frame))
    assert list(found["s"]) == [0, 64, 3000]
    assert list(found["l"].isna()) == [False, True, False]


def test_large_and_small_values_keep_three_digits():
    frame = curves(["nano-7k"]).drop(columns=["low", "high", "n"])
    large = rows(chart(frame.assign(value=[0.0, 1e4, 123456.7, 98765.4])))
    small = rows(chart(frame.assign(value=[0.0, 1e-5, 1.2346e-5, 2e-5])))
    assert list(large["v"]) == pytest.approx([0, 1e4, 123456.7, 98765.4], rel=1e-4)
    assert list(small["v"]) == pytest.approx([0, 1e-5, 1.23e-5, 2e-5], abs=1e-9)
    assert not {"l", "h", "n"} & set(large)


def test_each_panel_has_its_own_reference_and_baseline():
    frame = curves(["nano-7k"], panels=("a", "b"))
    spec = chart(frame, panels="subset", reference={"a": 0.5}, baseline={"b": 0.25})
    found = rows(spec).groupby("p").first()
    assert [found.loc["a", "r"], found.loc["b", "b"]] == [0.5, 0.25]
    assert found.loc[["b"], "r"].isna().all()
    assert found.loc[["a"], "b"].isna().all()


def test_a_line_of_another_seed_has_no_band():
    spec = chart(curves(["nano-7k", "nano-7k-seed1"]))
    (band,) = (layer for layer in spec["layer"] if layer["mark"]["type"] == "area")
    assert "nano-7k-seed1" in json.dumps(band["transform"])


def test_bars_stand_side_by_side_as_in_the_picture():
    frame = curves(["nano-7k", "nano-57k"])
    spec = chart(frame, log=False, bars=True)
    found = rows(spec).pivot_table(index="s", columns="m", values="x")
    assert (found["nano-7k"] < found["nano-57k"]).all()
    assert list(found.mean(axis=1)) == pytest.approx(list(found.index))
    assert not [layer for layer in spec["layer"] if layer["mark"]["type"] == "area"]


RECORD = {"suite": "nano", "experiment": "grammar", "parameters": ""}


def test_points_of_records_lead_to_their_pages_and_others_do_not():
    frame = curves(["nano-7k"])
    assert about(chart(frame.assign(**RECORD)))["pages"] == ["../cells/nano/grammar", ".html"]
    other = about(chart(frame.assign(**RECORD | {"parameters": "pairs=400"})))
    assert other["pages"] == ["../cells/nano/grammar", "%40pairs=400.html"]
    assert "pages" not in about(chart(frame))
    two = pd.concat([frame.assign(**RECORD), frame.assign(**RECORD | {"experiment": "loss"})])
    assert "pages" not in about(chart(two, panels="experiment"))


def test_models_are_chosen_by_size_and_kind_smaller_ones_first():
    lines = about(chart(curves(["nano-57k-seed1", "nano-57k-deduped", "nano-7k"])))["lines"]
    found = [(line["part"], line["kind"]) for line in lines]
    assert found == [("7k", "standard"), ("57k", "another seed"), ("57k", "deduped")]
    kinds = curves(["nano-7k"]).assign(kind="a")
    (line,) = about(chart(kinds, series="kind"))["lines"]
    assert (line["group"], line["part"]) == ("kind", "a")
    assert "kind" not in line


@pytest.mark.parametrize("models", [["nano-7k", "nano-793k"], list(suite("pythia").models)[:16]])
def test_lines_and_their_words_are_to_be_seen_on_white_and_on_a_dark_page(models):
    spec = chart(curves(models))
    dark = spec["usermeta"]["dark"]
    for line in about(spec)["lines"]:
        assert contrast(line["colour"], "#ffffff") >= 3
        assert contrast(line["dark"], GROUND) >= 3
        ink = curve_look.legible(line["colour"])
        assert contrast(ink, "#ffffff") >= 4.5
        assert contrast(dark[ink], GROUND) >= 4.5
    assert all(
        contrast(colour, GROUND) >= 3 for light, colour in dark.items() if light != "#ffffff"
    )


def test_twelve_panels_of_nine_models_weigh_forty_kilobytes():
    frame = curves(NINE, NANO, [f"phenomenon {k}" for k in range(12)])
    assert len(frame) == 9 * len(NANO) * 12
    written = json.dumps(chart(frame, panels="subset")).encode()
    assert len(gzip.compress(written)) < 40_000


def test_names_of_data_are_text_in_a_chart():
    frame = pd.concat([curves([text]).assign(kind=text) for text in TEXTS])
    spec = chart(frame.drop(columns="model"), series="kind", panels="subset")
    assert set(rows(spec)["m"]) == set(map(plain, TEXTS))
    assert {line["name"] for line in about(spec)["lines"]} == set(map(plain, TEXTS))
    words = [step["calculate"] for step in spec["transform"] if "calculate" in step]
    assert not any(text in word for text in TEXTS for word in words)  # no name is an expression


# --- names at the ends


def test_eight_lines_of_one_plot_are_named_at_their_ends_without_touching():
    many = list(suite("pythia").models)[:16]
    labels = chart(curves(many))["layer"][-1]
    low, high = labels["encoding"]["y"]["scale"]["domain"]
    heights = sorted(
        (v["y"] - low) / (high - low) * curve_look.TALL for v in labels["data"]["values"]
    )
    assert len(heights) == 16
    assert all(b - a >= 12.9 for a, b in pairwise(heights))
    assert heights[0] >= 0
    assert heights[-1] <= curve_look.TALL


def test_few_lines_and_many_panels_have_no_names_at_their_ends():
    for spec in (chart(curves(["nano-7k"])), chart(curves(NINE, panels="ab"), panels="subset")):
        layers = spec.get("layer") or spec["spec"]["layer"]
        assert not any("data" in layer for layer in layers)


def test_places_are_moved_apart_as_little_as_can_be():
    assert end_labels.apart([1, 5, 9], 2, 0, 10) == [1, 5, 9]
    assert end_labels.apart([9, 9.5], 2, 0, 10) == [8, 10]
    assert end_labels.apart([5, 1, 5], 2, 0, 10) == [4, 1, 6]
    assert end_labels.apart([1] * 9, 2, 0, 10) is None
    found = end_labels.apart(list(np.random.default_rng(1).uniform(0, 10, 5)), 2, 0, 10)
    assert all(b - a >= 2 - 1e-9 for a, b in pairwise(sorted(found)))


# --- values with their intervals


def test_a_chart_of_intervals_holds_its_rows_and_tells_finds():
    frame = pd.DataFrame({"what": ["filler_gap", "a$b$"], "value": [0.5, 0.25], "low": [0.4, 0.2]})
    frame = frame.assign(high=[0.6, 0.3], n=[100, 50], found=[True, False])
    spec = figure._CHARTS[plots.interval_bars(frame, "what", "accuracy", reference=0, title="All")]
    found = rows(spec)
    assert list(found["m"]) == ["filler gap", "a$b$"]
    assert found[["v", "l", "h", "n", "f"]].to_numpy().tolist() == [
        [0.5, 0.4, 0.6, 100, 1],
        [0.25, 0.2, 0.3, 50, 0],
    ]
    assert spec["layer"][0]["data"]["values"] == [{"x": 0}]
    assert spec["title"] == "All"
