"""The chapter's tables and sentences, from records whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import stats as statistics
from pythia_utils.analysis.memorization import published, tables, text
from pythia_utils.suites.catalog import find_model


def records(*rows: tuple) -> pd.DataFrame:
    """Records from (model, step, metric, subset, value, stderr, n)."""
    frame = pd.DataFrame(
        rows, columns=["model", "step", "metric", "subset", "value", "stderr", "n"]
    )
    models = [find_model(name) for name in frame["model"]]
    frame["variant"] = [model.variant for model in models]
    frame["n_params"] = [model.non_embedding_params for model in models]
    return frame.astype({"n": "Int64"})


def share(model, step, subset, k, n):
    return (model, step, "memorized", subset, k / n, 0.1, n)


def item(model, step, name):
    return (model, step, "memorized_item", name, 1.0, np.nan, 1)


def test_numbers_sort_as_numbers_and_other_kinds_stay_out():
    frame = records(
        share("pico-7k", 0, "copies-16", 1, 4),
        share("pico-7k", 0, "copies-2", 0, 4),
        share("pico-7k", 0, "never-0", 0, 9),
        ("pico-7k", 0, "loss", "copies-2", 3.0, 0.5, 4),
    )
    found = tables.numbered(frame, "copies")
    assert found["number"].tolist() == [2, 16]
    low, high = statistics.wilson_interval([0, 1], [4, 4])
    assert found["low"].tolist() == pytest.approx(low)
    assert found["high"].tolist() == pytest.approx(high)
    (loss,) = tables.numbered(frame, "copies", "loss").itertuples()
    assert loss.high - loss.value == pytest.approx(stats.t.ppf(0.975, 3) * 0.5)


def test_a_matched_share_stays_a_share():
    frame = tables.with_intervals(records(("pico-7k", 0, "matched", "copies-2", 0.9, 0.2, 4)))
    assert frame["high"].item() == 1


def test_gains_are_what_the_control_loses_more():
    frame = records(
        ("pico-7k", 8, "loss", "never-0", 8.0, 0.3, 100),
        ("pico-7k", 8, "loss", "decile-2", 5.0, 0.4, 4),
        ("pico-7k", 16, "loss", "never-0", 7.0, 0.3, 100),
        ("pico-7k", 16, "loss", "decile-2", 6.5, 0.4, 4),
    )
    found = tables.gains(frame, "decile")
    assert found["value"].tolist() == [3.0, 0.5]
    assert found["stderr"].tolist() == pytest.approx([0.5, 0.5])
    assert found["number"].tolist() == [2, 2]


def test_counts_are_whole_again():
    frame = records(share("pico-7k", 0, "block-1", 7, 41), share("pico-7k", 0, "block-0", 1, 3))
    assert tables.counts(frame, "block").to_numpy().tolist() == [[0, 1, 3], [1, 7, 41]]
    assert tables.counts(frame, "text").empty


def test_against_is_newcombes_difference():
    frame = records(share("pico-7k", 4, "seen", 56, 70), share("pico-7k", 4, "unseen", 48, 80))
    found = tables.against(frame.iloc[[1]], frame.iloc[[0]], ("unread", "read"))
    assert found.iloc[0, :4].tolist() == ["pico-7k", 4, "48 of 80", "56 of 70"]
    assert found.iloc[0, 4:].tolist() == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)


def predicted() -> pd.DataFrame:
    """Of 4 items that the largest model has memorized in the end."""
    rows = [share(m, s, "all", 1, 100) for m in ("pico-7k", "pico-14k") for s in (0, 8, 16)]
    rows += [share("pico-14k-deduped", 16, "all", 1, 100), share("pico-57k", 16, "all", 1, 99)]
    rows += [item("pico-14k", 16, f"sequence-{n}") for n in range(4)]
    rows += [item("pico-14k", 8, name) for name in ("sequence-0", "sequence-1", "sequence-9")]
    rows += [item("pico-7k", 16, "sequence-3"), item("pico-14k-deduped", 16, "sequence-1")]
    return records(*rows)


def test_precision_and_recall():
    found = tables.predictions(predicted(), "pico-14k")
    by = found.set_index(["model", "step", "metric"])["value"].to_dict()
    assert by == {
        ("pico-7k", 0, "recall"): 0,
        ("pico-7k", 8, "recall"): 0,
        ("pico-7k", 16, "recall"): 1 / 4,
        ("pico-7k", 16, "precision"): 1,
        ("pico-14k", 0, "recall"): 0,
        ("pico-14k", 8, "recall"): 2 / 4,
        ("pico-14k", 8, "precision"): 2 / 3,
        ("pico-14k", 16, "recall"): 1,
        ("pico-14k", 16, "precision"): 1,
    }
    two_of_three = found[(found["step"] == 8) & (found["metric"] == "precision")].iloc[0]
    assert (two_of_three["low"], two_of_three["high"]) == pytest.approx(
        tuple(map(float, statistics.wilson_interval(2, 3)))
    )
    assert "50%" in text.early(found, "pico-14k")


def test_nothing_memorized_is_nothing_to_predict():
    frame = records(share("pico-7k", 0, "all", 0, 100), share("pico-7k", 16, "all", 0, 100))
    found = tables.predictions(frame, "pico-7k")
    assert found.empty
    assert "no item" in text.early(found, "pico-7k")


def trend_records(slope: float, stderr: float) -> pd.DataFrame:
    """What is recorded is the slope of the loss."""
    return records(
        ("pico-7k", 1000, "position_trend", "loss", -slope, stderr, 42),
        ("pico-7k", 500, "position_trend", "loss", 99.0, stderr, 42),
    )


@pytest.mark.parametrize(
    ("slope", "stderr", "verdict"),
    [
        (3.0, 0.5, "read late is remembered better"),
        (-3.0, 0.5, "read early is remembered better"),
        (0.05, 0.1, "does not matter by more than the bound"),
        (0.4, 0.5, "neither an effect of the place nor its absence"),
    ],
)
def test_the_verdict_on_the_place_follows_from_the_tests(slope, stderr, verdict):
    found = tables.gain_trends(trend_records(slope, stderr), 0.5)
    assert found["slope"].tolist() == [slope]
    half = stats.t.ppf(0.975, 40) * stderr
    assert (found["low"].item(), found["high"].item()) == pytest.approx(
        (slope - half, slope + half)
    )
    counts = pd.DataFrame({"number": range(10), "memorized": [0] * 9 + [2], "tested": [4] * 10})
    assert verdict in text.experiment(found, counts, "pico-7k")


def test_sentences_say_when_there_is_nothing_to_say():
    nothing = tables.numbered(records(share("pico-7k", 0, "all", 0, 9)), "copies")
    counts = tables.counts(nothing, "text")
    trends = tables.gain_trends(nothing, 0.5)
    assert text.copies(nothing, nothing, "pico-7k") == text.NO_COPIES
    assert text.texts(counts, "pico-7k") == text.NO_TRUTH
    assert text.experiment(trends, counts, "pico-7k") == text.NO_TRUTH
    assert text.forgetting(tables.gains(nothing, "decile")) == text.NO_TRUTH
    early = pd.DataFrame({"number": range(10), "memorized": 0, "tested": 4})
    assert "three deciles" in text.experiment(trends, early, "pico-7k")


def test_position_is_told_with_its_tests_or_as_nothing_to_compare():
    blocks = pd.DataFrame({"number": range(20), "memorized": 0, "tested": 40})
    assert "nothing varies" in text.position(blocks, "pico-7k", 1.25)
    many = blocks.assign(memorized=1000, tested=10_000)
    assert "is shown to be equal" in text.position(many, "pico-7k", 1.25)
    few = blocks.assign(memorized=[0, 1] * 10)
    assert "**not** shown to be equal" in text.position(few, "pico-7k", 1.25)


def test_published_counts_are_those_of_the_data_card():
    found = published.counts().set_index("model")
    assert len(found) == 14
    assert set(found["tested"]) == {143_000 * 1024}
    assert found.loc["pythia-12b", "value"] == pytest.approx(0.01627, abs=1e-5)
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()
    standard = found[found["variant"] == "standard"].sort_values("n_params")
    assert standard["memorized"].is_monotonic_increasing
    for name, row in found[found["variant"] == "deduped"].iterrows():
        assert row["memorized"] < found.loc[name.removesuffix("-deduped"), "memorized"]


def test_variants_of_one_size_are_compared_at_the_last_step():
    frame = records(
        share("pico-7k", 8, "all", 5, 9),
        share("pico-7k", 16, "all", 9, 9),
        share("pico-7k-deduped", 16, "all", 3, 9),
        share("pico-14k", 16, "all", 1, 9),
    )
    (row,) = tables.variants(frame).to_dict("records")
    assert (row["size"], row["step"]) == ("7k", 16)
    assert (row["deduplicated"], row["standard"]) == ("3 of 9", "9 of 9")
    assert row["difference"] == pytest.approx(6 / 9)
    assert row["low"] < 6 / 9 < row["high"]


def test_the_exponent_of_the_published_counts_changes_with_size():
    table = published.bends(published.counts()).set_index("variant")
    ends = table.loc["standard", ["exponent_small", "exponent_large"]].tolist()
    assert ends == pytest.approx([0.275, 0.241], abs=5e-4)
    assert table.loc["standard", "value"] == pytest.approx(ends[1] - ends[0])
    assert "0.275 at pythia-70m and 0.241 at pythia-12b" in text.published(published.counts(), {})


def test_a_bend_is_recovered_within_its_interval():
    rng, hits, x = np.random.default_rng(8), 0, np.geomspace(2e7, 1e10, 8)
    logs = np.log(x / x[0])
    frame = pd.DataFrame({"model": [f"m{i}" for i in range(8)], "variant": "v", "n_params": x})
    for _ in range(400):
        counts = np.exp(10 + 0.3 * logs - 0.01 * logs**2 + rng.normal(0, 0.05, 8))
        (row,) = published.bends(frame.assign(memorized=counts)).itertuples()
        hits += row.low <= -0.02 * logs[-1] <= row.high
    assert hits / 400 == pytest.approx(0.95, abs=0.03)
