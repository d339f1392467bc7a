"""Headlines over seeds: which runs count, and the sentences about their spread."""

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.stability import figures, headlines, text
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import find_model

ENDINGS = {"": 0.0, "-seed1": 0.1, "-weight-seed1": 0.1, "-data-seed1": 0.0}


def runs(sizes=("7k", "14k", "57k"), stderr: float = 0.01) -> pd.DataFrame:
    """Loss that other weights raise by .1, at two steps, of sizes that differ by 1; one deduplicated model."""
    names = [f"pico-{size}{end}" for size in sizes for end in ENDINGS] + ["pico-57k-deduped"]
    rows = [
        {"model": name, "variant": find_model(name).variant, "step": step, "subset": "all"}
        | {"n_params": find_model(name).non_embedding_params, "metric": "loss", "stderr": stderr}
        | {"tokens_seen": 1024 * step, "value": value(name) + 9 * (step == 0)}
        for name in names
        for step in (0, 1000)
    ]
    return pd.DataFrame(rows)


def value(name: str) -> float:
    size, end = name.removeprefix("pico-").partition("-")[::2]
    return len(size) + ENDINGS.get(f"-{end}" if end else "", 5.0)


def test_headlines_are_those_of_standard_runs_at_the_end_where_a_size_has_seeds():
    alone = runs(("7k",))[lambda frame: frame["model"] == "pico-7k"].assign(model="pico-224k")
    found = headlines.values({"loss": pd.concat([runs(), alone], ignore_index=True)})
    assert set(found["step"]) == {1000}
    assert set(found["model"]) == {
        f"pico-{size}{end}" for size in ("7k", "14k", "57k") for end in ENDINGS
    }
    assert set(found["headline"]) == {"validation loss (nats a token)"}


def test_the_weights_are_found_to_be_what_moves_a_number():
    found = headlines.values({"loss": runs()})
    table = headlines.table(found).set_index("source")
    assert table.loc["weights", "sd"] == pytest.approx(0.1 / np.sqrt(2), rel=0.05)
    assert table.loc[["order", "rest"], "sd"].max() < 0.01
    assert table.loc["items", "sd"] == pytest.approx(0.01)
    assert set(table["runs"]) == {12}
    said = text.sources_in_words(table.reset_index())
    assert "12 runs of 3 sizes: most from the initial weights (standard deviation 0.07" in said
    assert said.endswith("The intervals do not overlap.")


def test_runs_beside_items_are_a_ratio_told_whichever_is_larger():
    for stderr, told in ((0.01, "For 1 of 1 an interval"), (0.5, "For 0 of 1 an interval")):
        table = headlines.table(headlines.values({"loss": runs(stderr=stderr)}))
        beside = headlines.beside_items(table)
        assert beside["ratio"].tolist() == pytest.approx([0.0707 / stderr], rel=0.05)
        assert told in text.items_in_words(beside)


@pytest.mark.parametrize("records", [{}, {"loss": runs(("7k",)).query("model == 'pico-7k'")}])
def test_nothing_to_compare_is_told_in_words(records):
    found = headlines.values(records)
    assert found.empty
    assert figures.runs_of_headlines(found) is None
    assert figures.sources_of_variation(headlines.table(found)) is None
    assert headlines.table(found).empty
    assert "cannot be told apart" in text.sources_in_words(headlines.table(found))
    assert "Nothing here" in text.items_in_words(headlines.beside_items(headlines.table(found)))


def test_headlines_name_phenomena_that_there_are():
    own = [h.subset for h in headlines.HEADLINES if h.experiment == "grammar" and h.subset != "all"]
    names = [getattr(phenomenon, "name", phenomenon) for phenomenon in PHENOMENA]
    assert own
    assert set(own) <= set(names)


def test_figures_show_every_run_and_source():
    found = headlines.values({"loss": runs()})
    (axes,) = [axes for axes in figures.runs_of_headlines(found).axes if axes.get_visible()]
    assert sorted(y for line in axes.lines for y in line.get_ydata()) == sorted(found["value"])
    drawn = figures.sources_of_variation(headlines.table(found)).axes[0]
    assert [label.get_text() for label in drawn.get_yticklabels()] == [
        "weights",
        "order",
        "rest",
        "items",
    ]


def test_two_published_seeds_leave_the_others():
    ngrams = published_tables.read("ngram_seeds").query("subset == 'pile_1gram'")
    said = text.outliers(published_tables.read("training_map"), ngrams)
    assert said.count("3, 4") == 2
    assert "its 10 seeds lie between" in text.published_spread(published_tables.read("blimp_seeds"))
