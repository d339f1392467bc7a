"""The chapter's tables and sentences, from records whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pythia_utils.analysis import stats as statistics
from pythia_utils.analysis.memorization import deciles, order_text, published, tables, text
from pythia_utils.analysis.memorization.claims import CLAIMS, OF_A_SAMPLE
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


def predicted() -> pd.DataFrame:
    """Of 4 items that the largest model has memorized in the end."""
    rows = [share(m, s, "all", 1, 100) for m in ("pico-7k", "pico-14k") for s in (0, 8, 16)]
    rows += [share("pico-7k-deduped", 16, "all", 1, 100), share("pico-57k", 16, "all", 1, 99)]
    rows += [item("pico-14k", 16, f"sequence-{n}") for n in range(4)]
    rows += [item("pico-14k", 8, name) for name in ("sequence-0", "sequence-1", "sequence-9")]
    rows += [item("pico-7k", 16, "sequence-3"), item("pico-7k-deduped", 16, "sequence-1")]
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


def test_sentences_say_when_there_is_nothing_to_say():
    bare = records(share("pico-7k", 0, "all", 0, 9))
    nothing = tables.numbered(bare, "copies")
    gains = tables.gains(bare, "decile")
    assert text.copies(nothing, nothing) == text.NO_COPIES
    assert text.texts(nothing, tables.counts(nothing, "read")) == text.NO_TRUTH
    assert order_text.experiment(deciles.table(gains), gains) == text.NO_TRUTH
    assert text.forgetting(gains) == text.NO_TRUTH
    assert "no text can be compared" in text.same_texts(tables.same_texts(bare))
    assert "No checkpoint" in text.unread(bare)
    assert "No checkpoint" in order_text.ages(tables.ages(bare))
    ranks = (tables.correlations(bare, which) for which in ("read", "unread"))
    assert "No checkpoint" in order_text.ranks(*ranks)
    early = tables.gains(profile(1000, [1.0] * 4), "decile")
    assert "six deciles" in order_text.experiment(deciles.table(early), early)


def profile(step: int, gains: list[float], model: str = "pico-7k", kind: str = "decile"):
    """Records of planted documents with these gains by decile."""
    rows = [
        (model, step, "loss", f"{kind}-{d}", 8.0 - gain, 0.1, 4) for d, gain in enumerate(gains)
    ]
    return records(*rows, (model, step, "loss", "never-0", 8.0, 0.1, 100))


def test_the_experiment_tells_of_the_profile_over_runs():
    rng = np.random.default_rng(0)
    rising = [4 * x - 2.7 * x**2 + rng.normal(0, 0.05) for x in (np.arange(10) + 0.5) / 10]
    flat = [1 + rng.normal(0, 0.05) for _ in range(10)]
    both = pd.concat([profile(1000, rising), profile(1000, flat, "pico-14k")])
    gains = tables.gains(both, "decile")
    told = order_text.experiment(deciles.table(gains), gains)
    assert "depends on the decile in 1 of 2 runs" in told
    assert "bends downwards in 1 of 2 runs" in told
    placebo = deciles.placebos(
        tables.gains(profile(1000, flat, kind="scattered"), "scattered"), 0.5
    )
    assert "within 0.5 nats a token in 1 of 1 run" in order_text.placebo(placebo, 0.5)


def test_the_same_texts_are_compared_in_pairs():
    """Each document gains 2 more in the standard model, whatever it gains."""
    rows = []
    for model, control, more in (("pico-7k", 8.0, 2.0), ("pico-7k-deduped", 7.0, 0.0)):
        rows.append((model, 1000, "loss", "never-0", control, 0.1, 100))
        rows += [
            (model, 1000, "document_loss", f"copies-{n}-document-{n + i}", control - i - more, 0, 1)
            for n in (2, 64)
            for i in range(4)
        ]
    rows.append(("pico-7k", 1000, "document_loss", "copies-2-document-99", 1.0, 0, 1))  # unpaired
    found = tables.same_texts(records(*rows))
    assert found["number"].tolist() == [2, 64]
    assert found["n"].tolist() == [4, 4]
    assert found["value"].tolist() == pytest.approx([2, 2])
    assert found["stderr"].tolist() == pytest.approx([np.hypot(0.1, 0.1)] * 2)
    assert "4 texts, each against itself" in text.same_texts(found)
    alone = records(*(row for row in rows if row[0] == "pico-7k"))
    assert tables.same_texts(alone).empty


def test_the_p_value_of_a_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    r, p = stats.spearmanr(x, y)
    found = tables.correlations(
        records(("pico-7k", 512, "order_correlation", "read", r, np.nan, 50))
    )
    assert found["p_value"].item() == pytest.approx(p)
    told = order_text.ranks(found, found[:0])
    assert "0 of 1 run" in told


def test_kinds_are_counted_by_model():
    frame = records(share("pico-7k", 0, "recite", 3, 200), share("pico-7k", 0, "recollect", 0, 9))
    assert tables.kinds(frame).to_dict("records") == [
        {"model": "pico-7k", "recite": "3 of 200", "recollect": "0 of 9"}
    ]


def stretches(k: int, n: int, blocks: int = 20) -> pd.DataFrame:
    return records(
        *(share("pico-7k", 1000, f"block-{b}", k + b % 2 * (k < 9), n) for b in range(blocks))
    )


@pytest.mark.parametrize(
    ("k", "n", "says", "word"),
    [
        (1000, 10_000, "equal within the bound", "in 1 of 1 run"),
        (0, 40, "cannot tell", "**It cannot tell**"),
    ],
)
def test_position_is_told_with_its_power(k, n, says, word):
    found = tables.places(stretches(k, n), 1.25)
    assert found["says"].tolist() == [says]
    assert (found["power"] > 0.8).tolist() == [k > 0]
    assert word in order_text.position(found, 20 * n, 1.25)


def test_where_nothing_is_memorized_nothing_varies():
    none = records(*(share("pico-7k", 1000, f"block-{b}", 0, 40) for b in range(20)))
    assert "nothing varies" in order_text.position(tables.places(none, 1.25), 800, 1.25)


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


def test_the_exponent_of_the_published_counts_changes_with_size():
    table = published.bends(published.counts()).set_index("variant")
    ends = table.loc["standard", ["exponent_small", "exponent_large"]].tolist()
    assert ends == pytest.approx([0.275, 0.241], abs=5e-4)
    assert table.loc["standard", "value"] == pytest.approx(ends[1] - ends[0])
    told = published.growth(published.counts())
    assert "0.275 at pythia-70m and 0.241 at pythia-12b" in told
    assert "pythia-12b has memorized 0.84% at step 23,000" in published.over_steps(
        published.counts(False)
    )


def test_a_bend_is_recovered_within_its_interval():
    rng, hits, x = np.random.default_rng(8), 0, np.geomspace(2e7, 1e10, 8)
    logs = np.log(x / x[0])
    frame = pd.DataFrame({"model": [f"m{i}" for i in range(8)], "variant": "v", "n_params": x})
    for _ in range(400):
        counts = np.exp(10 + 0.3 * logs - 0.01 * logs**2 + rng.normal(0, 0.05, 8))
        (row,) = published.bends(frame.assign(memorized=counts)).itertuples()
        hits += row.low <= -0.02 * logs[-1] <= row.high
    assert hits / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("claim", [*CLAIMS, *OF_A_SAMPLE], ids=lambda claim: claim.name)
def test_claims_hold_where_they_were_made_to_and_do_not_tell_of_nothing(claim):
    assert claim.holds(records(share("pico-7k", 0, "all", 0, 9))) is None
    assert claim.holds(records(share("pico-7k-deduped", 1000, "all", 0, 9))) is None


def claimed(name: str, frame: pd.DataFrame) -> bool | None:
    (claim,) = [c for c in (*CLAIMS, *OF_A_SAMPLE) if c.name == f"memorization-{name}"]
    answer = claim.holds(frame)
    return None if answer is None else bool(answer)


@pytest.mark.parametrize("sign", [1, -1])
def test_claims_of_order_and_of_one_reading_are_asked_half_way(sign):
    """At step 1000 all is the other way round, which is not looked at."""
    rows = []
    for step, value in ((512, sign * 0.2), (1000, -sign * 0.2)):
        rows += [
            ("pico-7k", step, "age_gain", f"age-{a}", value * 16 / a, 0.01, 64) for a in (16, 64)
        ]
        rows.append(("pico-7k", step, "order_correlation", "read", value, np.nan, 400))
    answers = [claimed(name, records(*rows)) for name in ("fresh", "fading", "order")]
    assert answers == [sign > 0] * 3


@pytest.mark.parametrize("sign", [1, -1])
def test_claims_of_deciles_and_copies(sign):
    rising = [sign * x + 0.01 * np.cos(9 * x) for x in range(10)]
    assert claimed("late", profile(1000, rising)) == (sign > 0)
    assert claimed("decile", profile(1000, rising)) is True
    assert claimed("late", profile(512, rising)) is None
    loss = [("pico-7k", 1000, "loss", f"copies-{n}", 8 - sign * n / 8, 0.1, 4) for n in (1, 64)]
    control = ("pico-7k", 1000, "loss", "never-0", 8.0, 0.1, 100)
    assert claimed("copies", records(*loss, control)) == (sign > 0)


# --- a sample of Pythia's sequences, beside what was published ------------------------------------


def sequences(model, step, k, n, subset="seen"):
    return (model, step, "memorized_sequences", subset, k / n, 0.1, n)


def test_shares_of_what_was_read_leave_checkpoints_out_that_had_read_little():
    frame = records(
        sequences("pythia-12b", 143000, 40, 2000),
        sequences("pythia-12b", 1000, 1, 14),
        sequences("pythia-70m", 143000, 6, 2000),
        sequences("pythia-70m", 143000, 6, 2000, "all"),
    )
    found = tables.of_read(frame)
    assert found["model"].tolist() == ["pythia-70m", "pythia-12b"]
    assert found["low"].tolist() == pytest.approx(
        statistics.wilson_interval([6, 40], [2000] * 2)[0]
    )


def test_published_shares_are_compared_and_what_only_others_counted_is_named():
    theirs = published.counts(final=False)
    named = theirs[theirs["model"].isin(["pythia-70m", "pythia-12b"])]
    ours = tables.of_read(
        records(
            sequences("pythia-12b", 143000, 33, 2000), sequences("pythia-70m", 143000, 60, 2000)
        )
    )
    told = published.beside(ours, named)
    assert "Of 2 checkpoints" in told
    assert "interval at 1." in told  # 1.63% of 12b's, .32% of 70m's
    assert told.endswith("measured here: at step 23,000 pythia-12b; at step 43,000 pythia-12b.")
    assert "None of the checkpoints" in published.beside(ours[:0], named)


def test_published_correlations_are_those_of_the_table():
    told = published.early()
    assert "0.44 of pythia-70m-deduped to 0.84 of pythia-6.9b-deduped" in told
    assert "0.78 at step 23,000 to 0.95 at step 123,000" in told
    assert "Emergent and Predictable Memorization" in told


def test_what_was_read_is_told_beside_what_was_not():
    frame = records(
        share("pythia-70m", 512, "seen", 1, 100),
        share("pythia-70m", 1000, "seen", 3, 100),
        share("pythia-70m", 512, "unseen", 2, 1000),
    )
    told = text.read_and_not(frame)
    assert "4 of 200 are recited (2.00%), and 2 of 1,000 (0.20%)" in told
    assert "lack texts that they have read" in text.read_and_not(frame[:2])


@pytest.mark.parametrize("more", [True, False])
def test_claims_of_a_sample(more):
    small, large = (10, 30) if more else (30, 10)
    frame = records(
        sequences("pythia-70m", 143000, small, 2000, "all"),
        sequences("pythia-12b", 143000, large, 2000, "all"),
        share("pythia-70m", 512, "seen", large, 100),
        share("pythia-70m", 512, "unseen", small, 100),
    )
    assert claimed("sample-size", frame) is more
    assert claimed("sample-control", frame) is more


def test_samples_in_which_nothing_is_memorized_tell_nothing():
    frame = records(
        *(
            sequences(f"pythia-{name}", 143000, 0, 2000, "all")
            for name in ("70m", "1b", "1b-deduped")
        ),
        *(share("pythia-70m", 512, name, 0, 100) for name in ("seen", "unseen")),
    )
    assert [claim.holds(frame) for claim in OF_A_SAMPLE] == [None] * 3


@pytest.mark.parametrize("fewer", [True, False])
def test_the_claim_on_deduplicated_models_compares_those_of_a_size(fewer):
    frame = records(
        sequences("pythia-70m", 143000, 10, 2000, "all"),
        sequences("pythia-12b", 143000, 90, 2000, "all"),
        sequences("pythia-70m-deduped", 143000, 9 if fewer else 11, 2000, "all"),
    )
    assert claimed("sample-deduplicated", frame) is fewer


def test_one_reading_that_was_not_tested_says_how_to():
    empty = records(share("pythia-70m", 512, "all", 1, 9))[:0]
    assert "-p ordinary=64" in order_text.once(tables.ages(empty), empty, empty)
