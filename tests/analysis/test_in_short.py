"""Cards: each sentence follows the numbers, in both directions, and says so where there are none."""

from __future__ import annotations

import base64
import re

import pandas as pd
import pytest
from helpers import made_records
from matplotlib import pyplot

from pythia_utils.analysis import card_figures, claims, in_short
from pythia_utils.analysis.facts.in_short import in_short as facts_card
from pythia_utils.analysis.geometry.in_short import in_short as geometry_card
from pythia_utils.analysis.grammar import acquisition
from pythia_utils.analysis.grammar.in_short import in_short as grammar_card
from pythia_utils.analysis.induction.in_short import in_short as induction_card
from pythia_utils.analysis.interventions import in_short as interventions_card
from pythia_utils.analysis.interventions import tables as interventions_tables
from pythia_utils.analysis.lens.in_short import in_short as lens_card
from pythia_utils.analysis.loss import laws
from pythia_utils.analysis.loss.in_short import in_short as loss_card
from pythia_utils.analysis.memorization import chapter
from pythia_utils.analysis.memorization import in_short as memorization_card
from pythia_utils.analysis.ngrams import phases
from pythia_utils.analysis.ngrams.in_short import in_short as ngrams_card
from pythia_utils.analysis.published import comparisons, summary
from pythia_utils.analysis.published.in_short import in_short as published_card
from pythia_utils.analysis.stability.in_short import in_short as stability_card
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.analysis.training_data import in_short as training_data_card
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

SIZES = ("pico-7k", "pico-57k")
SEEDS = (*SIZES, "pico-57k-seed1")
STEPS = (0, 16, 64, 256, 1000)


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")
    yield
    pyplot.close("all")


def made(experiment: str, models=SEEDS, steps=STEPS) -> pd.DataFrame:
    """The records of a made experiment."""
    frames = []
    for name in models:
        for step in steps:
            at = find_model(name).checkpoint(step)
            common = records.identity(at, experiment, "nano")
            frames.append(pd.DataFrame(made_records.MADE[experiment](name, step)).assign(**common))
    return pd.concat(frames, ignore_index=True).astype({"n": "Int64"})


def set_values(frame: pd.DataFrame, where: str, value: float) -> pd.DataFrame:
    """A copy in which the rows of a query have this value."""
    frame = frame.copy()
    frame.loc[frame.query(where).index, "value"] = value
    return frame


def told(card: in_short.InShort) -> str:
    assert 1 <= len(card.sentences) <= 3
    assert not any(re.search(r"\bnan\b|-0\.0+\b(?!\d)", sentence) for sentence in card.sentences)
    return " ".join(card.sentences)


# --- the card itself


def test_a_value_has_the_range_of_its_seeds_or_the_interval_of_the_one():
    rows = pd.DataFrame({"value": [0.8, 0.9], "low": [0.7, 0.8], "high": [0.9, 1.0]})
    assert in_short.value(rows, unit="nats") == "0.85 nats (0.80 to 0.90 over 2 seeds)"
    assert in_short.value(rows.iloc[:1], ".0%") == "80% [70%, 90%]"
    assert in_short.value(rows.iloc[:1][["value"]]) == "0.80"
    assert in_short.value(rows.assign(value=-0.001)) == "0.00 (in each of 2 seeds)"


def test_a_card_shows_its_sentences_and_then_its_figure_with_an_alternative(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a[0], k)))
    frame = pd.DataFrame({"model": "pico-7k", "step": [0, 1000], "value": [7.0, 2.5]})
    drawn = card_figures.curves(frame, "loss (nats)", reference=(2.0, "the floor"))
    in_short.show(in_short.InShort(["One.", "Two."], drawn, ["loss"]))
    (words, _), (picture, options) = shown
    assert words[in_short.KIND] == {"sentences": ["One.", "Two."], "words": ["loss"]}
    assert words["text/markdown"] == "One.\n\nTwo."
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    alt = options["metadata"]["image/png"]["alt"]
    assert alt == (
        "Lines of loss (nats) over training steps 0 to 1,000, from first to last value: 7k 7 to 2.5. "
        "A dashed line at 2: the floor."
    )


