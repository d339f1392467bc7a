"""The grid as a table: its links, colours, order, marks, and what pointing at a cell tells."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from helpers.hostile import TEXTS, as_shown

from pythia_utils.analysis import heatmap
from pythia_utils.analysis.palettes import luminance
from pythia_utils.grid.failures import without_cells
from pythia_utils.suites import catalog


class Grid(HTMLParser):
    """A table's rows of cells, each a dict of tag, style, href, title and text; and its texts of the legend."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[dict]] = []
        self.spans: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append({"tag": tag, "text": "", **values})
        elif tag in ("a", "abbr"):
            self.rows[-1][-1] |= {"inside": tag, **values}
        elif tag == "span":
            self.spans.append(values.get("class", ""))

    def handle_endtag(self, tag):
        self._inside.pop()

    def handle_data(self, data):
        if "tr" in self._inside:
            self.rows[-1][-1]["text"] += data

    @property
    def steps(self) -> list[str]:
        return [cell["text"] for cell in self.rows[0][1:]]

    @property
    def models(self) -> list[str]:
        return [row[0]["text"] for row in self.rows[1:]]

    def cell(self, model: str, step: str) -> dict:
        return self.rows[1 + self.models.index(model)][1 + self.steps.index(step)]


def records(*measured: tuple, **more: object) -> pd.DataFrame:
    rows = [
        {"suite": "pythia", "experiment": "loss", "parameters": "", "model": name, "step": step}
        | {"value": rest[0] if rest else step / 1000}
        | more
        for name, step, *rest in measured
    ]
    return pd.DataFrame(rows)


def grid(*measured: tuple, title: str = "number", **more: object) -> Grid:
    return Grid(heatmap.grid_table(records(*measured, **more), title))


def test_each_cell_is_a_link_to_its_page_that_tells_value_interval_and_n():
    found = grid(("pythia-1b", 512, 0.25), ("pythia-1b", 1000, 0.75), stderr=0.01, n=1920)
    cell = found.cell("pythia-1b", "512")
    assert (cell["inside"], cell["text"]) == ("a", "0.25")
    assert cell["href"] == "../cells/pythia/loss/pythia-1b/step000512.html"
    told = "pythia-1b, step 512: number 0.250, 95% interval 0.230 to 0.270, n = 1,920"
    assert cell["title"] == told


def test_an_interval_of_its_own_stands_before_one_of_the_standard_error_and_what_is_unknown_is_not_told():
    own = grid(("pythia-1b", 512, 0.25), stderr=0.01, low=0.1, high=0.9)
    assert own.cell("pythia-1b", "512")["title"].endswith("95% interval 0.100 to 0.900")
    none = grid(("pythia-1b", 512, 0.25), stderr=np.nan, n=pd.NA)
    assert none.cell("pythia-1b", "512")["title"].endswith("number 0.250")


def test_heads_name_every_model_and_step_and_none_is_empty():
    steps = catalog.find_model("pythia-70m").steps
    found = grid(*(("pythia-70m", step) for step in steps))
    heads = [cell for row in found.rows for cell in row if cell["tag"] == "th"]
    assert all(head["text"] for head in heads)
    assert {head["scope"] for head in heads} == {"col", "row"}
    assert len(found.steps) == len(steps) == 154
    assert (found.steps[0], found.steps[-1]) == ("0", "143k")


@pytest.mark.parametrize(("count", "named"), [(21, 21), (40, 40), (154, 14)])
def test_of_many_steps_some_show_their_names_evenly_the_first_and_the_last_among_them(count, named):
    shown = heatmap._named(range(count))
    places = np.flatnonzero(shown)
    assert (len(places), places[0], places[-1]) == (named, 0, count - 1)
    assert np.ptp(np.diff(places)) <= 1


def test_a_deduplicated_model_stands_below_the_other_of_its_size_and_seeds_below_the_usual_one():
    names = ["pico-7k-deduped", "pico-57k-seed1", "pico-57k-deduped", "pico-57k", "pico-7k"]
    expected = ["pico-7k", "pico-7k-deduped", "pico-57k", "pico-57k-seed1", "pico-57k-deduped"]
    assert sorted(names, key=heatmap._place) == expected


# --- colours


