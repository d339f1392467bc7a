"""A network whose weights are set by hand so that two of its heads, and no others, do induction.

Of the form of Pythia's (GPT-NeoX, rotary on a quarter of each head), three heads in each of two layers, no MLP.
The stream has three parts, each with a place for every token: which token stands here, which stood before,
and which is predicted.

- `PREVIOUS`: by its biases alone, turned by one position, it attends to the token before, and writes which
  one it was into the second part.
- `MATCHING`: attends to where the token before (second part) is the one that stands here (first part), and
  writes the token that it finds there into the third part, which the unembedding reads.
- The other heads attend evenly and write nothing that the unembedding reads.
"""

from __future__ import annotations

import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

WORDS, WIDTH, HEADS = 24, 32, 3
PREVIOUS, MATCHING = (0, 1), (1, 2)
_ROTARY = WIDTH // 4  # numbers of a query or key that are turned by its position


def induction_network(sharpness: float = 30.0) -> GPTNeoXForCausalLM:
    """The network; token 0 begins sequences.

    Args:
        sharpness: of both heads' attention; without any, 0, both attend evenly.
    """
    config = GPTNeoXConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH * HEADS,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=8,
        max_position_embeddings=64,
        rotary_pct=0.25,
    )
    network = GPTNeoXForCausalLM(config).eval()
    here, before, next_one = torch.arange(3 * WORDS).split(WORDS)
    with torch.no_grad():
        for parameter in network.gpt_neox.layers.parameters():
            parameter.zero_()
        for block in network.gpt_neox.layers:
            block.input_layernorm.weight.fill_(1)
        embedding = network.gpt_neox.embed_in.weight.zero_()
        embedding[:, here] = torch.eye(WORDS)
        unembedding = network.get_output_embeddings().weight.zero_()
        unembedding[:, next_one] = 0.8 * torch.eye(WORDS)
        _turn_by_one(network, sharpness)
        _write(network, PREVIOUS, here, before, 0.1)
        _match(network, here, before, sharpness)
        _write(network, MATCHING, here, next_one, 0.3)
    return network


def _parts(network: GPTNeoXForCausalLM, head: tuple[int, int]) -> tuple:
    """The head's weights (query, key, value; width; d_model), its biases, and its columns of the output."""
    attention = network.gpt_neox.layers[head[0]].attention
    weight = attention.query_key_value.weight.view(HEADS, 3, WIDTH, -1)[head[1]]
    bias = attention.query_key_value.bias.view(HEADS, 3, WIDTH)[head[1]]
    return weight, bias, attention.dense.weight.view(-1, HEADS, WIDTH)[:, head[1]]


def _turn_by_one(network: GPTNeoXForCausalLM, sharpness: float) -> None:
    """Constant queries and keys, which rotary turns: the sum of cos(f (distance - 1)) is greatest at 1."""
    _, bias, _ = _parts(network, PREVIOUS)
    half = _ROTARY // 2
    frequencies = 10000.0 ** (-torch.arange(half) / half)
    bias[1, :half] = sharpness
    bias[0, :half], bias[0, half:_ROTARY] = (
        sharpness * torch.cos(-frequencies),
        sharpness * torch.sin(-frequencies),
    )


def _match(network: GPTNeoXForCausalLM, here, before, sharpness: float) -> None:
    weight, _, _ = _parts(network, MATCHING)
    still = torch.arange(_ROTARY, WIDTH)  # the numbers that are not turned
    weight[0, still, here] = sharpness**0.5
    weight[1, still, before] = sharpness**0.5


def _write(network: GPTNeoXForCausalLM, head: tuple[int, int], source, target, size: float) -> None:
    weight, _, out = _parts(network, head)
    weight[2, torch.arange(WORDS), source] = size
    out[target, torch.arange(WORDS)] = 1
