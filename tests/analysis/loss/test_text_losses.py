"""What is told of losses on texts by name or path, and the chapter on records of all of Pythia."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from helpers import made_pythia, made_records

from pythia_utils.analysis.loss import claims, figures, measures, text
from pythia_utils.analysis.loss.forecast import points
from pythia_utils.evaluation import validation
from pythia_utils.suites.catalog import find_model


def losses(n=3, tokens=1000, empty=0) -> pd.DataFrame:
    rows = [("loss", "all", 3.0, 0.1, n), ("tokens", "all", tokens, math.nan, n)]
    rows.append(("empty", "all", empty, math.nan, n + empty))
    return pd.DataFrame(rows, columns=["metric", "subset", "value", "stderr", "n"])


def test_a_cell_tells_what_it_measured_and_what_it_left_out():
    told = text.measured_in_words(losses(empty=2), "wikitext b08601e0")
    assert "the test set of WikiText-2" in told
    assert "(`wikitext b08601e0`): 3 documents, 1,000 tokens." in told
    assert "in windows, each after the one before it" in told
    assert "2 more documents hold no text and were left out." in told
    assert "64 tokens ahead of the one" in text.measured_in_words(losses(), "a 1a2b", 64)
    assert "there is no standard error" in text.measured_in_words(losses(n=1), "a.txt 1a2b")
    own = losses().query("metric == 'loss'")
    assert text.measured_in_words(own, "nano").endswith("(`nano`): 3 documents in all.")


@pytest.mark.parametrize(
    ("measured_on", "told"),
    [
        ("pile-10k 127bfedc", "**which Pythia has read**"),
        ("wikitext 00000000", "`wikitext 00000000`"),  # another file of that name
        ("essays.txt 1a2b3c4d", "`essays.txt 1a2b3c4d`"),
    ],
)
def test_a_set_is_named_as_what_it_is(measured_on, told):
    assert told in text.set_in_words(measured_on)
    assert ("WikiText" in text.set_in_words(measured_on)) is False


def test_the_usual_texts_are_the_suites_own_and_the_hubs_wikitext():
    assert validation.set_of("pico") == validation.set_of("pythia", "nano") == "nano"
    assert validation.set_of("english") == "own"
    assert validation.set_of("pythia") == validation.set_of("pico", "wikitext")
    assert validation.set_of("pythia").startswith("wikitext ")


def with_parts() -> pd.DataFrame:
    rows = []
    for name in ("pythia-70m", "pythia-160m", "pythia-160m-deduped"):
        model = find_model(name)
        at = {"model": name, "variant": model.variant, "n_params": model.non_embedding_params}
        for step in (1000, 2000):
            for place, part in enumerate(["all", "ArXiv", "Github"]):
                rows.append(at | {"step": step, "subset": part, "value": 4 - place - step / 1e4})
    return pd.DataFrame(rows)


def test_parts_are_drawn_and_told_of_the_largest_model():
    told = text.parts_in_words(with_parts())
    assert "Of 2 parts pythia-160m predicts Github best (1.80 nats a token at step 2,000)" in told
    assert "and ArXiv worst (2.80)" in told
    titles = [axes.get_title() for axes in figures.parts(with_parts()).axes]
    assert titles[:2] == ["ArXiv", "Github"]
    whole = with_parts().query("subset == 'all'")
    assert figures.parts(whole) is None
    assert "not divided" in text.parts_in_words(whole)


def test_units_stand_side_by_side_with_errors_of_what_has_one():
    rows = []
    for metric, value, stderr in (
        ("loss", 3.0, 0.1),
        ("word_perplexity", 12345.6, 12.0),
        ("byte_perplexity", np.nan, np.nan),
    ):
        at = {"model": "pythia-70m", "variant": "standard", "n_params": 1, "subset": "all"}
        rows += [
            at | {"step": s, "metric": metric, "value": value, "stderr": stderr} for s in (1, 2)
        ]
    html = text.units_table(pd.DataFrame(rows)).source
    assert html.count("<tr>") == 2  # names, and the last step
    assert "3.000 ± 0.100" in html
    assert "12,346 ± 12" in html
    assert "nan" not in html


def test_the_law_leaves_out_checkpoints_with_a_known_fault():
    rows = [
        {"model": name, "variant": "standard", "step": step, "value": 3.0}
        for name in ("pythia-2.8b", "pythia-1.4b")
        for step in (1000, 2000, 70_000, 71_000)
    ]
    kept = points(pd.DataFrame(rows))[["model", "step"]].apply(tuple, axis=1).tolist()
    of_the_other = [("pythia-1.4b", 2000), ("pythia-1.4b", 70_000), ("pythia-1.4b", 71_000)]
    assert kept == [("pythia-2.8b", 71_000), *of_the_other]  # step 1000 is of the warm-up


def test_sizes_are_compared_at_a_step_that_all_have():
    (larger,) = [c.holds for c in claims.CLAIMS if c.name == "larger-models-end-lower"]
    rows = [("pico-7k", 512, 3.0), ("pico-57k", 512, 2.5), ("pico-7k", 1000, 2.0)]
    frame = pd.DataFrame(rows, columns=["model", "step", "value"])
    frame["n_params"] = [find_model(name).non_embedding_params for name in frame["model"]]
    assert larger(frame.assign(variant="standard", metric="loss", subset="all")) is True


def test_only_suites_whose_text_we_made_are_asked_of_its_entropy():
    assert claims.of_suite("pico") == claims.CLAIMS
    for suite in ("pythia", "english"):
        assert [claim.name for claim in claims.of_suite(suite)] == [
            "loss-falls-with-training",
            "larger-models-end-lower",
        ]


def test_a_stride_is_refused_before_texts_are_read(monkeypatch):
    from helpers.hub_server import tiny_model

    from pythia_utils.base.errors import UsageError

    monkeypatch.setattr(measures.text_sets, "documents", lambda texts: pytest.fail("read"))
    with pytest.raises(UsageError, match="stride 33: expected 1 to 32"):
        measures.measured(tiny_model(0), None, "pythia", stride=33)


# ---- the chapter


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> str:
    """The chapter's words and tables on all sizes and steps, both variants."""
    pytest.importorskip("matplotlib").use("agg")
    runs = tmp_path_factory.mktemp("runs")
    assert made_pythia.write(runs, "loss", made_pythia.models()) > 2500
    cells = made_records.run_chapter("loss", runs, suite="pythia")
    return "\n".join(cell.get("text/markdown", "") + cell.get("text/html", "") for cell in cells)


