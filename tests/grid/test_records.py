"""Records: exact through the notebook and through Parquet, readable on the page."""

from __future__ import annotations

import json
import math

import nbformat
import numpy as np
import pandas as pd
import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

WHERE = {"experiment": "loss", "suite": "pico", "model": "pico-7k", "step": 16}
ROWS = [
    {"metric": "loss", "subset": "all", "value": 1 / 3, "stderr": 1e-17, "n": 64},
    {"metric": "loss", "subset": "<facts>", "value": np.float32(0.1), "n": np.int64(8)},
    {"metric": "loss", "subset": "stories", "value": float("nan"), "stderr": None},
]


@pytest.fixture
def shown(monkeypatch):
    """What `record` hands to Jupyter's display."""
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: bundles.append(data))
    return bundles


def notebook_of(bundles):
    """A notebook with these outputs, validated, and as it comes back from its JSON."""
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in bundles]
    cells = [nbformat.v4.new_markdown_cell("text"), nbformat.v4.new_code_cell("1", outputs=outputs)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(notebook)
    return nbformat.reads(nbformat.writes(notebook), as_version=4)


def test_record_fills_in_who_and_where(shown):
    frame = records.record(ROWS, **WHERE)
    model = find_model("pico-7k")
    assert tuple(frame.columns) == records.COLUMNS
    first = frame.iloc[0]
    assert first["variant"] == "standard"
    assert first["n_params"] == model.non_embedding_params
    assert first["tokens_seen"] == model.checkpoint(16).tokens_seen == 16 * 8 * 128
    assert frame["subset"].tolist() == ["all", "<facts>", "stories"]
    assert frame["n"].tolist() == [64, 8, pd.NA]


def test_the_notebook_carries_every_digit(shown):
    frame = records.record(ROWS, **WHERE)
    again = records.from_notebook(notebook_of(shown))
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    assert again["value"][0] == 1 / 3
    assert again["value"][1] == float(np.float32(0.1))
    assert math.isnan(again["value"][2])
    assert "NaN" not in json.dumps(shown)  # which would not be JSON


def test_several_records_of_one_notebook_are_joined(shown):
    records.record(ROWS[:1], **WHERE)
    records.record(ROWS[1:], **WHERE)
    assert len(records.from_notebook(notebook_of(shown))) == 3


def test_a_notebook_without_records():
    assert records.from_notebook(notebook_of([{"text/plain": "1"}])) is None


def test_the_table_is_short_and_escaped(shown):
    records.record(ROWS, **WHERE)
    html = shown[0]["text/html"]
    assert "0.3333 ± 1e-17" in html
    assert "&lt;facts&gt;" in html
    assert "tokens_seen" not in html


def test_a_long_table_is_cut_but_the_records_are_not(shown):
    rows = [{"metric": "m", "subset": str(i), "value": i} for i in range(100)]
    records.record(rows, **WHERE)
    assert "and 60 more" in shown[0]["text/html"]
    assert len(records.from_notebook(notebook_of(shown))) == 100


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"metric": "m", "valeu": 1}], "no 'valeu'"),
        ([{"value": 1}], "needs a metric and a value"),
        ([{"metric": "m", "value": float("inf")}], "infinite value"),
        ([{"metric": "m", "value": 1}, {"metric": "m", "value": 2}], "recorded twice"),
    ],
)
def test_record_refuses_what_it_cannot_keep(shown, rows, message):
    with pytest.raises(ValueError, match=message):
        records.record(rows, **WHERE)
    assert shown == []


def test_record_refuses_an_unknown_step(shown):
    with pytest.raises(UsageError, match="unknown step 17 of pico-7k; nearest: 4, 8, 16"):
        records.record(ROWS, **WHERE | {"step": 17})


def write_grid(runs, shown):
    """Two models at two steps, written in no particular order."""
    for model, step in [("pico-14k", 0), ("pico-7k", 16), ("pico-7k-deduped", 0), ("pico-7k", 0)]:
        frame = records.record(ROWS[:2], **WHERE | {"model": model, "step": step})
        records.write(runs / "pico" / "loss" / model / f"step{step:06d}.parquet", frame)


def test_read_gives_the_grid_in_order(tmp_path, shown):
    write_grid(tmp_path, shown)
    grid = records.read("loss", runs=tmp_path)
    order = grid[["model", "step"]].drop_duplicates().to_records(index=False).tolist()
    assert order == [("pico-7k-deduped", 0), ("pico-7k", 0), ("pico-7k", 16), ("pico-14k", 0)]
    assert tuple(grid.columns) == records.COLUMNS
    assert len(grid) == 8
    assert grid["value"][0] == 1 / 3
    pd.testing.assert_frame_equal(records.read("loss", suite="pico", runs=tmp_path), grid)


def test_read_ignores_what_a_killed_run_left(tmp_path, shown):
    write_grid(tmp_path, shown)
    (tmp_path / "pico" / "loss" / "pico-7k" / ".partial-1.parquet").write_bytes(b"PAR1 half")
    assert len(records.read("loss", runs=tmp_path)) == 8


def test_read_finds_the_folder_of_the_environment(tmp_path, shown, monkeypatch):
    write_grid(tmp_path, shown)
    monkeypatch.setenv("PYTHIA_RUNS", str(tmp_path))
    assert len(records.read("loss")) == 8
    monkeypatch.delenv("PYTHIA_RUNS")
    assert records.runs_dir(tmp_path) == tmp_path / "runs"


def test_read_of_nothing_tells_what_to_do(tmp_path, shown):
    with pytest.raises(UsageError, match=r"run: pythia run loss --suite nano$"):
        records.read("loss", suite="nano", runs=tmp_path)
    write_grid(tmp_path, shown)
    with pytest.raises(UsageError, match="nearest: loss"):
        records.read("los", runs=tmp_path)


