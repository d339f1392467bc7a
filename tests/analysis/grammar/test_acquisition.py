"""Tables of grids with a known truth, and sentences that stay right at their edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import learning_curves
from pythia_utils.analysis import stats as statistics
from pythia_utils.analysis.grammar import acquisition, figures
from pythia_utils.analysis.grammar import text as acquisition_text
from pythia_utils.analysis.phases import below_chance_phases
from pythia_utils.nano.grammar import PHENOMENA

STEPS = [0, 1, 3, 7, 15, 31]


def grid(models: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Curves of accuracies out of 100 at `STEPS`, by model and phenomenon."""
    rows = [
        {"model": model, "subset": subset, "step": step, "value": value, "n": 100}
        for model, curves in models.items()
        for subset, values in curves.items()
        for step, value in zip(STEPS, values, strict=True)
    ]
    return acquisition.curves(pd.DataFrame(rows))


EARLY, LATE, NEVER = (
    [0.5, 0.9, 0.9, 0.9, 0.9, 0.9],
    [0.5, 0.5, 0.5, 0.5, 0.9, 0.9],
    [0.5] * 6,
)
DIP = [0.5, 0.2, 0.1, 0.5, 0.9, 0.9]


def compared(values: pd.DataFrame) -> pd.DataFrame:
    """Agreements of orders by these values, a row a model."""
    curves = pd.DataFrame({"model": values.index})
    return acquisition.agreements(curves, lambda part: values.loc[part["model"]].fillna(np.inf))


def test_curves_have_the_counts_behind_their_accuracies():
    frame = grid({"nano-7k": {"all": NEVER, "filler_gap": LATE}})
    assert set(frame["subset"]) == {"filler_gap"}
    assert list(frame["correct"]) == [50, 50, 50, 50, 90, 90]
    assert frame["high"].iloc[-1] == statistics.wilson_interval(90, 100)[1]


def test_curves_count_pairs_for_what_their_error_says_they_are_worth():
    """Records of 100 pairs with the error of 40, and of published scores without one."""
    error = statistics.proportion_stderr(30, 40)
    rows = pd.DataFrame({"model": "m", "subset": ["a", "b"], "step": 8, "value": 0.75, "n": 100})
    curves = acquisition.curves(rows.assign(stderr=[error, np.nan]))
    assert curves["n"].to_numpy() == pytest.approx([40, 100])
    assert curves["pairs"].tolist() == [100, 100]
    assert curves["low"].iloc[0] == pytest.approx(statistics.wilson_interval(30, 40)[0])


def test_every_phenomenon_of_nano_and_of_blimp_has_its_field():
    fields = acquisition.fields([*PHENOMENA, "island_effects", "mine"])
    assert fields["filler_gap"] == "syntax"
    assert fields["island_effects"] == "syntax"
    assert fields["mine"] == "other"
    assert set(acquisition.IN_BLIMP) <= set(PHENOMENA)
    assert set(acquisition.fields([*acquisition.IN_BLIMP.values()]).values()) <= {
        "morphology",
        "syntax",
        "semantics",
        "syntax-semantics",
    }


def test_ranks_follow_onsets_and_those_without_one_are_last():
    curves = grid({"nano-7k": {"a": LATE, "b": EARLY, "c": NEVER, "d": NEVER}})
    ranks = acquisition.ranks(learning_curves.milestones(curves), ["nano-7k"])
    assert ranks["nano-7k"].to_dict() == {"a": 2, "b": 1, "c": 3.5, "d": 3.5}


def test_heights_keep_the_order_of_the_records_and_leave_out_what_is_no_curve():
    curves = grid({"nano-57k": {"b": EARLY, "a": NEVER}, "nano-14k": {"b": LATE, "a": DIP}})
    once = curves[(curves["step"] == 0) & (curves["model"] == "nano-14k")].assign(model="nano-7k")
    heights = acquisition.heights(pd.concat([curves, once]))
    assert list(heights.index) == ["nano-57k", "nano-14k"]
    assert list(heights.columns) == ["b", "a"]
    assert heights.loc["nano-57k", "a"] == pytest.approx(0.5)
    assert heights.loc["nano-57k", "b"] > heights.loc["nano-14k", "b"] > 0.5


