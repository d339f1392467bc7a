"""Every published number of a real model, as its page tells it: none lost, none twice, each with its source."""

from __future__ import annotations

import io
import json
import re

import pandas as pd
import pytest
from helpers.commands import ROOT

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.published import model_rows, model_sections
from pythia_utils.analysis.published.summary import summary
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.suites.relatives import main_models, relatives

TABLES = [n for n in published_tables.names() if "value" in published_tables.read(n)]


@pytest.fixture(scope="module")
def numbers() -> dict[str, model_sections.Numbers]:
    return model_sections.by_model()


def read(own: model_sections.Numbers) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(own.csv))


def test_every_model_of_the_suite_has_one_page():
    pythia = suite("pythia")
    main = main_models(pythia)
    listed = [m.name for each in main for m in (each, *relatives(pythia, each))]
    assert sorted(listed) == sorted(pythia.models)
    assert len(main) == 2 * len({model.size for model in pythia.models.values()})


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("pythia-410m-seed3", "pythia-410m"),
        ("pythia-160m-data-seed2", "pythia-160m"),
        ("pythia-1b-deduped-v0", "pythia-1b-deduped"),
        ("pythia-intervention-70m-deduped", "pythia-70m-deduped"),
    ],
)
def test_other_runs_are_with_the_model_of_their_size_and_text(name, of):
    assert find_model(name) in relatives(suite("pythia"), find_model(of))


def test_no_number_is_lost_and_none_is_told_twice(numbers):
    files = pd.concat([read(own) for own in numbers.values() if own.csv])
    counts = {name: len(published_tables.read(name)) for name in TABLES}
    counts[published_tables.EVALUATIONS] = len(summary())
    assert files["table"].value_counts().to_dict() == counts
    assert not files.duplicated(["run", "step", "table", "shots", "metric", "subset"]).any()
    assert sum(own.count for own in numbers.values()) == len(files)


def test_a_file_says_of_each_number_what_it_is_and_whose(numbers):
    own = read(numbers["pythia-70m"])
    assert tuple(own) == model_rows.COLUMNS
    assert (
        own[["run", "step", "tokens_seen", "metric", "value", "unit", "source"]]
        .notna()
        .all(axis=None)
    )
    last = own[(own["run"] == "pythia-70m") & (own["step"] == 143000) & (own["shots"] == 0)]
    lambada = last[(last["subset"] == "lambada_openai") & (last["metric"] == "accuracy")]
    assert lambada["value"].item() == pytest.approx(0.185, abs=0.0005)
    counted = own[own["metric"] == "memorized_sequences"]
    assert (counted["value"].item(), counted["n"].item()) == (463_953, 146_432_000)
    assert set(own.loc[own["low"].notna(), "range_over"]) == {"seeds"}
    papers = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    keys = {key for told in own["source"].unique() for key in told.split()}
    assert all(f"{{{key}," in papers for key in keys)


def test_what_is_over_seeds_or_of_a_seed_or_changed_is_named_so(numbers):
    runs = set(read(numbers["pythia-410m"])["run"])
    assert {
        "pythia-410m-seed4",
        "pythia-410m, mean of 10 seeds",
        "pythia-410m, variant unknown",
    } <= runs
    changed = set(read(numbers["pythia-1.4b-deduped"])["run"])
    assert "pythia-1.4b-deduped, pronouns changed in the last 21%" in changed
    assert not [name for name in changed if "deduped" not in name]


def test_a_model_of_which_nothing_was_published_has_nothing(numbers):
    assert numbers["pythia-31m-deduped"] == model_sections.Numbers((), "")


def section(own: model_sections.Numbers, name: str) -> model_sections.Section:
    (found,) = [s for s in own.sections if s.title == published_tables.about(name)["title"]]
    return found


