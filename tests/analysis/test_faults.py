"""Checkpoints with an erratum: in no curve, and told."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import faults


def measured(*places: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(places, columns=["model", "step"]).assign(value=0.5)


def test_wrong_weights_are_left_out_and_surprising_ones_are_not():
    """Step 512 of pythia-2.8b holds the final weights; step 0 equals step 1 in every model, as trained."""
    places = [("pythia-2.8b", 512), ("pythia-2.8b", 66000), ("pythia-70m", 0), ("pythia-70m", 512)]
    kept = faults.sound(measured(*places))
    assert list(zip(kept["model"], kept["step"], strict=True)) == places[1:]
    assert (kept["value"] == 0.5).all()


def test_the_sentence_names_the_errata_and_what_was_run():
    run = faults.in_words(measured(("pythia-12b", 50000), ("pythia-12b", 51000)))
    assert "pythia-12b steps 50000, 58000" in run
    assert "One of these was run" in run
    assert "None of these was run" in faults.in_words(measured(("pythia-12b", 51000)))
    assert faults.in_words(measured(("pythia-70m", 0))) == (
        "No checkpoint of these models has a known erratum."
    )