def test_models_are_compared_at_the_steps_that_they_share():
    """The same curve, of which one model has the first half and one every other step, is no difference."""
    whole = grid({"nano-57k": {"a": EARLY, "b": LATE}})
    steps = sorted(whole["step"].unique())
    late = whole[whole["step"].isin(steps[2:])].assign(model="nano-57k-seed1")
    sparse = whole[whole["step"].isin(steps[::2])].assign(model="nano-57k-deduped")
    heights = acquisition.heights(pd.concat([whole, late, sparse]))
    assert set(heights.index) == {"nano-57k", "nano-57k-seed1", "nano-57k-deduped"}
    assert np.ptp(heights.to_numpy(), axis=0) == pytest.approx(0)
    onsets = acquisition.onsets(pd.concat([whole, late]))
    assert onsets.loc["nano-57k"].equals(onsets.loc["nano-57k-seed1"])


def test_one_thing_differs_in_each_comparison_of_orders():
    names = ["nano-7k", "nano-7k-seed1", "nano-7k-seed2", "nano-7k-deduped", "nano-57k"]
    values = pd.DataFrame([[1, 2, 3, 4, np.nan]] * 5, index=names)
    table = compared(values).set_index("compared")
    assert table["orders"].to_dict() == {
        "sizes, standard data": 2,
        "seeds of 7k": 3,
        "standard and deduped data, 7k": 2,
    }
    assert table["rho"].to_numpy() == pytest.approx(1)
    assert compared(values.loc[["nano-7k"]]).empty
    assert compared(values[[0, 1, 2]]).empty


def test_published_models_are_compared_as_our_own():
    names = ["pythia-70m-v0", "pythia-160m-v0", "pythia-70m-deduped-v0"]
    rng = np.random.default_rng(0)
    table = compared(pd.DataFrame(rng.random((3, 12)), index=names))
    assert list(table["compared"]) == ["sizes, standard data", "standard and deduped data, 70m"]


def test_gain_of_a_variant_is_a_mean_over_phenomena_with_students_interval():
    standard, deduped = np.array([0.5, 0.6, 0.7]), np.array([0.6, 0.65, 0.9])
    heights = pd.DataFrame(
        [standard, deduped, standard], index=["nano-7k", "nano-7k-deduped", "nano-14k"]
    )
    (row,) = acquisition.variant_gains(heights).itertuples()
    expected = stats.ttest_rel(deduped, standard).confidence_interval()
    assert row.size == "7k"
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high))
    assert acquisition.variant_gains(heights.loc[["nano-7k"]]).empty


def test_a_phase_is_named_only_where_its_attractor_was_shown_to_lead():
    subset = "subject_verb_agreement_attractor"
    curves = grid({"nano-7k": {subset: DIP, "filler_gap": DIP}, "nano-14k": {subset: DIP}})
    phases = below_chance_phases(curves)
    attraction = pd.DataFrame(
        [
            {"model": "nano-7k", "subset": subset, "step": 3, "value": 0.5, "low": 0.4},
            {"model": "nano-14k", "subset": subset, "step": 3, "value": 0.1, "low": -0.1},
        ]
    )
    named = acquisition.named_phases(phases, attraction).set_index(["model", "subset"])["follows"]
    assert named["nano-7k", subset] == "agree with the nearest noun"
    assert named["nano-14k", subset] == named["nano-7k", "filler_gap"] == "no rule that we tested"


def test_nano_beside_blimp_averages_its_cases_of_one_phenomenon():
    nano = pd.DataFrame({"reflexive_number": [0.6], "reflexive_gender": [0.8], "filler_gap": [0.5]})
    blimp = pd.DataFrame({"anaphor_agreement": [0.9, 1.0], "filler_gap_dependency": [0.7, 0.7]})
    both = acquisition.beside_blimp(nano, blimp)
    assert both.loc["anaphor_agreement"].tolist() == pytest.approx([0.7, 0.95])
    assert both.loc["filler_gap_dependency"].tolist() == pytest.approx([0.5, 0.7])
    assert acquisition.beside_blimp(nano.add_prefix("other "), blimp).empty


# ---- For readers


def test_sentences_say_so_where_there_is_nothing_to_tell():
    nothing = acquisition.named_phases(
        below_chance_phases(grid({"nano-7k": {"a": NEVER}})),
        pd.DataFrame(columns=["model", "subset", "step", "value", "low"]),
    )
    assert acquisition_text.phase_table(nothing).empty
    assert acquisition_text.phases_in_words(nothing).startswith("No accuracy")
    tied = compared(pd.DataFrame(np.full((2, 5), np.nan), index=["nano-7k", "nano-14k"]))
    for table in (tied, compared(pd.DataFrame(index=["nano-7k"]))):
        assert "too few, or learn too little" in acquisition_text.agreement_in_words(table, "sizes")
    assert acquisition_text.agreement_table(tied).iloc[0, 3:].tolist() == ["–"] * 4
    heights = acquisition.heights(grid({"nano-7k": {"a": EARLY}}))
    assert "one seed of each size" in acquisition_text.seeds_in_words(heights)