def test_a_figure_of_rows_tells_where_each_goes():
    rows = pd.DataFrame({"what": ["a", "a", "b"], "value": [1, 3, 5], "base_value": [0, 0, 4]})
    drawn = card_figures.dots(rows, "share", before="the base")
    assert (
        drawn.alt
        == "Points of share, from the base to after, means over runs: a: from 0 to 2; b: from 4 to 5."
    )
    assert card_figures.dots(rows.iloc[:0], "share") is None


# --- each chapter's


def loss_of(frame: pd.DataFrame) -> str:
    loss = with_normal_interval(frame[frame["metric"] == "loss"])
    found = laws.forecasts(loss[loss["subset"] == "all"], {}) if frame["step"].nunique() > 8 else {}
    return told(loss_card(loss[loss["subset"] == "all"], found))


def test_loss_says_which_size_is_lower_and_whether_it_fell():
    frame = made("loss")
    said = loss_of(frame)
    assert "less than before training" in said
    assert "lower, in every pair of their seeds" in said
    higher = loss_of(set_values(frame, "model == 'pico-7k' and step == 1000", 1.0))
    assert "higher, though not in every pair of their seeds" in higher
    assert "more than before" in loss_of(
        set_values(frame, "n_params > 20000 and step == 1000", 9.0)
    )
    assert "no standard model" in loss_of(frame.assign(variant="deduped"))


def test_loss_judges_the_forecast_by_the_interval():
    end = pd.DataFrame({"model": ["pico-224k"], "step": 1000, "larger": True, "value": 2.0})
    end = end.assign(forecast=2.1, low=1.9, high=2.3, inside=True)

    def said(held: pd.DataFrame) -> str:
        class Found:
            pass

        Found.held = held
        return loss_card(
            pd.DataFrame(columns=["variant", "step", "value"]), {"all": Found}
        ).sentences[-1]

    assert "forecasts 2.100 [1.900, 2.300] for the largest; measured: 2.000" in said(end)
    assert "1 of 1 inside" in said(end)
    assert "0 of 1 inside" in said(end.assign(inside=False))
    assert "no interval to be judged by" in said(end.assign(low=float("nan"), high=float("nan")))


def ngrams_of(frame: pd.DataFrame) -> str:
    return told(ngrams_card(frame, phases.extrema(frame[frame["metric"] == "kl"])))


def test_ngrams_counts_the_runs_that_keep_the_order_and_compares_the_loss():
    frame = made("ngrams")
    said = ngrams_of(frame)
    assert said.startswith("In 3 of 3 runs")
    assert re.search(r"less than the best n-grams", said)
    late = set_values(frame, "metric == 'kl' and subset == '1-gram' and step == 1000", 0.0)
    assert ngrams_of(late).startswith("In 0 of 3 runs")
    worse = set_values(frame, "metric == 'loss' and subset == 'model'", 9.0)
    assert "more than the best n-grams" in ngrams_of(worse)
    assert "No model was measured at enough steps" in ngrams_of(made("ngrams", steps=(16,)))


def grammar_of(frame: pd.DataFrame) -> str:
    return told(grammar_card(frame, acquisition.curves(frame[frame["metric"] == "accuracy"])))


def test_grammar_gives_the_share_beside_counting_and_chance():
    frame = made("grammar")
    whole = frame.query("metric == 'accuracy_above_ngrams' and subset == 'all'")
    counted = whole.assign(metric="accuracy_of_ngrams", value=0.52)
    frame = pd.concat([frame, counted], ignore_index=True)
    assert "do in 52%, chance in 50%" in grammar_of(frame)
    better = set_values(frame, "metric == 'accuracy' and subset == 'all' and n_params > 20000", 0.9)
    assert "prefer the grammatical sentence in 90% of the pairs (in each of 2 seeds)" in grammar_of(
        better
    )
    plain = frame[frame["metric"] != "accuracy_of_ngrams"]
    assert "chance is 50%" in grammar_of(plain)


def test_grammar_counts_what_is_learnt_and_what_is_below_chance():
    frame = made("grammar", steps=(0, 4, 64, 1000))
    subset = frame["subset"] != "all"
    never = frame.copy()
    never.loc[subset & (never["metric"] == "accuracy"), "value"] = 0.5
    assert re.search(
        r"gets 0 right three times in four; none is shown to be below chance", grammar_of(never)
    )
    assert re.search(
        r"gets [1-9]\d* right .* first \(at about step .*below chance in some", grammar_of(frame)
    )


