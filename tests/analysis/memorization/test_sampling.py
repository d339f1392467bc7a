"""What is tested for memorization at a checkpoint, and the rows recorded of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.range_server import serve
from tokenizers import Tokenizer, models
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.analysis.memorization import sampling as measure
from pythia_utils.analysis.memorization.measure import losses
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import memorization
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.source import open_source

VOCAB = 40


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=VOCAB, intermediate_size=32, **shape)
    return GPTNeoXForCausalLM(config).eval()


@pytest.fixture(scope="module")
def tokenizer():
    words = {f"w{i}": i for i in range(VOCAB)}
    core = Tokenizer(models.WordLevel(words, unk_token="w0"))
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w0")


@pytest.fixture
def tokens():
    return np.random.default_rng(0).integers(0, VOCAB, (6, 12))


def test_our_suites_and_pythia_have_their_usual_lengths():
    assert (measure.usual_length("pythia"), measure.usual_length("nano")) == (32, 16)
    with pytest.raises(UsageError, match="unknown suite"):
        measure.usual_length("nanno")


# --- training sequences ---------------------------------------------------------------------------


def test_the_sample_is_even_and_knows_what_was_seen(home):
    data, checkpoint = open_source("pico-7k"), find_model("pico-7k").checkpoint(256)
    sample = measure.training_sample(data, checkpoint, 103, 10, 20, places=50)
    table = sample.table
    assert len(table) == 100
    assert table["position"][::2].tolist() == [80 + 160 * place - 1 for place in range(50)]
    assert table["position"][1::2].tolist() == [80 + 160 * place for place in range(50)]
    assert table.groupby("block").size().tolist() == [10] * 10
    assert (table["block"] == table["position"] // 800).all()
    assert table["place"].unique() == pytest.approx(np.arange(10) / 10 + 0.05)
    assert (table["seen"] == (table["position"] < 256 * 8)).all()
    for row in (0, 55, 99):
        position = int(table["position"][row])
        step, at = divmod(position, 8)
        assert (sample.tokens[row] == data.batch(step)[at, :20]).all()


def test_all_checkpoints_are_tested_on_the_same_sequences(home):
    data, steps = open_source("pico-7k"), (0, 1000)
    samples = [
        measure.training_sample(data, find_model("pico-7k").checkpoint(step), 50, 5, 8)
        for step in steps
    ]
    assert (samples[0].tokens == samples[1].tokens).all()
    assert [sample.table["seen"].mean() for sample in samples] == [0, 1]


def test_pythias_sequences_come_by_one_request_a_place():
    rows = np.random.default_rng(1).integers(0, 50_000, (2 * 1024, 2049)).astype("<u2")
    file = "document-00000-of-00000.bin"
    with serve({f"/{file}": rows.tobytes()}) as server:
        data = open_source(f"{server.url}/{file}", model="pythia-70m")
        server.requests.clear()
        server.sent = 0
        checkpoint = find_model("pythia-70m").checkpoint(1)
        sample = measure.training_sample(data, checkpoint, 80, 4, 64, places=8)
        assert len(server.requests) == 8
        assert server.sent == 80 * 4098
    positions = sample.table["position"].to_numpy()
    assert (sample.tokens == rows[positions, :64]).all()
    assert sample.table["seen"].tolist() == [True] * 40 + [False] * 40


@pytest.mark.parametrize(
    ("sample", "blocks", "length", "message"),
    [
        (9000, 10, 32, "sample is 9000 in 10 blocks; expected 1 to 8,000"),
        (5, 10, 32, "sample is 5 in 10 blocks"),
        (5, 0, 32, "sample is 5 in 0 blocks"),
        (2000, 501, 32, "500 places in 501 blocks; expected a place or more in each"),
        (50, 5, 200, "prompt and continuation are 200 tokens; a sequence of pico-7k has 128"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(home, sample, blocks, length, message):
    data, checkpoint = open_source("pico-7k"), find_model("pico-7k").checkpoint(0)
    with pytest.raises(UsageError, match=message):
        measure.training_sample(data, checkpoint, sample, blocks, length)


class Positions:
    """Pythia's training data, each sequence of which holds its position; what was asked for is kept."""

    name, seq_length, batch_size, total_steps = "pythia", 2048, 1024, 143_000

    def __init__(self):
        self.asked = []

    def sequences(self, start, stop):
        self.asked.append((start, stop))
        return np.repeat(np.arange(start, stop)[:, None], 2049, axis=1)


