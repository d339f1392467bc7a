"""Pythia's published losses beside ours: known numbers of the summary, and what has nothing to be beside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.loss import published, text
from pythia_utils.analysis.published.summary import summary
from pythia_utils.suites.catalog import find_model

WIKITEXT, LAMBADA = (title for _, title in published.WORDS.values())


def test_published_words_are_logarithms_of_the_suites_perplexities():
    table = published.words(summary())
    at = table.set_index(["subset", "model", "step"])["value"]
    assert at[WIKITEXT, "pythia-12b-v0", 143_000] == pytest.approx(np.log(11.359), abs=1e-3)
    assert at[WIKITEXT, "pythia-160m-v0", 3000] == pytest.approx(np.log(76.355), abs=1e-3)
    assert set(table["variant"]) == {"standard"}
    assert table["step"].min() > 1430  # behind the warm-up
    assert set(table["version"][table["subset"] == LAMBADA]) == {""}
    assert len(table.groupby("subset")["model"].unique()[LAMBADA]) == 8


def test_the_law_of_published_words_is_of_wikitext_and_holds_out_the_largest():
    found = published.words_forecast(summary())
    assert set(found.held["model"][found.held["larger"]]) == {"pythia-12b-v0"}
    assert "pythia-12b-v0" not in set(found.fitted["model"])
    assert set(found.fitted["subset"]) == {WIKITEXT}
    told = text.published_words(found)
    assert "pythia-12b-v0 at step 143,000; published: 2.430 nats a word" in told
    assert "no interval" in told


def measured(
    *models: str, step: int = 143_000, measured_on: str = "wikitext b08601e0"
) -> pd.DataFrame:
    rows = []
    for name in models:
        model = find_model(name)
        rows.append(
            {"model": name, "variant": model.variant, "n_params": model.non_embedding_params}
            | {"step": step, "metric": "word_perplexity", "subset": "all", "value": 30.0}
            | {"stderr": 0.5, "n": 62, "measured_on": measured_on}
        )
    return pd.DataFrame(rows)


def test_ours_stands_beside_the_published_one_of_its_size_variant_and_step():
    ours = measured("pythia-160m", "pythia-410m-v0", "pythia-410m-deduped", "pythia-160m-seed1")
    html = published.beside(ours, summary()).source
    for size, release, theirs in (("160m", "second", 32.12), ("410m", "first", 22.48)):
        assert f"{theirs:.2f}" in html
        assert size in html
        assert release in html
    assert "23.02" in html  # of the deduplicated 410m
    assert html.count("30.00") == 3  # not the other seed, which nobody published


@pytest.mark.parametrize(
    "ours",
    [measured("pythia-160m", step=512), measured("pythia-160m", measured_on="mine.txt 1a2b3c4d")],
)
def test_another_step_or_another_text_has_nothing_beside_it(ours):
    assert "nothing to list" in published.beside(ours, summary()).data
