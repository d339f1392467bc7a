"""From records to what the chapter shows: known answers, and words where there is nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis.induction import maps, tables, text
from pythia_utils.analysis.learning_curves import stays_above
from pythia_utils.grid import records

STEPS = (0, 16, 64, 256, 512, 1000)
MODELS = ("pico-7k", "pico-57k", "pico-57k-seed1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("runs")
    made_records.write(folder, "induction", [(m, s) for m in MODELS for s in STEPS])
    return records.read("induction", "pico", folder)


def test_heads_are_rows_with_their_scores(runs):
    heads = tables.heads(runs)
    assert len(heads) == len(MODELS) * len(STEPS) * 4
    end = heads[(heads["model"] == "pico-57k") & (heads["step"] == 1000)].set_index(
        ["layer", "head"]
    )
    assert end.loc[(1, 1), "prefix_matching"] == 0.9
    assert list(end["found"]) == [1, 0, 0, 2]
    start = heads[heads["step"] == 0]
    assert start["ablation"].isna().all()
    assert (start["found"] == 0).all()


def test_an_onset_is_where_a_curve_stays_above_half_of_its_end(runs):
    found = tables.onsets(runs).set_index("model")
    assert np.isnan(found.loc["pico-7k", "gain_onset"])  # no gain, no onset
    assert found.loc["pico-57k", "gain"] == 1.0
    # .2 at step 64 and .6 at step 256 of a gain of 1: half of it at three quarters of the way.
    time = np.log2(65) + 0.75 * (np.log2(257) - np.log2(65))
    assert found.loc["pico-57k", "gain_onset"] == pytest.approx(2**time - 1)


def test_the_tables_of_the_chapter_are_tables(runs):
    shown = text.onset_table(tables.onsets(runs), 1000).source
    assert "1.00 [0.94, 1.06]" in shown
    assert shown.count("no gain") == 2  # of the smallest size
    assert "layer 1, head 1" in text.ranks_table(tables.ranks(runs)).source
    shares = tables.shares_left(runs)
    assert "90%" in text.causal_table(shares).source
    alone = shares.assign(**{"as many others": np.nan, "worst others": np.nan})
    assert text.causal_table(alone).source.count("–") == 4
    assert "as many others" not in text.causal(alone, 2)


def test_a_curve_that_falls_again_has_not_stayed():
    steps = [0, 1, 3, 7]
    assert stays_above(steps, [0, 1, 0, 1], 0.5) == pytest.approx(2**2.5 - 1)
    assert stays_above(steps, [1, 1, 1, 1], 0.5) == 0
    assert np.isnan(stays_above(steps, [0, 1, 1, 0], 0.5))


def test_what_is_left_of_the_gain_is_told_of_the_last_step_with_heads_found(runs):
    shares = tables.shares_left(runs).set_index("model")
    assert list(shares.index) == ["pico-57k", "pico-57k-seed1"]
    row = shares.loc["pico-57k"]
    assert (row["found"], row["whole"]) == ("layer 0, head 0; layer 1, head 1", 1.0)
    assert (row["heads found"], row["as many others"]) == (0.05, 0.9)
    told = text.causal(shares.reset_index(), 3)
    assert told == (
        "2 of 3 models have a gain to ablate. Without the heads found 5% of it are left on new sequences; "
        "without as many others 90%, without the worst set of others 85%."
    )


def test_places_of_the_heads_found_are_among_all_heads(runs):
    ranks = tables.ranks(runs)
    assert len(ranks) == 4
    own = ranks[ranks["model"] == "pico-57k"].set_index("found")
    assert list(own["prefix_matching_place"]) == [4, 1]
    assert list(own["previous_token_place"]) == [1, 4]
    assert (own["heads"] == 4).all()
    assert (
        "Of 2 models with heads found, the head of the greatest score of all heads is among those found for "
        "prefix matching in 2, copying in 2, previous token in 2, first token in 2. By prefix matching these "
        "heads have 0.90. By previous token"
    ) in text.ranks(ranks)


def test_echo_documents_are_told_within_and_beyond(runs):
    echo = tables.echo(runs)
    own = echo[(echo["model"] == "pico-57k") & (echo["step"] == 1000)]
    assert list(own["document"]) == ["8", "14", "20", "26", "14+12"]
    assert list(own["gap"]) == [0, 0, 0, 0, 12]
    told = text.echo(echo)
    assert "periods of 8 to 20, as in training: 2.00; longer periods: 4.50" in told
    assert "with a gap: 4.60" in told
    assert "costs 4.03" in told


def test_the_headline_counts_runs_of_half_a_nat(runs):
    told = text.headline(tables.of(runs, "content_gain"))
    assert "**7k**: 0.00 (one seed), half a nat or more in 0 of 1" in told
    assert "**57k**: 1.00 in each of 2 seeds, half a nat or more in 2 of 2" in told


def test_a_map_shows_the_models_of_the_greatest_gain_within_what_a_page_carries(runs, monkeypatch):
    heads, gain = tables.heads(runs), tables.of(runs, "content_gain")
    assert list(dict.fromkeys(maps.shown(heads, gain)["model"])) == [
        "pico-57k",
        "pico-57k-seed1",
        "pico-7k",
    ]
    less = [
        frame[(frame["model"] != "pico-57k") | (frame["step"] > 256)] for frame in (heads, gain)
    ]
    assert maps.shown(*less)["model"].iloc[0] == "pico-57k-seed1"  # measured at more steps
    monkeypatch.setattr(maps, "CELLS", 24)
    assert set(maps.shown(heads, gain)["model"]) == {"pico-57k"}
    monkeypatch.setattr(maps, "CELLS", 5)
    assert maps.shown(heads, gain).empty


def test_records_without_any_of_it_are_told_in_words(runs):
    nothing = runs.iloc[:0]
    assert "hold no gains" in text.headline(tables.of(nothing, "content_gain"))
    assert "hold no gains" in text.other_alphabets(tables.by_test(nothing))
    assert "hold no echo documents" in text.echo(tables.echo(nothing))
    assert "hold no in-context" in text.in_context(tables.of(nothing, "in_context"))
    assert "In none of 3 models" in text.causal(tables.shares_left(nothing), 3)
    assert "No heads were found" in text.ranks(tables.ranks(nothing))
    assert tables.onsets(nothing).empty