@pytest.mark.parametrize(("sample", "rows"), [(2000, 4), (500, 1), (40_000, 80)])
def test_pythias_sample_is_a_few_rows_of_many_batches(sample, rows):
    """Never of batch 0, read at a learning rate of 0, and what is seen grows with the checkpoint."""
    data, model = Positions(), find_model("pythia-70m")
    checkpoint = model.checkpoint(2000)
    found = measure.training_sample(data, checkpoint, sample, 50, 64)
    steps = found.table["position"] // 1024
    assert len(data.asked) == measure.PLACES
    assert len(found.table) == sample
    assert (found.tokens[:, 0] == found.table["position"]).all()
    assert steps.nunique() >= 500
    assert steps.min() >= 100
    assert steps.value_counts().max() <= rows
    assert found.table.groupby("block").size().tolist() == [sample // 50] * 50
    assert found.table["seen"].sum() == 7 * rows  # of 500 places, those before step 2000
    assert steps[found.table["seen"]].nunique() >= 7


def test_no_sequence_is_taken_twice_however_many_there_are(home):
    data, checkpoint = open_source("pico-7k"), find_model("pico-7k").checkpoint(0)
    for sample, blocks, places in [(8000, 10, 500), (8000, 8, 8000), (7, 7, 500), (999, 3, 100)]:
        found = measure.training_sample(data, checkpoint, sample, blocks, 8, places).table
        assert found["position"].is_unique
        assert found["position"].between(0, 7999).all()
        assert len(found) > sample - places


def test_what_to_expect_is_told_from_the_published_counts():
    text = measure.expectation("pythia-12b", 2000)
    assert "pythia-12b has memorized 1.63% in the end" in text
    assert "of 2,000, about 33 (22 to 44)" in text
    assert "about 6 (2 to 12)" in measure.expectation("pythia-70m", 2000)
    assert "is not published" in measure.expectation("pythia-1b-deduped", 2000)


def test_shares_by_position_are_of_each_stretch():
    table = pd.DataFrame(
        {"place": [0.05, 0.15, 0.55, 0.95], "memorized": [True, False, False, True]}
    )
    found = measure.shares_by_position(table, 2)
    assert found["number"].tolist() == [0, 1]
    assert found["value"].tolist() == [0.5, 0.5]
    assert (found["low"] < 0.5).all()
    assert (found["high"] > 0.5).all()


# --- measures -------------------------------------------------------------------------------------


def test_the_loss_is_of_the_continuation_alone(model, tokens):
    found = losses(model, tokens, 5)
    logits = model(input_ids=torch.as_tensor(tokens)).logits.double()
    logprobs = torch.log_softmax(logits, -1)[:, :-1].gather(
        -1, torch.as_tensor(tokens)[:, 1:, None]
    )
    assert found == pytest.approx(-logprobs[:, 4:, 0].mean(1).detach().numpy(), abs=1e-5)


def test_examples_agree_with_the_verdicts(model, tokenizer, tokens):
    with torch.inference_mode():
        known = model.generate(
            torch.as_tensor(tokens[:2, :5]), attention_mask=torch.ones(2, 5), max_new_tokens=7,
            do_sample=False, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    mixed = np.vstack([known.numpy(), tokens[2:]])
    shown = measure.examples(model, tokenizer, mixed, 5)
    verdicts = memorization.memorized(model, mixed, 5, 7)["memorized"]
    assert ((shown["truth"] == shown["model"]) == verdicts).all()
    assert verdicts[:2].all()
    assert shown["prompt"][2].split() == [f"w{i}" for i in mixed[2, :5]]