def test_the_chapter_of_pythia_says_nothing_that_is_nanos(shown):
    words = re.sub(r"<script.*?</script>|<style.*?</style>", "", shown, flags=re.DOTALL)
    for ours in ("Echo", "echo", "our own miniature", "several domains", "pico", "nano", "excess"):
        assert ours not in words, ours
    assert "The models of this page are the real Pythia" in words
    assert "the test set of WikiText-2" in words
    assert not re.search(r"\bnan\b|nothing to draw|nothing to list|too few sizes", words)


def test_the_chapter_of_pythia_forecasts_the_largest_size(shown):
    told = re.search(r"law forecasts ([\d.]+) for 12b at step 143,000; measured: ([\d.]+)", shown)
    assert float(told[1]) == pytest.approx(float(told[2]), rel=0.005)  # the records follow the law
    assert "no interval to judge it by" in shown


def test_the_chapter_of_pythia_has_what_was_published_and_the_errata(shown):
    assert "32.12" in shown  # 160m's word perplexity, as published
    assert "published: 2.430 nats a word" in shown
    assert "known erratum" in shown
    assert "pythia-2.8b" in shown


def test_the_chapter_of_pico_keeps_its_entropy(tmp_path):
    made_records.write(tmp_path, "loss", [("pico-7k", 0), ("pico-7k", 512), ("pico-14k", 512)])
    cells = made_records.run_chapter("loss", tmp_path)
    words = "\n".join(cell.get("text/markdown", "") for cell in cells)
    assert "The least possible loss" in words
    assert "our own miniature suite" in words
    assert "published: 2.430 nats a word" in words
    assert "windows" not in words
