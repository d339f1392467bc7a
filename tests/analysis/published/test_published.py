"""The suite's published evaluations: what ships with the book, and what comparisons find in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import plots
from pythia_utils.analysis.published import figures, text
from pythia_utils.analysis.published.comparisons import (
    accuracies,
    distance_range,
    distances,
    falls,
    size_effect,
    variant_distances,
    variant_effect,
    version_distances,
)
from pythia_utils.analysis.published.summary import blimp, source, summary, summary_path
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.sets import blimp_paradigms


def test_the_shipped_means_of_blimp_hang_together():
    """Fields and phenomena are two ways to split the same 67 paradigms: both must give the mean."""
    whole = summary("blimp").set_index(["model", "step"])["value"]
    for level, index in (("phenomenon", 0), ("field", 1)):
        groups = [labels[index] for labels in blimp_paradigms().values()]
        weights = pd.Series(groups).value_counts()
        frame = blimp(level)
        assert set(frame["subset"]) == set(weights.index)
        frame = frame.assign(part=frame["value"] * frame["subset"].map(weights) / 67)
        mean = frame.groupby(["model", "step"])["part"].sum()
        pd.testing.assert_series_equal(mean, whole.sort_index(), check_names=False, atol=2e-5)


@pytest.mark.parametrize(
    ("subset", "version", "expected"),
    [
        ("blimp", "v0", {"70m": 0.753, "160m": 0.780, "410m": 0.818, "12b": 0.831}),
        ("blimp", "v0", {"70m-deduped": 0.721, "1b-deduped": 0.806, "12b-deduped": 0.835}),
        ("lambada_openai", "v1", {"70m": 0.185, "160m": 0.328, "410m": 0.516, "1b": 0.562}),
        ("lambada_openai", "v1", {"1.4b": 0.616, "2.8b": 0.647, "6.9b": 0.673, "12b": 0.705}),
    ],
)
def test_final_figures_are_the_known_ones(subset, version, expected):
    frame = summary(subset, shots=0, version=version)
    final = frame[(frame["step"] == 143000) & (frame["metric"] == "accuracy")]
    values = final.set_index("model")["value"]
    ending = "-v0" if version == "v0" else ""
    got = {name: round(values[f"pythia-{name}{ending}"], 3) for name in expected}
    assert got == expected


def test_the_shipped_file_cites_its_source_and_is_small():
    text = summary_path().read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    for word in ("Apache-2.0", "2304.01373", "data/published/make_summary.py"):
        assert word in head
    assert source() == "EleutherAI/pythia@a19eecb"
    assert len(text) < 1.1e6


def test_an_unknown_measure_is_told():
    with pytest.raises(UsageError, match="nearest: lambada_openai"):
        summary("lambada")
    with pytest.raises(UsageError, match="unknown level"):
        blimp("paradigm")


# ---- Distances and effects


def made_up(variant: str, values, items: int, step: int = 1000) -> pd.DataFrame:
    """A size's accuracies on as many tasks as there are values, each of `items` items."""
    p = np.asarray(values, dtype=float)
    common = {"model": f"pythia-70m{'-deduped' * (variant == 'deduped')}", "variant": variant}
    common |= {"size": "70m", "n_params": 18_915_328, "step": step}
    tasks = [f"task{number}" for number in range(len(p))]
    stderr = np.sqrt(p * (1 - p) / (items - 1))
    names = {"subset": tasks, "task": tasks}
    return pd.DataFrame(names | {"value": p, "stderr": stderr}).assign(**common)


def test_a_model_has_no_distance_from_itself():
    frame = made_up("standard", [0.2, 0.5, 0.0], 100)
    (row,) = distances(frame, frame).to_dict("records")
    assert (row["distance"], row["tasks"]) == (0, 3)


def test_the_distance_against_its_definition():
    one, other = (made_up("standard", values, 401) for values in ([0.5, 0.5], [0.6, 0.5]))
    expected = 0.1 / np.sqrt((0.25 + 0.24) / 400) / np.sqrt(2)
    assert distances(one, other)["distance"].tolist() == pytest.approx([expected])


