"""The corpus against its own ground truth, recounted from the tokens that training reads."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from helpers.sentences import bare_words, within

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.sets import minimal_pairs
from pythia_utils.nano import corpus as nano_corpus
from pythia_utils.nano import documents as nano_documents
from pythia_utils.suites.catalog import suite
from pythia_utils.training_data import corpus as training_data_corpus
from pythia_utils.training_data.source import read_batch


@pytest.fixture
def pico(home) -> training_data_corpus.Corpus:
    return training_data_corpus.open_corpus("pico")


def contents(data, rows) -> list[bytes]:
    return [data[i].tobytes() for i in rows]


def test_every_domain_has_its_share_of_the_tokens(pico):
    table = pico.documents("standard")
    first = table.drop_duplicates("content")
    tokens = first.groupby("domain")["tokens"].sum() / nano_corpus.training_tokens(pico.suite)
    for domain in nano_documents.DOMAINS:
        assert tokens[domain] == pytest.approx(pico.suite.corpus["shares"][domain], abs=2e-4)
    extra = table["tokens"].sum() - table.drop_duplicates("content")["tokens"].sum()
    memorized = table.loc[table["domain"] == "memorization", "tokens"].sum()
    assert memorized / table["tokens"].sum() == pytest.approx(0.04, abs=1e-3)
    assert extra / table["tokens"].sum() == pytest.approx(
        pico.suite.corpus["shares"]["duplicates"] + 0.03, abs=0.01
    )


def test_standard_is_read_once_to_its_end_and_deduped_more_than_once(pico):
    standard, deduped = (pico.training_data(variant) for variant in training_data_corpus.VARIANTS)
    needed = pico.suite.training["total_steps"] * pico.suite.training["batch_size"]
    assert standard.order.epochs == 1
    assert needed <= len(standard) <= needed * 1.002
    assert deduped.order.epochs == 2


def test_copies_are_what_the_file_holds(pico):
    table, data = pico.documents("standard"), pico.indexed("standard")
    rows = table[table["domain"] != "memorization"].index
    counted = Counter(contents(data, range(len(data))))
    assert [counted[c] for c in contents(data, rows[::50])] == table["copies"][rows[::50]].tolist()


def test_deduped_holds_each_content_of_standard_once(pico):
    standard, deduped = (pico.indexed(variant) for variant in training_data_corpus.VARIANTS)
    ours = contents(deduped, range(len(deduped)))
    assert len(set(ours)) == len(ours)
    assert set(ours) == set(contents(standard, range(len(standard))))


def test_sizes_in_the_table_are_those_of_the_documents(pico):
    for variant in training_data_corpus.VARIANTS:
        assert (pico.documents(variant)["tokens"].to_numpy() == pico.indexed(variant).sizes).all()


def test_every_document_ends_with_end_of_text_and_holds_no_other(pico):
    data = pico.indexed("standard")
    for i in range(0, len(data), 37):
        assert data[i][-1] == 0
        assert 0 not in data[i][:-1]


def test_occurrences_are_where_training_reads_the_document(pico):
    data, read = pico.training_data("standard"), pico.occurrences("standard")
    indexed, batch = pico.indexed("standard"), pico.suite.training["batch_size"]
    whole = read[read["whole"]]
    for row in whole.iloc[::400].itertuples():
        text = indexed[row.document].astype(np.int64).tobytes()
        assert any(text in sequence.tobytes() for sequence in data.batch(row.step, batch))


def test_memorization_copies_stand_where_they_are_said_to(pico):
    table = pico.documents("standard").merge(pico.occurrences("standard"), on="document")
    planted = table[table["domain"] == "memorization"]
    for placement, group in planted.groupby("placement"):
        if placement.startswith("decile-"):
            deciles = group["step"] * 10 // pico.suite.training["total_steps"]
            assert set(deciles) == {int(placement.removeprefix("decile-"))}
            assert set(group.groupby("content").size()) == {nano_corpus.DECILE_COPIES}
    anywhere = planted[planted["placement"] == "anywhere"].groupby("content").size()
    assert set(training_data_corpus.COPIES) <= set(anywhere)
    spread = planted[planted["content"] == anywhere.idxmax()]["step"]
    assert spread.max() - spread.min() > 0.8 * pico.suite.training["total_steps"]


def test_facts_are_told_as_often_as_the_table_says_and_by_zipfs_law(pico, home):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pico.tokenizer_file()))
    table, data, facts = pico.documents("deduped"), pico.indexed("deduped"), pico.facts()
    texts = [
        tokenizer.decode(data[i][:-1].tolist()) for i in table.index[table["domain"] == "facts"]
    ]
    made = {fact.rank: fact for fact in nano_documents.make_facts(pico.suite.corpus["seed"])}
    for rank in (1, 2, 30, 150):
        prompts = [f"{prompt} {made[rank].answer}." for prompt in made[rank].prompts()]
        told = sum(f" {text}".count(f" {prompt}") for text in texts for prompt in prompts)
        assert told == facts.set_index("rank")["mentions"][rank] > 0
    slope = np.polyfit(np.log(facts["rank"]), np.log(facts["mentions"] + 0.5), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


def test_training_holds_no_validation_document(pico):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pico.tokenizer_file()))
    held = set(contents(pico.indexed("deduped"), range(len(pico.indexed("deduped")))))
    for domain in nano_documents.DOMAINS:
        texts = nano_documents.validation_texts(domain, pico.suite.corpus["seed"])
        encoded = [
            np.array([*e.ids, 0], np.uint16).tobytes() for e in tokenizer.encode_batch(texts)
        ]
        assert not held & set(encoded)


def test_no_minimal_pair_stands_in_training_not_even_within_another_sentence(pico):
    from tokenizers import Tokenizer

    asked = {bare_words(half) for pair in minimal_pairs(200) for half in (pair.good, pair.bad)}
    tokenizer, data = Tokenizer.from_file(str(pico.tokenizer_file())), pico.indexed("standard")
    texts = tokenizer.decode_batch([data[i].tolist() for i in range(len(data))])
    assert not within(asked, texts)
    some = next(bare_words(text.split(".")[0]) for text in texts if text.count(".") > 3)
    assert within({some}, texts) == {some}  # the corpus is looked at


def test_the_tokenizer_gives_back_what_it_took(pico):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pico.tokenizer_file()))
    assert tokenizer.get_vocab_size() == pico.suite.corpus["vocab_size"]
    for domain in nano_documents.DOMAINS:
        text = next(nano_documents.documents(domain, 5, "elsewhere")).text
        assert tokenizer.decode(tokenizer.encode(text).ids).strip() == text


def shortened(name: str, steps: int):
    whole = suite(name)
    return dataclasses.replace(whole, training=whole.training | {"total_steps": steps})


def test_the_same_recipe_gives_the_same_bytes(tmp_path, monkeypatch):
    digests = []
    for folder in ("a", "b"):
        monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / folder))
        digests.append(nano_corpus.make_corpus(shortened("pico", 40)).manifest["sha256"])
    assert digests[0] == digests[1]


def test_a_corpus_of_another_recipe_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    first = nano_corpus.make_corpus(shortened("pico", 40))
    assert nano_corpus.is_current(first)
    second = training_data_corpus.Corpus(shortened("pico", 50))
    assert not nano_corpus.is_current(second)
    assert nano_corpus.is_current(nano_corpus.make_corpus(second.suite))


def test_who_shares_a_variant_and_a_data_seed_reads_the_same_batches(home):
    small, large, same = (read_batch(f"pico-{of}", 5) for of in ("7k", "224k", "7k-weight-seed1"))
    assert (small == large).all()
    assert (small == same).all()
    one, two = (read_batch(f"pico-{of}", 5) for of in ("7k-data-seed1", "57k-seed1"))
    assert (one == two).all()
    assert (small != one).any()
    assert small.shape == (8, 129)
    other = read_batch("pico-7k-deduped", 5)
    assert (small != other).any()


@pytest.mark.parametrize(
    ("name", "message"), [("pythia", "no corpus of ours"), ("nano", "pythia train nano")]
)
def test_a_suite_without_a_corpus_is_refused(home, name, message):
    with pytest.raises(UsageError, match=message):
        training_data_corpus.open_corpus(name)
