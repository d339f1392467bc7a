"""What is no token id of the model's is refused, and never scored as another token."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import likelihood, memorization, minimal_pairs
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.seen import find_tokens
from pythia_utils.training_data.source import TrainingData

VOCAB = 30
GOOD = [1, 2, 3, 4, 5, 6]
WRONG = [
    ([1, 2, 3, 4, -1, 6], "holds token -1; the model knows 0 to 29"),
    ([-30, 2, 3, 4, 5, 6], "holds token -30; the model knows 0 to 29"),
    ([1, 2, 3, 4, 5, 30], "holds token 30; the model knows 0 to 29"),
    ([1, 2, 3, np.nan, 5, 6], "holds float64 values; expected token ids, 0 to 29"),
    ([1, 2, 3, 4.5, 5, 6], "holds float64 values; expected token ids, 0 to 29"),
    ([True] * 6, "holds bool values; expected token ids, 0 to 29"),
    (np.array([1, 2, 3, 4, 5, 2**64 - 1], np.uint64), "holds token 18446744073709551615; the"),
]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=VOCAB, intermediate_size=32, **shape)
    return GPTNeoXForCausalLM(config).eval()


@pytest.mark.parametrize(("row", "message"), WRONG)
def test_every_measure_of_sequences_refuses_it(model, row, message):
    with pytest.raises(UsageError, match=f"sequence 1 {message}"):
        likelihood.token_logprobs(model, [GOOD, row])
    for matched in (False, True):
        with pytest.raises(UsageError, match=f"sequence 1 {message}"):
            memorization.memorized(model, [GOOD, row], 3, 3, matched)
    with pytest.raises(UsageError, match=f"sequence 1 {message}"):
        memorization.greedy(model, [GOOD, row], 2)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int64", "uint64"])
def test_every_integer_type_is_taken(model, dtype):
    expected = likelihood.token_logprobs(model, [GOOD])
    (found,) = likelihood.token_logprobs(model, [np.array(GOOD, dtype)])
    assert found.tolist() == expected[0].tolist()


def test_pairs_of_another_models_tokenizer_are_refused(model):
    words = {"<eos>": 0, "dog": 1, "cat": 2, "hen": VOCAB}
    core = Tokenizer(models.WordLevel(words, unk_token="<eos>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")
    for good, bad in (("dog cat", "dog hen"), ("hen dog", "cat dog")):
        pair = SimpleNamespace(phenomenon="x", good=good, bad=bad)
        with pytest.raises(UsageError, match="holds token 30; the model knows 0 to 29"):
            minimal_pairs.score_minimal_pairs(model, tokenizer, [pair])


class Rows:
    """Two sequences of five, the second of which holds a token below 0."""

    def sequences(self, start, stop):
        return np.array([[1, 2, 3, 4, 5], [1, -2, 3, 4, 5]])[start:stop]

    def batch(self, step, size):
        return self.sequences(step * size, (step + 1) * size)


@pytest.mark.parametrize("model_of", [None, "pythia-70m"])
def test_training_data_with_such_tokens_are_refused(model_of):
    own = model_of and find_model(model_of)
    data = TrainingData("data", Rows(), 1, 4, 2, own)
    assert data.batch(0).tolist() == [[1, 2, 3, 4, 5]]
    with pytest.raises(UsageError, match="data holds token -2; "):
        data.sequences(0, 2)
    with pytest.raises(UsageError, match="cannot search for token -2; no token is below 0"):
        find_tokens(data, [3, -2])
