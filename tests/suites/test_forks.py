"""Models that go on from another with a changed text: names, steps, and what is refused."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.grid.selection import models_of
from pythia_utils.suites.catalog import find_model, suite, suite_table
from pythia_utils.suites.forks import fork_of
from pythia_utils.suites.neox_config import neox_yaml


def test_a_fork_has_its_bases_fields_and_checkpoints_behind_the_fork_alone():
    model, base = find_model("PICO-57k-seed77-change-facts-from512"), find_model("pico-57k-seed77")
    assert (model.name, model.variant) == (
        "pico-57k-seed77-change-facts-from512",
        "change-facts-from512",
    )
    assert (model.fork.base, model.fork.step, model.fork.intervention) == (
        "pico-57k-seed77",
        512,
        "change-facts",
    )
    assert model.seed_name == base.seed_name
    assert (model.weight_seed, model.data_seed) == (77, 77)
    # 1, 2, 4, ... behind the fork, as long as the base has no checkpoint; then the base's.
    early = [512 + 2**n for n in range(8)]
    assert list(model.steps) == [*early, *(step for step in base.steps if step > 512)]
    assert model.checkpoint("main").tokens_seen == base.checkpoint("main").tokens_seen
    assert fork_of(base, "change-facts", 512) == model


def test_a_fork_of_deduplicated_data_reads_them_and_says_so():
    model = find_model("pico-7k-deduped-swap-gender-from750")
    assert (model.reads, model.variant) == ("deduped", "deduped-swap-gender-from750")
    assert find_model("pico-7k-deduped").reads == "deduped"
    assert find_model("pythia-70m").reads == "standard"


def test_a_step_before_the_fork_is_the_bases():
    model = find_model("pico-57k-swap-gender-from750")
    with pytest.raises(
        UsageError, match=r"^unknown step 512 of .* \(to step 750 it is pico-57k\);"
    ):
        model.checkpoint(512)
    with pytest.raises(UsageError, match=r"unknown step 753 of pico-57k-swap-gender-from750; near"):
        model.checkpoint(753)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pico-57k-swap-gender-from700", "unknown step 700 of pico-57k to go on from"),
        ("pico-57k-swap-gender-from1000", "its last: nothing is left to train"),
        ("pico-57k-swap-gender-from0750", "unknown model"),
        ("pico-57k-from750", "unknown model"),
        ("pico-9k-swap-gender-from750", "unknown model"),
        ("pythia-70m-swap-gender-from1000", "unknown model"),
        ("pico-57k-swap-gender-from750-seed3", "unknown model"),
        ("pico-57k-swap-gender-from750-control-from1000", "unknown model"),
    ],
)
def test_names_that_no_fork_can_have(name, told):
    with pytest.raises(UsageError, match=told):
        find_model(name)


@pytest.mark.parametrize(
    ("base", "intervention", "told"),
    [
        ("pythia-70m", "control", "pythia-70m is not trained here; expected"),
        ("pico-57k-control-from750", "control", "expected a model that `pythia train` trains"),
        ("pico-57k", "../control", "lower-case letters and numbers"),
    ],
)
def test_what_cannot_be_gone_on_from(base, intervention, told):
    with pytest.raises(UsageError, match=told):
        fork_of(find_model(base), intervention, 750)


def test_lists_of_models_mean_forks_only_by_name_or_by_from():
    listed = [model for model in suite("pico").models.values() if model.fork]
    assert listed
    assert not any(model.fork for model in models_of("all", "pico"))
    assert not any(model.fork for model in models_of(["pico-57k*"], "pico"))
    assert models_of(["pico-*-from*"], "pico") == listed
    assert models_of([listed[0].name], "pico") == [listed[0]]
    assert models_of([f"*{listed[0].fork.intervention}*"], "pico")


def test_a_fork_says_what_it_is_and_has_no_configuration_of_its_own():
    (row,) = suite_table(["pico-57k-swap-gender-from750"])
    assert row["fork"] == "swap-gender, from step 750 of pico-57k on"
    with pytest.raises(UsageError, match=r"is no run of its own .* expected pico-57k$"):
        neox_yaml(find_model("pico-57k-swap-gender-from750"))
