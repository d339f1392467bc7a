"""A network that is a table of bigrams, and text that the table writes."""

from __future__ import annotations

import numpy as np
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM


def random_chain(words: int, seed: int = 4) -> np.ndarray:
    """Bigrams that a network without bias can have: in each column the logits have mean 0. (words, words)."""
    logits = np.random.default_rng(seed).normal(size=(words, words)) * 1.5
    logits -= logits.mean(axis=0)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def bigram_network(probabilities: np.ndarray) -> GPTNeoXForCausalLM:
    """A network whose logits are a table of bigrams: no layer adds to a one-hot embedding.

    Embeddings are one-hot vectors, which the last norm makes a high and equal lows; the unembedding
    undoes that.
    """
    words = len(probabilities)
    config = GPTNeoXConfig(
        vocab_size=words,
        hidden_size=words,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    network = GPTNeoXForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in network.gpt_neox.layers.parameters():
            parameter.zero_()
        network.gpt_neox.embed_in.weight.copy_(100 * torch.eye(words))
        hidden = network.gpt_neox(input_ids=torch.arange(words)[:, None]).last_hidden_state[:, 0]
        logits = torch.from_numpy(np.log(probabilities))
        solved = torch.linalg.lstsq(hidden.double(), logits - logits.mean(0)).solution
        network.get_output_embeddings().weight.copy_(solved.T)
    return network


def sampled(chain: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """A text whose every word is drawn from its predecessor's row: int64 (length,)."""
    steps, text = chain.cumsum(axis=1), [0]
    for draw in rng.random(length - 1):
        text.append(int(np.searchsorted(steps[text[-1]], draw * steps[text[-1], -1])))
    return np.array(text)
