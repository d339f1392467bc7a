"""From records to thresholds, ratios of sizes, sentences and claims: made records whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis import claims
from pythia_utils.analysis.facts import curves, figures, published, tables, text
from pythia_utils.analysis.facts.claims import CLAIMS
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

NEEDS = {"pico-14k": 80, "pico-57k": 40, "pico-57k-seed1": 60, "pico-224k": 20}
TOLD = np.maximum(2000 // np.random.default_rng(0).permutation(np.arange(1, 193)), 5)


def cell(model: str, step: int, threshold: float, one_sentence: float = 0.2) -> pd.DataFrame:
    """Facts answered as the curve of this threshold says, at a step where `TOLD` was told step/1000 times."""
    told = np.maximum(TOLD * step // 1000, 0)
    chance = np.full(192, 1 / 8)
    seen = told > 0
    chance[seen] = curves.accuracy(told[seen], threshold, 3, 1 / 8)
    rows = [("chance", "all", 0.125, 192), ("accuracy", "all", chance.mean(), 192)]
    for name, own in {"told 5-8": told <= 8, "told 65 or more": told >= 65}.items():
        for metric, value in {
            "accuracy": chance[own].mean() if own.any() else 0.1,
            "ngram": 0.8,
            "two_sentences": 0.95,
            "one_sentence": one_sentence,
        }.items():
            rows.append((metric, name, value, 12))
    for i in range(192):
        rows += [("correct", f"P{i // 3}: {i % 3}", chance[i], 2)]
        rows += [("told", f"P{i // 3}: {i % 3}", told[i], 2)]
    frame = pd.DataFrame(rows, columns=["metric", "subset", "value", "n"])
    common = records.identity(find_model(model).checkpoint(step), "facts")
    return frame.assign(stderr=0.02, **common).astype({"n": "Int64"})


@pytest.fixture(scope="module")
def grid() -> pd.DataFrame:
    cells = [cell(model, 1000, needs) for model, needs in NEEDS.items()]
    cells += [cell(model, 512, 3 * needs) for model, needs in NEEDS.items()]
    cells += [cell(model, 0, needs) for model, needs in NEEDS.items()]
    return pd.concat(cells, ignore_index=True)


@pytest.fixture(scope="module")
def found(grid):
    return tables.fits(grid)


def test_thresholds_are_those_of_the_curves_and_step_0_has_none(grid, found):
    table = tables.thresholds(grid, found)
    assert set(table["step"]) == {512, 1000}
    last = table[table["step"] == 1000].set_index("model")["value"]
    for model, needs in NEEDS.items():
        assert last[model] == pytest.approx(needs, rel=0.1)
    assert table["seed"].unique().tolist() == ["usual", "seed1"]


def test_sizes_are_compared_within_a_seed_alone(grid, found):
    ratios = tables.size_ratios(grid, found)
    assert list(zip(ratios["seed"], ratios["smaller"], ratios["larger"], strict=True)) == [
        ("usual", "14k", "57k"),
        ("usual", "57k", "224k"),
    ]
    assert ratios["value"].to_numpy() == pytest.approx([0.5, 0.5], rel=0.12)
    told = text.sizes(ratios)
    assert "57k needs 0." in told
    assert "fewer in 1 of 1 seed " in told


def test_a_size_that_needs_more_is_told():
    ratios = pd.DataFrame(
        {
            "variant": "standard",
            "seed": ["usual", "seed1"],
            "step": 1000,
            "smaller": "57k",
            "larger": "224k",
            "value": [1.25, 0.9],
            "low": [1.1, 0.7],
            "high": [1.5, 1.2],
        }
    )
    assert "0.90 to 1.25 times as many" in text.sizes(ratios)
    assert "fewer in 1 of 2 seeds (the interval lies below 1 in 0, above 1 in 1)" in text.sizes(
        ratios
    )
    assert "do not hold two sizes" in text.sizes(ratios.iloc[:0])


def test_classes_stand_in_order_of_the_times_told(grid):
    rows = tables.by_told(grid, {"accuracy": "network"})
    assert rows["told"].unique().tolist() == ["5-8", "65 or more"]
    assert set(rows["what"]) == {"network"}
    low, high = (tables.usual_class(rows, place) for place in (0, -1))
    assert (low["least"] == 5).all()
    assert (high["least"] == 65).all()


def test_recall_is_told_where_two_classes_can_be_compared(grid):
    rows = tables.by_told(grid[grid["step"] == 1000], {"accuracy": "network"})
    told = text.recall(rows, 0.125)
    assert "**57k**" in told
    assert "in each of 2 seeds of the facts told 5" in told
    assert "Nowhere do two classes" in text.recall(rows[rows["least"] == 5], 0.125)
    assert "no facts by the times told" in text.recall(rows.iloc[:0], 0.125)


def test_one_threshold_in_words():
    told = np.array([5.0, 500.0])
    assert "no curve to fit" in text.threshold(None)
    guessing = curves.fit(np.tile(told, 96), np.full(192, 0.1), np.repeat(range(64), 3), 1 / 8)
    assert "not halfway even for what was told most so far (500 times)" in text.threshold(guessing)
    knowing = curves.fit(np.tile(told, 96), np.ones(192), np.repeat(range(64), 3), 1 / 8)
    assert "more than halfway even for what was told least so far (5 times)" in text.threshold(
        knowing
    )
    fine = curves.Threshold(20.0, 15.0, 27.0, 2.0, np.zeros(3), 5.0, 500.0, 192)
    assert "at 20 tellings, 95% interval 15 to 27" in text.threshold(fine)


def test_a_threshold_that_was_not_reached_is_words_in_the_table(grid, found):
    table = tables.thresholds(grid, found)
    table.loc[[0, 1], "value"] = np.nan
    table.loc[[0, 1], "side"] = ["below", "above"]
    html = text.threshold_table(table).source
    assert f"below {table['least'][0]:,.0f}<" in html
    assert f"above {table['most'][1]:,.0f}<" in html
    assert "nan" not in html
    assert text.over_time(table).count("below in 1") == 1
    axes = figures.thresholds(table).axes[0]
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "<>"] == ["<", ">"]


def verdict(frame: pd.DataFrame, name: str) -> dict:
    table = claims.verdicts(CLAIMS, frame)
    return dict(table[table["claim"] == name][["seed", "holds"]].to_numpy())


def changed(frame, metric, subset, value, model=None):
    rows = (frame["metric"] == metric) & (frame["subset"] == subset)
    rows &= (frame["model"] == model) if model else True
    return frame.assign(value=frame["value"].where(~rows, value))


def test_all_claims_hold_of_records_made_for_them(grid):
    table = claims.verdicts(CLAIMS, grid)
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    assert table["holds"].map(bool).all(), table


@pytest.mark.parametrize(
    ("name", "metric", "subset", "value"),
    [
        ("facts-grow", "accuracy", "told 5-8", 1.0),
        ("facts-often-told", "accuracy", "told 65 or more", 0.7),
        ("facts-counting", "ngram", "told 5-8", 0.05),
        ("facts-one-sentence", "one_sentence", "told 65 or more", 0.9),
    ],
)
def test_a_claim_fails_in_the_seed_that_has_one_model_against_it(grid, name, metric, subset, value):
    other = changed(grid, metric, subset, value, "pico-57k-seed1")
    assert verdict(other, name) == {"usual": True, "seed1": False}


def test_a_claim_says_none_where_nothing_tells(grid):
    early = grid[(grid["step"] == 0) & grid["metric"].isin(["accuracy", "chance"])]
    early = early[early["subset"] == "all"]
    for claim in CLAIMS:
        assert claim.holds(early) is (True if claim.name == "facts-untrained" else None)


def told_in_batches(model: str, *told: float) -> pd.DataFrame:
    rows = [("told", f"C{i}: capital", value, 1) for i, value in enumerate(told)]
    frame = pd.DataFrame(rows, columns=["metric", "subset", "value", "n"])
    return frame.assign(**records.identity(find_model(model).checkpoint(143000), "facts"))


def test_estimates_say_how_coarse_they_are():
    frames = [
        told_in_batches("pythia-70m", 0, 14300, 28600, 0, 143000),
        told_in_batches("pythia-1b", 0, 14300, 28600, 0, 143000),
        told_in_batches("pythia-70m-deduped", 0, 0, 0, 0, 42900),
    ]
    told = text.estimates(pd.concat(frames))
    assert "in the standard text 2 of 5 facts are in none" in told
    assert "estimated at 14,300 tellings. Estimated most often: C4 143,000, C2 28,600" in told
    assert "in the deduped text 4 of 5" in told
    assert "None of the batches" in text.estimates(told_in_batches("pythia-70m", 0, 0))


def test_a_model_is_above_guessing_from_the_step_after_which_it_never_falls_back():
    rows = [(0, 0.1), (1, 0.3), (2, 0.2), (4, 0.5), (8, 0.6)]
    frame = pd.DataFrame(rows, columns=["step", "low"]).assign(model="pythia-70m")
    frame = frame.assign(value=frame["low"] + 0.1, high=frame["low"] + 0.2)
    assert "pythia-70m from step 4 on, 0.70 [0.60, 0.80] at the last" in text.when_learnt(
        frame, 0.25
    )
    assert "pythia-70m not to the end" in text.when_learnt(frame, 0.7)
    assert "pythia-70m at every step measured" in text.when_learnt(frame, 0.05)


def test_claims_that_no_seed_can_tell_of_are_left_out(grid):
    early = grid[(grid["step"] == 0) & grid["metric"].isin(["accuracy", "chance"])]
    (told,) = claims.told(claims.table(CLAIMS, early[early["subset"] == "all"]))["finding"]
    assert told == "Before training, models only guess."


def test_pythias_arithmetic_has_the_published_numbers():
    table = published.arithmetic()
    told = published.arithmetic_in_words(table)
    assert "from 2.0% at step 13,000 to 44.8% at step 143,000" in told
    assert "at most 0.4%" in told
    assert "reaches 3.0%, more than with them" in told
    assert "no more than with them" in published.arithmetic_in_words(table, "addition")
    assert (table["low"] <= table["value"] + 1e-9).all()
    assert table["panel"].nunique() == 2 * table["shots"].nunique()


def test_tasks_at_which_the_largest_model_falls():
    rows = [
        ("falls", "pythia-12b", 11_000, 1, 0.9),
        ("falls", "pythia-12b", 11_000, 2, 0.5),
        ("noise", "pythia-12b", 11_000, 1, 0.9),
        ("noise", "pythia-12b", 11_000, 2, 0.86),
        ("small", "pythia-12b", 11_000, 1, 0.5),
        ("small", "pythia-12b", 11_000, 2, 0.6),
    ]
    rows += [(task, "pythia-70m", 70, step, 1.6 - 0.8 * step) for task, _, _, step, _ in rows]
    frame = pd.DataFrame(rows, columns=["subset", "model", "n_params", "step", "value"])
    fallen = published.fallen(frame.assign(stderr=0.02))
    assert fallen["subset"].tolist() == ["falls"]
    assert fallen[["began", "ended"]].to_numpy().tolist() == [[0.9, 0.5]]
    assert "falls from 0.90 to 0.50" in text.fallen(fallen)
    assert "At none of these tasks" in text.fallen(fallen.iloc[:0])


def test_an_answer_without_its_error_is_not_compared_with_chance(grid):
    claim = next(claim for claim in CLAIMS if claim.name == "facts-untrained")
    assert claim.holds(grid) is True
    assert claim.holds(grid.assign(stderr=float("nan"))) is None
