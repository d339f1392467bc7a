"""Hooks: looking changes nothing; a part that is replaced does what the network would do without it."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.hooks import d_head, hooked, n_heads, n_layers

IDS = torch.arange(14).reshape(2, 7)


@pytest.fixture(params=[True, False], ids=["parallel", "sequential"])
def network(request) -> GPTNeoXForCausalLM:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=32,
        hidden_size=12,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=24,
        max_position_embeddings=16,
        use_parallel_residual=request.param,
    )
    return GPTNeoXForCausalLM(config).eval()


@torch.inference_mode()
def logits(network) -> torch.Tensor:
    return network(IDS).logits


def seen(network, *kinds: str) -> dict[str, dict[int, torch.Tensor]]:
    found = {kind: {} for kind in kinds}
    with hooked(network, **{kind: found[kind].__setitem__ for kind in kinds}):
        logits(network)
    return found


def test_looking_changes_nothing_and_leaves_nothing_behind(network):
    before, used = logits(network), network.config._attn_implementation
    hook = {"residual", "heads", "attention", "mlps"}
    with hooked(network, **dict.fromkeys(hook, lambda layer, x: None)):
        assert torch.equal(logits(network), before)
    seen(network, "patterns")
    assert network.config._attn_implementation == used
    assert torch.equal(logits(network), before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_the_stream_is_the_sum_of_what_the_parts_add(network):
    found = seen(network, "residual", "attention", "mlps")
    stream = found["residual"]
    assert sorted(stream) == list(range(n_layers(network) + 1))
    assert torch.equal(stream[0], network.gpt_neox.embed_in(IDS))
    for layer in range(n_layers(network)):
        total = stream[layer] + found["attention"][layer] + found["mlps"][layer]
        torch.testing.assert_close(stream[layer + 1], total)


def test_patterns_are_those_that_transformers_gives(network):
    found = seen(network, "patterns")["patterns"]
    network.set_attn_implementation("eager")
    expected = network(IDS, output_attentions=True).attentions
    for layer, pattern in found.items():
        assert pattern.shape == (2, n_heads(network), 7, 7)
        torch.testing.assert_close(pattern, expected[layer])
        torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 3, 7))


def test_a_head_reads_the_values_where_it_attends(network):
    found = seen(network, "patterns", "values", "heads")
    for layer in range(n_layers(network)):
        read = torch.einsum("bhqk,bkhe->bqhe", found["patterns"][layer], found["values"][layer])
        torch.testing.assert_close(found["heads"][layer], read)


def test_a_head_that_is_switched_off_is_one_without_output_weights(network):
    def switch_off(layer, z):
        keep = torch.ones(n_heads(network))
        keep[1] = 0 if layer == 2 else 1
        return z * keep[:, None]

    with hooked(network, heads=switch_off):
        found = logits(network)
    width = d_head(network)
    with torch.no_grad():
        network.gpt_neox.layers[2].attention.dense.weight[:, width : 2 * width] = 0
    torch.testing.assert_close(found, logits(network))


@pytest.mark.parametrize("kind", ["attention", "mlps"])
def test_a_part_that_adds_nothing_leaves_the_stream_as_it_was(network, kind):
    other = {"attention": "mlps", "mlps": "attention"}[kind]
    found: dict[int, torch.Tensor] = {}
    silent = {each: lambda layer, x: torch.zeros_like(x) for each in (kind, other)}
    with hooked(network, residual=found.__setitem__, **silent):
        logits(network)
    assert torch.equal(found[0], found[3])


def test_another_run_s_stream_makes_it_that_run(network):
    other = network(IDS.flip(0)).logits
    stream = {}
    with hooked(network, residual=stream.__setitem__):
        network(IDS.flip(0))
    with hooked(network, residual=lambda layer, x: stream[layer] if layer == 1 else None):
        torch.testing.assert_close(logits(network), other)


def test_other_architectures_are_refused():
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=16))
    with (
        pytest.raises(UsageError, match="GPT2LMHeadModel; looking inside needs GPT-NeoX"),
        hooked(model),
    ):
        pass
