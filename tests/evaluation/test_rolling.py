"""Losses of whole texts: windows by their definition, units by the harness', and the harness itself."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import texts as made
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.analysis.loss import measures
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import likelihood, rolling, text_sets
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.text_files import Document

CONTEXT = 8
ENGLISH = [
    "The dog sleeps. ",
    "\n\nA  longer text,\twith “quotes”, é and 你好; it has\nseveral lines, and no end in sight .\n",
    "x",
]


@pytest.fixture(scope="module")
def tokenizer():
    """A token a byte, so that any text is known, as GPT-NeoX's tokenizer is of bytes in the end."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<eos>": 0} | {letter: i for i, letter in enumerate(letters, start=1)}
    core = Tokenizer(models.BPE(vocabulary, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 2, "vocab_size": 257, "max_position_embeddings": CONTEXT}
    network = GPTNeoXForCausalLM(GPTNeoXConfig(**shape)).eval()
    torch.nn.init.normal_(network.get_output_embeddings().weight, std=0.5)
    return network


def documents(*texts: str) -> list[Document]:
    return [Document(text, f"text {i}") for i, text in enumerate(texts)]


def last_logprob(model, row: list[int]) -> float:
    """The definition: of the last token, given the others."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([row[:-1]])).logits[0, -1].double()
    return torch.log_softmax(logits, -1)[row[-1]].item()


def measured(model, tokenizer, *texts, stride=0, limit=0):
    return rolling.text_losses(
        model, rolling.tokenized(documents(*texts), tokenizer, limit), stride
    )


# ---- windows


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.data())
def test_each_token_is_scored_once_with_as_much_context_as_the_stride_leaves(length, context, data):
    stride = data.draw(st.integers(1, context))
    row, scored = list(range(length)), []
    for i, (tokens, count) in enumerate(likelihood.windows(row, context, stride)):
        assert tokens == row[tokens[0] : tokens[-1] + 1]
        assert len(tokens) - 1 == min(context, length - 1)
        assert count <= (stride if i else context)
        scored += tokens[-count:]
    assert scored == row[1:]


@pytest.mark.parametrize("stride", [1, 3, CONTEXT, 0])
def test_a_document_is_scored_by_the_definition(model, tokenizer, stride):
    """Token by token: what stands before it in its window, and no more than the model can read."""
    frame = measured(model, tokenizer, *ENGLISH, stride=stride)
    step = stride or CONTEXT
    for text, nats in zip(ENGLISH, frame["nats"], strict=True):
        row, total = [0, *tokenizer(text)["input_ids"]], 0.0
        for place in range(1, len(row)):
            later = max(0, -(-(place - CONTEXT) // step))
            end = min(CONTEXT + later * step, len(row) - 1)
            total -= last_logprob(model, row[max(0, end - CONTEXT) : place + 1])
        assert nats == pytest.approx(total, abs=1e-3)


def test_the_least_stride_gives_each_token_all_the_context_there_is(model, tokenizer):
    frame = measured(model, tokenizer, ENGLISH[1], stride=1)
    row = [0, *tokenizer(ENGLISH[1])["input_ids"]]
    best = -sum(
        last_logprob(model, row[max(0, place - CONTEXT) : place + 1])
        for place in range(1, len(row))
    )
    assert frame["nats"][0] == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("stride", [-1, CONTEXT + 1])
def test_a_stride_that_does_not_fit_is_refused(model, tokenizer, stride):
    with pytest.raises(UsageError, match=f"stride {stride}: expected 1 to 8"):
        measured(model, tokenizer, "x", stride=stride)


def test_batches_change_nothing(model, tokenizer, monkeypatch):
    whole = measured(model, tokenizer, *ENGLISH)
    monkeypatch.setattr(rolling, "tokens_that_fit", lambda model: 1)
    monkeypatch.setattr(rolling, "_AT_ONCE", 1)
    np.testing.assert_allclose(
        measured(model, tokenizer, *ENGLISH)["nats"], whole["nats"], atol=1e-4
    )


def test_half_precision_is_near(model, tokenizer):
    half = GPTNeoXForCausalLM(model.config).to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    loss = [measured(each, tokenizer, *ENGLISH)["nats"].sum() for each in (model, half)]
    assert loss[1] == pytest.approx(loss[0], rel=0.01)


# ---- counts


def test_tokens_words_and_bytes_are_counted(model, tokenizer):
    frame = measured(model, tokenizer, *ENGLISH)
    assert frame["bytes"].tolist() == [len(text.encode()) for text in ENGLISH]
    assert frame["tokens"].tolist() == frame["bytes"].tolist()  # a token a byte
    assert frame["words"].tolist() == [len(re.split(r"\s+", text)) for text in ENGLISH]
    assert frame["words"][0] == 4  # as the harness: what follows the last blank is a word, too


def test_words_and_bytes_are_the_originals(tokenizer):
    read = rolling.tokenized([Document("a-b", "x", original=" a @-@ b ")], tokenizer)
    assert read.counts.iloc[0].tolist() == ["", 3, 5, 9]


def test_empty_documents_are_left_out_and_counted(model, tokenizer):
    read = rolling.tokenized(documents("", "x", ""), tokenizer)
    assert (len(read.rows), read.empty, read.whole) == (1, 2, True)
    table = measures.losses_on(model, read).set_index(["metric", "subset"])
    assert table.loc[("empty", "all"), ["value", "n"]].tolist() == [2, 3]
    assert table.loc[("loss", "all"), "n"] == 1
    assert np.isnan(table.loc[("loss", "all"), "stderr"])  # one document tells nothing of others
    with pytest.raises(UsageError, match="of 2 documents none has a token"):
        rolling.tokenized(documents("", ""), tokenizer)


@pytest.mark.parametrize(
    ("limit", "kept"), [(1, ["T"]), (16, [ENGLISH[0]]), (20, [ENGLISH[0], "\n\nA "])]
)
def test_a_limit_of_tokens_cuts_the_document_that_reaches_it(tokenizer, limit, kept):
    asked = []

    def given_out():
        for document in documents(*ENGLISH):
            asked.append(document)
            yield document

    read = rolling.tokenized(given_out(), tokenizer, limit)
    assert read.counts["tokens"].sum() == limit
    assert not read.whole
    assert ["".join(tokenizer.decode(row[1:])) for row in read.rows] == kept
    assert read.counts["bytes"].tolist() == [len(text.encode()) for text in kept]


def test_no_more_documents_are_read_than_the_limit_needs(tokenizer, monkeypatch):
    monkeypatch.setattr(rolling, "_AT_ONCE", 1)

    def given_out():
        yield Document("abc", "first")
        pytest.fail("another is asked for")

    assert rolling.tokenized(given_out(), tokenizer, 2).counts["tokens"].tolist() == [2]


def test_a_limit_that_all_fits_in_changes_nothing(tokenizer):
    read = rolling.tokenized(documents(*ENGLISH), tokenizer, 1000)
    assert read.whole
    assert len(read.rows) == 3
    with pytest.raises(UsageError, match="tokens -1"):
        rolling.tokenized(documents("x"), tokenizer, -1)


def test_characters_that_the_tokenizer_does_not_know_are_refused():
    core = Tokenizer(models.WordLevel({"<eos>": 0, "a": 1, "b": 2}, unk_token="<eos>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    own = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<eos>")
    with pytest.raises(UsageError, match="text 1: the model's tokenizer has no token for 'é'"):
        rolling.tokenized(documents("ab", "abéb"), own)
    assert len(rolling.tokenized(documents("ab", "ba"), own).rows) == 2


def test_a_network_that_gives_nan_is_told(model, tokenizer):
    broken = GPTNeoXForCausalLM(model.config).eval()
    torch.nn.init.constant_(broken.get_output_embeddings().weight, float("nan"))
    with pytest.raises(NotFiniteError):
        measured(broken, tokenizer, *ENGLISH)


# ---- units


def test_a_uniform_models_losses_are_known_in_every_unit(model, tokenizer):
    uniform = GPTNeoXForCausalLM(model.config).eval()
    torch.nn.init.zeros_(uniform.get_output_embeddings().weight)
    read = rolling.tokenized(documents(*ENGLISH), tokenizer)
    table = measures.losses_on(uniform, read).set_index("metric")
    tokens, words, size = read.counts[["tokens", "words", "bytes"]].sum()
    nats = math.log(257)
    assert table.loc["loss", "value"] == pytest.approx(nats)
    assert table.loc["loss", "stderr"] == pytest.approx(0, abs=1e-6)  # every document alike
    assert table.loc["bits_per_byte", "value"] == pytest.approx(nats * tokens / size / math.log(2))
    assert table.loc["word_perplexity", "value"] == pytest.approx(
        math.exp(nats * tokens / words), rel=1e-5
    )
    assert table.loc["byte_perplexity", "value"] == pytest.approx(257, rel=1e-5)
    assert table.loc["tokens", "value"] == tokens


def test_the_error_of_a_perplexity_is_that_of_its_logarithm_times_itself(model, tokenizer):
    read = rolling.tokenized(documents(*ENGLISH * 3), tokenizer)
    table = measures.losses_on(model, read).set_index("metric")
    bits, of_bytes = table.loc["bits_per_byte"], table.loc["byte_perplexity"]
    assert of_bytes["stderr"] == pytest.approx(of_bytes["value"] * bits["stderr"] * math.log(2))
    assert of_bytes["stderr"] > 0


def test_a_perplexity_that_no_number_holds_is_none(model, tokenizer):
    read = rolling.tokenized(documents("x" * 1000), tokenizer)  # a thousand tokens, one word
    table = measures.losses_on(model, read).set_index("metric")
    assert np.isnan(table.loc["word_perplexity", "value"])
    assert np.isfinite(table.loc["byte_perplexity", "value"])


def test_parts_stand_beside_all_and_all_is_over_documents(model, tokenizer):
    parts = [Document(text, "x", part) for text, part in zip(ENGLISH, "aab", strict=True)]
    table = measures.losses_on(model, rolling.tokenized(parts, tokenizer))
    loss = table[table["metric"] == "loss"].set_index("subset")
    assert list(loss.index) == ["all", "a", "b"]
    assert loss["n"].tolist() == [3, 2, 1]
    alone = measured(model, tokenizer, *ENGLISH)
    assert loss.loc["all", "value"] == pytest.approx(alone["nats"].sum() / alone["tokens"].sum())


# ---- lm-evaluation-harness


def harness_metrics(nats: float, originals: list[str]) -> dict[str, float]:
    """Its published formulas: weighted_perplexity and bits_per_byte, of words and bytes."""
    words = sum(len(re.split(r"\s+", text)) for text in originals)
    size = sum(len(text.encode("utf-8")) for text in originals)
    return {
        "word_perplexity": math.exp(nats / words),
        "byte_perplexity": math.exp(nats / size),
        "bits_per_byte": nats / size / math.log(2),
    }


def test_wikitext_agrees_with_the_harness_formulas(model, tokenizer, tmp_path):
    """Each token from what is before it in its window, with transformers alone; then the harness' sums."""
    rows = [Document(row["text"], "x") for row in made.wikitext_rows()]
    pages = list(text_sets.wikitext_pages(rows))
    table = measures.losses_on(model, rolling.tokenized(pages, tokenizer)).set_index("metric")
    nats = 0.0
    for page in pages:
        row = [0, *tokenizer(page.text)["input_ids"]]
        for place in range(1, len(row)):
            end = min(-(-place // CONTEXT) * CONTEXT, len(row) - 1)
            nats -= last_logprob(model, row[max(0, end - CONTEXT) : place + 1])
    for metric, value in harness_metrics(nats, [page.original for page in pages]).items():
        assert table.loc[metric, "value"] == pytest.approx(value, rel=1e-5), metric


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed (extra `bench`)"
)
def test_wikitext_is_the_harness_own_task_to_four_digits(model, tokenizer, tmp_path, monkeypatch):
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [Document(row["text"], "x") for row in made.wikitext_rows(made.WIKITEXT * 3)]
    pages = list(text_sets.wikitext_pages(rows))
    table = measures.losses_on(model, rolling.tokenized(pages, tokenizer)).set_index("metric")
    lines = [json.dumps({"page": page.original}) for page in pages]
    (tmp_path / "pages.jsonl").write_text("\n".join(lines))
    # The harness' own task, but for where its pages are.
    own = Path(lm_eval.__file__).parent / "tasks" / "wikitext"
    shutil.copy(own / "preprocess_wikitext.py", tmp_path)
    text = (own / "wikitext.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(task|dataset_\w+|training_split|validation_split): .*\n", "", text)
    task = {"task": "our_wikitext", "dataset_path": "json"}
    task["dataset_kwargs"] = {"data_files": {"test": str(tmp_path / "pages.jsonl")}}
    (tmp_path / "our_wikitext.yaml").write_text(yaml.safe_dump(task) + text, encoding="utf-8")
    results = lm_eval.simple_evaluate(
        HFLM(pretrained=model, tokenizer=tokenizer, max_length=CONTEXT, device="cpu"),
        tasks=["our_wikitext"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        bootstrap_iters=0,
    )["results"]["our_wikitext"]
    for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        theirs = results[f"{metric},none"]
        assert table.loc[metric, "value"] == pytest.approx(theirs, rel=1e-4), metric
