"""A tiny network with random weights, a tokenizer of six words, and the definition of a log-likelihood."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

WORDS = ("the", "dog", "cat", "dogs", "sleeps", "sleep")


def random_network() -> GPTNeoXForCausalLM:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return GPTNeoXForCausalLM(config).eval()


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Token 0 is the end of text, token 1 any other word."""
    words = {"<eos>": 0, "<unk>": 1} | {word: i + 2 for i, word in enumerate(WORDS)}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<unk>")


def plain_logprobs(model: GPTNeoXForCausalLM, row: list[int]) -> list[float]:
    """The definition, one prefix at a time."""
    values = []
    for t in range(1, len(row)):
        logits = model(input_ids=torch.tensor([row[:t]])).logits[0, -1].double()
        values.append(torch.log_softmax(logits, -1)[row[t]].item())
    return values
