"""Scores of heads: known answers of networks that were made by hand, and the definitions read out loud."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.induction_network import MATCHING, PREVIOUS, WORDS, induction_network
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.attention import SCORES, head_scores
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.repeats import draw

IDS = np.arange(1, WORDS)


def random_network(**changed) -> GPTNeoXForCausalLM:
    """Of the real form: rotary on a quarter of a head, attention and MLP side by side."""
    torch.manual_seed(1)
    shape = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3}
    config = GPTNeoXConfig(
        **{"vocab_size": WORDS, "intermediate_size": 32, "rotary_pct": 0.25, **shape, **changed}
    )
    network = GPTNeoXForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network


@pytest.mark.parametrize(("period", "gap"), [(8, 0), (8, 7), (5, 3)])
def test_heads_made_by_hand_have_the_scores_they_were_made_for(period, gap):
    scores = head_scores(induction_network(), draw(IDS, period, gap, 6, begin=0))
    prefix, previous = (scores.prefix_matching.mean(0), scores.previous_token.mean(0))
    assert prefix[MATCHING] > 0.95
    assert previous[PREVIOUS] > 0.95
    assert np.sort(prefix.flatten())[-2] < 0.2
    assert np.sort(previous.flatten())[-2] < 0.2
    copying = scores.copying.mean(0)
    assert copying[MATCHING] > 1
    copying[MATCHING] = 0
    assert np.abs(copying).max() < 1e-5  # the others write nothing that is read


@pytest.mark.parametrize("gap", [0, 4])
def test_a_head_that_attends_evenly_gives_one_nth_to_each(gap):
    network = induction_network(sharpness=0)
    period, length = 6, 1 + 2 * 6 + gap
    scores = head_scores(network, draw(IDS, period, gap, 3, begin=0))
    visible = 1 / np.arange(1, length + 1)
    for name, positions in {
        "prefix_matching": slice(1 + period + gap, length - 1),
        "previous_token": slice(2, None),
        "first_token": slice(1, None),
    }.items():
        expected = np.full((3, 2, 3), visible[positions].mean())
        np.testing.assert_allclose(getattr(scores, name), expected, rtol=1e-6, err_msg=name)


def by_the_definition(network, repeats) -> dict[str, np.ndarray]:
    """Head by head and position by position, from transformers' own attention weights."""
    network.set_attn_implementation("eager")
    layers, heads = network.config.num_hidden_layers, network.config.num_attention_heads
    found = {name: np.zeros((len(repeats.in_order), layers, heads)) for name in SCORES}
    for place, row in enumerate(torch.from_numpy(repeats.in_order)):
        with torch.no_grad():
            seen = network(row[None], output_attentions=True, output_hidden_states=True)
            stream = network.gpt_neox(row[None], output_hidden_states=True).hidden_states
        last = seen_before_norm(network, row)
        for layer in range(layers):
            for head in range(heads):
                weights = seen.attentions[layer][0, head]
                first = {int(token): at for at, token in reversed(list(enumerate(row)))}
                pairs = [
                    (at, first[int(row[at])] + 1)
                    for at in range(1 + repeats.distance, len(row) - 1)
                ]
                cell = (place, layer, head)
                found["prefix_matching"][cell] = np.mean([float(weights[p]) for p in pairs])
                found["previous_token"][cell] = np.mean(
                    [float(weights[at, at - 1]) for at in range(2, len(row))]
                )
                found["first_token"][cell] = np.mean(
                    [float(weights[at, 0]) for at in range(1, len(row))]
                )
                found["copying"][cell] = np.mean(
                    [raised(network, stream, last, layer, head, *p, row, repeats) for p in pairs]
                )
    return found


def seen_before_norm(network, row) -> torch.Tensor:
    """What the final norm reads: (length, d_model)."""
    kept = []
    norm = network.gpt_neox.final_layer_norm
    handle = norm.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0][0]))
    with torch.no_grad():
        network(row[None])
    handle.remove()
    return kept[0]


@torch.no_grad()
def raised(network, stream, last, layer, head, query, key, row, repeats) -> float:
    """The logit of the attended token less the alphabet's mean, of the head's write alone."""
    block, norm = network.gpt_neox.layers[layer], network.gpt_neox.final_layer_norm
    width = network.config.hidden_size // network.config.num_attention_heads
    read = block.attention.query_key_value(block.input_layernorm(stream[layer][0, key]))
    value = read.view(-1, 3, width)[head, 2]
    write = block.attention.dense.weight[:, head * width : (head + 1) * width] @ value
    scale = (last[query].var(unbiased=False) + norm.eps).sqrt()
    logits = network.get_output_embeddings()(norm.weight * (write - write.mean()) / scale)
    return float(logits[row[key]] - logits[repeats.alphabet].mean())


@pytest.mark.parametrize("parallel", [True, False])
def test_scores_are_what_their_definitions_say(parallel):
    network = random_network(use_parallel_residual=parallel)
    repeats = draw(np.arange(2, WORDS), 5, 2, 3, begin=0)
    scores, expected = head_scores(network, repeats), by_the_definition(network, repeats)
    for name in SCORES:
        np.testing.assert_allclose(getattr(scores, name), expected[name], atol=2e-5, err_msg=name)


def test_the_batch_changes_nothing_and_the_network_is_left_as_it_was():
    network = random_network()
    repeats = draw(IDS, 6, 3, 7, begin=0)
    used = network.config._attn_implementation
    whole = head_scores(network, repeats, batch_tokens=10**6)
    for tokens in (1, 40):
        parts = head_scores(network, repeats, batch_tokens=tokens)
        for name in SCORES:
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)
    assert network.config._attn_implementation == used
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_what_cannot_be_scored_is_refused():
    repeats = draw(IDS, 6, 3, 2, begin=0)
    other = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=WORDS))
    with pytest.raises(UsageError, match="GPT2LMHeadModel; looking inside needs GPT-NeoX"):
        head_scores(other, repeats)
    with pytest.raises(UsageError, match="sequence 0: 16 tokens to read; the context of"):
        head_scores(random_network(max_position_embeddings=8), repeats)
    broken = random_network()
    with torch.no_grad():
        broken.gpt_neox.layers[1].attention.dense.weight[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match="head scores of the model: a score is not finite"):
        head_scores(broken, repeats)
