"""From records of patching to tables, sentences and claims: known numbers in, the same numbers out."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers import made_patching

from pythia_utils.analysis import claims
from pythia_utils.analysis.lens import patching_figures, patching_tables, patching_text
from pythia_utils.analysis.lens.names import AGREEMENT
from pythia_utils.analysis.lens.patching_claims import CLAIMS
from pythia_utils.suites.catalog import find_model

MODELS = ("nano-57k", "nano-57k-seed1")
# A model that is wrong at step 512 and right at the last: the attraction grows, the twin's margin more.
WRONG, RIGHT = {"attraction": 1.0, "twin": 0.5}, {"attraction": 1.4, "twin": 2.0}
STEPS = {0: {}, 512: WRONG, 3000: RIGHT}


def made(model: str, step: int, **settings) -> pd.DataFrame:
    rows = pd.DataFrame(made_patching.rows(step, **settings))
    return patching_tables.of_checkpoint(rows, find_model(model).checkpoint(step))


def records(**of_all) -> pd.DataFrame:
    each = [made(model, step, **(own | of_all)) for model in MODELS for step, own in STEPS.items()]
    return pd.concat(each, ignore_index=True)


def test_parts_have_their_places_and_intervals():
    found = patching_tables.parts(made("nano-57k", 512)).set_index(["phenomenon", "part"])
    head = found.loc[AGREEMENT[0], "head 1.2"]
    assert (head["kind"], head["layer"], head["head"]) == ("head", 1, 2)
    assert head["value"] == 0.7
    assert head["low"] == pytest.approx(0.7 - 1.96 * 0.02, abs=1e-4)
    stream = found.loc[AGREEMENT[1], "stream 2 last"]
    assert (stream["kind"], stream["layer"], stream["place"]) == ("stream", 2, "last")
    assert pd.isna(found.loc[AGREEMENT[0], "all heads"]["kind"])
    single = patching_tables.single(found.reset_index())
    assert set(single["kind"]) == {"head", "mlp"}
    of_first = single[single["phenomenon"] == AGREEMENT[0]].set_index("part")["found"]
    assert of_first["head 1.2"]
    assert not of_first["head 0.0"]  # 0.02, an error of 0.02


def test_models_stand_by_size():
    both = pd.concat([made("nano-14k", 512), made("nano-7k", 512), made("nano-7k-seed1", 512)])
    found = patching_tables.single(patching_tables.parts(patching_tables.of_usual_seed(both)))
    assert list(dict.fromkeys(found["model"])) == ["nano-7k", "nano-14k"]


def test_who_carries_the_attraction():
    found = patching_tables.carriers(records())
    assert found["step"].tolist() == [512, 3000] * 4  # before training there are no shares
    assert set(found["head"]) == {"head 1.2"}
    row = patching_tables.at_the_end(patching_tables.of_first(found)).iloc[0]
    assert (row["step"], row["attraction"], row["value"], row["heads"]) == (3000, 1.4, 0.7, 12)
    assert (row["mlp"], row["mlp_value"], row["of_another"]) == ("mlp 0", 0.8, 0.7)
    told = patching_text.carriers_in_words(found)
    assert "in 4 of 4 models and phenomena one head" in told
    assert "In 4 of 4 that have several such steps it is the same head" in told
    table = patching_text.carriers_table(found)
    assert table.loc[0, ["step", "head", "MLP", "mean head"]].tolist() == [
        "512",
        "1.2",
        "0",
        "0.08",
    ]


def test_a_recovery_is_told_with_what_grew():
    found = patching_tables.recoveries(records())
    assert len(found) == 4
    row = found.iloc[0]
    assert (row["before"], row["after"], row["surely"]) == (512, 3000, True)
    assert row[["tempted_before", "tempted_after"]].tolist() == pytest.approx([-0.5, 0.6])
    assert row[["twin_before", "attraction_before"]].tolist() == [0.5, 1.0]
    assert row[["head_after", "moved_after"]].tolist() == ["head 1.2", pytest.approx(0.7 * 1.4)]
    told = patching_text.recoveries_in_words(found)
    assert told.startswith("4 cases, in 2 models, of a phenomenon")
    assert "In 0 of 4 the attraction is weaker after" in told
    assert "In 4 of 4 the margin of the twin" in told
    assert "-0.50 → +0.60" in patching_text.recoveries_table(found).to_string()


@pytest.mark.parametrize(
    "ends", [{"attraction": 1.0, "twin": 0.9}, {"attraction": 0.2, "twin": 0.5}]
)
def test_who_stays_wrong_or_never_was_has_not_recovered(ends):
    found = patching_tables.recoveries(records(**ends))
    assert found.empty
    assert "no recovery" in patching_text.recoveries_in_words(found)
    assert patching_text.recoveries_table(found).empty


def test_a_weaker_attraction_is_told_as_such():
    own = [made("nano-57k", 512, **WRONG), made("nano-57k", 3000, attraction=0.3, twin=0.6)]
    told = patching_text.recoveries_in_words(patching_tables.recoveries(pd.concat(own)))
    assert told.startswith("2 cases, in 1 model, of")
    assert "In 2 of 2 the attraction is weaker after" in told
    assert "In 0 of 2 the margin of the twin" in told


def test_one_checkpoint_in_words():
    told = patching_text.found_in_words(made("nano-57k", 512))
    assert (
        "the attraction is 1.00 [0.90, 1.10] nats (95% interval). Of the heads, head 1.2 restores most: 0.70"
        in told
    )
    assert "the mean over 12 heads is 0.08" in told
    assert "All single parts add up to 1.60: some pass on what others gave them" in told
    untrained = patching_text.found_in_words(made("nano-57k", 0))
    assert untrained.count("there is nothing to attribute") == 2
    table = patching_text.parts_table(made("nano-57k", 512))
    assert table["part"].tolist()[:3] == ["mlp 0", "head 1.2", "mlp 1"]
    assert table.loc[0, "restores"].startswith("0.80")
    assert table["restores"].str.contains("may be none").tolist()[:4] == [False, False, False, True]
    margins = patching_text.margins_table(made("nano-57k", 512))
    assert margins.loc[0, "margin, tempted"].startswith("-0.50")


HOLDS = {claim.name: claim.holds for claim in CLAIMS}


@pytest.mark.parametrize("name", HOLDS)
def test_claims_hold_where_they_should(name):
    assert HOLDS[name](records()) is True
    nothing = records()
    assert HOLDS[name](nothing[nothing["metric"] == "patching_left_out"]) is None


def changed(frame: pd.DataFrame, metric: str, part: str, value: float, step: int) -> pd.DataFrame:
    where = (
        (frame["metric"] == metric) & frame["subset"].str.endswith(part) & (frame["step"] == step)
    )
    assert where.any()
    return frame.assign(value=frame["value"].mask(where, value))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("patching-untrained", ("attraction_nats", "attractor", 0.3, 0)),
        ("patching-one-head", ("restored", "best head", 0.2, 3000)),
        ("patching-first-mlp", ("restored", "mlp 1", 0.9, 3000)),
        ("patching-not-another-noun", ("moved_by_another", "head 0.1", 0.5, 3000)),
        ("patching-surer", ("margin_twin", "attractor", -5, 3000)),
    ],
)
def test_claims_fail_where_they_should(name, change):
    assert HOLDS[name](changed(records(), *change)) is False


def test_claims_of_networks_of_few_heads_cannot_be_told():
    few = records()
    few = few[~few["subset"].str.contains(r"head 1\.")]
    found = claims.table(CLAIMS, few).set_index("finding")["holds in"]
    assert (found == "cannot be told here").sum() >= 3


@pytest.mark.parametrize("draw", ["maps", "maps_along", "way"])
def test_figures_draw_what_there_is_and_nothing(draw):
    found = patching_tables.parts(records())
    own = patching_tables.of_first(found)
    own = own if draw == "maps_along" else own[(own["step"] == 512) & (own["model"] == MODELS[0])]
    own = own if draw == "way" else patching_tables.single(own)
    figure = getattr(patching_figures, draw)(own)
    drawn = [
        axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"
    ]
    assert len(drawn) == (4 if draw == "maps_along" else 1)
    assert getattr(patching_figures, draw)(own.iloc[:0]) is None


def test_a_map_has_layers_from_below_and_the_mlp_last():
    own = patching_tables.single(patching_tables.parts(made("nano-57k", 512)))
    axes = patching_figures.maps(own).axes[0]
    squares = axes.images[0].get_array()
    assert squares.shape == (2, 7)
    assert (squares[1, 2], squares[0, -1], squares[1, -1]) == (0.7, 0.8, 0.1)
    assert axes.images[0].origin == "lower"
    assert {text.get_text() for text in axes.texts} >= {".70", ".80", ".02"}


def test_a_line_a_model_and_one_for_its_mean_head():
    figure = patching_figures.carried(patching_tables.of_first(patching_tables.carriers(records())))
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [0.7, 0.7] in lines
