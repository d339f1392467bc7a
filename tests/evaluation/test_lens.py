"""Lenses: at the last depth the network itself; elsewhere what their definitions say; pairs as sentences."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
from helpers import word_models
from transformers import GPT2Config, GPT2LMHeadModel

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import lens, lens_answers
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.lens import LOGIT_LENS, Lens
from pythia_utils.evaluation.lens_answers import MEASURES
from pythia_utils.evaluation.likelihood import token_logprobs
from pythia_utils.evaluation.minimal_pairs import prepare_pairs, score_minimal_pairs

Pair = namedtuple("Pair", "phenomenon good bad")
PAIRS = [
    Pair("agreement", "the dog sleeps", "the dog sleep"),
    Pair("agreement", "the dogs sleep the cat", "the dogs sleeps the cat"),
    Pair("other", "dog the sleeps", "cat the dogs sleep"),
]
TEXT = [[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5], [8, 9, 7, 9, 3, 2], [3, 8, 4, 6, 2]]


@pytest.fixture
def network():
    """One whose answers differ between positions."""
    found = word_models.random_network()
    with torch.no_grad():
        for weight in found.parameters():
            weight.mul_(4 if weight.dim() > 1 else 1)
    return found


def some_lens(seed: int = 0) -> Lens:
    made = torch.Generator().manual_seed(seed)
    return Lens(torch.randn(2, 16, 16, generator=made) / 4, torch.randn(2, 16, generator=made))


def by_measure(found: lens_answers.Answers) -> dict[str, np.ndarray]:
    """Arrays (lenses, depths, sequences)."""
    return dict(zip(MEASURES, found.sums.swapaxes(0, 1), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_at_the_last_depth_any_lens_is_the_network(network, dtype):
    network.to(dtype)
    found = by_measure(lens_answers.answers(network, [LOGIT_LENS, some_lens()], TEXT))
    assert (found["kl"][..., -1, :] == 0).all()
    assert found["agreement"][0, -1].tolist() == [len(row) - 1 for row in TEXT]
    assert (found["kl"][:, :-1] > 0).all()
    assert found["loss"][0, -1] == pytest.approx(found["loss"][1, -1])


def test_the_last_depth_s_logits_and_loss_are_the_network_s(network):
    ids = torch.tensor(TEXT[:1])
    with torch.inference_mode():
        *_, last = lens.streams(network, lambda: network(ids))
        assert torch.equal(lens.readout(network).logits(last[0]), network(ids).logits[0])
    found = by_measure(lens_answers.answers(network, [LOGIT_LENS], TEXT))["loss"][0, -1]
    assert found == pytest.approx([-lp.sum() for lp in token_logprobs(network, TEXT)], rel=1e-5)


def test_measures_are_what_their_definitions_say(network):
    """In float64, from transformers' own hidden states, the affine map written out."""
    chosen, ids = some_lens(), torch.tensor([TEXT[0][:-1]])
    targets = torch.tensor(TEXT[0][1:])
    found = by_measure(lens_answers.answers(network, [LOGIT_LENS, chosen], TEXT[:1]))
    with torch.inference_mode():
        double = network.double()
        output = double(ids, output_hidden_states=True)
        p = output.logits[0].log_softmax(-1)
        stream = output.hidden_states[1][0]
        moved = stream @ (torch.eye(16) + chosen.matrices[1]).double() + chosen.biases[1].double()
        for which, each in enumerate([stream, moved]):
            q = double.get_output_embeddings()(double.gpt_neox.final_layer_norm(each)).log_softmax(
                -1
            )
            expected = {
                "kl": (p.exp() * (p - q)).sum(),
                "entropy": -(q.exp() * q).sum(),
                "loss": -q[range(7), targets].sum(),
                "agreement": (p.argmax(-1) == q.argmax(-1)).sum(),
            }
            own = {name: values[which, 1, 0] for name, values in found.items()}
            assert own == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-4)


def test_batches_and_blocks_change_nothing(network, monkeypatch):
    constant = torch.randn(50).log_softmax(0)
    asked = (network, [LOGIT_LENS, some_lens()])
    prepared = prepare_pairs(word_models.word_tokenizer(), PAIRS)
    whole = lens_answers.answers(*asked, TEXT, constant)
    margins = lens_answers.margins(*asked, prepared)
    monkeypatch.setattr(lens, "_CPU_LOGITS", 60)  # one position of 50 words
    small = lens_answers.answers(*asked, TEXT, constant, batch_tokens=1)
    np.testing.assert_allclose(small.sums, whole.sums, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(small.constant, whole.constant, rtol=1e-5)
    np.testing.assert_allclose(
        lens_answers.margins(*asked, prepared, batch_tokens=1), margins, atol=1e-5
    )
    assert whole.positions.tolist() == [len(row) - 1 for row in TEXT]


def test_margins_at_the_last_depth_are_the_network_s(network):
    tokenizer = word_models.word_tokenizer()
    found = lens_answers.margins(
        network, [LOGIT_LENS, some_lens()], prepare_pairs(tokenizer, PAIRS)
    )
    own = score_minimal_pairs(network, tokenizer, PAIRS)["margin"]
    assert found.shape == (2, 3, len(PAIRS))
    np.testing.assert_array_equal(found[:, -1], [own, own])
    assert (np.abs(found[0, 0] - own) > 1e-3).all()


def test_margins_before_it_are_those_of_whole_sentences(network):
    """The chain rule, one sentence at a time, by the losses of the same lens."""
    tokenizer, both = word_models.word_tokenizer(), [LOGIT_LENS, some_lens()]
    found = lens_answers.margins(network, both, prepare_pairs(tokenizer, PAIRS))
    for index, pair in enumerate(PAIRS):
        rows = [[0, *tokenizer(text)["input_ids"]] for text in (pair.good, pair.bad)]
        losses = by_measure(lens_answers.answers(network, both, rows))["loss"]
        np.testing.assert_allclose(found[..., index], losses[..., 1] - losses[..., 0], atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*NaN")
def test_no_number_is_no_answer(network):
    with torch.no_grad():
        network.gpt_neox.layers[0].mlp.dense_4h_to_h.bias[0] = torch.nan
    network.name_or_path = "a step"
    for work in (
        lambda: lens_answers.answers(network, [LOGIT_LENS], TEXT),
        lambda: lens_answers.margins(
            network, [LOGIT_LENS], prepare_pairs(word_models.word_tokenizer(), PAIRS)
        ),
    ):
        with pytest.raises(NotFiniteError, match="of a step: a logit is not finite"):
            work()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ([], "at least one"),
        ([[1, 2], [3]], "two tokens or more"),
        ([[1, 50]], "token 50"),
        ([list(range(40)) * 60], "the context of"),
    ],
)
def test_text_that_cannot_be_read_is_refused(network, text, words):
    with pytest.raises(UsageError, match=words):
        lens_answers.answers(network, [LOGIT_LENS], text)


def test_other_architectures_are_refused():
    other = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=16))
    with pytest.raises(UsageError, match="looking inside needs GPT-NeoX"):
        lens_answers.answers(other, [LOGIT_LENS], [[1, 2]])


def test_weights_that_are_elsewhere_are_told(network):
    network.get_output_embeddings().to("meta")
    with pytest.raises(UsageError, match="not in memory"):
        lens.readout(network)
