"""Tiny random networks of many architectures, and their checkpoints in folders as the Trainer writes them."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.hub_server import _tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers import models as known

WORDS = 32  # of the vocabulary; `helpers.hub_server` has a tokenizer of as many characters
_SMALL = {"vocab_size": WORDS, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
_WIDE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
_WIDE |= {"intermediate_size": 32, "max_position_embeddings": 48}
_GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 48}
SHAPES = {
    "gpt_neox": ("GPTNeoXConfig", _WIDE),
    "llama": ("LlamaConfig", _WIDE | {"num_key_value_heads": 1}),
    "olmo2": ("Olmo2Config", _WIDE),
    "gpt2": ("GPT2Config", _GPT),
    "gptj": ("GPTJConfig", _GPT | {"rotary_dim": 4}),  # a bias at its unembedding
    "mistral": ("MistralConfig", _WIDE | {"num_key_value_heads": 1, "sliding_window": 5}),
    "bloom": (
        "BloomConfig",
        {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    ),  # no positions of its own
    "gemma2": (
        "Gemma2Config",
        _WIDE | {"num_key_value_heads": 1, "head_dim": 8},
    ),  # caps its logits
    "mamba": ("MambaConfig", {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
}


def network(kind: str, seed: int = 0) -> PreTrainedModel:
    """A network with random weights that follow from the seed, in evaluation mode."""
    name, shape = SHAPES[kind]
    module = getattr(known, kind)
    config = getattr(module, name)(**_SMALL | shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def tokenizer():
    """A token a character."""
    return _tokenizer(WORDS)


def save(folder: Path, kind: str, seed: int = 0, with_tokenizer: bool = True) -> Path:
    """A checkpoint as `save_pretrained` writes it."""
    network(kind, seed).save_pretrained(folder)
    if with_tokenizer:
        tokenizer().save_pretrained(folder)
    return folder