def cells(table: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_a_table_has_a_row_a_step_and_blanks_where_nothing_was_measured(numbers):
    tables = dict(section(numbers["pythia-70m"], "evaluations").tables)
    header, *rows = cells(tables["pythia-70m, 5-shot"])
    assert header[:2] == ["step", "LAMBADA: accuracy"]
    published = summary("lambada_openai", 5, "v1").query(
        "model == 'pythia-70m' and metric == 'accuracy'"
    )
    assert [row[0] for row in rows] == [f"{step:,}" for step in sorted(published["step"])]
    shown = [float(row[1]) for row in rows]
    assert shown == pytest.approx(published.sort_values("step")["value"].tolist(), abs=1e-5)
    assert {len(row) for row in rows} == {len(header)}
    wide = dict(section(numbers["pythia-160m-deduped"], "arithmetic").tables)
    header, *rows = cells(next(iter(wide.values())))
    assert header[0] == "by step"
    tens = next(row for row in rows if "0 to 9" in row[0])
    assert tens[1:-1] == [""] * (len(header) - 2)
    assert tens[-1] != ""


def test_a_range_over_seeds_stands_beside_its_mean(numbers):
    ((_, table),) = section(numbers["pythia-70m"], "ngram_correlation").tables
    row = published_tables.read("ngram_correlation").query("model == 'pythia-70m'").iloc[0]
    _, first, *_ = cells(table)
    assert first[1] == f"{row['value']:.5g} <small>{row['low']:.5g} to {row['high']:.5g}</small>"


def test_runs_with_a_number_each_at_a_step_of_its_own_are_one_table(numbers):
    ((caption, table),) = section(numbers["pythia-14m"], "ngram_peaks").tables
    assert caption == "Each run, at a step of its own"
    assert "at step 256" in cells(table)[1][1]
    assert len(cells(table)) == 11


def spec_of(chart: str) -> dict:
    return json.loads(re.search(r"json\">(.*)</script>", chart)[1])


def test_a_chart_draws_the_numbers_of_its_table(numbers):
    spec = spec_of(section(numbers["pythia-160m"], "evaluations").chart)
    rows = pd.read_csv(io.StringIO(spec["data"]["values"]))
    (choice,) = spec["params"]
    measure = choice["bind"]["options"].index("LAMBADA: accuracy")
    drawn = rows[rows["measure"] == measure]
    published = summary("lambada_openai").query("size == '160m' and variant == 'standard'")
    published = published[published["metric"] == "accuracy"]
    assert sorted(drawn["value"]) == pytest.approx(sorted(published["value"]), rel=1e-4)
    assert (drawn["bottom"] <= drawn["value"]).all()
    named = next(step["calculate"] for step in spec["transform"] if "calculate" in step)
    assert json.loads(named.removesuffix("[datum.run]"))[:2] == [
        "pythia-160m, 0-shot",
        "pythia-160m, 5-shot",
    ]


def test_what_has_no_three_steps_has_no_chart(numbers):
    assert section(numbers["pythia-1b"], "memorization").chart == ""
    assert section(numbers["pythia-1b"], "layer_geometry").chart == ""


@pytest.mark.parametrize("name", [*TABLES, published_tables.EVALUATIONS])
def test_what_was_measured_is_said_and_the_book_draws_it_where_it_says(name):
    about = published_tables.about(name)
    assert len(about["measured"]) > 40
    for place in about["shown_in"]:
        chapter = place.partition("/")[2]
        texts = [(ROOT / "book" / f"{place}.ipynb").read_text(encoding="utf-8")]
        texts += [p.read_text() for p in (ROOT / "pythia_utils/analysis" / chapter).glob("*.py")]
        named = "summary" if name == published_tables.EVALUATIONS else name
        assert any(
            f'"{named}' in text or f"{named}(" in text or f'\\"{named}' in text for text in texts
        ), place


def test_every_metric_has_a_unit():
    assert model_rows.everything()["unit"].notna().all()
    assert set(published_tables.units()) == set(model_rows.everything()["metric"])