def test_facts_compares_classes_sizes_and_the_new_sentence():
    frame = made("facts")
    said = told(facts_card(frame))
    assert "guessing gets 12%" in said
    assert re.search(
        r"answer 100% \(2 seeds\) of the facts that they were told 65 or more times", said
    )
    assert "ahead of the smallest (7k) in 0 of" in said  # the made models are all alike
    small = set_values(frame, "model == 'pico-7k' and metric == 'accuracy'", 0.0)
    assert re.search(r"ahead of the smallest \(7k\) in [1-9] of", told(facts_card(small)))
    lost = set_values(frame, "metric == 'one_sentence'", 0.0)
    assert "in one new sentence with it, in 0%" in told(facts_card(lost))
    assert "no standard model" in told(facts_card(frame.assign(variant="deduped")))


def test_training_data_says_whether_the_mix_is_the_same():
    even = pd.DataFrame(100, index=range(10), columns=["grammar", "stories"])
    uneven = even.assign(stories=range(10, 1010, 100))
    assert training_data_card._mix(even).startswith("The mix of texts is the same")
    assert training_data_card._mix(uneven).startswith("The mix of texts differs")


def test_training_data_of_single_batches_tells_a_trend_from_chance():
    model, steps = "pythia-70m", (0, 512, 4000, 16000, 64000, 143000)
    frame = made("training_data", [model], steps)
    assert "no change that could be told from chance" in told(training_data_card.of_batches(frame))
    rising = frame.copy()
    rising["value"] = rising["value"] + rising["step"]
    assert "that is a change" in told(training_data_card.of_batches(rising))
    assert told(training_data_card.of_batches(frame.iloc[:0])) == "No batch was read here."


def test_memorization_gives_the_shares_by_copies_and_whether_place_matters():
    frame = made("memorization", steps=(256, 1000))
    said = told(memorization_card.in_short(chapter.parts(frame)))
    assert "read 32 times the largest models (57k) recite 100% in each of 2 seeds" in said
    assert "of those read once, 0% in each of 2 seeds" in said
    none = set_values(frame, "metric == 'memorized' and subset == 'copies-32'", 0.0)
    assert "recite 0% in each of 2 seeds" in told(memorization_card.in_short(chapter.parts(none)))
    late = frame.copy()
    for decile in range(10):
        late.loc[late.query(f"metric == 'loss' and subset == 'decile-{decile}'").index, "value"] = (
            5 - decile
        )
    assert "it gains more in 3, by +" in told(memorization_card.in_short(chapter.parts(late)))
    early = late.copy()
    for decile in range(10):
        early.loc[
            early.query(f"metric == 'loss' and subset == 'decile-{decile}'").index, "value"
        ] = decile
    assert "it gains more in 0, by -" in told(memorization_card.in_short(chapter.parts(early)))


def test_memorization_of_a_sample_compares_sizes_and_the_control():
    frame = made("memorization", ["pythia-70m", "pythia-12b"], (64000, 143000))
    said = told(memorization_card.of_sample(frame))
    small, large = map(float, re.search(r"70m (\S+)% .*12b (\S+)% ", said).groups())
    assert small < large
    assert "the control, 0.00% are recited" in said
    leak = set_values(frame, "metric == 'memorized' and subset == 'unseen'", 0.5)
    assert "the control, 50.00% are recited" in told(memorization_card.of_sample(leak))


def test_induction_says_how_much_from_when_on_and_by_which_heads():
    frame = made("induction")
    said = told(induction_card(frame))
    assert "by 1.00 nats a token (in each of 2 seeds); before training by 0.00" in said
    assert "In 2 of 3 runs measured along training the gain becomes clear" in said
    assert (
        "It hangs on a few heads: without them 5% of the gain is left, without as many others 90%"
        in said
    )
    spread = set_values(frame, "metric == 'share_left' and subset == 'heads found'", 0.8)
    assert "The heads found do not carry it" in told(induction_card(spread))
    none = made("induction", ["pico-7k"])
    assert "by 0.00 nats" in told(induction_card(none))
    assert "In 0 of 1 run" in told(induction_card(none))


def test_lens_says_what_the_embedding_tells_and_whether_the_answer_moves():
    frame = made("lens")
    said = told(lens_card(frame))
    assert "70% of the way" in said
    assert "deeper than at the first measured step of training in 3 of 3 runs" in said
    still = set_values(frame, "metric == 'formation_depth'", 0.4)
    assert "of training in 0 of 3 runs: the change is +0.00" in told(lens_card(still))
    far = frame.copy()
    kl = far["subset"].eq("tuned 0") & far["metric"].eq("kl")
    far.loc[kl, "value"] *= 2
    assert "40% of the way" in told(lens_card(far))


