"""The notebook `induction`: our own models at the tiny profile, and stand-ins of Pythia's true shape."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_utils.analysis.induction import repeated, tables
from pythia_utils.evaluation.attention import SCORES
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model


def check_heads(frame, cells: int) -> None:
    """Every head of every checkpoint has every score, and attention is a share."""
    heads = tables.heads(frame)
    shape = find_model(frame["model"].iloc[0])
    assert len(heads) == cells * shape.n_layers * shape.n_heads
    for score in SCORES:
        assert heads[score].notna().all()
        if score != "copying":
            assert heads[score].between(0, 1).all()


def test_records_of_our_own_models_are_whole_and_sensible(tiny_run):
    frame = records.read("induction", "pico", runs=tiny_run / "runs")
    for _, own in frame.groupby("model"):
        check_heads(own, 2)
    gains = frame[frame["metric"] == "content_gain"]
    assert set(gains["subset"]) == {"all", *repeated.MADE_TEXT}
    headline = gains[gains["subset"] == "all"]
    assert (
        headline["value"].abs() < 5 * headline["stderr"] + 0.02
    ).all()  # next to nothing was read
    assert (frame["metric"] == "found").sum() == 0
    start = frame[(frame["metric"] == "echo_loss") & (frame["step"] == 0)]
    assert start["value"].to_numpy() == pytest.approx(np.log(1024), abs=0.5)


def test_pythia_is_asked_for_random_tokens_and_nothing_of_our_corpus(pythia_run):
    frame = records.read("induction", "pythia", runs=pythia_run.project / "runs")
    assert set(frame["model"]) == {"pythia-14m"}
    check_heads(frame, 2)
    gains = frame[frame["metric"] == "content_gain"]
    assert set(gains["subset"]) == {"all", *repeated.OTHERS}
    assert (gains["value"].abs() < 0.5).all()  # random weights
    assert not frame["metric"].isin(["echo_loss", "found"]).any()
    value = frame[frame["subset"] == "all"].set_index(["step", "metric"])["value"]
    assert value[0, "in_context"] == pytest.approx(value[0, "loss_late"] - value[0, "loss_early"])
    loss = frame[frame["metric"] == "loss_fresh"]["value"]
    assert loss.to_numpy() == pytest.approx(np.log(50304), abs=1)
