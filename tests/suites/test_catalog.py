"""Names, shapes, steps and errata: the published figures and the rules that must give them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.suites import rows
from pythia_utils.suites.catalog import find_model, renamed, suite, suite_names, suite_table
from pythia_utils.suites.errata import in_words, steps_in_words

# Non-embedding and total parameters as EleutherAI published them.
PUBLISHED = {
    "14m": (1_189_888, 14_067_712),
    "31m": (4_739_072, 30_494_720),
    "70m": (18_915_328, 70_426_624),
    "160m": (85_056_000, 162_322_944),
    "410m": (302_311_424, 405_334_016),
    "1b": (805_736_448, 1_011_781_632),
    "1.4b": (1_208_602_624, 1_414_647_808),
    "2.8b": (2_517_652_480, 2_775_208_960),
    "6.9b": (6_444_163_072, 6_857_302_016),
    "12b": (11_327_027_200, 11_846_072_320),
}
FORMER = {
    "19m": "70m",
    "125m": "160m",
    "350m": "410m",
    "800m": "1b",
    "1.3b": "1.4b",
    "2.7b": "2.8b",
    "6.7b": "6.9b",
    "13b": "12b",
}


def test_suites_are_the_four():
    assert suite_names() == ["english", "nano", "pico", "pythia"]
    assert [name for name in suite_names() if suite(name).is_of_text] == ["english"]


@pytest.mark.parametrize("size", PUBLISHED)
def test_parameter_counts_equal_the_published_ones(size):
    models = [model for model in suite("pythia").models.values() if model.size == size]
    counts = {(model.non_embedding_params, model.total_params) for model in models}
    assert counts == {PUBLISHED[size]}


def test_the_real_suite_is_complete():
    models = suite("pythia").models
    large = [size for size in PUBLISHED if size not in ("14m", "31m")]
    expected = {f"pythia-{size}" for size in PUBLISHED}
    expected |= {
        f"pythia-{size}{end}" for size in large for end in ("-deduped", "-v0", "-deduped-v0")
    }
    seeded = ("14m", "31m", "70m", "160m", "410m")
    expected |= {f"pythia-{size}-seed{n}" for size in seeded for n in range(1, 10)}
    expected |= {f"pythia-160m-{of}-seed{n}" for of in ("weight", "data") for n in (1, 2, 3)}
    expected |= {"pythia-14m-deduped", "pythia-31m-deduped"}
    expected |= {f"pythia-intervention-{size}-deduped" for size in ("70m", "410m", "1.4b", "6.9b")}
    assert set(models) == expected | {"pythia-intervention-long-1.4b-deduped"}
    assert all(model.repo_id == f"EleutherAI/{name}" for name, model in models.items())
    assert {model.size for model in models.values() if model.dtype == "bfloat16"} == {"1b"}


def test_steps_of_the_real_suite():
    powers = [2**n for n in range(10)]
    thousands = list(range(1000, 143_001, 1000))
    assert list(find_model("pythia-12b").steps) == [0, *powers, *thousands]
    assert len(find_model("pythia-70m-seed3").steps) == 154
    assert list(find_model("pythia-12b-v0").steps) == thousands
    assert len(thousands) == 143


@pytest.mark.parametrize(
    ("name", "first", "true_first"),
    [
        ("intervention-70m", 134_000, 134_000),
        ("intervention-410m", 134_000, 67_000),  # P#52: from step 66500 of 71,500 on
        ("intervention-1.4b", 134_000, 67_000),
        ("intervention-6.9b", 134_000, 134_000),
        ("intervention-long-1.4b", 114_000, 57_000),  # the first evaluated one is `step57000`
    ],
)
def test_interventions_begin_late_and_are_no_size_of_the_suite(name, first, true_first):
    model = find_model(f"pythia-{name}-deduped")
    base = find_model(f"pythia-{model.size}-deduped-v0")
    assert (model.steps[0], model.steps[-1]) == (first, 143_000)
    assert model.checkpoint(first).true_step == true_first
    assert model.checkpoint(first).tokens_seen == base.checkpoint(first).tokens_seen
    assert model.total_params == base.total_params
    assert model.variant not in ("standard", "deduped")
    assert model.trained_on
    assert not base.trained_on
    with pytest.raises(UsageError, match=f"step 143 of {model.name}; nearest: {first}"):
        model.checkpoint(143)


def test_only_interventions_have_data_that_cannot_be_opened():
    unopened = {m.variant for m in suite("pythia").models.values() if m.trained_on}
    assert unopened == {"intervention", "intervention-long"}
    assert not any(m.trained_on for name in ("pico", "nano") for m in suite(name).models.values())


def test_seeds_of_weights_that_did_not_start_from_their_step_0():
    for seed, odd in ((1, True), (2, True), (3, False)):
        model = find_model(f"pythia-160m-weight-seed{seed}")
        first, second = (model.checkpoint(step).errata for step in (0, 1))
        assert [e.kind for e in first] == ["wrong" if odd else "expected"]
        assert [e.source for e in (*first, *second)] == ["P#203" if odd else "P#83"] * 2
        assert bool(model.checkpoint(143_000).errata) is odd


def test_checkpoint_revision_and_tokens():
    checkpoint = find_model("pythia-160m").checkpoint(3000)
    assert checkpoint.revision == "step3000"
    assert (checkpoint.true_step, checkpoint.tokens_seen) == (3000, 3000 * 2_097_152)
    assert find_model("pythia-160m").checkpoints[-1].tokens_seen == 299_892_736_000


@pytest.mark.parametrize("variant", ["", "-deduped"])
@pytest.mark.parametrize(
    ("size", "divisor"), [("70m", 1), ("160m", 2), ("410m", 2), ("1.4b", 2), ("12b", 1)]
)
def test_v0_steps_count_batches_of_two_million_tokens(size, divisor, variant):
    old = find_model(f"pythia-{size}{variant}-v0")
    assert old.tokens_per_step == divisor * 2_097_152
    assert old.checkpoint(5000).true_step == 5000 // divisor
    assert (
        old.checkpoint(5000).tokens_seen
        == find_model(f"pythia-{size}").checkpoint(5000).tokens_seen
    )


@pytest.mark.parametrize("former", FORMER)
def test_former_names_resolve_and_say_so(former):
    now = FORMER[former]
    for ending in ("", "-deduped"):
        assert find_model(f"pythia-{former}{ending}").name == f"pythia-{now}{ending}"
        assert find_model(f"EleutherAI/Pythia-{former.upper()}{ending}").size == now
        notice = f"pythia-{former}{ending} is now pythia-{now}{ending}"
        assert renamed(f"EleutherAI/pythia-{former}{ending}") == notice
    assert renamed(f"EleutherAI/pythia-{now}") is None


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("70m", "pythia-70m"),
        ("pythia-70", "pythia-70m"),
        ("19m", "pythia-70m"),
        ("12b", "pythia-12b"),
        ("nano-57", "nano-57k"),
        ("pythia-410m-seed10", "pythia-410m-seed1"),
    ],
)
def test_unknown_model_offers_the_nearest(name, offered):
    with pytest.raises(UsageError) as error:
        find_model(name)
    message = str(error.value)
    assert repr(name) in message
    assert offered in message.split(": ")[1].split(", ")
    assert "\n" not in message


def test_unknown_suite_and_step_offer_the_nearest():
    with pytest.raises(UsageError, match="unknown suite 'nanno'; nearest: nano"):
        suite("nanno")
    with pytest.raises(UsageError, match="'pythia-70m' in suite nano"):
        find_model("pythia-70m", suite="nano")
    with pytest.raises(UsageError, match="step 3001 of pythia-70m; nearest: 2000, 3000, 4000"):
        find_model("pythia-70m").checkpoint(3001)
    with pytest.raises(UsageError, match="not a whole number"):
        find_model("pythia-70m").checkpoint("3000")
    assert find_model("pythia-70m").checkpoint(np.int64(3000)).step == 3000


def test_a_step_may_be_named_as_its_revision_or_main():
    model = find_model("pythia-70m")
    for name, step in {"step3000": 3000, "step0": 0, "main": 143_000}.items():
        assert model.checkpoint(name).step == step
    assert find_model("pico-7k").checkpoint("main").step == 1000
    with pytest.raises(UsageError, match="unknown step 3001 of pythia-70m; nearest"):
        model.checkpoint("step3001")
    for wrong in ("step", "step-1", "Main", "step3000 ", "step²", ""):
        with pytest.raises(UsageError, match="is not a whole number"):
            model.checkpoint(wrong)


def test_errata_of_2_8b_cover_the_reported_revisions():
    model = find_model("pythia-2.8b")
    wrong = [c for c in model.checkpoints if any(e.kind == "wrong" for e in c.errata)]
    like_main = [c.step for c in wrong if "`main`" in in_words(c.errata)]
    assert (len(like_main), len(wrong)) == (76, 86)
    assert {0, 512, 53000, 140000} <= set(like_main)
    assert {54000, 143000}.isdisjoint(like_main)
    assert "P#205" in in_words(model.checkpoint(54000).errata)
    assert in_words(model.checkpoint(141000).errata) is None
    assert not any(
        "P#205" in (in_words(c.errata) or "") for c in find_model("pythia-2.8b-deduped").checkpoints
    )


@pytest.mark.parametrize(
    ("name", "step", "source"),
    [
        ("pythia-12b", 50000, "P#206"),
        ("pythia-12b", 58000, "P#206"),
        ("pythia-410m-seed9", 40000, "P#202"),
        ("pythia-410m-seed6", 88000, "P#202"),
        ("pythia-410m-seed2", 111000, "P#202"),
        ("pythia-70m", 1, "P#83"),
    ],
)
def test_errata_name_their_source(name, step, source):
    assert source in in_words(find_model(name).checkpoint(step).errata)


def test_errata_name_real_checkpoints():
    for erratum in suite("pythia").errata:
        assert erratum.steps
        for name in erratum.models:
            assert set(erratum.steps) <= set(find_model(name).steps)
    assert find_model("pythia-70m-v0").errata == ()


def test_suites_trained_here():
    nano, pico = suite("nano"), suite("pico")
    steps = find_model("pico-7k").steps
    assert steps == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 750, 1000)
    assert find_model("nano-7k").steps == (*steps, *range(1250, 3001, 250))
    assert {model.total_steps for model in nano.models.values()} == {3000}
    for local in (nano, pico):
        assert sum(local.corpus["shares"].values()) == pytest.approx(1)
        for model in local.models.values():
            # The size in the name is the non-embedding count, rounded.
            assert round(model.non_embedding_params / 1000) == int(model.size.removesuffix("k"))
            assert model.total_params == model.non_embedding_params + 2 * 1024 * model.d_model
            assert model.tokens_per_step == 1024
            assert model.repo_id is None


def seeds_of(name: str) -> tuple[int, int]:
    return find_model(name).weight_seed, find_model(name).data_seed


def test_seeds_vary_together_and_apart():
    for suite_name, sizes in {"pico": ("57k",), "nano": ("57k",)}.items():
        for size in sizes:
            names = [
                f"{suite_name}-{size}{end}"
                for end in ("", "-seed1", "-weight-seed1", "-data-seed1")
            ]
            assert all(name in suite(suite_name).models for name in names)
            assert list(map(seeds_of, names)) == [(1234, 1234), (1, 1), (1, 1234), (1234, 1)]
    assert seeds_of("nano-57k-deduped") == seeds_of("pythia-12b") == (1234, 1234)
    assert seeds_of("pythia-160m-data-seed3") == (1234, 3)
    standard = [m for m in suite("nano").models.values() if m.variant == "standard"]
    counts = {
        size: len([m for m in standard if m.size == size]) for size in ("57k", "224k", "793k")
    }
    assert counts == {"57k": 7, "224k": 3, "793k": 3}


def test_a_seed_that_is_not_listed_can_be_had_where_models_are_trained_here():
    model, usual = find_model("PICO-57k-seed77"), find_model("pico-57k")
    assert (model.name, model.weight_seed, model.data_seed) == ("pico-57k-seed77", 77, 77)
    assert model.steps == usual.steps
    assert not model.has_usual_seed
    assert seeds_of("pico-57k-deduped-weight-seed5") == (5, 1234)
    for wrong in (
        "pythia-70m-seed77",
        "pico-57k-seed077",
        "pico-57k-seed1-seed2",
        "pico-9k-seed2",
        "pico-57k-seed1234",
        "pico-57k-data-seed1234",
    ):
        with pytest.raises(UsageError, match="unknown model"):
            find_model(wrong)


@pytest.mark.parametrize("ending", ["", "seed1", "weight-seed1", "data-seed1", "seed77"])
def test_the_seed_name_is_how_the_name_ends(ending):
    assert find_model(f"pico-57k{'-' * bool(ending)}{ending}").seed_name == ending


def test_every_model_is_well_formed():
    for name in suite_names():
        for key, model in suite(name).models.items():
            assert key == model.name
            assert find_model(key.upper()) is model
            assert model.d_model % model.n_heads == 0
            assert list(model.steps) == sorted(set(model.steps))
            assert isinstance(model.learning_rate, float)  # YAML reads 1e-3 as a text
            assert model.checkpoint(model.steps[-1]).true_step == model.total_steps


def test_table_is_json_with_the_promised_keys():
    table = json.loads(json.dumps(suite_table()))
    promised = {"name", "aliases", "n_layers", "d_model", "n_heads", "non_embedding_params"}
    promised |= {"total_params", "steps"}
    assert all(promised <= set(row) for row in table)
    rows = {row["name"]: row for row in table}
    assert set(rows) == {model for name in suite_names() for model in suite(name).models}
    assert rows["pythia-1b"]["aliases"] == ["pythia-800m"]
    assert rows["pythia-1b"]["steps"][-1] == 143_000
    picked = [row["name"] for row in suite_table(["pico", "pythia-19m"])]
    assert picked == [*suite("pico").models, "pythia-70m"]
    with pytest.raises(UsageError):
        suite_table(["picco"])


def test_import_stays_light():
    code = "import sys, pythia_utils.suites.catalog; print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], ""),
        ([512], "512"),
        ([4, 2, 1, 0], "0-4"),
        ([0, 2, 4, 512], "0, 2-4, 512"),
        ([750, 1000], "750-1000"),
        ([0, 2, 8, 32, 128, 512], "0, 2, 8, 32, 128, 512"),
        ([0, 2, 8, 32, 128, 512, 1000], "0, 2, 8, 32, 128, 512 ... (7 in all)"),
    ],
)
def test_steps_in_words(steps, words):
    assert steps_in_words(find_model("pico-7k"), steps) == words


def test_errata_in_words():
    assert in_words(()) is None
    errata = find_model("pythia-12b").checkpoint(50000).errata
    assert in_words(errata) == "serves the final model's first shard (P#206)"
    assert in_words([*errata, *errata]).count("; ") == 1


@pytest.mark.parametrize("name", ["../x-7k", "a/b", ".hidden", "", "x\n", "/etc"])
def test_a_model_s_name_is_one_folder_s(name):
    with pytest.raises(UsageError, match="expected a name of letters"):
        rows.folder_name(name)