def test_geometry_says_whether_seeds_come_to_see_text_alike():
    frame = made("geometry", ("pico-57k", "pico-57k-seed1"), (0, 8, 64, 256, 1000))
    assert "come to see text more alike" in told(geometry_card(frame))
    apart = set_values(frame, "metric == 'cka_models' and step == 1000", 0.01)
    assert "come to see text less alike" in told(geometry_card(apart))
    settled = set_values(frame, "metric == 'cka_steps'", 0.99)
    assert "2 of 2 models had stopped changing" in told(geometry_card(settled))
    moving = set_values(frame, "metric == 'cka_steps'", 0.1)
    assert "0 of 2 models had stopped changing" in told(geometry_card(moving))
    real = made("geometry", ["pythia-70m", "pythia-160m"], (0, 512, 143000))
    assert "The cosine of the last weights to those of step 0" in told(geometry_card(real))


def test_interventions_give_shares_after_and_before():
    models = ["pico-57k", "pico-57k-swap-gender-from750", "pico-57k-change-facts-from750"]
    frame = made("interventions", models, (1000,))

    def said(frame: pd.DataFrame) -> str:
        ends = interventions_tables.at_the_end(interventions_tables.against_base(frame))
        return told(interventions_card.in_short(ends))

    assert "the old pronoun in 20% of the pairs that hold one; without the change in 90%" in said(
        frame
    )
    assert "get the new answer in 60% of cases, from 10%; right answers" in said(frame)
    same = set_values(frame, "metric == 'agrees' and subset == 'touched'", 0.9)
    assert "the old pronoun in 90%" in said(same)
    assert "no model of an intervention" in said(frame[frame["model"] == "pico-57k"])


def test_interventions_of_others_give_the_log_odds():
    models = ["pythia-70m-deduped-v0", "pythia-intervention-70m-deduped"]
    frame = made("interventions", models, (143000,))

    def said(frame: pd.DataFrame) -> str:
        ends = interventions_tables.at_the_end(interventions_tables.against_base(frame))
        return told(interventions_card.of_pronouns(ends))

    assert "likelier in 1 of 1 model: its log-odds change by +0.50" in said(frame)
    assert "likelier in 0 of 1 model" in said(set_values(frame, "metric == 'feminine'", 0.1))


def test_stability_counts_numbers_and_findings():
    beside = pd.DataFrame({"headline": ["loss", "facts"], "ratio": [3.0, 0.5]})
    asked = pd.DataFrame(
        {"holds in": ["3 of 3 seeds", "2 of 3 seeds", "1 of 1 seed", "cannot be told here"]}
    )
    blimp = pd.DataFrame({"seed": [1, 2], "step": 143000, "value": [0.75, 0.8]})
    said = told(stability_card(beside, asked, blimp))
    assert "moves 1 of 2 headline numbers by more" in said
    assert "loss the most: by 3.0 times" in said
    assert (
        "Of 2 findings of the chapters that two seeds or more can answer, 1 hold in every seed"
        in said
    )
    assert "between 0.750 and 0.800" in said
    nothing = told(stability_card(beside.iloc[:0], asked.iloc[2:], blimp))
    assert "no size with runs" in nothing
    assert "No finding could be asked" in nothing
    assert asked["holds in"].iloc[-1] == claims._UNTOLD


def test_published_tells_the_last_word_grammar_and_whom_to_trust():
    v1 = comparisons.accuracies("v1")
    lambada, phenomena = v1[v1["task"] == "LAMBADA"], summary.blimp("phenomenon")
    apart = pd.DataFrame({"size": ["2.8b", "70m"], "step": [43000, 1000], "distance": [0.01, 1.2]})
    said = told(published_card(lambada, phenomena, apart))
    assert "deduped variant of 2\\.8b up to step 43,000 differ no more" in said
    clean = told(published_card(lambada, phenomena, apart.assign(distance=1.0)))
    assert "differ as two trainings do" in clean
    none = lambada.assign(value=lambada["value"].where(lambada["step"] > 5000, 0.0))
    assert "From step 1,000 on" in said
    assert "From step 1,000 on" not in told(published_card(none, phenomena, apart))