def ratio(one: str, other: str) -> float:
    """Contrast as WCAG defines it, 1 to 21."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_luminance_is_that_of_known_colours():
    known = {"#ffffff": 1, "#000000": 0, "#ff0000": 0.2126, "#00ff00": 0.7152, "#777777": 0.18447}
    assert {c: luminance(c) for c in known} == pytest.approx(known, abs=1e-4)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # of WCAG's own examples


def test_numbers_can_be_read_on_every_colour():
    levels = [*range(0, 256, 15), 117, 118, 119, 120]
    greys = [f"#{n:02x}{n:02x}{n:02x}" for n in range(256)]
    colours = [f"#{r:02x}{g:02x}80" for r in levels for g in levels] + greys
    full = {"#000": "#000000", "#fff": "#ffffff"}
    assert min(ratio(c, full[heatmap.text_colour(c)]) for c in colours) >= 4.5


def test_the_ends_of_the_scale_are_the_ends_of_the_colour_map_and_can_be_turned_round():
    frame = records(("pythia-1b", 0, 1.0), ("pythia-1b", 512, 3.0), ("pythia-1b", 1000, 2.0))
    ends = ["#440154", "#fde725"]  # viridis
    for reverse in (False, True):
        (_, row) = Grid(heatmap.grid_table(frame, "x", reverse=reverse)).rows
        low, high, middle = (re.search("#[0-9a-f]{6}", cell["style"])[0] for cell in row[1:])
        assert [low, high] == (ends[::-1] if reverse else ends)
        assert middle in ("#21918c", "#21908d")  # the two in the middle of 256


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.1234, 0.9], ["0.12", "0.90"]),
        ([1.5, 5.25], ["1.50", "5.25"]),
        ([10.25, 99.0], ["10.2", "99.0"]),
        ([3, 412], ["3", "412"]),
        ([0.5, 412], ["0", "412"]),
        ([0.0039, 0.001], ["0.0039", "0.0010"]),
        ([0.039, 0.001], ["0.039", "0.001"]),
        ([0.00039, 0.0001], ["3.9e-04", "1.0e-04"]),
        ([-0.5, 0.25], ["-0.50", "0.25"]),
        ([123456, 9000], ["123k", "9k"]),
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_numbers_are_short_and_alike(values, shown):
    assert [*map(heatmap._number(values), values)] == shown


def test_one_value_and_no_number_have_a_table_too():
    assert grid(("pythia-1b", 0, 1.0)).cell("pythia-1b", "0")["style"]
    none = grid(("pythia-1b", 0, np.nan), ("pythia-1b", 512, 2.0)).cell("pythia-1b", "0")
    assert (none["text"], none["inside"], "style" in none) == ("–", "a", False)


# --- marks


def test_a_known_erratum_is_marked_measured_or_not():
    found = grid(("pythia-1b", 50000), ("pythia-1b", 58000), ("pythia-12b", 50000))
    measured, absent = found.cell("pythia-12b", "50k"), found.cell("pythia-12b", "58k")
    assert measured["href"].endswith("pythia-12b/step050000.html")
    assert measured["text"] == "50✗"
    assert (absent["inside"], absent["text"], "href" in absent) == ("abbr", "✗", False)
    for cell in (measured, absent):
        assert "known erratum: serves the final model's first shard (P#206)" in cell["title"]
    assert "grid-marks" in found.spans
    assert "grid-marks" not in grid(("pythia-1b", 0)).spans


def test_a_run_that_failed_is_marked_and_leads_to_the_page_that_tells(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_RUNS", str(tmp_path))
    for name in ("pythia-1b/step000512", "pythia-14m/step000016@pairs=5"):
        path = tmp_path / "pythia" / "loss" / f"{name}.failed.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(without_cells(name, {}, "FetchError: gone"))
    found = grid(("pythia-1b", 0), ("pythia-1b", 1000))
    cell = found.cell("pythia-1b", "512")
    assert (cell["text"], cell["inside"]) == ("!", "a")
    assert cell["href"] == "../cells/pythia/loss/pythia-1b/step000512.html"
    assert cell["title"] == "pythia-1b, step 512; run failed: FetchError: gone"
    assert found.models == ["pythia-1b"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_title_is_shown_as_it_is(text):
    class Texts(HTMLParser):
        found = ""

        def handle_starttag(self, tag, attrs):
            assert tag not in ("script", "img", "b")
            assert not [name for name, _ in attrs if name.startswith("on")]

        def handle_data(self, data):
            self.found += data

    page = Texts()
    page.feed(heatmap.grid_table(records(("pythia-1b", 0, 1.0)), text))
    assert as_shown(text) in page.found
