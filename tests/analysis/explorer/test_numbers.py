"""The explorer's numbers are the records and the published tables, each once, and survive their packing."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.explorer import numbers, page
from pythia_utils.analysis.explorer.pack import pack, rounded
from pythia_utils.analysis.published.summary import summary
from pythia_utils.base.errors import UsageError
from pythia_utils.grid import records

CELLS = [("pico-7k", 0), ("pico-7k", 512), ("pico-57k-seed1", 512)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for experiment in ("loss", "grammar"):
        made_records.write(folder, experiment, CELLS)
    return folder


@pytest.fixture(scope="module")
def published():
    return numbers.of_published(summary())


def unpacked(text: str) -> pd.DataFrame:
    """The reverse of `pack`, written from its description."""
    whole = zlib.decompress(base64.b64decode(text), wbits=-15)
    length = int.from_bytes(whole[:4], "little")
    head, rest = json.loads(whole[4 : 4 + length]), whole[4 + length :]
    columns = {}
    for each in head["columns"]:
        planes, rest = rest[: 4 * head["rows"]], rest[4 * head["rows"] :]
        bytes_ = np.frombuffer(planes, "u1").reshape(4, -1).T.copy()
        values = bytes_.view("<f4" if each["type"] == "float32" else "<i4")[:, 0]
        columns[each["name"]] = (
            np.array(each["names"])[values] if each["type"] == "names" else values
        )
    assert not rest
    return pd.DataFrame(columns)


def test_every_record_is_among_the_numbers_of_runs(runs):
    found = numbers.of_runs("pico", runs)
    for experiment in ("loss", "grammar"):
        own = records.read_all(experiment, "pico", runs)
        shown = found[found["source"] == experiment].drop(columns="model")
        both = own.merge(
            shown, left_on=["metric", "subset", "model", "step"],
            right_on=["metric", "subset", "series", "step"],
        )  # fmt: skip
        assert len(both) == len(own) == len(shown)
        np.testing.assert_array_equal(both["value_x"], both["value_y"])
        np.testing.assert_array_equal(both["stderr_x"], both["stderr_y"])
    assert "pico/loss/pico-57k-seed1/step000512.html" in set(found["page"])


def test_runs_on_another_set_are_a_source_of_their_own(tmp_path):
    made_records.write(tmp_path, "loss", CELLS)
    frame = records.read_all("loss", "pico", tmp_path)
    other = frame[frame["step"] == 0].assign(measured_on="wikitext", parameters="texts=wikitext")
    path = tmp_path / "pico" / "loss" / "pico-7k" / "step000000@texts=wikitext.parquet"
    records.write(path, other)
    found = numbers.of_runs("pico", tmp_path)
    assert set(found["source"]) == {"loss", "loss on wikitext with texts=wikitext"}
    assert "pico/loss/pico-7k/step000000%40texts=wikitext.html" in set(found["page"])


def test_without_runs_there_is_a_hint(tmp_path):
    with pytest.raises(UsageError, match="pythia run"):
        numbers.of_runs("pico", tmp_path)


def test_every_published_number_is_there(published):
    rows = {name: published_tables.read(name) for name in published_tables.names()}
    expected = len(summary()) + sum(len(table) for table in rows.values() if "value" in table)
    assert len(published) == expected
    seeds = rows["induction_seeds"]
    (one,) = seeds[
        (seeds["model"] == "pythia-14m") & (seeds["seed"] == 1) & (seeds["step"] == 512)
    ]["value"]
    found = published[published["series"] == "pythia-14m, seed 1"]
    found = found[(found["metric"] == "prefix_matching_score") & (found["step"] == 512)]
    assert found["value"].tolist() == [one]


def test_a_place_has_one_number_a_series(runs, published):
    key = ["source", "metric", "subset", "series", "step"]
    for frame in (numbers.of_runs("pico", runs), published):
        twice = frame[frame.duplicated(key, keep=False)]
        assert twice.empty, twice.head()


def test_packing_keeps_names_and_whole_numbers_and_five_digits(published):
    back = unpacked(pack(published.drop(columns="model")))
    assert list(back) == list(numbers.COLUMNS)
    for column in ("source", "metric", "subset", "series", "page", "step"):
        assert back[column].tolist() == published[column].tolist()
    for column in ("value", "stderr", "low", "high", "n"):
        np.testing.assert_allclose(back[column], published[column], rtol=5e-6)


def test_rounding_is_to_the_nearest_and_refuses_the_infinite():
    values = np.array([0.1, -3.25, 1e-30, 0.0, np.nan])
    near = rounded(values)
    np.testing.assert_allclose(near, values, rtol=4e-6)
    assert (near.view("u4")[:3] & 0b111111 == 0).all()
    with pytest.raises(ValueError, match="infinite"):
        rounded(np.array([np.inf]))


def test_a_series_is_known_by_its_size_and_training(published):
    about = page.about(published)
    assert about["pythia-70m"]["kind"] == about["pythia-70m, seed 3"]["kind"] == "70m"
    assert about["pythia-70m"]["usual"]
    assert not about["pythia-70m, seed 3"]["usual"]
    assert about["pythia-70m-deduped"]["kind"] == "70m deduped"
    assert about["pythia-70m-deduped"]["dash"] != about["pythia-70m"]["dash"]
    sizes = [about[name]["n_params"] for name in sorted(about, key=lambda n: about[n]["order"])]
    assert sizes == sorted(sizes)


def test_names_of_data_are_text_in_the_page(runs):
    frame = numbers.of_runs("pico", runs)
    frame["subset"] = frame["subset"].str.replace("all", "</script><b>all")
    shown = page.page({"runs": ("<i>title", frame)})
    assert "<b>" not in shown
    assert "<i>" not in shown