def test_sentences_follow_the_numbers():
    order = np.arange(8.0)
    names = ["nano-7k", "nano-14k", "nano-57k"]
    same = compared(pd.DataFrame([order] * 3, index=names))
    text = acquisition_text.agreement_in_words(same, "sizes")
    assert "Across 3 sizes the orders of 8 phenomena agree" in text
    assert "p < 0.001, p < 0.001 with 1 such comparisons" in text
    opposite = compared(pd.DataFrame([order, -order, order], index=names))
    assert "do not agree" in acquisition_text.agreement_in_words(opposite, "sizes")
    related = pd.DataFrame(
        {"ours": order, "pythia": order}, index=[f"filler_{i}" for i in range(8)]
    )
    shown = acquisition_text.beside_table(related, "nano")
    assert list(shown) == ["phenomenon of BLiMP", "nano", "Pythia (v0)"]
    assert shown.iloc[3].tolist() == ["filler 3", 3, 3]
    heights = pd.DataFrame({"a": [0.5, 0.6]}, index=["nano-7k", "nano-7k-seed1"])
    assert "up to 0.100" in acquisition_text.seeds_in_words(heights)


def test_frequency_is_told_at_its_highest_and_at_the_end():
    columns = ["model", "step", "value", "low", "high"]
    rows = [["a", 8, 0.6, 0.5, 0.7], ["a", 64, 0.0, -0.1, 0.1], ["b", 64, 0.2, 0.1, 0.3]]
    text = acquisition_text.frequency_in_words(pd.DataFrame(rows, columns=columns))
    assert "highest at step 8 (a: 0.60 [0.50, 0.70])" in text
    assert "between 0.00 and 0.20; the interval holds zero for 1 of 2 models" in text
    assert "no frequencies" in acquisition_text.frequency_in_words(pd.DataFrame(columns=columns))


def test_milestones_read_as_steps_with_their_intervals():
    row = {
        "model": "m",
        "subset": "filler_gap",
        "first": 0,
        "last": 2000,
        "onset": 1200.4,
        "low": 1000,
        "high": 1500,
    }
    open_end = row | {"subset": "a", "high": np.inf}
    never = row | {"subset": "b", "onset": np.nan, "low": 917, "high": np.inf}
    not_at_all = never | {"subset": "c", "low": np.inf}
    at_once = row | {"subset": "d", "first": 1200, "onset": 1200.0}
    rows = [row, open_end, never, not_at_all, at_once]
    table = acquisition_text.milestone_table(pd.DataFrame(rows))
    assert table["m"].str.replace("\u00a0", " ").to_dict() == {
        "filler gap": "1,200 [1,000, 1,500]",
        "a": "1,200 [1,000, –)",
        "b": "> 2,000 [917, –)",
        "c": "> 2,000",
        "d": "by 1,200",
    }


def test_of_many_models_a_table_has_steps_alone():
    sizes = ("14m", "31m", "70m", "160m", "410m", "1b-v0")
    row = {"subset": "a", "first": 0, "last": 2000, "onset": 1200.4, "low": 1000, "high": 1500}
    rows = pd.DataFrame([row | {"model": f"pythia-{size}"} for size in sizes])
    (told,) = acquisition_text.milestone_table(rows).to_dict("records")
    assert told == dict.fromkeys(sizes, "1,200")


def test_labels_of_tied_orders_stand_apart():
    assert list(figures._apart(np.array([1, 2.5, 2.5, 4]))) == [1, 2, 3, 4]


def test_a_model_first_measured_after_its_onsets_has_no_order():
    curves = grid({"nano-7k": {"a": LATE, "b": EARLY}, "nano-14k": {"a": LATE, "b": EARLY}})
    late = (curves["model"] == "nano-14k") & (curves["step"] < curves["step"].max() / 3)
    ranks = acquisition.ranks(learning_curves.milestones(curves[~late]), ["nano-7k", "nano-14k"])
    assert list(ranks.columns) == ["nano-7k"]
