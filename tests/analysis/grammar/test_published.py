"""Published numbers on BLiMP: whole, consistent with each other, and beside ours without a computation."""

from __future__ import annotations

import pandas as pd
import pytest

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.claims import table
from pythia_utils.analysis.grammar import published
from pythia_utils.analysis.grammar.claims import OF_BLIMP
from pythia_utils.analysis.published import summary
from pythia_utils.evaluation.blimp import blimp_paradigms

FIRST_RELEASE = summary.summary("blimp", shots=0, version="v0")


def test_the_seeds_have_every_phenomenon_and_their_mean_is_that_of_the_single_seeds():
    over = published.over_seeds()
    assert set(over["subset"]) == {phenomenon for phenomenon, _ in blimp_paradigms().values()}
    assert (over["low"] <= over["value"]).all()
    assert (over["value"] <= over["high"]).all()
    whole = published_tables.read("blimp_over_seeds").query("subset == 'blimp'").set_index("step")
    single = published_tables.read("blimp_seeds").groupby("step")["value"]
    assert whole["value"].to_numpy() == pytest.approx(single.mean().to_numpy(), abs=1e-3)
    assert whole["low"].to_numpy() == pytest.approx(single.min().to_numpy(), abs=1e-3)


def test_the_sentence_tells_the_narrowest_and_the_widest_range_and_whose_they_are():
    told = published.seeds_in_words(published.over_seeds())
    assert "the 10 seeds of pythia-160m" in told
    last = published.over_seeds().query("step == 143000").set_index("subset")
    reach = (last["high"] - last["low"]).sort_values()
    names = [name.replace("_", " ") for name in (reach.index[0], reach.index[-1])]
    assert told.index(names[0]) < told.index(names[1])
    assert "PolyPythias" in told


def own(*rows: tuple[str, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["model", "step", "value"])
    return frame.assign(low=frame["value"] - 0.01, high=frame["value"] + 0.01)


def test_three_measurements_stand_side_by_side_at_the_last_shared_step():
    mine = own(
        ("pythia-160m", 13000, 0.7), ("pythia-160m", 14000, 0.8), ("pythia-70m", 143000, 0.6)
    )
    found = published.beside(mine, FIRST_RELEASE).set_index("size")
    assert found["step"].to_dict() == {"160m": "13,000", "70m": "143,000"}
    assert found.loc["160m", "here"] == "0.70 [0.69, 0.71]"
    (theirs,) = FIRST_RELEASE.query("model == 'pythia-70m-v0' and step == 143000")["value"]
    assert found.loc["70m", "first release (v0)"].startswith(f"{theirs:.2f} [")
    assert (found["seeds, mean [range]"] == "–").all()  # of another step, and of another size


def test_seeds_stand_beside_their_own_size_and_data_alone():
    names = ("pythia-160m", "pythia-160m-deduped", "pythia-160m-seed1", "pythia-14m")
    found = published.beside(own(*((name, 143000, 0.7) for name in names)), FIRST_RELEASE)
    assert found["variant"].tolist() == [
        "standard",
        "deduped",
    ]  # nothing of 14m, and one seed a row
    assert (found["seeds, mean [range]"] == "–").tolist() == [False, True]


def test_the_first_release_is_what_the_claims_were_read_from():
    accuracies = summary.blimp("phenomenon").assign(metric="accuracy")
    assert table(OF_BLIMP, accuracies)["holds in"].tolist() == ["1 of 1 seed"] * len(OF_BLIMP)
    both = published.claims_beside(OF_BLIMP, accuracies, summary.blimp("phenomenon"))
    assert (both["holds in"] == both["published (v0)"]).all()
