"""What a cell records, on networks of known behaviour; and the in-context learning score."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from helpers.induction_network import MATCHING, PREVIOUS, WORDS, induction_network

from pythia_utils.analysis.induction import in_context, measures, repeated
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import validation
from pythia_utils.evaluation.likelihood import token_logprobs
from pythia_utils.evaluation.repeats import draw, losses
from pythia_utils.suites import checkpoints

IDS = np.arange(1, WORDS)
TESTS = [repeated.Test("words", 7), repeated.Test("words", 6, 5), repeated.Test("symbols", 5)]


@pytest.fixture(scope="module")
def network():
    return induction_network()


def test_gains_are_means_over_sequences_and_the_headline_over_the_first_alphabet(network):
    drawn = [draw(IDS, test.period, test.gap, 12, begin=0) for test in TESTS]
    frame = pd.DataFrame(measures.gains(network, TESTS, drawn)).set_index(["metric", "subset"])
    for test, own in zip(TESTS, drawn, strict=True):
        found = losses(network, own)
        row = frame.loc["content_gain", test.name]
        assert row["value"] == pytest.approx(found.content_gain.mean())
        assert row["stderr"] == pytest.approx(found.content_gain.std(ddof=1) / 12**0.5)
        assert frame.loc[("loss_fresh", test.name), "value"] == pytest.approx(
            found.of("fresh").mean()
        )
        for gain, (one, other) in {
            "in_order_gain": ("loss_shuffled", "loss_in_order"),
            "cache_gain": ("loss_fresh", "loss_shuffled"),
        }.items():
            saved = frame.loc[(one, test.name), "value"] - frame.loc[(other, test.name), "value"]
            assert frame.loc[(gain, test.name), "value"] == pytest.approx(saved)
    words = frame.loc["content_gain"].loc[["words 7", "words 6+5"]]
    headline = frame.loc["content_gain", "all"]
    assert headline["value"] == pytest.approx(words["value"].mean())
    assert headline["stderr"] == pytest.approx(((words["stderr"] ** 2).sum()) ** 0.5 / 2)
    assert headline["n"] == 24


def test_heads_have_a_row_for_each_score(network):
    rows = pd.DataFrame(measures.heads(network, draw(IDS, 7, 2, 5, begin=0)))
    assert len(rows) == 4 * 6
    value = rows.set_index(["metric", "subset"])["value"]
    assert value["prefix_matching", measures.head_name(*MATCHING)] > 0.95
    assert value["previous_token", measures.head_name(*PREVIOUS)] > 0.95
    assert (rows["n"] == 5).all()


def test_too_few_sequences_are_refused():
    with pytest.raises(UsageError, match="3 sequences of each kind; expected 4 or more"):
        measures.drawn(None, TESTS, 3)


@pytest.mark.parametrize(
    ("context", "expected"), [(2048, (512, 50, 500)), (512, (512, 50, 500)), (128, (128, 12, 125))]
)
def test_places_are_those_of_the_paper_or_in_their_proportion(context, expected):
    assert in_context.places(context) == expected


def test_the_score_is_the_loss_around_two_places(network):
    rows = np.random.default_rng(0).integers(0, WORDS, (5, 64))
    early, late = in_context.early_and_late(network, rows)
    nats = -np.stack(token_logprobs(network, rows))
    around = {6 + shift for shift in range(-4, 5)}, {62 + shift for shift in range(-4, 5)}
    for found, tokens in zip((early, late), around, strict=True):
        own = [nats[:, token - 1] for token in tokens if token < 64]
        assert found == pytest.approx(np.mean(own, axis=0), rel=1e-6)


def test_validation_text_is_packed_in_the_domains_shares(home):
    model, tokenizer = checkpoints.load("pico-7k", 16, "pico")
    rows = in_context.rows(model, tokenizer, "pico", "", 40)
    assert rows.shape == (40, 128)
    tokens = rows.flatten()
    whole = np.split(tokens, np.flatnonzero(tokens == tokenizer.eos_token_id) + 1)[:-1]
    counts = dict.fromkeys(validation.domain_shares("pico"), 0)
    of = {
        text: domain
        for domain in counts
        for text in validation.validation_documents(domain, None, "pico")
    }
    for piece in whole:  # each is a validation document, from its beginning to its end
        counts[of[tokenizer.decode(piece[:-1]).strip()]] += len(piece)
    for domain, share in validation.domain_shares("pico").items():
        assert counts[domain] / sum(counts.values()) == pytest.approx(share, abs=0.02)
    with pytest.raises(UsageError, match="1 rows of validation text; expected 2 or more"):
        in_context.rows(model, tokenizer, "pico", "", 1)


def test_an_untrained_model_gains_nothing_and_echoes_at_chance(home):
    model, tokenizer = checkpoints.load("pico-7k", 0, "pico")
    found = pd.DataFrame(measures.echoes(model, tokenizer, 8))
    assert list(found["subset"]) == ["8", "14", "20", "26", "14+12"]
    assert found["value"].to_numpy() == pytest.approx(math.log(len(tokenizer)), abs=0.5)
    rows = measures.context(model, tokenizer, "pico", "", 8)
    value = {row["metric"]: row["value"] for row in rows}
    assert value["in_context"] == pytest.approx(value["loss_late"] - value["loss_early"])
    assert abs(value["in_context"]) < 0.3
