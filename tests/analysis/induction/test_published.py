"""What is told of Pythia's published heads is what the tables say."""

from __future__ import annotations

from pythia_utils.analysis.induction import published


def test_all_nine_seeds_of_two_sizes_jump_between_the_same_steps():
    found = published.jump(published.best_heads()).set_index("model")
    for model in ("pythia-70m", "pythia-160m"):
        row = found.loc[model]
        assert (row["seeds"], row["before"], row["after"]) == (9, 512, 1000)
        assert row["highest_before"] < 0.06
        assert row["lowest_after"] > 0.92
    assert found.loc["pythia-410m", "rise"] < 0.1  # its table ends before


def test_the_sentences_name_these_steps():
    told = published.jump_in_words(published.best_heads())
    assert "In all 9 seeds of pythia-14m" in told
    for model in ("pythia-70m", "pythia-160m"):
        assert f"in all 9 seeds of {model} the best head goes from at most 0.0" in told
    assert "pythia-410m was measured up to step 512, and no head passes 0.0" in told
    sink = published.sink_in_words()
    assert "is 0.17 before training and no more than a tenth higher up to step 512" in sink
    assert "it reaches 0.61 at step 50,000 and ends at 0.59" in sink
    assert "pythia-410m finds the indirect object" in published.circuit_in_words()
    assert "seantrott/mechinterp_generalizability" in published.sources()
    assert "circuits-over-time" in published.sources()
