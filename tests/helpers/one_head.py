"""A small GPT-NeoX of random weights, and one of which a single head decides what it answers."""

from __future__ import annotations

import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

LAYERS, HEADS, WIDTH = 3, 2, 4


def network(parallel: bool = True, words: int = 16) -> GPTNeoXForCausalLM:
    """Three layers of two heads, four wide."""
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=words,
        hidden_size=HEADS * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=24,
        max_position_embeddings=12,
        use_parallel_residual=parallel,
        initializer_range=0.5,
    )
    return GPTNeoXForCausalLM(config).eval()


def one_head_decides(layer: int, head: int, words: int = 16) -> GPTNeoXForCausalLM:
    """Only this head has any weights; it attends to all tokens alike and copies what they are."""
    model = network(words=words)
    with torch.no_grad():
        for block in model.gpt_neox.layers:
            attention, mlp = block.attention, block.mlp
            for part in (attention.query_key_value, attention.dense, mlp.dense_4h_to_h):
                part.weight.zero_()
                part.bias.zero_()
        own = model.gpt_neox.layers[layer].attention
        value = slice((3 * head + 2) * WIDTH, (3 * head + 3) * WIDTH)  # of each: query, key, value
        own.query_key_value.weight[value] = torch.randn(WIDTH, HEADS * WIDTH)
        columns = slice(head * WIDTH, (head + 1) * WIDTH)
        own.dense.weight[:, columns] = torch.randn(HEADS * WIDTH, WIDTH)
    return model