def test_equally_good_models_lie_in_the_expected_range_19_times_in_20():
    """2,000 simulated pairs that answer 9 tasks of 1,000 items independently."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.3, 0.9, 9)
    drawn = rng.binomial(1000, truth, (2, 2000, 9)) / 1000
    pairs = [made_up("standard", rows.ravel(), 1000) for rows in drawn]
    for frame in pairs:
        frame["step"] = np.repeat(np.arange(2000), 9)
        frame["subset"] = np.tile([f"task{number}" for number in range(9)], 2000)
    found = distances(*pairs)["distance"]
    low, high = distance_range(9)
    assert found.between(low, high).mean() == pytest.approx(0.95, abs=0.02)
    assert (found < low).mean() == pytest.approx(0.025, abs=0.012)


def test_the_two_2_8b_of_v1_are_one_model_until_step_43000_and_no_other_size_is():
    """Steps 3000 to 43000 were run twice, with other batches, so they agree to noise, not to digits."""
    table = variant_distances("v1")
    assert (table["tasks"] == 9).all()
    odd = table[table["size"] == "2.8b"].set_index("step")["distance"]
    assert odd.loc[:43000].max() < 0.1
    assert 0.2 < odd.loc[53000:].min() < odd.loc[53000:].max() < distance_range(9)[0]
    assert table[table["size"] != "2.8b"]["distance"].min() > odd.max()


def both_variants(gains: dict[str, float]) -> pd.DataFrame:
    """Accuracies of one task, of both variants of some sizes, the deduped ones higher by `gains`."""
    return pd.concat(
        made_up(variant, [0.4 + gain * (variant == "deduped")], 1001).assign(size=size)
        for size, gain in gains.items()
        for variant in ("standard", "deduped")
    )


def test_the_effect_of_a_variant_is_over_pairs_of_runs():
    gains = {"70m": 0.02, "160m": 0.06, "410m": 0.01, "1b": 0.03}
    (row,) = variant_effect(both_variants(gains)).to_dict("records")
    interval = stats.ttest_1samp([*gains.values()], 0).confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx(tuple(interval))
    assert (row["n"], row["found"]) == (4, interval.low > 0)


def test_deduplication_on_blimp_is_less_sure_over_runs_than_over_items():
    """Over items the interval was [-.024, -.022], as if another run could change nothing."""
    frame = summary("blimp").assign(task="BLiMP")
    (row,) = variant_effect(frame[frame["step"] == 143000]).to_dict("records")
    assert row["n"] == 8
    assert (row["low"], row["high"]) == pytest.approx((-0.042, -0.004), abs=5e-4)


def test_a_model_that_ends_clearly_below_its_best_is_named():
    """4,000 models that stay equal are named rarely; one that loses 5 errors is named."""
    rng = np.random.default_rng(1)
    drawn = rng.binomial(1000, 0.5, (4000, 15)) / 1000
    frame = made_up("standard", drawn.ravel(), 1000)
    frame["model"], frame["step"] = np.repeat(np.arange(4000), 15), np.tile(np.arange(15), 4000)
    assert len(falls(frame)) < 0.08 * 4000
    steady = made_up("standard", [0.5, 0.5, 0.5], 1000).assign(step=[0, 1, 2])
    fallen = steady.assign(value=[0.5, 0.63, 0.5])
    assert falls(steady).empty
    (row,) = falls(fallen).to_dict("records")
    assert (row["model"], row["step"], row["fall"]) == ("pythia-70m", 1, pytest.approx(0.13))


def test_the_smallest_models_of_v1_end_below_their_best_on_lambada():
    frame = accuracies("v1")
    frame = frame[(frame["subset"] == "lambada_openai") & (frame["variant"] == "standard")]
    assert set(falls(frame)["model"]) == {"pythia-70m", "pythia-160m"}


def test_the_effect_of_size_is_the_slope_over_runs():
    """.1 more for ten times the size in one task, nothing in the other, with scatter between runs."""
    rng, sizes = np.random.default_rng(2), np.geomspace(1e7, 1e10, 8)
    frames = [
        made_up("standard", [0.3 + 0.1 * np.log10(n / 1e7) + a, 0.5 + b], 101).assign(n_params=n)
        for n, (a, b) in zip(sizes, rng.normal(0, 0.01, (8, 2)), strict=True)
    ]
    first, second = size_effect(pd.concat(frames)).to_dict("records")
    assert first["low"] < 0.1 < first["high"]
    assert (first["task"], first["found"], second["found"]) == ("task0", True, False)
    assert second["low"] < 0 < second["high"]


def test_versions_are_compared_where_batches_were_equal():
    table = version_distances(143000)
    assert set(table["size"]) == {"70m", "1b", "2.8b", "6.9b", "12b"}
    assert len(table) == 10
    assert table[table["size"] == "70m"]["distance"].min() > distance_range(9)[1]


# ---- Figures


def test_curves_are_coloured_by_size_and_dotted_where_deduped():
    frame = summary("blimp", version="v0")
    figure = plots.trajectories(frame, "accuracy", reference=0.5)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 16
    assert {line.get_linestyle() for line in lines} == {"-", ":"}
    assert len({line.get_color() for line in lines}) == 8
    labels = [entry.get_text() for entry in figure.legends[0].get_texts()]
    sizes = ["70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b"]
    assert labels == [*sizes, "standard", "deduped"]


def test_a_panel_each_and_its_own_chance():
    frame = blimp("field")
    figure = plots.trajectories(frame, "accuracy", panels="subset", reference={"syntax": 0.5})
    titles = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert set(titles) == set(frame["subset"])
    flat = {
        name: sum(len(set(line.get_ydata())) == 1 for line in axes.lines)
        for name, axes in titles.items()
    }
    assert flat["syntax"] == 1
    assert sum(flat.values()) == 1


def test_the_odd_size_is_drawn_thick_and_the_band_is_chance():
    apart = variant_distances("v1")
    figure = figures.distances(apart, (0.5, 1.5), "distance", marked=["2.8b"])
    widths = {line.get_label(): line.get_linewidth() for line in figure.axes[0].get_lines()}
    assert max(widths, key=widths.get) == "pythia-2.8b"
    assert len(widths) == 8
    (band,) = (p for p in figure.axes[0].patches if p.get_y() == 0.5)
    assert band.get_height() == 1


# ---- Sentences


def test_a_sentence_counts_the_models_that_share_a_score():
    wsc = pd.DataFrame({"value": [0.5, 0.5, 0.6], "n": 104})
    assert "104 items, and 2 of the 3 final models score exactly 0.500" in text.same_answer(wsc)


def test_a_sentence_names_the_effects_that_are_finds():
    rows = [("ARC", 0.1, 0.05, 0.15, True), ("PIQA", 0.1, 0.01, 0.3, False)]
    effect = pd.DataFrame(rows, columns=["task", "value", "low", "high", "found"]).assign(n=[7, 8])
    told = text.deduplication(effect)
    assert "held at 5%: ARC (+0.100 [+0.050, +0.150]), of 2 tasks" in told
    assert "intervals of 2 exclude zero" in told
    assert "7 to 8 pairs of runs" in told
    assert "held at 5%: none, of 1 tasks" in text.deduplication(effect[1:])


def curves(*rows: list[float]) -> pd.DataFrame:
    """LAMBADA of three models, the smallest first, at steps 0, 8, 64 ..."""
    names = ["pythia-70m", "pythia-160m", "pythia-410m"]
    return pd.DataFrame(
        {"model": name, "n_params": 10**i, "step": 8**k * (k > 0), "value": row[i], "stderr": 0.01}
        | {"low": row[i], "high": row[i]}
        for k, row in enumerate(rows)
        for i, name in enumerate(names)
    )


def test_a_sentence_says_whether_larger_models_are_sooner():
    told = text.last_word(curves([0, 0, 0], [0.02, 0.05, 0.04], [0.1, 0.2, 0.3]))
    assert "**not** ahead at step 8" in told
    assert "pythia-160m has the most, 0.050, and pythia-410m 0.040" in told
    assert "holds from step 64 on" in told
    told = text.last_word(curves([0, 0, 0], [0.02, 0.03, 0.04], [0.1, 0.2, 0.3]))
    assert "ahead from step 8 on" in told
    told = text.last_word(curves([0, 0, 0], [0.02, 0.03, 0.04], [0.1, 0.3, 0.2]))
    assert "not even at the last step" in told


def test_a_sentence_tells_how_long_two_models_are_alike():
    apart = pd.DataFrame({"size": ["2.8b"] * 3, "step": [1, 2, 3], "distance": [0.01, 0.09, 0.4]})
    others = pd.DataFrame({"size": "1b", "step": [1, 2], "distance": [0.8, 1.0]})
    told = text.alike(pd.concat([apart, others]), (0.55, 1.45), "2.8b")
    assert "Up to step 2 its variants are at most 0.09 apart" in told
    assert "Later 0.40 to 0.40; the band begins at 0.55" in told
    assert "0.90 on average, and 0.80 at least" in told


def test_a_sentence_names_pairs_of_versions_beyond_chance():
    pairs = pd.DataFrame({"model": ["pythia-70m", "pythia-1b"], "found": [True, False]})
    assert "held at 5%: pythia-70m, of 2." in text.versions(pairs)
    assert "held at 5%: none, of 1." in text.versions(pairs[1:])


def test_sentences_of_the_shipped_results_hold():
    """Facts that other tests of this file establish."""
    frame = accuracies("v1")
    lambada = frame[(frame["task"] == "LAMBADA") & (frame["variant"] == "standard")]
    told = text.last_word(lambada)
    assert "pythia-70m by" in told.split("below their best:")[1]
    assert "pythia-12b 0.705" in told
    assert "**not** ahead at step 1,000" in told
    assert "of 240 checkpoints" in text.grammar(blimp("phenomenon"))  # 16 models, 15 steps