# --- several evaluation sets ----------------------------------------------------------------------


def write_set(runs, measured_on, step, parameters="", value=0.5, model="pico-7k"):
    rows = [{"metric": "accuracy", "value": value}]
    frame = records.record(rows, **WHERE | {"model": model, "step": step}, measured_on=measured_on)
    path = runs / "pico" / "loss" / model / f"{records.stem(step, parameters)}.parquet"
    records.write(path, frame.assign(parameters=parameters))


def test_records_say_what_they_were_measured_on(shown):
    assert set(records.record(ROWS, **WHERE)["measured_on"]) == {"own"}
    assert set(records.record(ROWS, **WHERE, measured_on="blimp")["measured_on"]) == {"blimp"}
    (frame,) = (records.from_notebook(notebook_of(shown[1:]), "pairs_from=blimp"),)
    assert set(frame["measured_on"]) == {"blimp"}
    assert set(frame["parameters"]) == {"pairs_from=blimp"}


def test_two_evaluation_sets_are_not_mixed(tmp_path, shown):
    for step in (0, 16):
        write_set(tmp_path, "blimp", step, "pairs_from=blimp", 0.25)
    write_set(tmp_path, "nano", 0)
    write_set(tmp_path, "nano", 16, "pairs=400", 0.75)
    everything = records.read_all("loss", runs=tmp_path)
    assert len(everything) == 4
    own = records.read("loss", runs=tmp_path)
    assert own["measured_on"].tolist() == ["nano"]  # the suite's own, though blimp has more runs
    assert own["parameters"].tolist() == [""]
    theirs = records.read("loss", runs=tmp_path, measured_on="blimp")
    assert theirs["step"].tolist() == [0, 16]
    assert tuple(theirs.columns) == records.COLUMNS
    text = records.set_in_words(own, everything)
    assert text.startswith("Measured on the set `nano`. Not shown")
    assert "`blimp` with `pairs_from=blimp`: 2; `nano` with `pairs=400`: 1" in text
    assert records.set_in_words(own, own) == "Measured on the set `nano`."
    with pytest.raises(UsageError, match="unknown evaluation set 'blimq'; nearest: blimp"):
        records.read("loss", runs=tmp_path, measured_on="blimq")


def test_without_the_suites_own_set_the_one_with_most_runs_is_shown(tmp_path, shown):
    write_set(tmp_path, "a.csv 1a2b3c4d", 0, "pairs_from=a.csv")
    for step in (0, 16):
        write_set(tmp_path, "b.csv 5e6f7a8b", step, "pairs_from=b.csv")
    assert set(records.read("loss", runs=tmp_path)["measured_on"]) == {"b.csv 5e6f7a8b"}
    named = records.read("loss", runs=tmp_path, measured_on="a.csv")
    assert named["measured_on"].tolist() == ["a.csv 1a2b3c4d"]


def test_each_suite_shows_a_set_of_its_own(tmp_path, shown):
    write_set(tmp_path, "nano", 0)
    where = WHERE | {"suite": "nano", "model": "nano-7k", "step": 0}
    frame = records.record(ROWS[:1], **where, measured_on="blimp")
    records.write(tmp_path / "nano" / "loss" / "nano-7k" / "step000000.parquet", frame)
    assert records.read("loss", runs=tmp_path).groupby("suite")[
        "measured_on"
    ].first().to_dict() == {
        "nano": "blimp",
        "pico": "nano",
    }


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("", "step000016"),
        ("pairs=400,pairs_from=blimp", "step000016@pairs=400,pairs_from=blimp"),
        ("pairs_from=my-pairs.csv", "step000016@pairs_from=my-pairs.csv"),
        ('note="a b"', "step000016@note=-a-b-~"),
        ("source=../x/y", "step000016@source=..-x-y~"),
        ("note=x.failed", "step000016@note=x-~"),
        (f"note={'x' * 300}", f"step000016@note={'x' * 75}~"),
    ],
)
def test_the_name_of_a_cell_is_safe_short_and_its_own(parameters, name):
    found = records.stem(16, parameters)
    assert found.startswith(name)
    assert len(found) - len(name) == (8 if name.endswith("~") else 0)
    assert len({records.stem(16, f"note={text}") for text in ("a b", "a/b", "a-b", "a?b")}) == 4


def test_the_table_is_text_names_its_error_and_claims_no_certainty(shown):
    rows = [
        {
            "metric": "accuracy",
            "subset": "<script>x</script>",
            "value": 0.5,
            "stderr": 0.05,
            "n": 9,
        },
        {"metric": "matched", "subset": "two\nlines $x$", "value": 0, "stderr": 0, "n": 9},
    ]
    records.record(rows, **WHERE)
    (bundle,) = shown
    page = bundle["text/html"]
    assert "value ± standard error" in page
    assert "0.5 ± 0.05" in page
    assert "0, all alike" in page
    assert "± 0<" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert "two lines $x$" in page
    assert "mathjax_ignore" in page


def test_nanos_pairs_are_the_own_set_of_suites_that_read_its_text_alone(tmp_path, shown):
    for name, steps in (("nano", (0,)), ("blimp", (0, 1))):
        for step in steps:
            where = WHERE | {"suite": "pythia", "model": "pythia-70m", "step": step}
            frame = records.record(ROWS[:1], **where, measured_on=name)
            folder = tmp_path / "pythia" / "loss" / "pythia-70m"
            folder.mkdir(parents=True, exist_ok=True)
            records.write(folder / f"step{step:06d}@{name}.parquet", frame)
    assert set(records.read("loss", runs=tmp_path)["measured_on"]) == {"blimp"}
