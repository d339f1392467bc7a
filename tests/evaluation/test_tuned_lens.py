"""The tuned lens: it begins as the logit lens, finds a map that is known, and is never worse than none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import lens, lens_answers, tuned_lens
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.lens import LOGIT_LENS, Lens
from pythia_utils.evaluation.lens_answers import MEASURES
from pythia_utils.evaluation.tuned_lens import Settings

WORDS, WIDTH = 40, 12
KL = MEASURES.index("kl")


def network(layers: int = 2) -> GPTNeoXForCausalLM:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        hidden_act="linear",
        initializer_range=0.4,
    )
    return GPTNeoXForCausalLM(config).eval()


def affine_network() -> tuple[GPTNeoXForCausalLM, Lens]:
    """One layer that adds a linear map of its input, and the lens that does the same.

    Attention adds nothing, the MLP has no bend, and on embeddings of mean 0 and one length its norm only
    scales.
    """
    model = network(1)
    layer = model.gpt_neox.layers[0]
    with torch.no_grad():
        embedding = model.gpt_neox.embed_in.weight
        embedding -= embedding.mean(dim=1, keepdim=True)
        embedding /= embedding.square().mean(dim=1, keepdim=True).sqrt()
        for weight in (*layer.attention.dense.parameters(), layer.mlp.dense_h_to_4h.bias):
            weight.zero_()
        layer.mlp.dense_4h_to_h.bias.normal_()
        scale = (1 + layer.post_attention_layernorm.eps) ** -0.5
        up, down = layer.mlp.dense_h_to_4h.weight, layer.mlp.dense_4h_to_h.weight
        return model, Lens((down @ up).T[None] * scale, layer.mlp.dense_4h_to_h.bias[None].clone())


def text(sequences: int, seed: int = 0, length: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, WORDS, (sequences, length + 1))


def divergence(model, lenses, held_out) -> np.ndarray:
    """Mean KL (lenses, depths)."""
    found = lens_answers.answers(model, lenses, held_out)
    return found.sums[:, KL].sum(axis=-1) / found.positions.sum()


def test_a_known_map_is_found_where_the_logit_lens_fails():
    model, known = affine_network()
    found = tuned_lens.train(model, tuned_lens.read(model, text(40)), Settings(steps=400))
    exact, logit, tuned = divergence(model, [known, LOGIT_LENS, found.lens], text(10, seed=1))[:, 0]
    assert exact < 1e-6  # the lens' way of writing a map is the one above
    assert logit > 0.3
    assert tuned < 0.01 * logit
    assert found.at.item() > 0
    assert found.first.item() == pytest.approx(logit, rel=0.2)


def test_without_training_it_is_the_logit_lens():
    model = network()
    found = tuned_lens.train(model, tuned_lens.read(model, text(5)), Settings(steps=0))
    logit, tuned = lens_answers.answers(model, [LOGIT_LENS, found.lens], text(3, seed=1)).sums
    np.testing.assert_array_equal(logit, tuned)
    assert torch.equal(found.best, found.first)


def test_all_depths_come_nearer_on_text_that_was_held_out():
    model = network()
    found = tuned_lens.train(model, tuned_lens.read(model, text(40)))
    logit, tuned = divergence(model, [LOGIT_LENS, found.lens], text(20, seed=1))
    assert (tuned[:-1] < 0.9 * logit[:-1]).all()
    assert tuned[-1] == logit[-1] == 0


def test_maps_that_are_no_numbers_are_not_kept():
    model = network()
    found = tuned_lens.train(model, tuned_lens.read(model, text(6)), Settings(rate=float("inf")))
    assert found.at.tolist() == [0, 0]
    logit, tuned = divergence(model, [LOGIT_LENS, found.lens], text(3, seed=1))
    np.testing.assert_array_equal(logit, tuned)


@pytest.mark.parametrize("rate", [20, 1e4])
def test_no_map_is_kept_that_is_worse_than_none_on_text_kept_aside(rate):
    """Two sentences are known by heart at once, and such a map is bad on a third."""
    model, rows = network(), text(3, length=4)
    found = tuned_lens.train(model, tuned_lens.read(model, rows), Settings(rate=rate))
    logit, tuned = divergence(model, [LOGIT_LENS, found.lens], rows[2:])[:, :-1]
    assert (tuned <= logit + 1e-6).all()
    np.testing.assert_allclose(found.best, tuned, rtol=1e-3)
    np.testing.assert_allclose(found.first, logit, rtol=1e-3)


def test_there_is_nothing_to_gain_where_layers_add_nothing():
    model = network()
    with torch.no_grad():
        for layer in model.gpt_neox.layers:
            for part in (layer.attention.dense, layer.mlp.dense_4h_to_h):
                part.weight.zero_()
                part.bias.zero_()
    found = tuned_lens.train(model, tuned_lens.read(model, text(6)))
    assert found.first.tolist() == [0, 0]
    assert found.at.tolist() == [0, 0]
    assert not found.lens.matrices.any()


def test_a_seed_gives_one_lens_and_the_network_stays():
    model = network()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    read = tuned_lens.read(model, text(10))
    one, same = (tuned_lens.train(model, read, Settings(steps=20)).lens for _ in range(2))
    other = tuned_lens.train(model, read, Settings(steps=20, seed=1)).lens
    assert torch.equal(one.matrices, same.matrices)
    assert torch.equal(one.biases, same.biases)
    assert not torch.equal(one.matrices, other.matrices)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert not any(
        weight.requires_grad and weight.grad is not None for weight in model.parameters()
    )


def test_streams_do_not_depend_on_batches_or_on_the_dtype_that_is_kept():
    model, rows = network(), [*text(4), text(1)[0, :3]]
    whole, small = (tuned_lens.read(model, rows, batch_tokens=n) for n in (None, 1))
    torch.testing.assert_close(whole.values, small.values)
    assert whole.ends.tolist() == [16, 32, 48, 64, 66]
    half = tuned_lens.read(model.bfloat16(), rows)
    assert half.values.dtype == torch.bfloat16
    assert tuned_lens.train(model, half, Settings(steps=2)).lens.matrices.dtype == torch.float32


def test_gradients_are_those_of_the_mean_divergence():
    """By autograd through the whole of it, in place of the slopes that are put in by hand."""
    model = network()
    last, read = lens.readout(model), tuned_lens.read(model, text(5))
    own = tuned_lens._Training(last, read, Settings())
    chosen = own.own[:7]
    own._gradients(chosen)
    by_hand = own.matrices.grad.clone(), own.biases.grad.clone()
    own.matrices.grad = own.biases.grad = None
    normed, final = own._streams(chosen)
    p, q = final.log_softmax(-1), (normed @ last.weight.T).log_softmax(-1)
    (p.exp() * (p - q)).sum(dim=-1).mean(dim=1).sum().backward()
    torch.testing.assert_close(by_hand, (own.matrices.grad, own.biases.grad))


def test_the_mean_answer_is_the_best_constant_one():
    """The mean KL from it is the entropy of the mean less the mean entropy; any other is further."""
    model, rows = network(), text(4)
    mean = tuned_lens.mean_answer(model, tuned_lens.read(model, rows))
    assert mean.exp().sum().item() == pytest.approx(1, abs=1e-5)
    found = lens_answers.answers(model, [LOGIT_LENS], rows, mean)
    entropies = found.sums[0, MEASURES.index("entropy"), -1].sum() / 64
    least = found.constant.sum() / 64
    assert least == pytest.approx(-(mean.exp() * mean).sum().item() - entropies, rel=1e-4)
    for seed in range(3):
        torch.manual_seed(seed)
        other = (mean + 0.1 * torch.randn(WORDS)).log_softmax(0)
        assert lens_answers.answers(model, [LOGIT_LENS], rows, other).constant.sum() / 64 > least


def test_mistakes_are_one_line():
    model = network()
    with pytest.raises(UsageError, match="needs 2 sequences or more"):
        tuned_lens.train(model, tuned_lens.read(model, text(1)))
    with pytest.raises(UsageError, match="trained for -1 steps"):
        tuned_lens.train(model, tuned_lens.read(model, text(2)), Settings(steps=-1))
    with torch.no_grad():
        model.gpt_neox.embed_in.weight[:] = torch.nan
    with pytest.raises(NotFiniteError, match="tuned lens of the model"):
        tuned_lens.train(model, tuned_lens.read(model, text(2)))
