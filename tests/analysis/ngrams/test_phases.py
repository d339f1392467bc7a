"""Phases from curves of known shape; sentences and tables that follow them; Pythia's published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis.claims import verdicts
from pythia_utils.analysis.ngrams import phases, published, text
from pythia_utils.analysis.ngrams.claims import CLAIMS
from pythia_utils.analysis.ngrams.measures import NAMES
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

STEPS = (0, 8, 16, 32, 64, 128, 256, 512, 1000)
SEEDS = ("pico-57k", "pico-57k-seed1", "pico-57k-data-seed1")


def made(models=SEEDS, steps=STEPS) -> pd.DataFrame:
    """Made records: unigrams are met at step 16, and each longer n two powers of two later."""
    rows = []
    for model in models:
        for step in steps:
            common = records.identity(find_model(model).checkpoint(step), "ngrams")
            rows += [common | row for row in made_records.ngrams(model, step)]
    return pd.DataFrame(rows)


def of(frame: pd.DataFrame, metric: str, subset: str | None = None) -> pd.Series:
    own = frame["metric"] == metric
    return own if subset is None else own & (frame["subset"] == subset)


def test_minima_of_known_curves():
    frame = made()
    least = phases.extrema(frame[of(frame, "kl")]).set_index(["model", "subset"])
    assert len(least) == len(SEEDS) * len(NAMES)
    for model in SEEDS:
        found = [least.loc[(model, name), "step"] for name in NAMES]
        assert found == [16, 64, 256, 1000, 1000]
    assert least.loc[("pico-57k", "1-gram"), "value"] == pytest.approx(0.5, abs=0.1)
    assert (least["end"] == 1000).all()
    assert set(least["seed"]) == {"usual", "seed1", "data-seed1"}
    most = phases.extrema(frame[of(frame, "pearson_r")], greatest=True)
    assert (most["step"].to_numpy() == least["step"].to_numpy()).all()


def test_steps_near_the_least_value():
    frame = made(["pico-57k"])
    flat = of(frame, "kl", "3-gram") & (frame["step"] >= 64)
    frame.loc[flat, "value"] = 1.0
    frame.loc[flat & (frame["step"] == 256), "value"] = 0.96
    least = phases.extrema(frame[of(frame, "kl", "3-gram")]).iloc[0]
    assert (least["step"], least["first"], least["last"]) == (256, 64, 1000)


def test_of_few_steps_no_minimum_is_told():
    frame = made(steps=(0, 16, 64))
    assert phases.extrema(frame[of(frame, "kl")]).empty
    assert phases.by_order(phases.extrema(frame[of(frame, "kl")])).empty
    assert "at enough steps" in text.order_in_words(pd.DataFrame())


def test_from_when_on_a_model_is_better():
    """The made model's loss is 5 - log2(1 + step) / 3, the n-grams' 3.5: below from step 32 on."""
    frame = made(["pico-57k"])
    found = phases.passed(frame[of(frame, "loss")])
    assert list(found["subset"]) == list(NAMES)
    assert (found["step"] == 32).all()
    frame.loc[of(frame, "loss", "model") & (frame["step"] == 128), "value"] = 3.6  # once more above
    assert (phases.passed(frame[of(frame, "loss")])["step"] == 256).all()
    frame.loc[of(frame, "loss", "model"), "value"] = 3.5  # never below
    assert phases.passed(frame[of(frame, "loss")])["step"].isna().all()
    assert "not in 1 of 1" in text.passed(phases.passed(frame[of(frame, "loss")])).source


def test_the_mean_of_seeds_is_of_all_of_them():
    frame = made()
    frame = frame[(frame["model"] != "pico-57k-seed1") | (frame["step"] != 8)]
    frame.loc[frame["model"] == "pico-57k-seed1", "value"] += 0.3
    mean = phases.mean_of_seeds(frame[of(frame, "kl", "1-gram")]).set_index("step")
    assert set(mean.index) == set(STEPS) - {8}
    assert set(mean["model"]) == {"pico-57k"}
    first = frame[of(frame, "kl", "1-gram") & (frame["model"] == "pico-57k")].set_index("step")
    np.testing.assert_allclose(mean["value"], first["value"][mean.index] + 0.1)
    np.testing.assert_allclose(mean["high"] - mean["low"], 0.3)


# --- what is claimed ------------------------------------------------------------------------------


def answers(frame: pd.DataFrame) -> dict[str, list]:
    return verdicts(CLAIMS, frame).groupby("claim")["holds"].apply(list).to_dict()


def test_every_claim_holds_of_stages_in_order_and_of_each_seed():
    found = answers(made(("pico-57k", "pico-224k", "pico-57k-seed1", "pico-224k-seed1")))
    assert set(found) == {claim.name for claim in CLAIMS}
    assert all(own == [True, True] for own in found.values())
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("steps", [(16,), (0, 16)])
def test_few_steps_cannot_tell_of_order(steps):
    found = answers(made(["pico-57k"], steps))
    unknown = {claim.name for claim in CLAIMS} - {"better-than-every-ngram"}
    unknown -= {"unigrams-are-left-behind"} if len(steps) > 1 else set()
    assert {name for name, own in found.items() if own == [None]} == unknown


def swapped(frame, metric, one, other):
    """The records with the curves of two subsets exchanged."""
    names = {one: other, other: one}
    changed = frame["subset"].where(~of(frame, metric), frame["subset"].replace(names))
    return frame.assign(subset=changed)


WRONG = {
    "unigrams-then-bigrams-then-trigrams": lambda f: swapped(f, "kl", "2-gram", "3-gram"),
    "longer-ngrams-not-before-trigrams": lambda f: swapped(f, "kl", "3-gram", "4-gram"),
    "same-order-of-correlations": lambda f: swapped(f, "pearson_r", "1-gram", "2-gram"),
    "same-order-backwards": lambda f: swapped(f, "kl_reverse", "1-gram", "2-gram"),
    "closest-n-grows": lambda f: f.assign(
        value=f["value"].mask(of(f, "closest") & (f["step"] == 1000), 1)
    ),
    "unigrams-are-left-behind": lambda f: f.assign(
        value=f["value"].mask(of(f, "kl", "1-gram") & (f["step"] == 1000), 0.1)
    ),
    "better-than-every-ngram": lambda f: f.assign(
        value=f["value"].mask(of(f, "loss", "3-gram"), 0.1)
    ),
    "stages-at-like-steps": lambda f: f.assign(
        value=f["value"].mask(
            of(f, "kl", "2-gram") & (f["step"] == 256) & (f["model"] == "pico-224k"), 0.1
        )
    ),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_every_claim_can_fail(claim):
    frame = made(("pico-57k", "pico-224k"))
    assert claim.holds(frame) is True
    assert claim.holds(WRONG[claim.name](frame)) is False


def test_one_size_cannot_tell_of_sizes():
    found = answers(made(["pico-57k"]))
    assert {name for name, own in found.items() if own == [None]} == {"stages-at-like-steps"}


# --- words ----------------------------------------------------------------------------------------


def test_steps_of_several_runs():
    assert text.steps_over_seeds(pd.Series([16, 16])) == "16"
    assert text.steps_over_seeds(pd.Series([1000, 2000, 1000])) == "1,000 (2), 2,000 (1)"
    assert text.steps_over_seeds(pd.Series([4000, 2000, 64000])) == "2,000 to 64,000"


def test_sentences_and_tables_follow_the_records():
    frame = made()
    least = phases.extrema(frame[of(frame, "kl")])
    told = text.order_in_words(phases.by_order(least)).replace("\\", "")
    assert told.startswith("In 3 of 3 runs")
    assert "1-grams: step 16, 2-grams: step 64, 3-grams: step 256" in told
    html = text.stages(least, "Of made curves").source
    assert "Of made curves" in html
    assert html.count("57k") == 1
    assert "0 of 3 runs" in text.depth(least).source
    assert "80\\% for 2" in text.coverage(frame[of(frame, "known")])


# --- what the chapter says of Pythia --------------------------------------------------------------


def test_pythias_peaks_are_as_the_chapter_says():
    peaks = published.peaks()
    steps = peaks.pivot_table(index=["model", "seed"], columns="subset", values="step")
    assert len(steps) == 55  # ten seeds of five sizes, five sizes more
    assert (steps["1-gram"] < steps["2-gram"]).all()
    assert (steps["2-gram"] < steps["3-gram"]).all()
    large = steps.drop(["pythia-14m", "pythia-31m"], level="model")
    assert large["1-gram"].isin([128, 256]).all()
    assert (large["2-gram"] == 512).all()
    assert large["3-gram"].isin([1000, 2000]).all()
    assert set(published.correlations()["subset"]) == set(NAMES)


def test_seeds_3_and_4_of_410m_leave_the_others():
    assert set(published.leaving().query("far")["seed"]) == {3, 4}
    told = published.leaving_in_words()
    assert told.count("(seed 3, seed 4)") == 2
    assert "in 8 seeds" in told


def test_a_model_first_measured_behind_its_stages_tells_of_none():
    """Such as pythia-2.8b, whose early checkpoints are faulty; one that lacks but the first steps tells."""
    frame = made(["pico-7k", "pico-57k"])
    early = (frame["model"] == "pico-57k") & (frame["step"] < 1000)
    end = frame[(frame["model"] == "pico-57k") & (frame["step"] == 1000)]
    own = pd.concat([frame[~early], *(end.assign(step=1000 + more) for more in (1, 2, 3))])
    assert set(phases.extrema(own[of(own, "kl")])["model"]) == {"pico-7k"}
    assert set(phases.passed(own[of(own, "loss")])["model"]) == {"pico-7k"}
    some = frame[frame["step"] >= 16]
    assert set(phases.extrema(some[of(some, "kl")])["model"]) == {"pico-7k", "pico-57k"}
