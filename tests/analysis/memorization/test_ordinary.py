"""What one reading leaves: simulated trainings whose effect is known, and the samples of a real one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis.memorization import ordinary
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.corpus import open_corpus
from pythia_utils.training_data.seen import document_steps
from pythia_utils.training_data.source import open_source

AGES = (8, 16, 32, 64)


def simulated(effect, seed=0, count=200):
    """Sequences whose loss has fallen by .5, by so much more for having been read, and by chance.

    `effect` is a function of the steps since the reading.
    """
    rng = np.random.default_rng(seed)
    ages = np.concatenate([rng.integers(top // 2 if top > 8 else 0, top, count) for top in AGES])
    table = pd.DataFrame({"position": 1000 - 8 * ages, "age": np.repeat(AGES, count)})
    table["change"] = 0.5 + effect(ages) + rng.normal(0, 0.2, len(ages))
    unread = pd.DataFrame({"position": 2000 + np.arange(2 * count), "age": ordinary.UNREAD})
    unread["change"] = 0.5 + rng.normal(0, 0.2, 2 * count)
    return pd.concat([table, unread], ignore_index=True)


@pytest.mark.parametrize("seed", range(20))
def test_positions_are_spread_over_those_that_are_free(seed):
    rng = np.random.default_rng(seed)
    taken = np.flatnonzero(rng.random(60) < rng.random())
    start, stop = sorted(rng.integers(0, 61, 2).tolist())
    free = [at for at in range(start, stop) if at not in taken]
    for count in (1, 3, 100):
        chosen = sorted({(2 * n + 1) * len(free) // (2 * count) for n in range(count)})
        expected = [free[n] for n in chosen] if free else []
        assert ordinary._evenly(taken, start, stop, count).tolist() == expected


def test_a_fading_effect_is_recovered():
    truth = [
        0.2 * np.exp(-np.mean(ages) / 20)
        for ages in (range(8), range(8, 16), range(16, 32), range(32, 64))
    ]
    found = ordinary.gains_by_age(simulated(lambda ages: 0.2 * np.exp(-ages / 20), count=4000))
    assert found["age"].tolist() == list(AGES)
    assert found["value"].tolist() == pytest.approx(truth, abs=0.015)
    assert (found["n"] == 4000).all()


def test_its_errors_are_those_of_repeated_trainings():
    many = [ordinary.gains_by_age(simulated(lambda ages: 0 * ages, seed)) for seed in range(100)]
    values = np.array([found["value"] for found in many])
    errors = np.array([found["stderr"] for found in many])
    assert values.std(axis=0) == pytest.approx(errors.mean(axis=0), rel=0.2)
    covered = np.abs(values) < 1.96 * errors
    assert covered.mean() == pytest.approx(0.95, abs=0.03)


def test_of_a_shuffled_order_the_rank_test_has_uniform_p_values():
    p_values = []
    for seed in range(120):
        table = simulated(lambda ages: 0.2 * np.exp(-ages / 20), seed, count=20)
        read = table["age"] != ordinary.UNREAD
        table.loc[read, "position"] = (
            table["position"][read].sample(frac=1, random_state=seed).to_numpy()
        )
        found = ordinary.order_correlations(table).set_index("which").loc["read"]
        t = found["value"] * np.sqrt((found["n"] - 2) / (1 - found["value"] ** 2))
        p_values.append(2 * stats.t.sf(abs(t), found["n"] - 2))
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_of_the_true_order_it_finds_what_fades_and_its_placebo_does_not():
    found = ordinary.order_correlations(simulated(lambda ages: 0.2 * np.exp(-ages / 20)))
    value = found.set_index("which")["value"]
    assert value["read"] > 0.15
    assert abs(value["unread"]) < 0.15


def test_nothing_to_compare_with_is_no_row():
    table = simulated(lambda ages: 0 * ages)
    assert ordinary.gains_by_age(table[table["age"] != ordinary.UNREAD]).empty
    assert ordinary.order_correlations(table[:5]).empty


def test_the_baseline_is_the_last_checkpoint_well_before():
    model = find_model("pico-7k")
    before = {
        step: ordinary.baseline(model.checkpoint(step)) for step in (0, 1, 16, 512, 750, 1000)
    }
    steps = {step: each and each.step for step, each in before.items()}
    assert steps == {0: None, 1: 0, 16: 8, 512: 256, 750: 512, 1000: 750}


@pytest.mark.parametrize("name", ["pico-7k", "pico-7k-data-seed1"])
def test_a_sample_has_the_ages_it_says_and_no_planted_document(home, name):
    data, model = open_source(name), find_model(name)
    before, now = model.checkpoint(256), model.checkpoint(512)
    sample = ordinary.ordinary_sample(data, before, now, 20)
    table = sample.table
    age = (512 * 8 - 1 - table["position"]) // 8 + 1  # steps since the one that read it
    unread = table["age"] == ordinary.UNREAD
    assert (age[unread] <= 0).all()
    assert unread.sum() == 40
    assert (age[~unread] <= table["age"][~unread]).all()
    assert (age[~unread] > np.where(table["age"] == 8, 0, table["age"] // 2)[~unread]).all()
    assert sorted(table["age"].unique()) == [0, 8, 16, 32, 64, 128, 256]
    assert table["position"].is_unique
    rows = data.sequences(0, 8000)[table["position"].to_numpy(), :64]
    assert (sample.tokens == rows).all()
    documents = open_corpus("pico").documents("standard")
    read = document_steps(data, documents["document"][documents["domain"] == "memorization"])
    assert not set(read.step * 8 + read.row) & set(table["position"])


def test_a_class_that_the_baseline_cuts_off_ends_there(home):
    data, model = open_source("pico-7k"), find_model("pico-7k")
    table = ordinary.ordinary_sample(data, model.checkpoint(512), model.checkpoint(750), 30).table
    oldest = table[table["age"] == 256]
    assert oldest["position"].min() >= 512 * 8
    assert set(table["age"]) == {0, 8, 16, 32, 64, 128, 256}
