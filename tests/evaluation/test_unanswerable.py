"""Pairs that no model can answer are kept apart, and a tie is neither hidden nor an answer."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import minimal_pairs
from pythia_utils.evaluation.pair_files import MinimalPair
from pythia_utils.grid.records import MIME

WORDS = ["<eos>", "<unk>", "the", "dog", "dogs", "sleeps", "sleep"]


@pytest.fixture(scope="module")
def tokenizer():
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<unk>")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=len(WORDS), intermediate_size=32, **shape)
    return GPTNeoXForCausalLM(config).eval()


def pair(good, bad):
    return MinimalPair("agreement", good, bad, paradigm="agreement")


ASKED = pair("the dog sleeps", "the dog sleep")
SAME_TEXT = pair("the dog sleeps", "the dog sleeps")
SAME_SPACES = pair("the dog  sleeps", "the dog sleeps")
SAME_UNKNOWN = pair("the cat sleeps", "the hen sleeps")


def test_pairs_of_the_same_tokens_are_kept_apart_in_order(tokenizer):
    pairs = [SAME_TEXT, ASKED, SAME_SPACES, SAME_UNKNOWN, ASKED]
    found = minimal_pairs.answerable(tokenizer, pairs)
    assert found == ([ASKED, ASKED], [SAME_TEXT, SAME_SPACES, SAME_UNKNOWN])
    assert minimal_pairs.answerable(tokenizer, []) == ([], [])


@pytest.mark.parametrize("same", [SAME_TEXT, SAME_SPACES, SAME_UNKNOWN])
def test_they_are_never_scored(model, tokenizer, same):
    message = f"pair 1 cannot be answered: '{same.good}' and '{same.bad}' are the same tokens"
    with pytest.raises(UsageError, match=message):
        minimal_pairs.score_minimal_pairs(model, tokenizer, [ASKED, same])


def test_tokens_in_another_order_can_be_answered(tokenizer):
    pairs = [pair("the dog sleeps", "dog the sleeps"), pair("the dog", "the dog dog")]
    assert minimal_pairs.answerable(tokenizer, pairs) == (pairs, [])


def test_a_tie_is_not_correct_and_can_be_counted(model, tokenizer):
    """A model without opinions ties on sentences of one length, and only there."""
    blank = GPTNeoXForCausalLM(model.config).eval()
    torch.nn.init.zeros_(blank.get_output_embeddings().weight)
    scores = minimal_pairs.score_minimal_pairs(blank, tokenizer, [ASKED, pair("dog", "the dog")])
    assert (scores["margin"] == 0).tolist() == [True, False]
    assert scores["correct"].tolist() == [False, True]


def test_the_page_and_the_records_name_them(trained_home, tmp_path, monkeypatch):
    """The notebook on a set of three pairs, two of which are equal to the model."""
    import nbformat
    from helpers.commands import ROOT
    from nbclient import NotebookClient

    same = pair("The <b>dog</b> sleeps.", "The <b>dog</b> sleeps.")
    pairs = [ASKED, same, dataclasses.replace(same, good="Dogs.", bad="Dogs.")]
    file = tmp_path / "own.jsonl"
    file.write_text("\n".join(json.dumps(dataclasses.asdict(one)) for one in pairs))
    notebook = nbformat.read(ROOT / "notebooks" / "grammar.ipynb", 4)
    values = {"model": "pico-7k", "step": 16, "pairs_from": str(file), "counted": 0}
    code = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(2, nbformat.v4.new_code_cell(code))
    monkeypatch.setenv("PYTHIA_HOME", str(trained_home))
    monkeypatch.setenv("MPLBACKEND", "agg")
    done = NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "2 more pairs cannot be answered; 0 of the 1 are ties" in printed
    pages = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert "The &lt;b&gt;dog&lt;/b&gt; sleeps." in pages
    (kept,) = [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]
    rows = [row for row in kept["rows"] if row["subset"] == "all"]
    found = {row["metric"]: (row["value"], row["n"]) for row in rows}
    assert found["unanswerable"] == (2, 3)
    assert found["ties"] == (0, 1)
    assert found["accuracy"][1] == 1
