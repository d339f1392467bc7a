"""The tour's choice of model and steps, and its sentences, on made margins; its margins, on trained models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.live import examples, page, places, story
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.minimal_pairs import score_minimal_pairs
from pythia_utils.nano.documents import documents
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.checkpoints import load


def table(model: str, rows: list[tuple[int, float, float, float]]) -> pd.DataFrame:
    """Checkpoints from step, liking, subject and nearest noun: the four margins that these make."""
    made = [
        {"model": model, "step": step}
        | {
            name: liking + s * subject + n * nearest
            for name, s, n in zip(story.COLUMNS, (1, 1, -1, -1), (1, -1, 1, -1), strict=True)
        }
        for step, liking, subject, nearest in rows
    ]
    return story.with_cues(pd.DataFrame(made))


FULL = [(0, 0.3, 0, 0), (16, 2, 0, 0.1), (128, -0.2, 0.1, 1), (512, 0.1, 1, 0.4), (1000, 0, 2, 0.5)]


def test_the_cues_of_a_margin_are_found_again():
    found = table("m", FULL)[["liking", "subject", "nearest"]].to_numpy()
    assert np.allclose(found, [row[1:] for row in FULL])


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([0.3, 2, -1, 1, 1.5], [1, 2, 4]),
        ([0.3, 2, -1, -3, 0.05], [1, 3]),  # what comes right again is a tie
        ([-2, -1, 3, 2], [2]),
        ([-1, -2], [0]),
        ([1, -0.05, 1], [0]),  # what goes wrong is a tie
        ([1, -1, 1, -2, 0.5], [0, 1, 2]),
    ],
)
def test_turns_are_where_it_is_clearest(values, places):
    assert story.turns(values) == places


def test_the_model_with_the_longest_and_clearest_story_is_chosen():
    short = table("short", [(0, 3, 0, 0), (8, -3, 0, 0)])
    faint = table("faint", [(0, 0.2, 0, 0), (8, -0.2, 0, 0), (16, 0.2, 0, 0)])
    full = table("full", FULL)
    assert story.choose(pd.concat([short, faint, full])) == "full"
    assert story.choose(pd.concat([short, faint])) == "faint"
    assert story.choose(short) == "short"


def test_the_tour_says_what_each_checkpoint_goes_by():
    stops = story.tour(table("pico-x", FULL), "pico-x")
    assert [stop.step for stop in stops] == [0, 16, 128, 1000]
    nothing, liked, near, end = (stop.words for stop in stops)
    assert "pico-x before training" in nothing
    assert "likes this word better" in liked
    assert "“The keys near the boxes” among them" in liked
    assert "“are” 3.0 times as likely as the other form, which is wrong" in near  # exp(1.1)
    assert "takes the one that stands nearest" in near
    assert "margin would rise by 2.00 nats" in near
    assert "goes by the subject" in end
    assert "would fall by 4.00 nats" in end
    assert "still pulls the other way, by 0.50 nats" in end


def test_where_all_is_right_the_end_says_so_and_where_not_how_many():
    rows = [(0, 1, 0, 0), (8, 0, 0.1, 1), (16, 0, 3, 0.5), (32, 0, 3, 1)]
    assert "right after all four" in story.tour(table("m", rows), "m")[-1].words
    rows[-1] = (32, 2.1, 2, 0)  # a plural subject is never followed by "are"
    assert "it goes on with 2 rightly" in story.tour(table("m", rows), "m")[-1].words


@pytest.mark.parametrize(
    "row",
    [
        (8, -1, -1, -1),
        (8, 1, -0.2, -2),
        (8, -2, 0, 0),
        (8, 0, -2, 0),
        (8, -0.3, 0.2, 0.2),
        (8, 0.9, 0, 0.8),
    ],
)
def test_there_are_words_for_every_way_to_be_right_or_wrong(row):
    stops = story.tour(table("m", [(0, 1, 0, 0), row, (16, 0, 1, 0)]), "m")
    assert all(stop.words.count("which is") == 1 for stop in stops)
    assert all("Why?" in stop.words for stop in stops[1:])


def test_margins_are_those_of_minimal_pairs(home):
    found = story.margins({"pico-7k": [0, 16], "pico-14k": [16]})
    assert list(found["model"]) == ["pico-7k", "pico-7k", "pico-14k"]
    network, tokenizer = load("pico-7k", 16)
    pairs = [MinimalPair("", good, bad) for good, bad in examples.attraction()]
    expected = score_minimal_pairs(network, tokenizer, pairs)["margin"]
    assert np.allclose(found.iloc[1][list(story.COLUMNS)].to_numpy(float), expected, atol=1e-5)


# ---- examples


def test_examples_are_two_texts_that_differ(home):
    _, tokenizer = load("pico-7k", 16)
    pairs = [pair for group in examples.menu("pico") for pair in group.pairs]
    assert len(pairs) > 20
    assert len({pair.label for pair in pairs}) == len(pairs)
    for pair in pairs:
        good, bad = tokenizer([pair.good, pair.bad])["input_ids"]
        assert good != bad
        assert len(good) < 100
        assert tokenizer.unk_token_id not in good + bad


def test_a_list_is_said_again_or_shuffled_so_that_nothing_follows_what_it_followed():
    for seed in range(20):
        pair = examples.repetition(seed)
        good, bad = pair.good.split(), pair.bad.split()
        first = good[: examples.PERIOD]
        follows = {*pairwise(first)}
        again, shuffled = good[examples.PERIOD :], bad[examples.PERIOD :]
        assert sorted(again) == sorted(shuffled) == sorted(first)
        assert len(follows & {*pairwise(again)}) == examples.PERIOD - 2
        assert not follows & {*pairwise(shuffled)}


def test_facts_are_those_that_the_corpus_tells():
    told = " ".join(
        doc.text for doc, _ in zip(documents("facts", 1234, "train"), range(3000), strict=False)
    )
    for pair in examples.facts("pico").pairs:
        assert f"{pair.good}." in told
        assert f"{pair.bad}." not in told


# ---- places


def test_a_place_holds_its_data_as_text():
    pair = examples.Example("a", "</script><b>", "x & y")
    text = places.box([pair], (), "pico").data
    assert text.count("</script>") == 1
    assert "&lt;/script&gt;&lt;b&gt; / x &amp; y" in text


def test_without_a_trained_model_the_page_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="pythia train pico"):
        page.try_it("pico")
