"""Reports of wrong checkpoints beside the suite's errata: what a report names, and why the two differ."""

from __future__ import annotations

import pandas as pd
import pytest

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.published import defects
from pythia_utils.suites.catalog import find_model


def places(models: str, steps: str) -> set[tuple[str, int]]:
    return {(each.model.name, each.step) for each in defects.named(models, steps)}


@pytest.mark.parametrize(
    ("models", "steps", "found"),
    [
        ("pythia-12b", "50000,58000", {("pythia-12b", 50000), ("pythia-12b", 58000)}),
        (
            "pythia-410m-seed9 / seed6",
            "40000 / 88000",
            {("pythia-410m-seed9", 40000), ("pythia-410m-seed6", 88000)},
        ),
        ("pythia-70m", "512-2000", {("pythia-70m", step) for step in (512, 1000, 2000)}),
        ("pythia-70m", "0-1 all saved steps; 4", {("pythia-70m", step) for step in (0, 1, 4)}),
        ("pythia-12b, pythia-1b", "various", set()),
        ("pythia-6.9b-deduped (neox checkpoint)", "early", set()),
    ],
)
def test_a_report_names_checkpoints_that_the_suite_has(models, steps, found):
    assert places(models, steps) == found


def test_ends_of_names_and_later_steps_are_understood():
    found = places("pythia-160m-weight-seed1,2", "1 and later")
    assert {name for name, _ in found} == {"pythia-160m-weight-seed1", "pythia-160m-weight-seed2"}
    steps = {step for _, step in found}
    assert steps == set(find_model("pythia-160m").steps) - {0}


def test_each_report_is_listed_as_the_table_says_and_each_difference_explained():
    rows, said = defects.table(), published_tables.read(defects.TABLE)["errata"]
    assert len(rows) == len(said) == 11
    for row, text in zip(rows.itertuples(), said, strict=True):
        assert (row.listed > 0) == text.startswith("listed"), row.models
        assert text.startswith(("listed", "not listed: "))
        as_reported = row.listed == row.checkpoints and "expected" not in row.kind
        assert as_reported or len(row.why) > 20, row.models
    whole = rows[rows["why"] == "as reported"]
    assert (whole["listed"] == whole["checkpoints"]).all()
    assert whole["kind"].tolist() == ["wrong", "wrong", "partial", "missing"]


def test_no_erratum_is_without_a_report():
    assert defects.unreported() == {}


@pytest.fixture
def reports(monkeypatch):
    """Three reports in place of the published: one that we have, one in part, one that we have not."""
    rows = [
        ("pythia-12b", "50000,58000", "EleutherAI/pythia issue #206", "listed"),
        ("pythia-12b", "50000,59000", "EleutherAI/pythia issue #206 (open)", "listed"),
        ("pythia-1b", "59000", "EleutherAI/pythia issue #206; also #7", "not listed: made up here"),
    ]
    frame = pd.DataFrame(rows, columns=["model", "steps", "source", "errata"]).assign(defect="bad")
    monkeypatch.setattr(published_tables, "read", lambda name: frame)


def test_what_is_not_in_the_errata_is_not_called_listed(reports):
    table = defects.table()
    assert table["listed"].tolist() == [2, 1, 0]
    assert table["kind"].tolist() == ["partial", "partial", "nothing"]
    assert table["issues"].tolist() == ["#206", "#206", "#206, #7"]
    told = defects.in_words(table, defects.unreported())
    assert "Of 3 reports the errata name all checkpoints of 1, some of 1 and none of 1" in told
    assert "pythia-410m-seed9 at 0-1, 40000;" in told  # its reports are not among these
    assert "pythia-12b at 0-1;" in told  # 50000 and 58000 are reported
