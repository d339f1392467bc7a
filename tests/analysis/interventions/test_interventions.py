"""What is measured of an intervention, and how each changed model is put beside its base."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import made_records

from pythia_utils.analysis import claims
from pythia_utils.analysis.interventions import figures, measures, names, tables, text
from pythia_utils.analysis.interventions.claims import CLAIMS
from pythia_utils.analysis.interventions.needs import add
from pythia_utils.analysis.needs import Needs
from pythia_utils.evaluation.sets import load_pairs
from pythia_utils.grid import records
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import find_model

BASE = "pico-57k"
SWAP, FACTS = f"{BASE}-swap-gender-from750", f"{BASE}-change-facts-from750"
STEPS = {BASE: (750, 1000), SWAP: (782, 814, 1000), FACTS: (782, 1000)}


def made(models=STEPS, seeds=("", "-seed1")) -> pd.DataFrame:
    frames = []
    for name, steps in models.items():
        for seed in seeds:
            model = name.replace(BASE, BASE + seed)
            for step in steps:
                at = find_model(model).checkpoint(step)
                rows = made_records.interventions(model, step)
                common = records.identity(at, "interventions", "nano")
                frames.append(pd.DataFrame([common | each for each in rows]))
    return pd.concat(frames, ignore_index=True)


def value(rows: pd.DataFrame, **where: object) -> float:
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    (found,) = rows["value"]
    return found


# --- measures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        ("The queen hurt herself.", "The queen hurt himself.", 1),
        ("Tom lost his own hat.", "Tom lost her own hat.", -1),
        ("The girls hurt themselves.", "The girls hurt herself.", -1),
        ("The dog sleeps.", "The dog sleep.", 0),
        ("The theme is here.", "The herd is there.", 0),  # no pronouns
    ],
)
def test_which_sentence_is_the_feminine_one(good, bad, expected):
    assert measures.leaning(MinimalPair("x", good, bad)) == expected


def answered() -> pd.DataFrame:
    """Two phenomena whose every sentence is touched, one half touched, one not at all."""
    rows = [("a", 2.0, 2.0, True), ("a", 1.0, -1.0, True), ("b", -1.0, 1.0, True)]
    rows += [
        ("half", 1.0, np.nan, True),
        ("half", -1.0, np.nan, False),
        ("none", 1.0, np.nan, False),
    ]
    table = pd.DataFrame(rows, columns=["phenomenon", "margin", "feminine", "touched"])
    return table.assign(correct=table["margin"] > 0)


def test_records_of_pairs_by_what_swapped_pronouns_touch():
    rows = pd.DataFrame(measures.of_pairs(answered()))
    assert value(rows, metric="agrees", subset="a") == 1
    assert value(rows, metric="agrees", subset=names.TOUCHED) == 0.5  # the mean of a and b
    assert value(rows, metric="agrees", subset=names.PARTLY) == 0.5
    assert value(rows, metric="agrees", subset=names.UNTOUCHED) == 1
    assert value(rows, metric="touched", subset="half") == 0.5
    assert value(rows, metric="feminine", subset="all") == pytest.approx(2 / 3)
    assert set(rows[rows["metric"] == "feminine"]["subset"]) == {"a", "b", "all"}


def test_records_of_facts_by_old_and_new_answers():
    columns = ["rank", "person", "old", "new", "chosen", "preference"]
    rows = [
        (1, "A", "x", "y", "y", 2.0),
        (1, "A", "x", "y", "x", -1.0),
        (2, "B", "x", "", "x", np.nan),
    ]
    rows += [(3, "B", "z", "y", "q", -4.0), (4, "C", "x", "", "q", np.nan)]
    table = pd.DataFrame(rows, columns=columns)
    told = np.array([5, 5, 0, 0, 0])
    found = pd.DataFrame(measures.of_facts(table, told))
    assert value(found, metric="new", subset=names.CHANGED) == pytest.approx(1 / 3)
    assert value(found, metric="old", subset=names.CHANGED) == pytest.approx(1 / 3)
    assert value(found, metric="old", subset=names.KEPT) == 0.5
    assert value(found, metric="preference", subset=names.CHANGED) == -1
    assert value(found, metric="new", subset="told 3-8 since") == 0.5
    assert value(found, metric="new", subset="told 0 since") == 0
    for nobody in (None, told * 0):
        subsets = pd.DataFrame(measures.of_facts(table, nobody))["subset"]
        assert not subsets.str.startswith("told").any()


def test_classes_of_tellings():
    names = [measures.class_name(told) for told in (0, 1, 2, 3, 8, 9, 26, 27, 1000)]
    assert names == [
        "told 0 since",
        *["told 1-2 since"] * 2,
        *["told 3-8 since"] * 2,
        *["told 9-26 since"] * 2,
        *["told 27 or more since"] * 2,
    ]


def test_the_pairs_that_come_with_the_book_differ_in_one_pronoun():
    pairs = load_pairs("data/pronouns.csv")
    assert len({(pair.good, pair.bad) for pair in pairs}) == len(pairs)
    for pair in pairs:
        words = zip(pair.good.split(), pair.bad.split(), strict=True)
        assert sum(one != other for one, other in words) == 1
        expected = -1 if pair.phenomenon in ("masculine noun", "occupation mostly of men") else 1
        assert measures.leaning(pair) == expected, pair.good
    kinds = pd.Series([pair.paradigm for pair in pairs]).value_counts()
    assert (len(kinds), set(kinds)) == (16, {12})


def test_the_notebook_needs_its_checkpoint_and_blimp_where_it_is_asked():
    for asked, files in (("data/pronouns.csv", 0), ("blimp", 1)):
        needs = Needs()
        where = {"suite": "pythia", "model": "pythia-14m", "step": 1000}
        add(needs, **where, pairs_from=asked, pairs=200)
        assert [checkpoint.step for checkpoint in needs.checkpoints] == [1000]
        assert len(needs.files) == files


# --- tables ---------------------------------------------------------------------------------------


def test_each_model_is_beside_its_own_base_at_the_same_step():
    rows = tables.against_base(made())
    assert set(rows["model"]) == {
        m.replace(BASE, BASE + s) for m in (SWAP, FACTS) for s in ("", "-seed1")
    }
    assert all(row.model.startswith(row.base) for row in rows.itertuples())
    assert (rows["step"] - rows["since"] == 750).all()
    early = rows[rows["step"] < 1000]
    assert early["base_value"].isna().all()  # the base has no such checkpoint
    end = tables.at_the_end(rows)
    assert (end["step"] == 1000).all()
    row = end[(end["model"] == SWAP) & (end["metric"] == "agrees") & (end["subset"] == "touched")]
    assert row["difference"].item() == pytest.approx(-0.7)
    assert row["stderr_of_difference"].item() == pytest.approx(0.03 * 2**0.5)


def test_effects_are_means_over_seeds():
    frame = made()
    other = (frame["model"] == SWAP) & (frame["step"] == 1000) & (frame["subset"] == "touched")
    frame.loc[other, "value"] += 0.1
    found = tables.effects(tables.named(tables.at_the_end(tables.against_base(frame)), tables.OURS))
    row = found[
        (found["intervention"] == "swap-gender")
        & (found["what"] == tables.OURS["agrees", "touched"])
    ]
    assert row[["value", "lowest", "highest", "seeds"]].to_numpy().tolist()[0] == pytest.approx(
        [-0.65, -0.7, -0.6, 2]
    )
    assert list(found["intervention"].unique()) == ["swap-gender", "change-facts"]


def test_time_begins_with_the_base_at_the_fork():
    frame = made(seeds=("",))
    rows = tables.by_time(tables.against_base(frame), frame)
    own = rows[
        (rows["model"] == SWAP) & (rows["metric"] == "agrees") & (rows["subset"] == "touched")
    ]
    assert own["since"].tolist() == [0, 32, 64, 250]
    assert own["value"].iloc[0] == 0.9
    told = text.half_way(own)
    assert "pico-57k-swap-gender-from750 between 64 and 250 of 250 steps" in told
    flat = rows[(rows["metric"] == "agrees") & (rows["subset"] == "untouched")]
    assert "changes by a tenth" in text.half_way(flat)


def test_pythias_interventions_are_beside_the_first_release():
    model = find_model("pythia-intervention-1.4b-deduped")
    assert tables.base_of(model) == "pythia-1.4b-deduped-v0"
    assert tables.fork_step(model) == 133_000
    assert tables.fork_step(find_model("pythia-intervention-long-1.4b-deduped")) == 113_000
    assert tables.base_of(find_model("pythia-1.4b-deduped-v0")) is None
    assert tables.intervention_of(find_model("pico-7k-deduped")) == ""


def test_words_say_what_the_numbers_are():
    frame = made()
    rows = tables.against_base(frame)
    end = tables.at_the_end(rows)
    told = text.pronouns(end)
    assert "pico-57k 0.90 to 0.20, pico-57k-seed1 0.90 to 0.20" in told
    assert "at least 75% of the pairs, 2 of 2 end below one half" in told
    ignorant = end.assign(base_value=0.5)
    assert "at least 75% of the pairs, none end below" in text.pronouns(ignorant)
    assert "change by +0.000, right answers" in told
    assert "New answers to changed facts: pico-57k 0.10 to 0.60" in text.changed_facts(end)
    assert "0.80 in each of 2 seeds of those told 27 or more times" in text.tellings(
        tables.by_tellings(rows), tables.untold(end)
    )
    assert "300 of 1,000 documents are changed; 2 stay" in text.texts(rows)
    for empty in (text.pronouns, text.changed_facts, text.log_odds, text.texts):
        assert "no model of an intervention" in empty(rows.iloc[:0])


def test_figures_are_drawn_and_say_so_if_there_is_nothing():
    pytest.importorskip("matplotlib").use("agg")
    frame = made()
    rows = tables.against_base(frame)
    end = tables.named(tables.at_the_end(rows), tables.OURS)
    figure = figures.changes(end, "share")
    assert [axes.get_title() for axes in figure.axes] == ["swap-gender", "change-facts"]
    (line,) = [
        one.get_xdata() for one in figure.axes[0].lines if np.allclose(one.get_xdata(), [0.9, 0.2])
    ][:1]
    assert len(line) == 2
    figures.over_time(tables.named(tables.by_time(rows, frame), tables.OURS), "share")
    figures.by_tellings(tables.by_tellings(rows), 0.1)
    assert figures.changes(end.iloc[:0], "share") is None


# --- claims ---------------------------------------------------------------------------------------


def test_claims_hold_of_such_records_and_none_of_untrained_ones_can_tell():
    found = claims.verdicts(CLAIMS, made())
    assert found["holds"].all()
    assert len(found) == 2 * len(CLAIMS)
    only_base = claims.verdicts(CLAIMS, made({BASE: (1000,)}))
    assert only_base["holds"].isna().all()


@pytest.mark.parametrize(
    ("claim", "where", "new"),
    [
        ("interventions-pronouns", (SWAP, "agrees", "touched"), 0.8),
        ("interventions-grammar", (SWAP, "agrees", "untouched"), 0.7),
        ("interventions-not-facts", (SWAP, "old", "changed"), 0.6),
        ("interventions-new-answers", (FACTS, "new", "changed"), 0.1),
        ("interventions-tellings", (FACTS, "new", "told 27 or more since"), 0.2),
        ("interventions-old-answers", (FACTS, "old", "kept"), 0.2),
        ("interventions-not-grammar", (FACTS, "agrees", "touched"), 0.5),
    ],
)
def test_each_claim_can_fail(claim, where, new):
    frame = made(seeds=("",))
    model, metric, subset = where
    hit = (frame["model"] == model) & (frame["metric"] == metric) & (frame["subset"] == subset)
    assert hit.any()
    frame.loc[hit, "value"] = new
    found = claims.verdicts(CLAIMS, frame).set_index("claim")["holds"]
    assert not found[claim]
    assert found.drop(claim).all()


def test_a_base_that_knows_no_gender_tells_nothing_of_unlearning():
    frame = made(seeds=("",))
    frame.loc[(frame["metric"] == "agrees") & (frame["subset"] == "touched"), "value"] = 0.5
    found = claims.verdicts(CLAIMS, frame).set_index("claim")["holds"]
    assert found["interventions-pronouns"] is None
