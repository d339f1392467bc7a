"""Paradigms inside a phenomenon: what is found of curves of known shape, and told."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers.made_records import row

from pythia_utils.analysis.grammar import paradigm_figures, paradigms

HARD, EASY, OTHER = "wh_island", "adjunct_island", "anaphor_gender_agreement"


def runs(values: dict[str, list[float]], model: str = "pythia-70m") -> pd.DataFrame:
    """Accuracies of paradigms at the steps 0, 8, 64, and what stands beside them in records."""
    rows = []
    for place, step in enumerate((0, 8, 64)):
        own = [
            row("accuracy_of_paradigm", v[place], name, stderr=0.04) for name, v in values.items()
        ]
        own += [row("accuracy", 0.5, "island_effects", n=200), row("unanswerable", 7)]
        rows += [each | {"model": model, "step": step, "variant": "standard"} for each in own]
    return pd.DataFrame(rows)


FALLS = {HARD: [0.5, 0.2, 0.9], EASY: [0.5, 0.6, 0.9], OTHER: [0.5, 0.6, 0.2]}


def test_paradigms_of_blimp_have_their_phenomenon_and_field():
    found = paradigms.curves(runs(FALLS | {"mine": [0.5, 0.5, 0.5]})).drop_duplicates("subset")
    labels = found.set_index("subset")[["phenomenon", "field"]].T.to_dict("list")
    assert labels[HARD] == ["island_effects", "syntax"]
    assert labels[OTHER] == ["anaphor_agreement", "morphology"]
    assert labels["mine"] == ["other", "other"]


def test_a_paradigm_below_chance_is_told_with_its_deepest_step_and_whether_it_comes_back():
    learnt = {name: [0.5, 0.6, 0.9] for name in FALLS}
    both = pd.concat([runs(FALLS), runs(learnt, "pythia-160m")])
    found = paradigms.below_chance(paradigms.curves(both)).set_index("subset")
    assert set(found.index) == {HARD, OTHER}
    assert (found["of"] == 2).all()
    assert (found["models"] == 1).all()
    assert found["deepest"].to_dict() == {HARD: 8, OTHER: 64}
    assert found["still"].to_dict() == {HARD: 0, OTHER: 1}
    told = paradigms.below_in_words(found.reset_index(), 3)
    assert "2 of 3 paradigms are below chance" in told
    assert "in 1 of them a model does not come back" in told
    table = paradigms.below_table(found.reset_index())
    assert table["models below chance"].tolist() == ["1 of 2"] * 2


def test_a_long_table_is_cut_and_says_so(monkeypatch):
    monkeypatch.setattr(paradigms, "LISTED", 1)
    found = paradigms.below_chance(paradigms.curves(runs(FALLS)))
    assert len(paradigms.below_table(found)) == 1
    assert "The table has the 1 deepest" in paradigms.below_in_words(found, 3)


def test_none_below_chance_is_told():
    curves = paradigms.curves(runs({EASY: [0.5, 0.6, 0.9]}))
    assert paradigms.below_in_words(paradigms.below_chance(curves), 1) == (
        "No model is below chance on any of 1 paradigms."
    )


def test_the_ends_of_a_phenomenons_paradigms_are_told():
    curves = paradigms.curves(runs(FALLS | {HARD: [0.5, 0.2, 0.7]}))
    told = paradigms.spread_in_words(curves[curves["step"] == 64])
    assert (
        "1 of 3 paradigms are below chance with their interval (anaphor gender agreement)" in told
    )
    assert "furthest apart in island effects: from 0.70 to 0.90" in told
    assert "nothing lies inside" in paradigms.spread_in_words(curves.iloc[:0])


def test_what_was_asked_is_counted():
    told = paradigms.asked_in_words(runs(FALLS))
    assert "1 model was asked 100 pairs of each of 3 paradigms, of 1 phenomena" in told
    assert "7 more, whose sentences are the same" in told


@pytest.mark.parametrize("values", [FALLS, {}])
def test_figures_are_drawn_or_told_in_words(values):
    curves = paradigms.curves(runs(values))
    means = pd.DataFrame({"subset": ["island_effects"], "step": [0], "value": [0.5]})
    drawn = [paradigm_figures.inside(curves, means), paradigm_figures.at_the_end(curves)]
    assert [figure is not None for figure in drawn] == [bool(values)] * 2
    if values:
        inside, end = drawn
        lines = {axes.get_title(): len(axes.get_lines()) for axes in inside.axes}
        assert lines == {"island effects": 4, "anaphor agreement": 3}  # paradigms, mean, chance
        assert len(end.axes[0].get_yticks()) == 3
