"""A batch taken apart: pieces tile sequences, agree with the corpus's ground truth, repeats are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_utils.analysis.training_data import batches, text
from pythia_utils.analysis.training_data.mix import (
    DOMAINS,
    domain_counts,
    domain_shares,
    homogeneity,
    read_before,
    tokens_by_domain,
)
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.occurrences import occurrences
from pythia_utils.training_data.repeats import Run, expected_again
from pythia_utils.training_data.source import open_source

small_batches = st.tuples(st.integers(1, 4), st.integers(1, 12)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 2), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(small_batches)
def test_pieces_tile_every_sequence_and_end_where_documents_do(rows):
    batch = np.array(rows)
    cut = batches.pieces(batch)
    back = [batch[p.row, p.at : p.at + p.length] for p in cut.itertuples()]
    np.testing.assert_array_equal(np.concatenate(back), batch.ravel())
    for piece, tokens in zip(cut.itertuples(), back, strict=True):
        assert len(tokens) > 0
        assert not (tokens[:-1] == 0).any()
        assert piece.ends == (tokens[-1] == 0)
        assert piece.ends or piece.at + piece.length == batch.shape[1]


def test_pieces_of_a_known_batch():
    cut = batches.pieces(np.array([[5, 0, 6, 7], [8, 9, 0, 0]]))
    assert cut["row"].tolist() == [0, 0, 1, 1]
    assert cut["at"].tolist() == [0, 2, 0, 3]
    assert cut["length"].tolist() == [2, 2, 3, 1]
    assert cut["ends"].tolist() == [True, False, True, True]


@pytest.fixture(params=["pico-7k", "pico-7k-deduped"])
def data(home, request):
    return open_source(request.param)


def test_readings_are_the_pieces_of_every_batch(data):
    truth = occurrences(data)
    for step in (0, 1, 500, data.total_steps - 1):
        cut = batches.pieces(data.batch(step))
        places = ["row", "at", "length"]
        known = truth.loc[truth["step"] == step, places].reset_index(drop=True)
        pd.testing.assert_frame_equal(cut[places], known, check_dtype=False)


def test_every_copy_is_read_once_and_at_its_first_token(data):
    truth = occurrences(data)
    begun = truth[truth["begins"]]
    assert begun["entry"].is_unique
    assert (begun["offset"] == 0).all()
    whole = (
        truth.groupby("entry")["length"].sum()
        >= data.packed.indexed.sizes[truth.groupby("entry")["document"].first()]
    )
    assert set(whole[whole].index) <= set(begun["entry"])


def test_other_copies_are_counted_as_the_definition_says(data):
    truth = occurrences(data)
    begun = truth[truth["begins"]]
    for index in np.random.default_rng(0).choice(len(truth), 200, replace=False):
        piece = truth.iloc[index]
        same = begun[(begun["content"] == piece["content"]) & (begun["entry"] != piece["entry"])]
        assert piece["others"] == len(same)
        assert piece["earlier"] == (same.index < index).sum()


def test_the_deduplicated_corpus_has_one_copy_an_epoch(home):
    truth = occurrences(open_source("pico-7k-deduped"))
    assert truth["others"].max() == 1
    assert truth.loc[truth["step"] == 0, "earlier"].sum() == 0
    late, early = truth["step"] >= 900, truth["step"] < 100
    share = (truth["earlier"] > 0).groupby(np.select([early, late], ["early", "late"], "")).mean()
    assert share["early"] < 0.1 < 0.5 < share["late"]


def test_tokens_by_domain_add_up_to_the_sequences(data):
    table = tokens_by_domain(occurrences(data).query("step < 5"))
    assert tuple(table) == DOMAINS
    assert (table.sum(axis=1) == data.seq_length + 1).all()
    assert len(table) == 5 * data.batch_size


def test_shares_of_domains_add_up_in_every_part(data):
    truth = occurrences(data)
    counts = domain_counts(truth, data.total_steps)
    assert counts.to_numpy().sum() == truth["begins"].sum()
    shares = domain_shares(counts, data.total_steps)
    assert shares.groupby("step")["value"].sum().to_numpy() == pytest.approx(np.ones(10))
    assert (shares["low"] <= shares["value"]).all()
    assert (shares["value"] <= shares["high"]).all()


def test_the_mix_of_a_shuffled_corpus_is_found_even(data):
    test = homogeneity(domain_counts(occurrences(data), data.total_steps))
    assert test.dof == 9 * (len(DOMAINS) - 1)
    assert test.p_value > 0.001
    assert test.cramer_v < 2 * test.by_chance


def test_homogeneity_of_known_tables():
    even = homogeneity(pd.DataFrame({"a": [10, 20], "b": [30, 60]}))
    assert (even.chi_squared, even.p_value, even.cramer_v, even.gap) == (0, 1, 0, 0)
    apart = homogeneity(pd.DataFrame({"a": [50, 0], "b": [0, 50], "empty": [0, 0]}))
    assert apart.cramer_v == pytest.approx(1)
    assert apart.by_chance == pytest.approx(np.sqrt(1 / 100))
    assert apart.gap == pytest.approx(0.5)
    with pytest.raises(UsageError, match="two rows"):
        homogeneity(pd.DataFrame({"a": [1, 2]}))


def test_a_mix_in_words_excuses_what_a_shuffle_gives_and_nothing_else():
    tables = {"No change": [52, 48], "One shuffle in twenty": [60, 40], "at fault": [90, 10]}
    for verdict, a in tables.items():
        told = text.mix(pd.DataFrame({"a": a, "b": a[::-1]}))
        assert [other for other in tables if other in told] == [verdict]
    assert "40.0 percentage points (a, decile 1)" in told


def test_repeats_of_the_deduplicated_run_are_as_many_as_expected(home):
    data = open_source("pico-7k-deduped")
    sizes = data.packed.indexed.sizes
    run = Run(len(sizes), int(sizes.sum()), data.total_steps, data.batch_size, data.seq_length)
    measured = read_before(occurrences(data), data.total_steps, parts=20)
    expected = expected_again(run).reshape(20, -1).mean(axis=1)
    inside = measured["low"].lt(expected) & measured["high"].gt(expected)
    assert inside.sum() >= 17  # of 20 intervals of 95%


def test_most_frequent_tokens_are_counted(home):
    tokenizer = batches.open_tokenizer(find_model("pico-7k"))
    the = tokenizer.token_to_id("Ġthe")
    frequent = batches.most_frequent(np.array([[the, the, 0, the]]), tokenizer)
    assert frequent["token"].tolist() == ["␣the", "<|endoftext|>"]
    assert frequent["count"].tolist() == [3, 1]
    assert frequent["share"].sum() == 1


def test_html_shows_text_as_text_and_says_where_it_ends():
    shown = batches.pieces(np.array([[5, 0, 6, 7]])).assign(text=["<b>x</b>", "y" * 50])
    page = batches.as_html(shown, {}, most=10)
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "2 tokens from position 2" in page
    assert page.count("end of text") == 1
    assert "40 characters more" in page


def test_measures_without_marks_say_only_what_is_known():
    batch = np.array([[1, 2, 3], [3, 2, 1]])
    assert batches.measures(batch, batches.pieces(batch)) == [
        {"metric": "distinct_tokens", "value": 3, "n": 6}
    ]


@pytest.mark.parametrize("content", [None, "not a tokenizer"])
def test_a_missing_or_foreign_tokenizer_is_told(tmp_path, content):
    file = tmp_path / "tokenizer.json"
    if content:
        file.write_text(content)
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        batches.open_tokenizer(find_model("pythia-70m"), file)
